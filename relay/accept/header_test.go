package accept

import (
	"net/netip"
	"strings"
	"testing"
)

func clientAt(addr string) netip.AddrPort { return netip.AddrPortFrom(netip.MustParseAddr(addr), 1) }

// The limits and the grammar of the header block, from bytes.
func TestHeaderRefusals(t *testing.T) {
	t.Parallel()
	const from = "From: max@acme.example\r\n"
	const bare, control, line = "554 5.6.0 The message holds a bare", "550 5.6.0 The header holds a control", "550 5.6.0 The header has a line that is neither"
	for name, tc := range map[string]struct{ content, refusal string }{
		"S14, bare LF":         {from + "X: a\nMAIL FROM:<x>\r\n\r\n", bare},
		"S14, bare CR":         {from + "X: a\rMAIL FROM:<x>\r\n\r\n", bare},
		"S14, NUL":             {from + "X: a\x00b\r\n\r\n", bare},
		"S1, LF dot LF":        {from + "X: a\n.\nMAIL FROM:<x>\r\n\r\n", bare},
		"S2, LF dot CR":        {from + "X: a\n.\rMAIL\r\n\r\n", bare},
		"S3, CR dot LF":        {from + "X: a\r.\nMAIL\r\n\r\n", bare},
		"S4, CR dot CR":        {from + "X: a\r.\rMAIL\r\n\r\n", bare},
		"S5, LF dot CRLF":      {from + "X: a\n.\r\nMAIL\r\n\r\n", bare},
		"S6, CR dot CRLF":      {from + "X: a\r.\r\nMAIL\r\n\r\n", bare},
		"S7, CRLF dot LF":      {from + "X: a\r\n.\nMAIL\r\n\r\n", bare},
		"S8, CRLF dot space":   {from + "X: a\r\n. \r\nMAIL\r\n\r\n", line},
		"S9, CRLF dot CR":      {from + "X: a\r\n.\rMAIL\r\n\r\n", bare},
		"CR CR LF":             {from + "X: a\r\r\n\r\n", bare},
		"LF at once":           {"\n" + from + "\r\n", bare},
		"LF LF":                {from + "\n\r\n", bare},
		"escape":               {from + "Subject: \x1b[31mred\r\n\r\n", control},
		"delete":               {from + "Subject: a\x7f\r\n\r\n", control},
		"space before colon":   {from + "Subject : x\r\n\r\n", line},
		"no colon":             {from + "hello\r\n\r\n", line},
		"no name":              {from + ": x\r\n\r\n", line},
		"8-bit name":           {from + "Sübject: x\r\n\r\n", line},
		"mbox line":            {"From max@acme.example Sat Nov 21\r\n" + from + "\r\n", line},
		"folded first":         {" folded\r\n" + from + "\r\n", line},
		"line of spaces":       {from + " \t\r\nX: y\r\n\r\n", line},
		"body at once":         {from + "the body began without an empty line\r\n", line},
		"cut in a line":        {from + "Subject: x", "550 5.6.0 The message ends inside a header line"},
		"cut between CR LF":    {from + "Subject: x\r", "550 5.6.0 The message ends inside a header line"},
		"nothing":              {"", "550 5.7.1 The header must have exactly one From field; it has 0"},
		"empty line only":      {"\r\n" + from, "550 5.7.1 The header must have exactly one From field; it has 0"},
		"R6, a long line":      {from + "X: " + strings.Repeat("a", 1022) + "\r\n\r\n", "550 5.6.0 The header has a line of more than 1024 octets"},
		"R6, without end":      {from + "X: " + strings.Repeat("a", 5000), "550 5.6.0 The header has a line of more than 1024 octets"},
		"R6, many fields":      {from + strings.Repeat("X: y\r\n", 50) + "\r\n", "552 5.3.4 The header has more than 50 fields"},
		"R6, large":            {from + strings.Repeat("X: y\r\n z\r\n", 49) + strings.Repeat(" "+strings.Repeat("x", 900)+"\r\n", 9) + "\r\n", "552 5.3.4 The header is larger than 8192 octets"},
		"R6, large, no end":    {from + strings.Repeat(" folded\r\n", 5000), "552 5.3.4 The header is larger than 8192 octets"},
		"R6, CR without end":   {strings.Repeat("a", 1025) + "\r", "550 5.6.0 The header has a line of more than 1024 octets"},
		"R6, an endless field": {from + "X:\r\n" + strings.Repeat(" y\r\n", 100_000), "552 5.3.4 The header is larger than 8192 octets"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, func(o *Options) { o.MaxHeaderBytes, o.MaxHeaderFields, o.MaxHeaderLine = 8192, 50, 1024 })
			content := strings.NewReader(tc.content)
			_, err := s.Accept(t.Context(), submission(), content)
			if err == nil || !strings.HasPrefix(err.Error(), tc.refusal) {
				t.Errorf("error %v, want %q", err, tc.refusal)
			}
			if read := len(tc.content) - content.Len(); read > 4*8192 {
				t.Errorf("%d octets were read before the refusal", read)
			}
		})
	}
}

// A line at its limit, a block at its limit and as many fields as may be are taken.
func TestHeaderLimitsAreReached(t *testing.T) {
	t.Parallel()
	from := "From: max@acme.example\r\nDate: d\r\nMessage-ID: <m>\r\n"
	for name, content := range map[string]string{
		"line":   from + "X: " + strings.Repeat("a", 1021) + "\r\n\r\n",
		"fields": from + strings.Repeat("X: y\r\n", 47) + "\r\n",
		"block":  from + "X: y" + strings.Repeat("\r\n z", (8192-len(from)-6)/4) + strings.Repeat("z", (8192-len(from)-6)%4) + "\r\n\r\n",
	} {
		s := newScene(t, func(o *Options) { o.MaxHeaderBytes, o.MaxHeaderFields, o.MaxHeaderLine = 8192, 50, 1024 })
		if got := s.take(t, submission(), content); got != content {
			t.Errorf("%s: spooled %d octets, want %d", name, len(got), len(content))
		}
	}
}

// An application that does not fold writes all its recipients into one line. That is
// longer than RFC 5322 §2.1.1 wants, and no reason to lose its mail.
func TestRecipientsInOneLine(t *testing.T) {
	t.Parallel()
	to := strings.TrimSuffix(strings.Repeat("someone.else@world.example, ", 1000), ", ")
	content := strings.Replace(plainMessage, "Subject:", "To: "+to+"\r\nSubject:", 1)
	if got := newScene(t, nil).take(t, submission(), content); got != content {
		t.Errorf("spooled %d octets, want %d", len(got), len(content))
	}
}

// Buffers are used again: nothing of an earlier message may show in a later one.
func TestBuffersAreClean(t *testing.T) {
	t.Parallel()
	s := newScene(t, nil)
	s.take(t, submission(), crlf("From: max@acme.example\nDate: d\nMessage-ID: <m>\nX: "+strings.Repeat("secret ", 100)+"\n\nsecret\n"))
	first := s.spool.message
	for range 10 {
		if got := s.take(t, submission(), plainMessage); got != plainMessage {
			t.Fatalf("spooled %q", got)
		}
	}
	if first.HeaderID != "<m>" {
		t.Errorf("the first message changed: %q", first.HeaderID)
	}
}
