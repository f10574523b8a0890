package smtpwire_test

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/relayd/relayd/internal/smtpwire"
	"github.com/relayd/relayd/relay"
)

func TestReadReply(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		wire string
		want string // "" means ErrBadReply
	}{
		{"250 ok\r\n", "250 ok"},
		{"250\r\n", "250"},
		{"250 \r\n", "250"},
		{"250 2.1.0 ok\r\n", "250 2.1.0 ok"},
		{"250 2.1.0\r\n", "250 2.1.0"},
		{"550-5.7.1 one\r\n550-5.7.1 two\r\n550 5.7.1 three\r\n", "550 5.7.1 one two three"},
		{"550-5.7.1 one\r\n550 two\r\n", "550 5.7.1 one two"},
		{"550-one\r\n550 5.7.1 two\r\n", "550 one 5.7.1 two"},
		{"552 4.5.3 too many\r\n", "552 4.5.3 too many"},
		{"571 no such code in any list\r\n", "571 no such code in any list"},
		{"550 5.7.1234 no code\r\n", "550 5.7.1234 no code"},
		{"550 3.0.0 no class\r\n", "550 3.0.0 no class"},
		{"550 d\xe4nn\r\n", "550 d\uFFFDnn"},
		{"550 a\tb\r\n", "550 a b"},
		{"150 too early\r\n", ""},
		{"600 too much\r\n", ""},
		{"25 ok\r\n", ""},
		{"2500 ok\r\n", ""},
		{"250_ok\r\n", ""},
		{"ok\r\n", ""},
		{"\r\n", ""},
		{"250-a\r\n251 b\r\n", ""},
		{"250 a\x00b\r\n", ""},
		{"250 a\x1b[31m\r\n", ""},
		{"250-\r\n" + strings.Repeat("250-\r\n", 200) + "250 ok\r\n", ""},
		{strings.Repeat("250-"+strings.Repeat("x", 1900)+"\r\n", 20) + "250 ok\r\n", ""},
	} {
		r, err := smtpwire.ReadReply(smtpwire.NewReader(strings.NewReader(c.wire), 64), smtpwire.ReplyLimits{})
		if c.want == "" {
			if !errors.Is(err, smtpwire.ErrBadReply) {
				t.Errorf("%.40q: %v, %v", c.wire, r, err)
			}
			continue
		}
		if got := r.Public().String(); err != nil || got != c.want {
			t.Errorf("%q: %q, %v", c.wire, got, err)
		}
	}
}

func TestReplyAppend(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		reply smtpwire.Reply
		want  string
	}{
		{smtpwire.Reply{Code: 354}, "354 \r\n"},
		{smtpwire.NewReply(250, relay.Enhanced{2, 0, 0}, "queued"), "250 2.0.0 queued\r\n"},
		{smtpwire.NewReply(250, relay.Enhanced{}, "a\nb\nc"), "250-a\r\n250-b\r\n250 c\r\n"},
		{smtpwire.NewReply(550, relay.Enhanced{5, 7, 1}, "a\r\x00b"), "550 5.7.1 a  b\r\n"},
		{smtpwire.NewReply(550, relay.Enhanced{}, strings.Repeat("ö", 400)), "550 " + strings.Repeat("ö", 253) + "\r\n"},
	} {
		if got := string(c.reply.Append(nil)); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

// FuzzReadReply: whatever comes, memory is bounded, the text is printable, and a
// reply that was read is read the same when it is written again.
func FuzzReadReply(f *testing.F) {
	for _, seed := range []string{"250 ok\r\n", "550-5.7.1 a\r\n550 5.7.1 b\r\n", "250-\r\n250 2.0.0\r\n", "334 VXNlcm5hbWU6\r\n", "250\r\n220 x", "250 a\nb\r\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, wire []byte) {
		r := smtpwire.NewReader(bytes.NewReader(wire), 64)
		for {
			reply, err := smtpwire.ReadReply(r, smtpwire.ReplyLimits{Line: 300, Lines: 5, Bytes: 500})
			if err != nil {
				return
			}
			public := reply.Public()
			if relay.Printable(public.Text) != public.Text || len(reply.Lines) > 5 || reply.Code < 200 || reply.Code > 599 {
				t.Fatalf("%+v", reply)
			}
			again, err := smtpwire.ReadReply(smtpwire.NewReader(bytes.NewReader(reply.Append(nil)), 64), smtpwire.ReplyLimits{})
			if err != nil || again.Code != reply.Code || len(again.Lines) != len(reply.Lines) {
				t.Fatalf("%+v became %+v: %v", reply, again, err)
			}
		}
	})
}

// FuzzExtensions: an answer to EHLO is never trusted for its size or its form.
func FuzzExtensions(f *testing.F) {
	for _, seed := range []string{
		"250-mx\r\n250-size 100\r\n250-AUTH=LOGIN PLAIN\r\n250 starttls\r\n",
		"250-mx\r\n250-SIZE 99999999999999999999\r\n250 AUTH " + strings.Repeat("A ", 300) + "\r\n",
		"250-mx\r\n250-SIZE -1\r\n250-SIZE\r\n250 AUTH \xff\r\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, wire []byte) {
		c := smtpwire.NewClient(answering(append([]byte("220 mx\r\n"), wire...)), smtpwire.ClientOptions{Hello: "relay.example"})
		if c.Greet(t.Context()) != nil || c.Hello(t.Context()) != nil {
			return
		}
		e := c.Extensions()
		if e.MaxSize < 0 || len(e.Auth) > 32 {
			t.Fatalf("%+v", e)
		}
		for i, name := range e.Auth {
			if name == "" || len(name) > 20 || name != strings.ToUpper(name) || slices.Contains(e.Auth[:i], name) {
				t.Fatalf("%q", e.Auth)
			}
		}
	})
}

func TestExtensions(t *testing.T) {
	t.Parallel()
	c := smtpwire.NewClient(answering([]byte("220 mx\r\n250-SIZE 5\r\n250-size 100\r\n250-Pipelining\r\n250-\r\n250-sTaRtTlS\r\n250-X-OTHER 1\r\n250 Auth=LOGIN PLAIN\r\n")), smtpwire.ClientOptions{Hello: "x"})
	if err := errors.Join(c.Greet(t.Context()), c.Hello(t.Context())); err != nil {
		t.Fatal(err)
	}
	e := c.Extensions()
	if !e.StartTLS || !e.Pipelining || !e.Size || e.MaxSize != 100 || strings.Join(e.Auth, " ") != "LOGIN PLAIN" {
		t.Errorf("%+v", e)
	}
}

// answering is a connection that gives one octet string whatever it is asked, as
// the questions come.
func answering(wire []byte) *answers { return &answers{wire: wire} }

type answers struct {
	fakeConn
	wire []byte
}

// Read gives one line at a time: an answer that came before its question would be
// refused for that.
func (a *answers) Read(p []byte) (int, error) {
	if len(a.wire) == 0 {
		return 0, io.EOF
	}
	end := len(a.wire)
	if lines := bytes.SplitAfterN(a.wire, []byte("\r\n"), 2); len(lines) == 2 && bytes.HasPrefix(a.wire, []byte("220")) {
		end = len(lines[0])
	}
	n := copy(p, a.wire[:end])
	a.wire = a.wire[n:]
	return n, nil
}
