package accept

import (
	"mime"
	"net/mail"
	"slices"
	"strings"
	"testing"

	"github.com/relayd/relayd/relay"
)

// What goes in and what is spooled, below the Received field. "ID" and "DATE" stand
// for the message's own.
func TestRepair(t *testing.T) {
	t.Parallel()
	const ids = "Date: d\nMessage-ID: <m>\n"
	for name, tc := range map[string]struct{ in, out string }{
		"odd but whole": {
			"X-a:b\nFROM:   max@acme.example  \nSubject:\n  folded\n\tand folded \n" + ids,
			"X-a:b\nFROM:   max@acme.example  \nSubject:\n  folded\n\tand folded \n" + ids,
		},
		"8-bit text":          {"From: max@acme.example\nSubject: gr\xfc\xdf\n" + ids, "From: max@acme.example\nSubject: gr\xfc\xdf\n" + ids},
		"no Date":             {"From: max@acme.example\nMessage-ID: <m>\n", "From: max@acme.example\nMessage-ID: <m>\nDate: DATE\n"},
		"no Message-ID":       {"From: max@acme.example\nDate: d\n", "From: max@acme.example\nDate: d\nMessage-ID: <ID@acme.example>\n"},
		"neither":             {"From: max@acme.example\n", "From: max@acme.example\nDate: DATE\nMessage-ID: <ID@acme.example>\n"},
		"both empty":          {"From: max@acme.example\nDate: \nMessage-ID:\n", "From: max@acme.example\nDate: DATE\nMessage-ID: <ID@acme.example>\n"},
		"Return-Path":         {"Return-Path: <a@b.example>\nreturn-path: <>\nFrom: max@acme.example\n" + ids, "From: max@acme.example\n" + ids},
		"Bcc":                 {"From: max@acme.example\nBcc: a@b.example,\n c@d.example\nTo: e@f.example\nbcc:\n" + ids, "From: max@acme.example\nTo: e@f.example\n" + ids},
		"our own results":     {"Authentication-Results: MAIL.relay.test; spf=pass\nFrom: max@acme.example\n" + ids, "From: max@acme.example\n" + ids},
		"our results, quoted": {"Authentication-Results: (x) \"mail.relay.test\" 1; none\nFrom: max@acme.example\n" + ids, "From: max@acme.example\n" + ids},
		"other results":       {"Authentication-Results: mail.relay.test.evil; spf=pass\nFrom: max@acme.example\n" + ids, "Authentication-Results: mail.relay.test.evil; spf=pass\nFrom: max@acme.example\n" + ids},
		"F7, From domain":     {"DKIM-Signature: v=1; d=acme.example; s=x;\n\tb=abc\nFrom: max@acme.example\n" + ids, "From: max@acme.example\n" + ids},
		"F7, folded tag":      {"DKIM-Signature: v=1;\n d\n =\n ACME.example.; b=abc\nFrom: max@acme.example\n" + ids, "From: max@acme.example\n" + ids},
		"F7, another's":       {"dkim-signature: d=rival.example; b=abc\nFrom: max@acme.example\n" + ids, "From: max@acme.example\n" + ids},
		"F7, subdomain":       {"DKIM-Signature: d=x.y.acme.example\nFrom: max@acme.example\n" + ids, "From: max@acme.example\n" + ids},
		"F7, ours":            {"DKIM-Signature: d=relay.test\nDKIM-Signature: d=mail.relay.test\nFrom: max@acme.example\n" + ids, "From: max@acme.example\n" + ids},
		"F7, no domain":       {"DKIM-Signature: v=1\nDKIM-Signature: d=a.example;d=b.example\nFrom: max@acme.example\n" + ids, "From: max@acme.example\n" + ids},
		"foreign signature":   {"DKIM-Signature: d=foreign.example; b=x\nFrom: max@acme.example\n" + ids, "DKIM-Signature: d=foreign.example; b=x\nFrom: max@acme.example\n" + ids},
		"huge signing domain": {"DKIM-Signature: d=" + strings.Repeat("a.", 200) + "example\nFrom: max@acme.example\n" + ids, "From: max@acme.example\n" + ids},
		"header name":         {"From: old name (c) <Jane@ACME.example>\n" + ids, "From: \"Jane Doe, Acme\"\n <Jane@ACME.example>\n" + ids},
		"header name, bare":   {"from: jane@acme.example\n" + ids, "From: \"Jane Doe, Acme\"\n <jane@acme.example>\n" + ids},
		"other Received":      {"Received: from a by b; c\nFrom: max@acme.example\n" + ids, "Received: from a by b; c\nFrom: max@acme.example\n" + ids},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, nil)
			got := s.take(t, submission(), crlf(tc.in+"\nbody\n"))
			m := s.spool.message
			want := strings.NewReplacer("ID@", m.ID.String()+"@", "DATE", date(m.Accepted)).Replace(crlf(tc.out + "\nbody\n"))
			if got != want {
				t.Errorf("spooled\n%q\nwant\n%q", got, want)
			}
		})
	}
}

