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
	s.c.in = room(s.c.in, min(s.tx.Body.Size()+1, readSize))
	header, body, err := findEightBit(s.ctx, s.tx.Body.Reader(), s.c.in[:cap(s.c.in)])
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

// findEightBit reports whether the header and the body hold octets over 127. buf is
// the room to read into.
func findEightBit(ctx context.Context, r io.Reader, buf []byte) (header, body bool, err error) {
	f := eightBitFinder{inHeader: true, tail: []byte("\r\n")} // an empty first line is an empty header
	for ctx.Err() == nil {
		n, err := r.Read(buf)
		f.take(buf[:n])
		if err == io.EOF {
			return f.header, f.body, nil
		}
		if err != nil {
			return f.header, f.body, err
		}
	}
	return f.header, f.body, context.Cause(ctx)
}

// eightBitFinder looks at content piece by piece.
type eightBitFinder struct {
	inHeader     bool
	tail         []byte // the last octets before the piece, as far as an empty line may begin in them
	header, body bool
}

func (f *eightBitFinder) take(p []byte) {
	if f.inHeader {
		end := f.headerEnd(p)
		f.header = f.header || HasEightBit(p[:end])
		p = p[end:]
	}
	f.body = f.body || HasEightBit(p)
}

// headerEnd gives how much of p belongs to the header, and notes if it ends there.
func (f *eightBitFinder) headerEnd(p []byte) int {
	const empty = "\r\n\r\n"
	border := slices.Concat(f.tail, p[:min(len(p), len(empty)-1)])
	if i := bytes.Index(border, []byte(empty)); i >= 0 {
		f.inHeader = false
		return max(i+len(empty)-len(f.tail), 0)
	}
	if i := bytes.Index(p, []byte(empty)); i >= 0 {
		f.inHeader = false
		return i + len(empty)
	}
	last := border
	if len(p) >= len(empty) {
		last = p
	}
	f.tail = bytes.Clone(last[max(0, len(last)-len(empty)+1):])
	return len(p)
}
