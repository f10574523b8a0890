package sent

import (
	"regexp"
	"strings"

	"github.com/relayd/relayd/relay"
)

// maxAssigned bounds a Message-ID out of a provider's answer: a line of a header has
// at most 998 octets (RFC 5322 §2.1.1), and no provider comes near that.
const maxAssigned = 250

// headerIDs is under which Message-IDs a copy of the message may lie: its own, and
// the one that the provider gave it, where its answer to the final dot names that.
func headerIDs(a *relay.Account, filing *relay.Filing) []string {
	ids := []string{filing.Message.HeaderID}
	if !a.Card.ReplyNamesID {
		return ids
	}
	if assigned := assignedID(a.SMTP.Host, filing.Reply); assigned != "" && assigned != filing.Message.HeaderID {
		ids = append(ids, assigned)
	}
	return ids
}

// assignedID is the Message-ID that a provider gave a message, out of its answer to the
// final dot; empty if the answer names none. Outlook.com and others write it as it is:
// "250 2.0.0 OK <…@….outlook.com>". Amazon's SES and WorkMail write only its left part,
// "250 Ok 0100…-000000", and the region of the host tells the right one.
func assignedID(host string, reply relay.Reply) string {
	if reply.Code/100 != 2 {
		return ""
	}
	if id := bracketed(reply.Text); id != "" {
		return id
	}
	domain := amazonDomain(host)
	if domain == "" {
		return ""
	}
	for word := range strings.FieldsSeq(reply.Text) {
		if amazonID.MatchString(word) {
			return "<" + word + "@" + domain + ">"
		}
	}
	return ""
}

// bracketed gives the first msg-id (RFC 5322 §3.6.4) in a text.
func bracketed(text string) string {
	for {
		_, rest, opened := strings.Cut(text, "<")
		if !opened {
			return ""
		}
		id, _, closed := strings.Cut(rest, ">")
		if closed && isMessageID(id) {
			return "<" + id + ">"
		}
		text = rest
	}
}

// isMessageID reports whether s looks like a msg-id without its brackets: two parts
// and an "@", all of it printable ASCII without spaces, quotes and brackets.
func isMessageID(s string) bool {
	left, right, found := strings.Cut(s, "@")
	return found && left != "" && right != "" && len(s) <= maxAssigned &&
		!strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune(`<>"()\,;:`, r) }) &&
		!strings.Contains(right, "@")
}

// amazonID is the form "0100017f2a1b2c3d-1234abcd-12ab-34cd-56ef-1234567890ab-000000".
var amazonID = regexp.MustCompile(`^[0-9a-f]{16}(-[0-9a-f]{4,12}){5}-[0-9]{6}$`)

// amazonDomain is the right part of the Message-IDs that Amazon gives to mail which it
// takes at a host; empty if the host is none of Amazon's. The first region has a name
// of its own.
func amazonDomain(host string) string {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	region := ""
	if rest, ok := strings.CutSuffix(host, ".amazonaws.com"); ok { // email-smtp.REGION.amazonaws.com
		region, ok = strings.CutPrefix(rest, "email-smtp.")
		if !ok {
			region = strings.TrimPrefix(rest, "email-smtp-fips.")
		}
	} else if rest, ok := strings.CutSuffix(host, ".awsapps.com"); ok { // smtp.mail.REGION.awsapps.com
		region = strings.TrimPrefix(rest, "smtp.mail.")
	}
	switch {
	case region == "us-east-1":
		return "email.amazonses.com"
	case region == "" || strings.ContainsFunc(region, notRegion):
		return ""
	}
	return region + ".amazonses.com"
}

func notRegion(r rune) bool { return r != '-' && (r < 'a' || r > 'z') && (r < '0' || r > '9') }
