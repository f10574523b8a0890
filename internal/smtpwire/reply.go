package smtpwire

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/relayd/relayd/relay"
)

// ErrBadReply means that what came is no SMTP reply (RFC 5321 §4.2), or one beyond
// the limits. The stream is out of step and can only be closed.
var ErrBadReply = errors.New("not an SMTP reply")

// maxReplyLine is how long a reply line may be that we write, CR LF included
// (RFC 5321 §4.5.3.1.5).
const maxReplyLine = 512

// Reply is one answer as it stands on the wire.
type Reply struct {
	Code     int
	Enhanced relay.Enhanced // zero: none (RFC 2034 leaves 220, 354 and EHLO without)
	Lines    []string       // the texts behind the codes; none is one empty line
}

// NewReply makes a reply; a text may hold several lines, divided by "\n".
func NewReply(code int, enhanced relay.Enhanced, text string) Reply {
	return Reply{Code: code, Enhanced: enhanced, Lines: strings.Split(text, "\n")}
}

// Append writes the reply behind dst as RFC 5321 §4.2 and RFC 2034 §4 want it. No
// text can add a line or lengthen one beyond what a client must accept.
func (r Reply) Append(dst []byte) []byte {
	if len(r.Lines) == 0 {
		return appendReplyLine(dst, r, ' ', "")
	}
	for i, text := range r.Lines {
		divider := byte('-')
		if i == len(r.Lines)-1 {
			divider = ' '
		}
		dst = appendReplyLine(dst, r, divider, text)
	}
	return dst
}

func appendReplyLine(dst []byte, r Reply, divider byte, text string) []byte {
	start := len(dst)
	dst = append(strconv.AppendInt(dst, int64(r.Code), 10), divider)
	if e := r.Enhanced; e != (relay.Enhanced{}) {
		dst = append(append(dst, e.String()...), ' ')
	}
	room := maxReplyLine - len("\r\n") - (len(dst) - start)
	for _, c := range text {
		if c < ' ' || c == 0x7f {
			c = ' '
		}
		if room -= utf8.RuneLen(c); room < 0 {
			break
		}
		dst = utf8.AppendRune(dst, c)
	}
	return append(dst, '\r', '\n')
}

// Public is the reply in the form in which it is kept and shown: bounded,
// printable and in one line.
func (r Reply) Public() relay.Reply {
	return relay.Reply{Code: r.Code, Enhanced: r.Enhanced, Text: relay.Printable(strings.Join(r.Lines, " "))}
}

// ReplyLimits bounds one reply. A zero field is its default.
type ReplyLimits struct {
	Line  int // octets of one line without CR LF
	Lines int
	Bytes int // octets of all lines
}

// The defaults of ReplyLimits. RFC 5321 §4.5.3.1.5 allows 512 octets a line; some
// servers write longer ones.
const (
	DefaultReplyLine  = 2000
	DefaultReplyLines = 128
	DefaultReplyBytes = 16 << 10
)

func (l ReplyLimits) withDefaults() ReplyLimits {
	l.Line = orDefault(l.Line, DefaultReplyLine)
	l.Lines = orDefault(l.Lines, DefaultReplyLines)
	l.Bytes = orDefault(l.Bytes, DefaultReplyBytes)
	return l
}

func orDefault[T int | int64](v, fallback T) T {
	if v <= 0 {
		return fallback
	}
	return v
}

// ReadReply reads one whole reply. What does not follow the grammar or goes beyond
// a limit is ErrBadReply, ErrLineTooLong or ErrBareLineEnd; memory stays within
// the limits whatever comes.
func ReadReply(r *Reader, limits ReplyLimits) (Reply, error) {
	limits = limits.withDefaults()
	var reply Reply
	total := 0
	for {
		line, err := r.ReadLine(limits.Line)
		if err != nil {
			return Reply{}, err
		}
		if total += len(line); total > limits.Bytes || len(reply.Lines) == limits.Lines {
			return Reply{}, fmt.Errorf("%w: it does not end", ErrBadReply)
		}
		last, err := reply.take(line)
		if err != nil || last {
			return reply, err
		}
	}
}

// take reads one line of the reply and reports whether it is the last.
func (r *Reply) take(line []byte) (last bool, err error) {
	code, ok := replyCode(line)
	if !ok || hasControl(line) {
		return false, fmt.Errorf("%w: %q", ErrBadReply, relay.Printable(string(line)))
	}
	if len(r.Lines) > 0 && code != r.Code {
		// RFC 5321 §4.2.1: every line of a reply has the same code.
		return false, fmt.Errorf("%w: the codes %d and %d in one reply", ErrBadReply, r.Code, code)
	}
	text := ""
	if len(line) > 4 {
		text = string(line[4:])
	}
	enhanced, rest, found := cutEnhanced(text)
	if found && (len(r.Lines) == 0 || enhanced == r.Enhanced) {
		r.Enhanced, text = enhanced, rest
	}
	r.Code = code
	r.Lines = append(r.Lines, text)
	return len(line) == 3 || line[3] == ' ', nil
}

// replyCode reads the code and the divider. RFC 5321 §4.2: a client must also
// accept a code without any text. A first digit of 1 was never used by SMTP.
func replyCode(line []byte) (int, bool) {
	if len(line) < 3 || line[0] < '2' || line[0] > '5' || !isDigit(line[1]) || !isDigit(line[2]) {
		return 0, false
	}
	if len(line) > 3 && line[3] != ' ' && line[3] != '-' {
		return 0, false
	}
	return int(line[0]-'0')*100 + int(line[1]-'0')*10 + int(line[2]-'0'), true
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// hasControl finds what RFC 5321 §4.2 does not allow in a reply. Octets over 127
// are let through: servers do write them, and nothing is shown that was not made
// printable first.
func hasControl(line []byte) bool {
	for _, c := range line {
		if (c < ' ' && c != '\t') || c == 0x7f {
			return true
		}
	}
	return false
}

// cutEnhanced takes the enhanced status code (RFC 2034 §4) from the front of a
// reply's text. Its class is not compared with the code: servers do write such
// answers as "552 4.5.3".
func cutEnhanced(text string) (relay.Enhanced, string, bool) {
	code, rest, _ := strings.Cut(text, " ")
	e, ok := ParseEnhanced(code)
	if !ok {
		return relay.Enhanced{}, text, false
	}
	return e, rest, true
}

// ParseEnhanced reads an enhanced status code (RFC 3463 §2): a class of 2, 4 or 5,
// then a subject and a detail of one to three digits each.
func ParseEnhanced(s string) (relay.Enhanced, bool) {
	class, rest, _ := strings.Cut(s, ".")
	subject, detail, ok := strings.Cut(rest, ".")
	if !ok || (class != "2" && class != "4" && class != "5") {
		return relay.Enhanced{}, false
	}
	sub, ok1 := smallNumber(subject)
	det, ok2 := smallNumber(detail)
	return relay.Enhanced{int(class[0] - '0'), sub, det}, ok1 && ok2
}

func smallNumber(s string) (int, bool) {
	if len(s) == 0 || len(s) > 3 {
		return 0, false
	}
	n := 0
	for i := range len(s) {
		if !isDigit(s[i]) {
			return 0, false
		}
		n = n*10 + int(s[i]-'0')
	}
	return n, true
}
