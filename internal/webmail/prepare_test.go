package webmail_test

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/relayd/relayd/internal/mailaddr"
	"github.com/relayd/relayd/internal/webmail"
	"github.com/relayd/relayd/relay"
)

// addresses reads addresses that are separated by spaces.
func addresses(t testing.TB, s string) (out []relay.Address) {
	t.Helper()
	for _, word := range strings.Fields(s) {
		a, err := mailaddr.Parse(word)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, a)
	}
	return out
}

func readAll(t testing.TB, c webmail.Content) string {
	t.Helper()
	b, err := io.ReadAll(c.Reader())
	if err != nil {
		t.Fatal(err)
	}
	if int64(len(b)) != c.Size {
		t.Errorf("the content has %d octets and is announced with %d", len(b), c.Size)
	}
	return string(b)
}

func TestPrepare(t *testing.T) {
	t.Parallel()
	const body = "\n\nbody\nBcc: nobody@x.example\n"
	long := strings.TrimSpace(strings.Repeat("somebody-with-a-long-name@a.long.domain.example ", 1) + "b@x.example c@x.example d@x.example")
	for _, test := range []struct {
		name   string
		header string // with LF; body follows
		bcc    []string
		to     string // recipients of the envelope
		added  string // header lines that come after it; "-" if the header changes in another way
		is     error
		text   string
	}{
		{name: "the same people", header: "From: j@x.example\nTo: a@x.example\nCc: b@x.example", to: "a@x.example b@x.example"},
		{name: "one more recipient", header: "To: a@x.example", to: "a@x.example b@x.example", added: "Bcc: b@x.example\n"},
		{name: "nobody in the header", header: "Subject: x", to: "a@x.example", added: "Bcc: a@x.example\n"},
		{name: "a Bcc that was taken out", header: "To: a@x.example", bcc: []string{"B <b@x.example>"}, to: "a@x.example b@x.example", added: "Bcc: b@x.example\n"},
		{name: "recipients twice", header: "To: a@x.example", to: "b@x.example B@x.example a@x.example", added: "Bcc: b@x.example\n"},
		{name: "folded", header: "To: a@x.example", to: "a@x.example " + long, added: "Bcc: somebody-with-a-long-name@a.long.domain.example, b@x.example,\n c@x.example, d@x.example\n"},
		{name: "case and A-labels", header: "To: Jane@BÜCHER.example", to: "jane@xn--bcher-kva.example"},
		{name: "a quoted local part", header: `To: "a b"@x.example`, to: "c@x.example", is: webmail.ErrEnvelope, text: `"a b"@x.example in field To`},
		{name: "UTF-8 in a local part", header: "To: a@x.example", to: "a@x.example jürgen@x.example", added: "Bcc: jürgen@x.example\n"},

		{name: "somebody else in To", header: "To: a@x.example, c@x.example", to: "a@x.example", is: webmail.ErrEnvelope, text: "c@x.example in field To"},
		{name: "somebody else in Cc", header: "To: a@x.example\ncc: \"C\" <c@x.example>", to: "a@x.example", is: webmail.ErrEnvelope, text: "c@x.example in field cc"},
		{name: "somebody else in Bcc", header: "Bcc : c@x.example", to: "a@x.example", is: webmail.ErrEnvelope, text: "c@x.example in field Bcc"},
		{name: "somebody else in the Bcc that was taken out", header: "To: a@x.example", bcc: []string{"c@x.example"}, to: "a@x.example", is: webmail.ErrEnvelope, text: "c@x.example in field Bcc"},
		{name: "somebody else in a second To", header: "To: a@x.example\nTo: c@x.example", to: "a@x.example", is: webmail.ErrEnvelope},
		{name: "somebody else in a group", header: "To: team: a@x.example, c@x.example;", to: "a@x.example", is: webmail.ErrEnvelope},
		{name: "somebody else behind a fold", header: "To:\n a@x.example,\n\tc@x.example", to: "a@x.example", is: webmail.ErrEnvelope},
		{name: "an address as the name of another", header: "To: c@x.example <a@x.example>", to: "a@x.example", is: webmail.ErrEnvelope},
		{name: "no recipients", header: "To: a@x.example", is: webmail.ErrEnvelope, text: "no recipients"},

		{name: "display names", header: "To: \"Doe, J. (x)\" <a@x.example> (comment, (nested) c@x.example), Jürgen D. Ömer <b@x.example>,\n =?utf-8?q?J=C3=BCrgen?= <c2@x.example>", to: "a@x.example b@x.example c2@x.example"},
		{name: "a name that is no UTF-8", header: "To: J\xfcrgen <a@x.example>", to: "a@x.example"},
		{name: "the same address as its name", header: "To: a@x.example <a@x.example>", to: "a@x.example"},
		{name: "empty elements", header: "To: ,a@x.example,,", to: "a@x.example"},
		{name: "an empty field", header: "To:\nCc: ", to: "a@x.example", added: "Bcc: a@x.example\n"},
		{name: "nobody told", header: "To: undisclosed-recipients:;", to: "a@x.example", added: "Bcc: a@x.example\n"},
		{name: "a group and one more", header: "To: team:a@x.example;, b@x.example", to: "a@x.example b@x.example"},
		{name: "an address literal", header: "To: a@[IPv6:2001:db8::1], b@x.example", to: "a@[IPv6:2001:db8::1] b@x.example"},
		{name: "fields that only look alike", header: "X-To: c@x.example\nReply-To: c@x.example\nToo: c@x.example\nTo: a@x.example", to: "a@x.example"},

		{name: "one Bcc that is whole", header: "Bcc: a@x.example", to: "a@x.example"},
		{name: "one Bcc that is not", header: "Bcc: A <a@x.example>\nX: y", to: "a@x.example b@x.example", added: "-X: y\nBcc: a@x.example, b@x.example\n"},
		{name: "two Bcc", header: "BCC: a@x.example\nX: y\nbcc: b@x.example,a@x.example", to: "a@x.example b@x.example", added: "-X: y\nBcc: a@x.example, b@x.example\n"},
		{name: "two empty Bcc", header: "To: a@x.example\nBcc:\nBcc: ", to: "a@x.example", added: "-To: a@x.example\n"},

		{name: "re-sent", header: "Resent-To: a@x.example\nTo: a@x.example", to: "a@x.example", is: webmail.ErrResent, text: "Resent-To"},
		{name: "re-sent, small letters", header: "To: a@x.example\nresent-date: x", to: "a@x.example", is: webmail.ErrResent},

		{name: "no address", header: "To: a", to: "a@x.example", is: webmail.ErrHeader, text: "field To"},
		{name: "words", header: "To: a b c", to: "a@x.example", is: webmail.ErrHeader},
		{name: "a bare comma in a name", header: "To: Doe, Jane <a@x.example>", to: "a@x.example", is: webmail.ErrHeader},
		{name: "semicolons", header: "To: a@x.example; b@x.example", to: "a@x.example b@x.example", is: webmail.ErrHeader},
		{name: "two addresses without a comma", header: "To: a@x.example b@x.example", to: "a@x.example b@x.example", is: webmail.ErrHeader},
		{name: "empty brackets", header: "To: <>", to: "a@x.example", is: webmail.ErrHeader},
		{name: "a route", header: "To: <@y.example:a@x.example>", to: "a@x.example", is: webmail.ErrHeader},
		{name: "brackets without an end", header: "To: <a@x.example", to: "a@x.example", is: webmail.ErrHeader},
		{name: "a quote without an end", header: `To: "a <a@x.example>`, to: "a@x.example", is: webmail.ErrHeader},
		{name: "a comment without an end", header: "To: a@x.example (x", to: "a@x.example", is: webmail.ErrHeader},
		{name: "comments too deep", header: "To: a@x.example " + strings.Repeat("(", 50) + strings.Repeat(")", 50), to: "a@x.example", is: webmail.ErrHeader},
		{name: "a group without an end", header: "To: x: a@x.example", to: "a@x.example", is: webmail.ErrHeader},
		{name: "a group in a group", header: "To: x: y: a@x.example;;", to: "a@x.example", is: webmail.ErrHeader},
		{name: "a comment inside an address", header: "To: a(x)@x.example", to: "a@x.example", is: webmail.ErrHeader},
		{name: "a Bcc that was taken out and says nothing", header: "To: a@x.example", bcc: []string{"x"}, to: "a@x.example", is: webmail.ErrHeader},
		{name: "too many addresses", header: "To: " + strings.Repeat("a@x.example,", 10_001), to: "a@x.example", is: webmail.ErrHeader},

		{name: "a bare CR", header: "X: y\rTo: c@x.example", to: "a@x.example", is: webmail.ErrHeader, text: "bare CR"},
		{name: "a NUL", header: "X: y\x00", to: "a@x.example", is: webmail.ErrHeader},
		{name: "a line that is no field", header: "X: y\nnonsense", to: "a@x.example", is: webmail.ErrHeader},
		{name: "a fold at the start", header: " X: y", to: "a@x.example", is: webmail.ErrHeader},
		{name: "a blank fold", header: "X: y\n \nTo: c@x.example", to: "c@x.example", is: webmail.ErrHeader},
		{name: "a name with a space", header: "T o: a@x.example", to: "a@x.example", is: webmail.ErrHeader},
		{name: "a name that is empty", header: ": a@x.example", to: "a@x.example", is: webmail.ErrHeader},
		{name: "too large", header: "X: " + strings.Repeat("x", 1<<20), to: "a@x.example", is: webmail.ErrHeader, text: "larger than"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			crlf := func(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }
			text := crlf(test.header + body)
			c, err := webmail.Prepare(content(text).Reader, int64(len(text)), test.bcc, addresses(t, test.to))
			if !errors.Is(err, test.is) || (err == nil) != (test.is == nil) || err != nil && !strings.Contains(err.Error(), test.text) {
				t.Fatalf("error %v, want %v %q", err, test.is, test.text)
			}
			if err != nil {
				return
			}
			want := test.header + "\n" + test.added
			if changed, ok := strings.CutPrefix(test.added, "-"); ok {
				want = changed
			}
			want += strings.TrimPrefix(body, "\n")
			for range 2 { // it can be read again
				if got := readAll(t, c); got != crlf(want) {
					t.Errorf("the content is\n%q\nwant\n%q", got, crlf(want))
				}
			}
		})
	}
}

