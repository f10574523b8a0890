package accept

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"strings"
	"time"

	"github.com/relayd/relayd/internal/mailaddr"
	"github.com/relayd/relayd/relay"
)

// markSize is how many octets of the keyed hash stand in our Received field: enough
// that nobody guesses one, and short enough to read over.
const markSize = 8

// markOpens stands before the mark, after the id.
const markOpens = " (mark "

// received is the trace field of RFC 5321 §4.4. The address of the client is left
// out unless the operator wants it: the message leaves in a person's name, and
// where that person's application runs is nobody's business.
func (a *Acceptor) received(sub *relay.Submission, m *relay.Message) string {
	var b strings.Builder
	b.WriteString("Received: from ")
	b.WriteString(a.clientName(sub.Client))
	b.WriteString("\r\n\tby ")
	b.WriteString(a.Hostname)
	b.WriteString(" with ")
	b.WriteString(m.Protocol) // RFC 3848, RFC 6531 §4.3
	b.WriteString(" id ")
	b.WriteString(m.ID.String())
	b.WriteString(markOpens)
	b.WriteString(a.mark(m.ID.String()))
	b.WriteString(");\r\n\t")
	b.WriteString(date(m.Accepted))
	b.WriteString("\r\n")
	return b.String()
}

// clientName is Extended-Domain of RFC 5321 §4.4.
func (a *Acceptor) clientName(c relay.Client) string {
	addr := c.Addr.Addr().Unmap()
	hello := c.Hello
	if _, err := mailaddr.ParseDomain(hello); err != nil {
		hello = "unknown" // an address literal would tell what is to be hidden
	}
	if !a.ShowClient || !addr.IsValid() {
		return hello
	}
	return hello + " (" + literal(addr) + ")"
}

// literal is address-literal of RFC 5321 §4.1.3.
func literal(addr netip.Addr) string {
	if addr.Is4() {
		return "[" + addr.String() + "]"
	}
	return "[IPv6:" + addr.WithZone("").String() + "]"
}

// date is date-time of RFC 5322 §3.3. UTC, because the zone of the server tells
// nothing about the sender.
func date(t time.Time) string { return t.UTC().Format("Mon, 2 Jan 2006 15:04:05 -0700") }

// mark proves that a Received field with this id was written here: nobody without
// the key can make one, and so nobody can make us cut another's mail.
func (a *Acceptor) mark(id string) string {
	mac := hmac.New(sha256.New, a.LoopKey)
	mac.Write([]byte(id))
	return hex.EncodeToString(mac.Sum(nil)[:markSize])
}

// checkLoop cuts a message that has passed too many hosts, or this one too often
// (RFC 5321 §6.3, attack row R8).
func (a *Acceptor) checkLoop(head *header) error {
	total, own := 0, 0
	for _, f := range head.fields {
		if !f.is("Received") {
			continue
		}
		total++
		if a.isOwn(f) {
			own++
		}
	}
	if total > a.MaxReceived || own >= a.MaxPasses {
		return errLoop()
	}
	return nil
}

// isOwn looks for an id with its mark.
func (a *Acceptor) isOwn(f field) bool {
	rest := f.value()
	for {
		i := bytes.Index(rest, []byte(markOpens))
		if i < 0 {
			return false
		}
		mark := rest[i+len(markOpens):]
		if i >= relay.IDLength && len(mark) >= 2*markSize {
			want := a.mark(string(rest[i-relay.IDLength : i]))
			if hmac.Equal(mark[:2*markSize], []byte(want)) {
				return true
			}
		}
		rest = mark
	}
}
