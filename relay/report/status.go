package report

import (
	"strings"
	"time"

	"github.com/relayd/relayd/relay"
)

// rfc5322Date is a date of RFC 5322 §3.3.
const rfc5322Date = "Mon, 02 Jan 2006 15:04:05 -0700"

// statusPart writes the part for programs: what concerns the message (RFC 3464
// §2.2), then one group for each recipient (§2.3).
func (n *notice) statusPart() []byte {
	w := &fieldWriter{utf8: n.global()}
	if id := n.m.Envelope.EnvID; isPrintableASCII(id) {
		w.field("Original-Envelope-Id", id)
	}
	w.field("Reporting-MTA", "dns; "+n.opts.Hostname)
	w.field("Arrival-Date", n.m.Accepted.Format(rfc5322Date))
	for _, i := range n.due {
		w.end()
		n.recipientStatus(w, i)
	}
	return w.buf.Bytes()
}

func (n *notice) recipientStatus(w *fieldWriter, i int) {
	recipient, state := &n.m.Envelope.Recipients[i], &n.s.Recipients[i]
	if kind, address, ok := strings.Cut(recipient.ORcpt, ";"); ok && isAtom(kind) && address != "" {
		w.field("Original-Recipient", kind+"; "+address)
	}
	w.field("Final-Recipient", finalRecipient(recipient.Address))
	w.field("Action", action(n.kind))
	w.field("Status", status(n.kind, state.Reply).String())
	if state.Reply.Code != 0 {
		if host := remoteHost(state.Peer); host != "" {
			w.field("Remote-MTA", "dns; "+host)
		}
		w.field("Diagnostic-Code", "smtp; "+state.Reply.String())
	}
	if !state.At.IsZero() {
		w.field("Last-Attempt-Date", state.At.Format(rfc5322Date))
	}
	w.field("Final-Log-ID", n.m.ID.String())
	if until := n.retryUntil(); !until.IsZero() {
		w.field("Will-Retry-Until", until.Format(rfc5322Date))
	}
}

// finalRecipient writes an address with its type: RFC 3464 §2.3.2, RFC 6533 §3.
func finalRecipient(a relay.Address) string {
	if a.NeedsSMTPUTF8() {
		return "utf-8; " + a.String()
	}
	return "rfc822; " + a.String()
}

// action is the value of RFC 3464 §2.3.3. A delivery is called relayed: the next
// server took the message, but does not tell what becomes of it.
func action(kind relay.ReportKind) string {
	switch kind {
	case relay.ReportDelay:
		return "delayed"
	case relay.ReportSuccess:
		return "relayed"
	}
	return "failed"
}

// status is the code of RFC 3464 §2.3.4: what the peer gave, if its class fits.
func status(kind relay.ReportKind, reply relay.Reply) relay.Enhanced {
	class := reply.Enhanced[0]
	if class == 0 {
		class = reply.Code / 100
	}
	fits := reply.Enhanced[0] == class
	switch {
	case kind == relay.ReportSuccess:
		return relay.Enhanced{2, 0, 0}
	case kind == relay.ReportDelay && class == 4 && fits:
		return reply.Enhanced
	case kind == relay.ReportDelay:
		return relay.Enhanced{4, 0, 0}
	case class == 5 && fits:
		return reply.Enhanced
	case class == 5:
		return relay.Enhanced{5, 0, 0}
	}
	return relay.Enhanced{4, 4, 7} // RFC 3463 §3.5: the delivery time expired
}

// remoteHost takes the name of a peer, as relay.Peer writes it, out of its text.
func remoteHost(peer string) string {
	host, _, _ := strings.Cut(peer, " ")
	if !strings.Contains(host, ".") || strings.ContainsAny(host, "[]:") || !isAtom(host) {
		return ""
	}
	return host
}

// retryUntil is when a delayed message is given up; zero if that cannot be said.
func (n *notice) retryUntil() time.Time {
	if n.kind != relay.ReportDelay || n.s.Hold != nil {
		return time.Time{}
	}
	return n.m.Accepted.Add(n.s.HeldFor + n.opts.GiveUpAfter)
}
