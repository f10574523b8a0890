package smtpwire

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/relayd/relayd/relay"
)

// envelope names sender and recipients and asks for the 354, in as few flights as
// the peer allows. It reports whether the peer waits for the content.
func (s *sending) envelope() (open bool, err *ClientError) {
	if !s.c.ext.Pipelining {
		return s.envelopeInSteps()
	}
	for start := 0; start < len(s.live); start += pipelineDepth {
		group := s.live[start:min(start+pipelineDepth, len(s.live))]
		last := start+len(group) == len(s.live)
		out := s.c.out[:0]
		if start == 0 {
			out = s.appendMail(out)
		}
		for _, i := range group {
			out = s.appendRcpt(out, i)
		}
		if last {
			out = append(out, "DATA\r\n"...)
		}
		if err := s.flight(out, relay.AtMail); err != nil {
			return false, err
		}
		if err := s.takeEnvelope(start == 0, group); err != nil {
			return false, err
		}
		if last {
			return s.takeData()
		}
		if !s.mailOK {
			return false, nil
		}
	}
	return false, nil
}

// envelopeInSteps is for peers without PIPELINING: one command, one answer.
func (s *sending) envelopeInSteps() (open bool, err *ClientError) {
	if err := s.flight(s.appendMail(s.c.out[:0]), relay.AtMail); err != nil {
		return false, err
	}
	if err := s.takeMail(); err != nil || !s.mailOK {
		return false, err
	}
	for _, i := range s.live {
		if err := s.flight(s.appendRcpt(s.c.out[:0], i), relay.AtRcpt); err != nil {
			return false, err
		}
		if err := s.takeRcpt(i); err != nil {
			return false, err
		}
	}
	if len(s.accepted) == 0 {
		return false, nil
	}
	if err := s.flight(append(s.c.out[:0], "DATA\r\n"...), relay.AtData); err != nil {
		return false, err
	}
	return s.takeData()
}

// flight sends what stands in out, which is s.c.out grown.
func (s *sending) flight(out []byte, where relay.Where) *ClientError {
	s.c.out = out
	if err := s.c.due(where); err != nil {
		return asClientError(where, err)
	}
	if err := s.c.wire.write(out, s.c.opts.Timeouts.DataBlock); err != nil {
		return s.lastWords(where, err)
	}
	return nil
}

// lastWords looks for the answer of a peer that stopped reading: servers say why
// before they close.
func (s *sending) lastWords(where relay.Where, cause error) *ClientError {
	e := failed(where, cause)
	if reply, err := s.c.wire.read(s.c.opts.Limits, s.c.opts.Timeouts.Quit); err == nil && reply.Code >= 400 {
		e = refused(where, reply)
	}
	return s.c.breakWith(e)
}

func (s *sending) takeEnvelope(withMail bool, group []int) *ClientError {
	if withMail {
		if err := s.takeMail(); err != nil {
			return err
		}
	}
	for _, i := range group {
		if err := s.takeRcpt(i); err != nil {
			return err
		}
	}
	return nil
}

// answer reads the answer that is due. One that is neither a success nor a refusal
// breaks the protocol here; a 421 ends everything.
func (s *sending) answer(where relay.Where, d time.Duration) (Reply, *ClientError) {
	reply, err := s.c.reply(where, d)
	if err != nil {
		return reply, asClientError(where, err)
	}
	if reply.Code >= 300 && reply.Code < 400 && reply.Code != 354 {
		return reply, s.c.breakWith(refused(where, reply))
	}
	return reply, s.c.broken
}

func (s *sending) takeMail() *ClientError {
	reply, err := s.answer(relay.AtMail, s.c.opts.Timeouts.Mail)
	if err != nil {
		return err
	}
	switch {
	case reply.Code < 300:
		s.mailOK = true
	case reply.Code < 400:
		return s.c.breakWith(refused(relay.AtMail, reply))
	default:
		s.settle(relay.AtMail, reply.Public())
	}
	return nil
}

func (s *sending) takeRcpt(i int) *ClientError {
	reply, err := s.answer(relay.AtRcpt, s.c.opts.Timeouts.Rcpt)
	if err != nil {
		return err
	}
	switch {
	case reply.Code >= 400 && s.mailOK:
		s.answers[i] = Answer{Where: relay.AtRcpt, Reply: reply.Public()}
	case reply.Code >= 400: // answered by the refusal of MAIL
	case reply.Code >= 300 || !s.mailOK:
		return s.c.breakWith(protocol(relay.AtRcpt, "unexpected answer "+reply.Public().String()))
	default:
		s.accepted = append(s.accepted, i)
	}
	return nil
}