func TestPrepareOddContents(t *testing.T) {
	t.Parallel()
	to := []relay.Address{{Local: "a", Domain: "x.example"}}
	for text, want := range map[string]string{
		"\r\nbody":                         "Bcc: a@x.example\r\n\r\nbody",
		"Subject: x\r\n":                   "Subject: x\r\nBcc: a@x.example\r\n",
		"To: a@x.example\r\n":              "To: a@x.example\r\n",
		"":                                 "Bcc: a@x.example\r\n",
		"To: a@x.example\r\n\r\n\x00\rb\n": "To: a@x.example\r\n\r\n\x00\rb\n",
	} {
		// One octet at a time: no end of a header hides between two reads.
		c, err := webmail.Prepare(func() io.Reader { return iotest.OneByteReader(strings.NewReader(text)) }, int64(len(text)), nil, to)
		if err != nil {
			t.Errorf("%q: %v", text, err)
		} else if got := readAll(t, c); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
	if _, err := webmail.Prepare(content("To: a@x.example").Reader, 14, nil, to); !errors.Is(err, webmail.ErrHeader) {
		t.Errorf("a line without an end: %v", err)
	}
	gone := errors.New("the disk is gone")
	if _, err := webmail.Prepare(func() io.Reader { return iotest.ErrReader(gone) }, 14, nil, to); !errors.Is(err, gone) {
		t.Errorf("error %v, want that of the reader", err)
	}
}

// A spool that fails after Prepare breaks the request off.
func TestPreparedContentThatFails(t *testing.T) {
	t.Parallel()
	const text = "Subject: x\r\n\r\nbody"
	n := 0
	reader := func() io.Reader {
		if n++; n > 1 {
			return strings.NewReader(text[:5])
		}
		return strings.NewReader(text)
	}
	c, err := webmail.Prepare(reader, int64(len(text)), nil, []relay.Address{{Local: "a", Domain: "x.example"}})
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(c.Reader()); err == nil && int64(len(b)) == c.Size {
		t.Errorf("it reads %q", b)
	}
}

// Whatever Prepare lets pass names exactly the recipients, and keeps the body.
func FuzzPrepare(f *testing.F) {
	for _, seed := range []string{
		"To: a@x.example\r\n\r\nbody", "Cc: \"b, c\" <b@x.example>, g: a@x.example;\r\nBcc: b@x.example\r\nBcc:\r\n\r\n",
		"To: a@x.example (c (d))\r\n , b@x.example\r\n\r\n", "Resent-To: x\r\n\r\n", "To:\r\n \r\n\r\n", "X: \r\n\r\n",
	} {
		f.Add(seed, "b@x.example")
	}
	f.Fuzz(func(t *testing.T, text, bcc string) {
		to := addresses(t, "a@x.example b@x.example")
		var taken []string
		if bcc != "" {
			taken = []string{bcc}
		}
		c, err := webmail.Prepare(content(text).Reader, int64(len(text)), taken, to)
		if err != nil {
			return
		}
		got := readAll(t, c)
		_, body, _ := strings.Cut("\r\n"+text, "\r\n\r\n")
		if _, kept, _ := strings.Cut("\r\n"+got, "\r\n\r\n"); kept != body {
			t.Errorf("the body %q becomes %q", body, kept)
		}
		// What was prepared once is right, and names nobody that was not asked for.
		again, err := webmail.Prepare(content(got).Reader, int64(len(got)), nil, to)
		if err != nil || readAll(t, again) != got {
			t.Errorf("%q is prepared again: %v", got, err)
		}
		for _, only := range to {
			others := slices.DeleteFunc(slices.Clone(to), func(a relay.Address) bool { return a == only })
			if _, err := webmail.Prepare(content(got).Reader, int64(len(got)), nil, others); !errors.Is(err, webmail.ErrEnvelope) {
				t.Errorf("%q does not name %s: %v", got, only, err)
			}
		}
	})
}
