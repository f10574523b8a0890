package smtpwire

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/relayd/relayd/relay"
)

// script is a connection whose client says what it has to say and then goes
// away, without a network.
type script struct {
	in    io.Reader
	piece int
	out   bytes.Buffer
}

func (s *script) Read(p []byte) (int, error)       { return s.in.Read(p[:min(len(p), s.piece)]) }
func (s *script) Write(p []byte) (int, error)      { return s.out.Write(p) }
func (s *script) Close() error                     { return nil }
func (s *script) LocalAddr() net.Addr              { return nil }
func (s *script) RemoteAddr() net.Addr             { return nil }
func (s *script) SetDeadline(time.Time) error      { return nil }
func (s *script) SetReadDeadline(time.Time) error  { return nil }
func (s *script) SetWriteDeadline(time.Time) error { return nil }

// strictSession fails the test if it is asked something out of order.
type strictSession struct {
	t          *testing.T
	greeted    bool
	mail       bool
	recipients int
	taken      int
	seen       int
	closed     bool
}

func (s *strictSession) must(ok bool, what string) {
	if !ok || s.closed {
		s.t.Fatalf("asked out of order: %s; state %+v", what, *s)
	}
}

func (s *strictSession) Hello(c relay.Client, _ bool) {
	s.must(!s.mail && isHelloArgument(c.Hello), "hello")
	s.greeted = true
}
func (s *strictSession) Auth(context.Context, string) (ServerMechanism, error) {
	s.must(false, "auth in plaintext mode")
	return nil, errors.New("never")
}
func (s *strictSession) Mail(_ context.Context, from Sender) error {
	s.must(s.greeted && !s.mail, "mail")
	s.mail = from.Address.Local != "refused"
	return answerTo(from.Address)
}
func (s *strictSession) Rcpt(_ context.Context, r relay.Recipient) error {
	s.must(s.mail && !r.Address.IsZero(), "rcpt")
	if err := answerTo(r.Address); err != nil {
		return err
	}
	s.recipients++
	return nil
}
func (s *strictSession) Data(_ context.Context, content io.Reader) (relay.ID, error) {
	s.must(s.mail && s.recipients > 0, "data")
	body, err := io.ReadAll(content)
	if err != nil {
		return relay.ID{}, err
	}
	text := strings.ReplaceAll(string(body), "\r\n", "")
	s.must(!strings.ContainsAny(text, "\r\n\x00"), "data with bad octets")
	s.must(len(body) == 0 || strings.HasSuffix(string(body), "\r\n"), "data without a last line end")
	s.taken++
	return relay.ID{1}, nil
}
func (s *strictSession) Refused(*relay.Error) {}
func (s *strictSession) Acknowledged(relay.ID) {
	s.seen++
	s.must(s.seen <= s.taken, "acknowledged")
}
func (s *strictSession) Reset() {
	s.must(s.mail, "reset")
	s.mail, s.recipients = false, 0
}
func (s *strictSession) Close() { s.closed = true }

// FuzzConversation lets a client say anything: no panic, no call out of order,
// every reply well-formed, a bounded number of them, and a 250 with an ID for
// exactly the messages that were taken.
func FuzzConversation(f *testing.F) {
	const head = "EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\n"
	for _, seed := range []string{
		head + "BDAT 3\r\nabcBDAT 0 LAST\r\nQUIT\r\n",
		head + "BDAT 3\r\nabcNOOP\r\nRSET\r\nMAIL FROM:<>\r\n",
		head + "BDAT 3\r\na\nbBDAT 3 LAST\r\n\r\n.",
		"HELO x\r\nMAIL FROM:<refused@b.example>\r\nRCPT TO:<postmaster>\r\nDATA\r\n",
		"EHLO x\r\nMAIL FROM:<\"a\\\"> b\"@c.d> SIZE=1 ENVID=+2B\r\nRCPT TO:<x@y> NOTIFY=NEVER ORCPT=rfc822;a\r\n",
		"\x16\x03\x01\r\n", "NOOP\rX\r\n", "EHLO x\nQUIT\r\n", "GET / HTTP/1.1\r\n", strings.Repeat("RSET\r\n", 200),
	} {
		f.Add([]byte(seed), uint8(255))
	}
	// What must wait for an answer is met when the network brings octets singly.
	f.Add([]byte(head+"DATA\r\nx\r\n..y\r\n.\r\nMAIL FROM:<e@f.g>\r\n"), uint8(0))
	f.Add([]byte(head+"DATA\r\n\n.\r\nMAIL FROM:<smuggled@b.c>\r\n.\r\nQUIT\r\n"), uint8(0))
	f.Fuzz(func(t *testing.T, in []byte, piece uint8) {
		nc := &script{in: bytes.NewReader(in), piece: 1 + int(piece)}
		sess := &strictSession{t: t}
		o := ServerOptions{Hostname: "relay.example", Mode: ModePlain, MaxSize: 1000, MaxRecipients: 3}
		err := NewServer(o).Conn(nc, relay.Client{}, sess).Serve(context.Background())
		if err != nil && strings.HasPrefix(err.Error(), "panic") {
			t.Fatalf("%q: %v", in, err)
		}
		checkReplies(t, nc.out.String(), sess, bytes.Count(in, []byte("\n")))
	})
}

