package smtpwire

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/relayd/relayd/relay"
)

// prepare decides what can be decided before anything is sent: what this peer can
// never take. What remains is s.live.
func (s *sending) prepare() error {
	ext, size := s.c.ext, s.tx.Body.Size()
	if ext.MaxSize > 0 && size > ext.MaxSize {
		s.refuseAll(relay.Enhanced{5, 3, 4}, fmt.Sprintf( // RFC 1870 §6
			"The message has %d octets, and the server takes %d at most", size, ext.MaxSize))
		return nil
	}
	s.eightBit = s.tx.EightBit
	s.utf8 = s.tx.SMTPUTF8 || s.tx.From.NeedsSMTPUTF8()
	if err := s.prepareContent(); err != nil {
		return err
	}
	for i := range s.tx.Recipients {
		s.prepareRecipient(i)
	}
	return nil
}

// prepareContent looks into the content where the peer lacks what it may need.
func (s *sending) prepareContent() error {
	ext := s.c.ext
	if ext.EightBitMIME && (ext.SMTPUTF8 || !s.tx.SMTPUTF8) {
		return nil
	}
	header, body, err := findEightBit(s.ctx, s.tx.Body.Reader())
	if err != nil {
		return &sourceError{err}
	}
	if !ext.SMTPUTF8 {
		// A message is submitted under SMTPUTF8 more often than it needs it.
		s.utf8 = s.tx.From.NeedsSMTPUTF8() || (s.tx.SMTPUTF8 && header)
	}
	switch {
	case s.utf8 && !ext.SMTPUTF8:
		s.refuseAll(relay.Enhanced{5, 6, 7}, noSMTPUTF8) // RFC 6531 §3.5
	case (header || body) && !ext.EightBitMIME:
		// RFC 6152 §3: without the extension 8-bit content must not be sent.
		s.refuseAll(relay.Enhanced{5, 6, 3}, "The message holds 8-bit text, and the server does not take it")
	}
	s.eightBit = s.eightBit && (header || body)
	return nil
}

const noSMTPUTF8 = "The message needs international mail addresses (SMTPUTF8), and the server does not know them"

func (s *sending) prepareRecipient(i int) {
	a := s.tx.Recipients[i].Address
	switch {
	case s.answers[i].Where != "":
	case !isSendable(a):
		s.answers[i] = final(relay.AtRcpt, relay.Enhanced{5, 1, 3}, "The recipient's address cannot be written in SMTP")
	case a.NeedsSMTPUTF8() && !s.c.ext.SMTPUTF8:
		s.answers[i] = final(relay.AtRcpt, relay.Enhanced{5, 6, 7}, noSMTPUTF8)
	default:
		s.utf8 = s.utf8 || a.NeedsSMTPUTF8()
		s.live = append(s.live, i)
	}
}

func final(where relay.Where, code relay.Enhanced, text string) Answer {
	return Answer{Final: true, Where: where, Reply: relay.Reply{Enhanced: code, Text: text}}
}

func (s *sending) refuseAll(code relay.Enhanced, text string) {
	for i := range s.answers {
		s.answers[i] = final(relay.AtMail, code, text)
	}
}

// isSendable makes sure that an address cannot end its brackets or its line,
// wherever it came from.
func isSendable(a relay.Address) bool {
	for i := range len(a.Local) {
		if c := a.Local[i]; c < ' ' || c == 0x7f {
			return false
		}
	}
	for i := range len(a.Domain) {
		if c := a.Domain[i]; c <= ' ' || c >= 0x7f || c == '<' || c == '>' || c == '@' || c == '"' || c == '\\' {
			return false
		}
	}
	return a.Local != "" && a.Domain != ""
}

// findEightBit reports whether the header and the body hold octets over 127.
func findEightBit(ctx context.Context, r io.Reader) (header, body bool, err error) {
	buf := make([]byte, readSize)
	inHeader, tail := true, []byte("\r\n") // an empty first line is an empty header
	for ctx.Err() == nil {
		n, err := r.Read(buf)
		p := buf[:n]
		if inHeader {
			end := headerEnd(tail, p)
			header = header || hasEightBit(p[:min(end, n)])
			inHeader = end > n
			tail = append(tail[:0], lastOctets(tail, p)...)
			p = p[min(end, n):]
		}
		body = body || hasEightBit(p)
		if err == io.EOF {
			return header, body, nil
		}
		if err != nil {
			return header, body, err
		}
	}
	return header, body, context.Cause(ctx)
}

// headerEnd gives the index in p behind the empty line that ends the header, or
// more than len(p) if it is not there. before is what came before p.
func headerEnd(before, p []byte) int {
	joined := append(slices.Clone(before), p...)
	if i := bytes.Index(joined, []byte("\r\n\r\n")); i >= 0 {
		return max(i+4-len(before), 0)
	}
	return len(p) + 1
}

// lastOctets keeps what an empty line could begin with.
func lastOctets(before, p []byte) []byte {
	joined := append(slices.Clone(before), p...)
	return joined[max(0, len(joined)-3):]
}

func hasEightBit(p []byte) bool {
	for _, c := range p {
		if c >= 0x80 {
			return true
		}
	}
	return false
}