// takeData reads the answer to DATA. After a refusal of MAIL or of every RCPT a
// refusal of DATA says nothing new (RFC 2920 §3.1).
func (s *sending) takeData() (open bool, err *ClientError) {
	reply, err := s.answer(relay.AtData, s.c.opts.Timeouts.DataStart)
	switch {
	case err != nil:
		return false, err
	case reply.Code == 354:
		return true, nil
	case reply.Code < 400:
		return false, s.c.breakWith(protocol(relay.AtData, "unexpected answer "+reply.Public().String()))
	}
	s.settle(relay.AtData, reply.Public())
	return false, nil
}

// appendMail writes MAIL with the parameters that the peer knows and the message
// needs. Every octet of it comes from typed values.
func (s *sending) appendMail(dst []byte) []byte {
	ext := s.c.ext
	dst = append(append(dst, "MAIL FROM:"...), s.tx.From.Path()...)
	if ext.Size {
		dst = strconv.AppendInt(append(dst, " SIZE="...), s.tx.Body.Size(), 10) // RFC 1870 §3
	}
	if s.eightBit && ext.EightBitMIME {
		dst = append(dst, " BODY=8BITMIME"...) // RFC 6152 §2
	}
	if s.utf8 && ext.SMTPUTF8 {
		dst = append(dst, " SMTPUTF8"...) // RFC 6531 §3.4
	}
	if ext.DSN {
		dst = s.appendMailDSN(dst)
	}
	return append(dst, '\r', '\n')
}

func (s *sending) appendMailDSN(dst []byte) []byte {
	switch s.tx.Ret {
	case relay.RetFull:
		dst = append(dst, " RET=FULL"...) // RFC 3461 §4.3
	case relay.RetHeaders:
		dst = append(dst, " RET=HDRS"...)
	}
	if s.tx.EnvID != "" {
		dst = appendXtext(append(dst, " ENVID="...), s.tx.EnvID) // RFC 3461 §4.4
	}
	return dst
}

func (s *sending) appendRcpt(dst []byte, i int) []byte {
	r := &s.tx.Recipients[i]
	dst = append(append(dst, "RCPT TO:"...), r.Address.Path()...)
	if s.c.ext.DSN {
		dst = appendNotify(dst, r.Notify)
		dst = appendORcpt(dst, r.ORcpt)
	}
	return append(dst, '\r', '\n')
}

// appendNotify writes NOTIFY (RFC 3461 §4.1): NEVER stands alone.
func appendNotify(dst []byte, n relay.Notify) []byte {
	if n == 0 {
		return dst
	}
	if n&relay.NotifyNever != 0 {
		return append(dst, " NOTIFY=NEVER"...)
	}
	divider := " NOTIFY="
	for _, v := range []struct {
		bit  relay.Notify
		name string
	}{{relay.NotifySuccess, "SUCCESS"}, {relay.NotifyFailure, "FAILURE"}, {relay.NotifyDelay, "DELAY"}} {
		if n&v.bit != 0 {
			dst = append(append(dst, divider...), v.name...)
			divider = ","
		}
	}
	return dst
}

// appendORcpt writes ORCPT (RFC 3461 §4.2) from "type;address". A type that could
// end the parameter is left out with it.
func appendORcpt(dst []byte, orcpt string) []byte {
	kind, address, ok := strings.Cut(orcpt, ";")
	if !ok || address == "" || !isMechanism(strings.ToUpper(kind)) {
		return dst
	}
	dst = append(append(append(dst, " ORCPT="...), kind...), ';')
	if strings.EqualFold(kind, "utf-8") {
		return appendUnitext(dst, address)
	}
	return appendXtext(dst, address)
}

// appendUnitext writes utf-8-addr-xtext (RFC 6533 §3), which every server can
// read: \x{HEX} for whatever is not plain.
func appendUnitext(dst []byte, s string) []byte {
	for _, c := range s {
		if c <= ' ' || c >= 0x7f || c == '+' || c == '=' || c == '\\' {
			dst = fmt.Appendf(dst, `\x{%X}`, c)
			continue
		}
		dst = append(dst, byte(c))
	}
	return dst
}

// appendXtext writes xtext (RFC 3461 §4): whatever is not a printable ASCII
// character other than "+" and "=" becomes "+" and two hexadecimal digits.
func appendXtext(dst []byte, s string) []byte {
	const digits = "0123456789ABCDEF"
	for i := range len(s) {
		c := s[i]
		if c <= ' ' || c >= 0x7f || c == '+' || c == '=' {
			dst = append(dst, '+', digits[c>>4], digits[c&15])
			continue
		}
		dst = append(dst, c)
	}
	return dst
}

// asClientError gives the typed error of a step; every error of this package's
// client is one already.
func asClientError(where relay.Where, err error) *ClientError {
	var e *ClientError
	if errors.As(err, &e) {
		return e
	}
	return failed(where, err)
}

// isContentFault reports whether the content itself can never be sent.
func isContentFault(err error) bool { return errors.Is(err, ErrBadContent) }

// isSourceFault reports whether the content could not be read.
func isSourceFault(err error) bool {
	var e *sourceError
	return errors.As(err, &e)
}