// checkReplies holds what the client heard to RFC 5321 §4.2 and RFC 2034.
func checkReplies(t *testing.T, out string, sess *strictSession, commands int) {
	t.Helper()
	r := NewReader(strings.NewReader(out), 64)
	taken, replies := 0, 0
	for {
		reply, err := ReadReply(r, ReplyLimits{})
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%q: %v", out, err)
		}
		replies++
		if strings.HasPrefix(reply.Lines[0], "queued as ") {
			taken++
		}
		plain := reply.Code == 220 || reply.Code == 354 || reply.Code == 250 && strings.HasPrefix(reply.Lines[0], "relay.example")
		if (reply.Enhanced == relay.Enhanced{}) != plain {
			t.Fatalf("enhanced status of %+v", reply)
		}
		if !plain && reply.Code/100 != reply.Enhanced[0] {
			t.Fatalf("the classes of %+v differ", reply)
		}
	}
	if taken != sess.taken {
		t.Fatalf("%d messages were taken, %d answered so: %q", sess.taken, taken, out)
	}
	// The greeting and a last word come without a command.
	if replies > commands+2 {
		t.Fatalf("%d replies to %d lines: %q", replies, commands, out)
	}
}

// FuzzCommand holds the parsers of MAIL and RCPT to what they promise.
func FuzzCommand(f *testing.F) {
	for _, seed := range []string{
		"MAIL FROM:<a@b.example> SIZE=1 BODY=8BITMIME SMTPUTF8 RET=FULL ENVID=a+2Bb AUTH=<>",
		"RCPT TO:<\"a> b\"@c.example> NOTIFY=SUCCESS,DELAY ORCPT=utf-8;\\x{20AC}@x", "RCPT TO:<postmaster>", "BDAT 10 LAST", "MAIL FROM:<\xff>",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, line string) {
		cmd := parseCommand([]byte(line))
		if s, err := parseMail(cmd.args); err == nil {
			safe(t, s.Address, s.EnvID)
			if s.Size < 0 || (!s.SMTPUTF8 && s.Address.NeedsSMTPUTF8()) {
				t.Fatalf("%q gave %+v", line, s)
			}
		}
		if r, err := parseRcpt(cmd.args, "relay.example", true); err == nil {
			safe(t, r.Address, r.ORcpt)
			if r.Address.IsZero() || (r.Notify&relay.NotifyNever != 0 && r.Notify != relay.NotifyNever) {
				t.Fatalf("%q gave %+v", line, r)
			}
		}
		if size, _, ok := parseChunk(cmd.args); ok && size < 0 {
			t.Fatalf("%q gave %d", line, size)
		}
	})
}

// safe checks that nothing parsed can break a line of a protocol or a report.
func safe(t *testing.T, a relay.Address, words string) {
	t.Helper()
	if written := a.Path(); strings.Count(written, ">") != 1 || strings.ContainsAny(written+words, "\r\n\x00") {
		t.Fatalf("%q and %q", written, words)
	}
}
