package accept

import (
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/relayd/relayd/internal/mailaddr"
	"github.com/relayd/relayd/relay"
)

// mailbox is the one mailbox of a From or Sender field.
type mailbox struct {
	address relay.Address
	written string // the address as it stands in the field, without angle brackets
}

// The reasons why a field is refused.
var (
	errMailbox = errors.New("not exactly one mailbox")
	errNotUTF8 = errors.New("not valid UTF-8")
)

// maxComments is how deep comments may be nested: nobody writes even two.
const maxComments = 8

// parseMailbox reads an unfolded value that must be exactly one mailbox:
//
//	[CFWS] [phrase] "<" addr-spec ">" [CFWS]   or   [CFWS] addr-spec [CFWS]
//
// of RFC 5322 §3.4, with dots in the phrase (§4.1, "John Q. Public"). What only the
// obsolete syntax allows is refused, because parsers disagree about it: groups,
// routes, spaces and comments inside an address.
func parseMailbox(value string) (mailbox, error) {
	if !utf8.ValidString(value) { // RFC 6532 §3.2
		return mailbox{}, errNotUTF8
	}
	p := mailboxParser{rest: value}
	written, err := p.address()
	if err != nil {
		return mailbox{}, err
	}
	address, err := mailaddr.Parse(written)
	if err != nil {
		return mailbox{}, err
	}
	return mailbox{address, written}, nil
}

// mailboxParser takes one piece after the other off rest.
type mailboxParser struct{ rest string }

// address gives the text of the addr-spec.
func (p *mailboxParser) address() (string, error) {
	if err := p.skipCFWS(); err != nil {
		return "", err
	}
	if written, ok := p.bare(); ok {
		return written, p.atEnd()
	}
	if err := p.phrase(); err != nil {
		return "", err
	}
	written, err := p.bracketed()
	if err != nil {
		return "", err
	}
	return written, p.atEnd()
}

// bare takes an addr-spec that stands without angle brackets: a local part with an
// @ directly behind it.
func (p *mailboxParser) bare() (string, bool) {
	local := p.dotString()
	if strings.HasPrefix(p.rest, `"`) {
		local = p.quotedLength()
	}
	if local <= 0 || local >= len(p.rest) || p.rest[local] != '@' {
		return "", false
	}
	end := local + 1
	for end < len(p.rest) && !strings.ContainsRune(" \t(<>,;\"\\", rune(p.rest[end])) {
		end++
	}
	written := p.rest[:end]
	p.rest = p.rest[end:]
	return written, true
}

func (p *mailboxParser) dotString() int {
	n := 0
	for n < len(p.rest) && (p.rest[n] == '.' || mailaddr.IsAtext(p.rest[n])) {
		n++
	}
	return n
}

// quotedLength is how long the quoted string at the start of rest is; 0 if it has
// no end.
func (p *mailboxParser) quotedLength() int {
	for i := 1; i < len(p.rest); i++ {
		switch p.rest[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return 0
}

// phrase takes the display name up to the angle bracket: words, dots, comments.
func (p *mailboxParser) phrase() error {
	for !strings.HasPrefix(p.rest, "<") {
		n := p.dotString()
		if strings.HasPrefix(p.rest, `"`) {
			n = p.quotedLength()
		}
		if n == 0 {
			return errMailbox
		}
		p.rest = p.rest[n:]
		if err := p.skipCFWS(); err != nil {
			return err
		}
	}
	return nil
}

// bracketed takes "<" addr-spec ">".
func (p *mailboxParser) bracketed() (string, error) {
	p.rest = p.rest[1:]
	local := p.dotString()
	if strings.HasPrefix(p.rest, `"`) {
		local = p.quotedLength()
	}
	end := strings.IndexByte(p.rest[local:], '>')
	if end < 0 {
		return "", errMailbox
	}
	written := p.rest[:local+end]
	p.rest = p.rest[local+end+1:]
	return written, nil
}

func (p *mailboxParser) atEnd() error {
	if err := p.skipCFWS(); err != nil {
		return err
	}
	if p.rest != "" {
		return errMailbox
	}
	return nil
}

// skipCFWS takes spaces and comments (RFC 5322 §3.2.2).
func (p *mailboxParser) skipCFWS() error {
	for {
		p.rest = strings.TrimLeft(p.rest, " \t")
		if !strings.HasPrefix(p.rest, "(") {
			return nil
		}
		end := commentLength(p.rest)
		if end == 0 {
			return errMailbox
		}
		p.rest = p.rest[end:]
	}
}

// commentLength is how long the comment at the start of s is; 0 if it has no end or
// is nested too deep.
func commentLength(s string) int {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '(':
			if depth++; depth > maxComments {
				return 0
			}
		case ')':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return 0
}
