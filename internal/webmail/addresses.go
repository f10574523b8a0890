package webmail

import (
	"errors"
	"strings"

	"github.com/relayd/relayd/internal/mailaddr"
	"github.com/relayd/relayd/relay"
)

var errList = errors.New("this is no list of addresses")

// maxAddresses is how many addresses one field may name.
const maxAddresses = 10_000

// parseAddresses reads an unfolded address-list (RFC 5322 §3.4) for its addresses
// alone. Display names are passed over, also such as hold what no standard allows
// outside ASCII. What only the obsolete syntax allows inside an address is refused:
// parsers disagree about it.
//
// An address that stands in front of another one as its display name counts as well:
// some program could take it for the address.
func parseAddresses(value string) ([]relay.Address, error) {
	p := &listParser{rest: value}
	if err := p.list(false); err != nil {
		return nil, err
	}
	return p.found, nil
}

// listParser takes one piece after the other off rest.
type listParser struct {
	rest  string
	found []relay.Address
}

// list reads elements up to the end, or up to the semicolon of a group.
func (p *listParser) list(group bool) error {
	for {
		if err := p.skipCFWS(); err != nil {
			return err
		}
		switch {
		case p.take(','): // RFC 5322 §4.4: an empty element
			continue
		case group && p.take(';'):
			return nil
		case p.rest == "" && !group:
			return nil
		}
		if err := p.element(group); err != nil {
			return err
		}
		if err := p.skipCFWS(); err != nil {
			return err
		}
		// RFC 5322 §3.4: what follows is a comma or the end.
		if p.rest != "" && p.rest[0] != ',' && (!group || p.rest[0] != ';') {
			return errList
		}
	}
}

// element reads a mailbox or a group.
func (p *listParser) element(group bool) error {
	if written := p.bare(); written != "" {
		if err := p.add(written); err != nil {
			return err
		}
		if err := p.skipCFWS(); err != nil {
			return err
		}
		if !strings.HasPrefix(p.rest, "<") {
			return nil
		}
	}
	if err := p.phrase(); err != nil {
		return err
	}
	switch {
	case p.take('<'):
		return p.bracketed()
	case !group && p.take(':'):
		return p.list(true)
	}
	return errList
}

// bare takes an addr-spec without angle brackets: a local part with an @ directly
// behind it. It gives nothing and takes nothing where none stands.
func (p *listParser) bare() string {
	local := p.word()
	if local == 0 || local >= len(p.rest) || p.rest[local] != '@' {
		return ""
	}
	end := local + 1
	for end < len(p.rest) && !strings.ContainsRune(" \t(<>,;:\"\\", rune(p.rest[end])) {
		if p.rest[end] == '[' { // an address literal may hold colons
			if i := strings.IndexByte(p.rest[end:], ']'); i > 0 {
				end += i
			}
		}
		end++
	}
	return p.advance(end)
}

// phrase takes a display name: words, dots, comments.
func (p *listParser) phrase() error {
	for p.rest != "" && p.rest[0] != '<' && p.rest[0] != ':' {
		n := p.word()
		if n == 0 {
			return errList
		}
		p.advance(n)
		if err := p.skipCFWS(); err != nil {
			return err
		}
	}
	return nil
}

// bracketed takes an addr-spec and the closing bracket.
func (p *listParser) bracketed() error {
	local := p.word()
	end := strings.IndexByte(p.rest[local:], '>')
	if end < 0 {
		return errList
	}
	written := p.advance(local + end)
	p.advance(1)
	return p.add(written)
}

func (p *listParser) add(written string) error {
	if len(p.found) == maxAddresses {
		return errors.New("it names too many addresses")
	}
	a, err := mailaddr.Parse(written)
	if err != nil {
		return err
	}
	p.found = append(p.found, a)
	return nil
}

// word is how long the quoted string or the run of atoms and dots at the start of
// rest is; 0 if there is none.
func (p *listParser) word() int {
	if strings.HasPrefix(p.rest, `"`) {
		return mailaddr.QuotedLength(p.rest)
	}
	return mailaddr.DotLength(p.rest)
}

// skipCFWS takes spaces and comments (RFC 5322 §3.2.2).
func (p *listParser) skipCFWS() error {
	for {
		p.rest = strings.TrimLeft(p.rest, " \t")
		if !strings.HasPrefix(p.rest, "(") {
			return nil
		}
		end := mailaddr.CommentLength(p.rest)
		if end == 0 {
			return errors.New("a comment has no end")
		}
		p.advance(end)
	}
}

func (p *listParser) take(c byte) bool {
	if p.rest == "" || p.rest[0] != c {
		return false
	}
	p.rest = p.rest[1:]
	return true
}

func (p *listParser) advance(n int) string {
	taken := p.rest[:n]
	p.rest = p.rest[n:]
	return taken
}