func TestBccIsRemembered(t *testing.T) {
	t.Parallel()
	s := newScene(t, nil)
	s.take(t, submission(), crlf("From: max@acme.example\nBcc: a@b.example,\n c@d.example\nBCC:  e@f.example \nResent-Bcc: g@h.example\nBcc:\n\n"))
	want := []string{"a@b.example,\r\n c@d.example", "e@f.example", "g@h.example"}
	if got := s.spool.message.Bcc; !slices.Equal(got, want) {
		t.Errorf("Bcc %q, want %q", got, want)
	}
	if strings.Contains(strings.ToLower(s.spool.content), "bcc") {
		t.Errorf("a Bcc goes on:\n%s", s.spool.content)
	}
}

func TestReceived(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		show        bool
		hello, addr string
		want        string
	}{
		"hidden":         {false, "crm.acme.example", "192.0.2.7", "from crm.acme.example\r\n"},
		"hidden literal": {false, "[192.0.2.7]", "192.0.2.7", "from unknown\r\n"},
		"hidden address": {false, "192.0.2.7", "192.0.2.7", "from unknown\r\n"},
		"hidden nothing": {false, "", "192.0.2.7", "from unknown\r\n"},
		"injected":       {false, "a\r\nX: y", "192.0.2.7", "from unknown\r\n"},
		"shown":          {true, "crm.acme.example", "192.0.2.7", "from crm.acme.example ([192.0.2.7])\r\n"},
		"shown, mapped":  {true, "crm.acme.example", "::ffff:192.0.2.7", "from crm.acme.example ([192.0.2.7])\r\n"},
		"shown, IPv6":    {true, "[x]", "2001:db8::1", "from unknown ([IPv6:2001:db8::1])\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, sub := newScene(t, func(o *Options) { o.ShowClient = tc.show }), submission()
			sub.Client.Hello = tc.hello
			sub.Client.Addr = clientAt(tc.addr)
			if _, err := s.Accept(t.Context(), sub, strings.NewReader(plainMessage)); err != nil {
				t.Fatal(err)
			}
			m := s.spool.message
			want := "Received: " + tc.want + "\tby mail.relay.test with ESMTPSA id " + m.ID.String()
			if !strings.HasPrefix(s.spool.content, want) {
				t.Errorf("spooled\n%s\nwant first\n%s", s.spool.content, want)
			}
			if !tc.show && strings.Contains(s.spool.content, "192.0.2.7") {
				t.Error("the client's address stands in the message")
			}
			msg, err := mail.ReadMessage(strings.NewReader(s.spool.content))
			if err != nil {
				t.Fatal(err)
			}
			_, stamp, _ := strings.Cut(msg.Header.Get("Received"), ";")
			if at, err := mail.ParseDate(strings.TrimSpace(stamp)); err != nil || at.Unix() != m.Accepted.Unix() {
				t.Errorf("the stamp %q reads as %v, %v", stamp, at, err)
			}
		})
	}
}

// R8: too many hosts, or too often here.
func TestLoops(t *testing.T) {
	t.Parallel()
	s := newScene(t, nil)
	foreign := strings.Repeat("Received: from a by b; c\r\n", DefaultMaxReceived)
	s.take(t, submission(), foreign+plainMessage)
	s.spool.message = nil
	if got := s.refused(t, submission(), "rEceived: x\r\n"+foreign+plainMessage); got.Code != 554 || got.Enhanced != (relay.Enhanced{5, 4, 6}) {
		t.Errorf("one more: %v", got)
	}

	message := plainMessage
	for pass := range DefaultMaxPasses {
		if _, err := s.Accept(t.Context(), submission(), strings.NewReader(message)); err != nil {
			t.Fatalf("pass %d: %v", pass+1, err)
		}
		message, s.spool.message = s.spool.content, nil
	}
	if got := s.refused(t, submission(), message); got.Code != 554 {
		t.Errorf("once too often: %v", got)
	}
	// Who does not have the key cannot make a message look like a loop.
	forged := strings.NewReplacer("(mark ", "(mark 0").Replace(message)
	s.take(t, submission(), forged)
	other := newScene(t, func(o *Options) { o.LoopKey = []byte("another") })
	other.take(t, submission(), message)
}

func TestDisplayName(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"Jane Doe":       "Jane Doe",
		"O'Neill-Smith":  "O'Neill-Smith",
		"Doe, Jane":      `"Doe, Jane"`,
		`The "Boss" \o/`: `"The \"Boss\" \\o/"`,
		"J. Doe":         `"J. Doe"`,
		"a@b.example":    `"a@b.example"`,
		"=?utf-8?q?a?=":  `"=?utf-8?q?a?="`,
		"Jürgen Müller":  "=?utf-8?b?SsO8cmdlbiBNw7xsbGVy?=",
		"山田 <太郎>, \"x\"": "=?utf-8?b?5bGx55SwIDzlpKrpg44+LCAieCI=?=",
	} {
		got := displayName(name)
		if got != want {
			t.Errorf("displayName(%q) = %q, want %q", name, got, want)
		}
		if box, err := parseMailbox(got + " <a@b.example>"); err != nil || box.address != at("a", "b.example") {
			t.Errorf("%q does not read as a name: %v", got, err)
		}
	}
	long := strings.Repeat("Ж", 300)
	lines := strings.Split(displayName(long), "\r\n ")
	for _, line := range lines {
		if len(line) > 75 { // RFC 2047 §2
			t.Errorf("an encoded word of %d characters", len(line))
		}
	}
	if got, err := new(mime.WordDecoder).DecodeHeader(strings.Join(lines, " ")); err != nil || got != long {
		t.Errorf("the long name reads as %q, %v", got, err)
	}
}
