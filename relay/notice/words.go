package notice

import (
	"fmt"
	"strings"
	"time"

	"github.com/relayd/relayd/relay"
)

// maxListed is how many accounts one mail lists.
const maxListed = 50

// maxBy is how many characters of a name that others chose are shown.
const maxBy = 100

// url is where a token is opened.
func (s *Service) url(token string) string {
	return strings.TrimRight(s.o.BaseURL, "/") + LinkPath + token
}

// moment writes a time for people. Where they are is not known.
func moment(t time.Time) string { return t.UTC().Format("Monday, 2 January 2006, 15:04 UTC") }

// ownerWords is what the owner of a broken account is told.
type ownerWords struct {
	Host    string
	Account *relay.Account
	Policy  relay.Policy
	Waiting int    // messages; negative: not known
	URL     string // to mend it; empty: there are no pages
	Until   time.Time
}

func (w *ownerWords) subject() string {
	return "Your mail account needs you: " + relay.Printable(w.Account.Address.String())
}

func (w *ownerWords) pieces() []piece {
	address := relay.Printable(w.Account.Address.String())
	out := []piece{
		para("%s sends the mail of your applications through your mail account %s. Since %s this does not work any more:",
			w.Host, address, moment(w.Account.StateSince)),
		para("%s", reason(w.Account.StateReason)),
		para("%s %s", w.count(), w.fate()),
	}
	if w.URL == "" {
		out = append(out, para("To mend it, ask your mail administrator, who sets a new password with this command:"),
			piece{code: "relayd account update " + address + " --password"})
	} else {
		out = append(out, para("To mend it, sign in to your mail account again:"),
			piece{text: "Mend " + address, url: w.URL},
			para("This link works once, and until %s. Whoever has it can connect a mailbox in your name, so do not pass it on.", moment(w.Until)))
	}
	return append(out, para("You get this mail once for each time that the account stops working. It needs no answer."))
}

// count says what waits.
func (w *ownerWords) count() string {
	switch {
	case w.Waiting == 1:
		return "Your mail waits: 1 message."
	case w.Waiting > 1:
		return fmt.Sprintf("Your mail waits: %d messages.", w.Waiting)
	case w.Waiting == 0:
		return "At this moment no message waits, but new mail will."
	}
	return "Your mail waits."
}

// fate says what becomes of it.
func (w *ownerWords) fate() string {
	after := w.Policy.BrokenAfter
	if after <= 0 {
		after = relay.DefaultBrokenAfter
	}
	until := moment(w.Account.StateSince.Add(after))
	switch w.Policy.Broken {
	case relay.BrokenDirect:
		return "Nothing is lost. It leaves by itself as soon as the account works again. What still waits on " + until +
			" is then sent without your account, so that it may be taken for forged and is missing in your Sent folder."
	case relay.BrokenReturn:
		return "It leaves by itself as soon as the account works again. What still waits on " + until + " is then returned to its sender."
	}
	return "Nothing is lost and nothing is returned. It leaves by itself as soon as the account works again."
}

func reason(text string) string {
	if text = relay.Printable(text); text != "" {
		return text
	}
	return "The reason is not known."
}

// administratorWords is what the administrators are told.
type administratorWords struct {
	Host    string
	BaseURL string
	Listed  []trouble
}

func (w *administratorWords) subject() string {
	if len(w.Listed) == 1 {
		return "A mail account needs attention: " + relay.Printable(w.Listed[0].address.String())
	}
	return fmt.Sprintf("%d mail accounts need attention", len(w.Listed))
}

func (w *administratorWords) pieces() []piece {
	out := []piece{para("These mail accounts of your organisation do not work. %s keeps their mail until somebody mends them:", w.Host)}
	for i, p := range w.Listed {
		if i == maxListed {
			break
		}
		out = append(out, piece{item: relay.Printable(p.address.String()), text: "since " + moment(p.since) + ". " + reason(p.reason)})
	}
	if more := len(w.Listed) - maxListed; more > 0 {
		out = append(out, para("And %d more.", more))
	}
	out = append(out, para("The owner of an account can mend it, and was sent a mail about it where that helps."))
	if w.BaseURL == "" {
		return append(out, para("This command tells more about an account:"), piece{code: "relayd account show ADDRESS"},
			para("You get at most one such mail in a day."))
	}
	return append(out, piece{text: "Look at the accounts", url: w.BaseURL}, para("You get at most one such mail in a day."))
}

// codeWords is what goes to a mailbox that is to be bound to its user.
func codeWords(host string, r Request, code relay.Secret) []piece {
	address := relay.Printable(r.To.String())
	return []piece{
		para("Somebody wants to send mail as %s through %s%s. If that is you, type this code where you were asked for it:",
			address, host, by(r.By)),
		{code: readable(code)},
		para("The code works for %d minutes. Whoever has it can send mail in your name: give it to nobody, whoever asks.",
			int(CodeLifetime.Minutes())),
		para("If you did not ask for it, you need not do anything."),
	}
}

// invitationWords is what a person is sent who is to connect an account.
func invitationWords(host string, r Request, url string, until time.Time) []piece {
	address := relay.Printable(r.To.String())
	return []piece{
		para("You are asked to connect your mail account %s to %s%s. Mail that your applications send in your name then leaves through your own account, and lies in your Sent folder.",
			address, host, by(r.By)),
		{text: "Connect " + address, url: url},
		para("This link works once, and until %s. Whoever has it can connect a mailbox in your name, so do not pass it on.", moment(until)),
		para("If you do not know what this is about, ask your mail administrator before you do anything."),
	}
}

// by names who asked, if that is known. The name is text that others chose.
func by(name string) string {
	runes := []rune(relay.Printable(name))
	if len(runes) == 0 {
		return ""
	}
	return " (asked for by " + string(runes[:min(len(runes), maxBy)]) + ")"
}
