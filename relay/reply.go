package relay

import (
	"fmt"
	"strings"
)

// MaxReplyText is how many characters of a peer's words are kept: more is cut
// before it reaches a log, a report or a page.
const MaxReplyText = 512

// Enhanced is an enhanced status code (RFC 3463): class, subject, detail. The
// zero Enhanced means that there is none.
type Enhanced [3]int

// String writes "5.7.1", or nothing for the zero Enhanced.
func (e Enhanced) String() string {
	if e == (Enhanced{}) {
		return ""
	}
	return fmt.Sprintf("%d.%d.%d", e[0], e[1], e[2])
}

// Reply is an answer of a peer, already bounded and safe to show.
type Reply struct {
	Code     int // 0 if no answer came
	Enhanced Enhanced
	Text     string // lines joined by one space; at most MaxReplyText printable characters
}

// String writes the reply in one line, as the peer would have.
func (r Reply) String() string {
	var parts []string
	if r.Code != 0 {
		parts = append(parts, fmt.Sprintf("%03d", r.Code))
	}
	if e := r.Enhanced.String(); e != "" {
		parts = append(parts, e)
	}
	if r.Text != "" {
		parts = append(parts, r.Text)
	}
	return strings.Join(parts, " ")
}

// Local makes the Reply for a failure without an answer, in the form that the
// rules of relay/provider know: "local: KIND detail". The kinds are dns, refused,
// timeout, reset, address refused, certificate, handshake, starttls missing, no
// mechanism, login disabled, connection lost and protocol; for access tokens also not
// bound and no consent; and where an organisation's policy ended the waiting, returned.
func Local(kind, detail string) Reply {
	text := "local: " + kind
	if detail != "" {
		text += " " + detail
	}
	return Reply{Text: Printable(text)}
}

// Printable makes text from outside safe for logs, reports and pages: control
// characters become spaces, runs of spaces one, and at most MaxReplyText
// characters remain.
func Printable(s string) string {
	if len(s) > 8*MaxReplyText {
		s = s[:8*MaxReplyText]
	}
	var b strings.Builder
	n, space := 0, false
	for _, r := range strings.ToValidUTF8(s, "\uFFFD") {
		if r <= ' ' || (r >= 0x7f && r < 0xa0) || isInvisible(r) {
			space = b.Len() > 0
			continue
		}
		if space {
			b.WriteByte(' ')
			space = false
			n++
		}
		if n >= MaxReplyText {
			break
		}
		b.WriteRune(r)
		n++
	}
	return b.String()
}

// isInvisible matches line separators and the controls of writing direction,
// which could make shown text read differently from what it is.
func isInvisible(r rune) bool {
	return (r >= 0x2028 && r <= 0x202e) || (r >= 0x2066 && r <= 0x2069) || r == 0x200e || r == 0x200f || r == 0xfeff
}
