package report

import (
	"fmt"
	"strings"
	"time"

	"github.com/relayd/relayd/relay"
)

// maxListed is how many recipients the words list; the part for programs has all.
const maxListed = 50

// textWidth is where prose is broken.
const textWidth = 72

// subject is the news in a few words.
func (n *notice) subject() string {
	switch n.kind {
	case relay.ReportDelay:
		return "Your message is delayed"
	case relay.ReportSuccess:
		return "Your message was passed on"
	}
	return "Your message could not be delivered"
}

// text is the news for people.
func (n *notice) text() string {
	var b strings.Builder
	para(&b, "", "This is the mail system of "+n.opts.Hostname+".")
	b.WriteByte('\n')
	para(&b, "", n.opening())
	for at, i := range n.due {
		if at == maxListed {
			b.WriteByte('\n')
			para(&b, "  ", fmt.Sprintf("and %d more, which the attached report names.", len(n.due)-maxListed))
			break
		}
		b.WriteByte('\n')
		n.describe(&b, i)
	}
	b.WriteByte('\n')
	n.describeMessage(&b)
	b.WriteByte('\n')
	para(&b, "", n.closing())
	return strings.ReplaceAll(b.String(), "\n", "\r\n")
}

func (n *notice) opening() string {
	switch n.kind {
	case relay.ReportDelay:
		return "Your message has not yet been delivered to these recipients. You need not send it again: " +
			"attempts go on by themselves."
	case relay.ReportSuccess:
		return "Your message was handed to the mail servers of these recipients. " +
			"Those servers do not report what becomes of it after that."
	}
	return "Your message could not be delivered to these recipients. No further attempt will be made for them."
}

// describe says what happened to one recipient, and what it means.
func (n *notice) describe(b *strings.Builder, i int) {
	state := &n.s.Recipients[i]
	b.WriteString("  " + relay.Printable(n.m.Envelope.Recipients[i].Address.String()) + "\n")
	server := "The mail server" // only its name: the address can be one of our own network
	if host := remoteHost(state.Peer); host != "" {
		server += " " + host
	}
	switch {
	case n.kind == relay.ReportSuccess:
		para(b, "    ", server+" took the message.")
		return
	case state.Reply.Code != 0:
		para(b, "    ", server+" answered:")
		para(b, "      ", state.Reply.String())
	default:
		para(b, "    ", explain(state.Reply))
	}
	if hint := n.opts.Hint(state.Rule); hint != "" {
		para(b, "    ", hint)
	}
	if n.kind == relay.ReportFailure && status(n.kind, state.Reply)[0] != 5 {
		para(b, "    ", "The attempts were given up after "+days(n.opts.GiveUpAfter)+".")
	}
}

// describeMessage lets the reader recognise the message.
func (n *notice) describeMessage(b *strings.Builder) {
	b.WriteString("Your message:\n")
	if n.original.subject != "" {
		para(b, "  ", "Subject: "+n.original.subject)
	}
	para(b, "  ", "From: "+n.m.From.String())
	para(b, "  ", "Accepted: "+n.m.Accepted.Format(rfc5322Date))
	if isMessageID(n.m.HeaderID) {
		para(b, "  ", "Message-ID: "+n.m.HeaderID)
	}
}

func (n *notice) closing() string {
	attached := "The header of the message is attached."
	if n.original.whole {
		attached = "The message is attached."
	}
	if until := n.retryUntil(); !until.IsZero() {
		return "Attempts go on until " + until.Format(rfc5322Date) + ". " + attached
	}
	return attached + " The number of this message for your mail administrator is " + n.m.ID.String() + "."
}

// explain puts a failure without an answer into words. The detail of relay.Local is
// left out: it can tell about our own network.
func explain(reply relay.Reply) string {
	kind := strings.TrimPrefix(reply.Text, "local: ")
	for _, known := range []struct{ prefix, words string }{
		{"returned", "Your own mail account could not be used for as long as your organisation lets mail wait for it, so the message comes back to you."},
		{"address refused", "The domain names no mail server that can be reached on the Internet."},
		{"dns no such domain", "The domain of this address does not exist."},
		{"dns null MX", "The domain of this address does not accept mail."},
		{"dns mail loop", "The mail would have come back to this server."},
		{"dns", "The mail server of the domain could not be found in the DNS."},
		{"refused", "The mail server refused the connection."},
		{"timeout", "The mail server did not answer in time."},
		{"reset", "The mail server broke the connection."},
		{"connection lost", "The connection to the mail server was lost."},
		{"certificate", "The mail server could not prove who it is."},
		{"handshake", "An encrypted connection to the mail server could not be made."},
		{"starttls missing", "The mail server offers no encryption."},
		{"protocol", "The mail server gave an answer that could not be understood."},
	} {
		if strings.HasPrefix(kind, known.prefix) {
			return known.words
		}
	}
	return "The mail server could not be reached."
}

// para writes one paragraph, every line behind the indent. A word that is longer
// than a line stands alone.
func para(b *strings.Builder, indent, text string) {
	line := 0
	for word := range strings.FieldsSeq(relay.Printable(text)) {
		for _, part := range chop(word) {
			switch {
			case line == 0:
				b.WriteString(indent)
				line = len(indent)
			case line+1+len(part) > textWidth:
				b.WriteString("\n" + indent)
				line = len(indent)
			default:
				b.WriteByte(' ')
				line++
			}
			b.WriteString(part)
			line += len(part)
		}
	}
	b.WriteByte('\n')
}

func days(d time.Duration) string {
	switch n := int(d.Round(time.Hour) / (24 * time.Hour)); {
	case n > 1:
		return fmt.Sprintf("%d days", n)
	case n == 1:
		return "one day"
	}
	return d.Round(time.Minute).String()
}
