package simulator

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/relayd/relayd/internal/simulator/exchange"
	"github.com/relayd/relayd/internal/simulator/oauthsim"
)

// Plain is a provider without habits of its own. It takes passwords, and OAuth
// tokens too.
func Plain() Personality {
	return Personality{
		Name:       "plain",
		Mechanisms: []string{"PLAIN", "LOGIN", xoauth2, oauthBearer},
	}
}

// Gmail behaves as Gmail and Google Workspace do.
func Gmail() Personality {
	return Personality{
		Name:            "gmail",
		FilesSent:       true,
		SentFolder:      "[Gmail]/Sent Mail",
		DraftsFolder:    "[Gmail]/Drafts",
		JunkFolder:      "[Gmail]/Spam",
		TrashFolder:     "[Gmail]/Trash",
		AllFolder:       "[Gmail]/All Mail",
		AppendReplaces:  true,
		Capabilities:    []string{"X-GM-EXT-1"},
		Mechanisms:      []string{"LOGIN", "PLAIN", xoauth2, oauthBearer},
		AppPasswords:    true,
		BearerChallenge: true,
		AuthRefusal:     "535 5.7.8 Username and Password not accepted. For more information, go to https://support.google.com/mail/?p=BadCredentials",
		LoginRefusal:    "NO [AUTHENTICATIONFAILED] Invalid credentials (Failure)",
		AnySender:       true,
		ForeignFrom:     RewriteFrom,
		LimitRefusal:    "550 5.4.5 Daily user sending limit exceeded. For more information on Gmail sending limits go to https://support.google.com/a/answer/166852",
		OAuth:           OAuthBehaviour{Dialect: oauthsim.Google},
	}
}

// Office365 behaves as Exchange Online does: tokens and no passwords.
func Office365() Personality {
	return Personality{
		Name:           "office365",
		FilesSent:      true,
		SentFolder:     "Sent Items",
		JunkFolder:     "Junk Email",
		TrashFolder:    "Deleted Items",
		HideSpecialUse: true,
		Mechanisms:     []string{xoauth2},
		AuthRefusal:    "535 5.7.3 Authentication unsuccessful [SIMULATOR.prod.outlook.com]",
		LoginRefusal:   "NO AUTHENTICATE failed.",
		Connections:    3,
		AnySender:      true, // it looks at From only when the message is complete
		ForeignFrom:    RefuseFrom,
		FromRefusal: "554 5.2.252 SendAsDenied; {user} not allowed to send as {from}; " +
			"STOREDRV.Submission.Exception:SendAsDeniedException.MapiExceptionSendAsDenied; Failed to process message due to a permanent exception",
		Recipients:   500,
		LimitRefusal: "554 5.2.0 STOREDRV.Submission.Exception:SubmissionQuotaExceededException; Failed to process message due to a permanent exception",
		OAuth:        OAuthBehaviour{Dialect: oauthsim.Microsoft, Rotate: true, TokenLength: 1800},
	}
}

// OutlookCom behaves as Outlook.com does: as Office365, and it replaces Message-ID.
func OutlookCom() Personality {
	p := Office365()
	p.Name, p.SentFolder, p.NewIDs = "outlook_com", "Sent", "SIMULATOR.prod.outlook.com"
	return p
}

// Localised is a provider with German folders that it does not mark.
func Localised() Personality {
	return Personality{
		Name:           "localised",
		SentFolder:     "Gesendete Elemente",
		DraftsFolder:   "Entwürfe",
		JunkFolder:     "Junk-E-Mail",
		TrashFolder:    "Gelöschte Elemente",
		HideSpecialUse: true,
	}
}

// Exchange behaves as an Exchange server on a company's own premises does, with EWS
// beside SMTP and IMAP. What is sent by EWS lies in Sent Items, what comes by SMTP
// does not.
func Exchange() Personality {
	return Personality{
		Name:           "exchange",
		SentFolder:     "Sent Items",
		JunkFolder:     "Junk Email",
		TrashFolder:    "Deleted Items",
		Folders:        []string{outboxFolder},
		HideSpecialUse: true,
		AuthRefusal:    "535 5.7.3 Authentication unsuccessful",
		LoginRefusal:   "NO LOGIN failed.",
		AnySender:      true, // it looks at From only when the message is complete
		ForeignFrom:    RefuseFrom,
		FromRefusal:    "550 5.7.60 SMTP; Client does not have permissions to send as this sender",
		Recipients:     500,
		LimitRefusal:   "421 4.4.2 Message submission rate for this client has exceeded the configured limit",
		Exchange:       ExchangeBehaviour{Release: exchange.Exchange2019},
	}
}

// zohoDelay is how late Zoho's copy in Sent comes, unless another time is set.
const zohoDelay = 15 * time.Second

// Zoho is a provider that files sent mail itself, but late.
func Zoho() Personality {
	return Personality{
		Name:          "zoho",
		FilesSent:     true,
		SentDelay:     zohoDelay,
		JunkFolder:    "Spam",
		AuthRefusal:   "535 Authentication Failed",
		SenderRefusal: "553 Relaying disallowed as {from}",
		ForeignFrom:   RefuseFrom,
		FromRefusal:   "553 Relaying disallowed as {from}",
	}
}

// personalities are all of them.
func personalities() []Personality {
	return []Personality{Plain(), Gmail(), Office365(), OutlookCom(), Exchange(), Localised(), Zoho()}
}

// PersonalityNames are the names that PersonalityNamed knows.
func PersonalityNames() []string {
	var names []string
	for _, p := range personalities() {
		names = append(names, p.Name)
	}
	return names
}

// PersonalityNamed gives the personality with this name.
func PersonalityNamed(name string) (Personality, error) {
	all := personalities()
	i := slices.IndexFunc(all, func(p Personality) bool { return p.Name == name })
	if i < 0 {
		return Personality{}, fmt.Errorf("there is no personality %q; there are %s", name, strings.Join(PersonalityNames(), ", "))
	}
	return all[i], nil
}
