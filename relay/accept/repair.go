package accept

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"github.com/relayd/relayd/internal/mailaddr"
	"github.com/relayd/relayd/relay"
)

// repair gives the header block as it is spooled, with its empty line, and notes in
// m what the rest of the message's life needs of it. Fields that are neither
// removed nor the one From keep every octet and their order.
func (a *Acceptor) repair(ctx context.Context, sub *relay.Submission, head *header, m *relay.Message) ([]byte, error) {
	from, err := a.fromField(ctx, sub, head, m)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	b.Grow(head.end + 512)
	b.WriteString(a.received(sub, m))
	for _, f := range head.fields {
		drop, err := a.drops(ctx, f, m)
		if err != nil {
			return nil, err
		}
		switch {
		case drop:
		case f.is("From"):
			b.Write(from)
		default:
			b.Write(f.raw)
		}
	}
	a.addMissing(&b, head, m)
	b.WriteString("\r\n")
	return b.Bytes(), nil
}

// drops reports whether a field does not go on.
func (a *Acceptor) drops(ctx context.Context, f field, m *relay.Message) (bool, error) {
	switch {
	case f.is("Return-Path"): // RFC 5321 §4.4: the one who delivers finally writes it
		return true, nil
	case f.is("Bcc"), f.is("Resent-Bcc"): // RFC 5322 §3.6.3: not on the wire
		if value := strings.TrimSpace(string(f.value())); value != "" {
			m.Bcc = append(m.Bcc, value)
		}
		return true, nil
	case f.is("Authentication-Results"): // RFC 8601 §5: nobody else speaks in our name
		return strings.EqualFold(authservID(f.unfolded()), a.Hostname), nil
	case f.is("DKIM-Signature"):
		return a.dropsSignature(ctx, f)
	case f.is("Message-ID"), f.is("Date"):
		return f.unfolded() == "", nil // as good as missing
	}
	return false, nil
}

// maxDomain is the longest name of the DNS (RFC 1035 §2.3.4); without it a made-up
// name could cost a look-up for each of its thousands of labels.
const maxDomain = 253

// dropsSignature drops a client's signature of a domain that we answer for: there
// relayd signs with the domain's key, or nobody does (attack row F7). Signatures of
// other domains are no business of ours.
func (a *Acceptor) dropsSignature(ctx context.Context, f field) (bool, error) {
	domain := signingDomain(f.unfolded())
	if domain == "" || len(domain) > maxDomain {
		return true, nil
	}
	if within(a.Hostname, domain) || within(domain, a.Hostname) {
		return true, nil
	}
	// A signature of a subdomain counts for its parent (RFC 7489 §3.1.1).
	for parent := domain; parent != ""; {
		org, err := found(a.Directory.OrganisationOf(ctx, parent))
		if err != nil {
			return false, relay.Fault(fmt.Errorf("find the owner of %s: %w", parent, err))
		}
		if org != nil {
			return true, nil
		}
		_, parent, _ = strings.Cut(parent, ".")
	}
	return false, nil
}

// within reports whether a domain is parent or lies under it. A single label is no
// parent: example would speak for all of .example.
func within(domain, parent string) bool {
	if !strings.Contains(parent, ".") {
		return false
	}
	domain, parent = strings.ToLower(domain), strings.ToLower(parent)
	return domain == parent || strings.HasSuffix(domain, "."+parent)
}

// signingDomain is the d= of a DKIM-Signature (RFC 6376 §3.2), in lower case; empty
// if there is not exactly one.
func signingDomain(value string) string {
	domain := ""
	for tag := range strings.SplitSeq(value, ";") {
		name, text, ok := strings.Cut(tag, "=")
		if !ok || strings.TrimSpace(name) != "d" {
			continue
		}
		if domain != "" {
			return ""
		}
		domain = strings.ToLower(strings.TrimSuffix(strings.TrimSpace(text), "."))
	}
	return domain
}

// authservID is the name that an Authentication-Results field speaks for (RFC 8601
// §2.2).
func authservID(value string) string {
	p := mailboxParser{rest: value}
	if err := p.skipCFWS(); err != nil {
		return ""
	}
	name := p.rest
	if strings.HasPrefix(name, `"`) {
		return strings.Trim(name[:mailaddr.QuotedLength(p.rest)], `"`)
	}
	if end := strings.IndexAny(name, " \t;("); end >= 0 {
		name = name[:end]
	}
	return name
}

// addMissing adds what RFC 6409 §8.2 and §8.3 let a submission server add.
func (a *Acceptor) addMissing(b *bytes.Buffer, head *header, m *relay.Message) {
	dated := false
	for _, f := range head.all("Date") {
		dated = f.unfolded() != ""
	}
	if !dated {
		fmt.Fprintf(b, "Date: %s\r\n", date(m.Accepted))
	}
	m.HeaderID = head.messageID()
	if m.HeaderID == "" {
		// The name of the message is random, so the Message-ID is unique (RFC 5322
		// §3.6.4); the domain is the sender's, so it tells nothing more.
		domain := m.From.Domain
		if strings.HasPrefix(domain, "[") {
			domain = a.Hostname
		}
		m.HeaderID = "<" + m.ID.String() + "@" + domain + ">"
		fmt.Fprintf(b, "Message-ID: %s\r\n", m.HeaderID)
	}
}
