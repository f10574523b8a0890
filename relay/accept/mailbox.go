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
	local := mailaddr.DotLength(p.rest)
	if strings.HasPrefix(p.rest, `"`) {
		local = mailaddr.QuotedLength(p.rest)
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

// phrase takes the display name up to the angle bracket: words, dots, comments.
func (p *mailboxParser) phrase() error {
	for !strings.HasPrefix(p.rest, "<") {
		n := mailaddr.DotLength(p.rest)
		if strings.HasPrefix(p.rest, `"`) {
			n = mailaddr.QuotedLength(p.rest)
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
	local := mailaddr.DotLength(p.rest)
	if strings.HasPrefix(p.rest, `"`) {
		local = mailaddr.QuotedLength(p.rest)
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
		end := mailaddr.CommentLength(p.rest)
		if end == 0 {
			return errMailbox
		}
		p.rest = p.rest[end:]
	}
}
