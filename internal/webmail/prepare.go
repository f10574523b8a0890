package webmail

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/relayd/relayd/relay"
)

// The reasons why a message cannot go by an API. It may go by SMTP all the same.
var (
	// ErrEnvelope means that the header fields name somebody who is no recipient of
	// the envelope, and who would get the message again. The text names the address.
	ErrEnvelope = errors.New("the header names an address that is no recipient")
	// ErrResent means that the message was sent before, to others, and is sent again
	// (RFC 5322 §3.6.6): APIs mix up the two sets of fields.
	ErrResent = errors.New("the message is a re-sent one")
	// ErrHeader means that nobody can say for sure whom the header names.
	ErrHeader = errors.New("the header cannot be read for sure")
)

const (
	maxHeader = 1 << 20 // octets of a header block; what accepts mail lets a quarter of that pass by default
	foldAt    = 76      // RFC 5322 §2.1.1: lines should have no more than 78 characters
)

// Prepare decides whether a message may go by an API at all, and gives the content to
// hand over. An API has no envelope: it sends to whom the header names. So everybody
// named in To, Cc and Bcc must be among the recipients, and recipients that no field
// names are added as Bcc, which the service takes out again. The body and all other
// fields stay as they are, byte for byte.
//
// reader reads the content from its first octet and may be called again; size is its
// length. bcc are the values of the Bcc fields that were taken out of the header
// earlier (relay.Message.Bcc). recipients are those of the envelope, all of them:
// a message of which some recipients are done cannot go by an API any more.
func Prepare(reader func() io.Reader, size int64, bcc []string, recipients []relay.Address) (Content, error) {
	content := Content{Size: size, Reader: reader}
	if len(recipients) == 0 {
		return Content{}, fmt.Errorf("%w: there are no recipients", ErrEnvelope)
	}
	block, err := readHeader(reader())
	if err != nil {
		return Content{}, err
	}
	fields, err := splitHeader(block)
	if err != nil {
		return Content{}, err
	}
	named, err := namedIn(fields, bcc, recipients)
	if err != nil {
		return Content{}, err
	}
	missing := named.missing(recipients)
	if len(missing) == 0 && named.bccFields < 2 {
		return content, nil
	}
	// RFC 5322 §3.6: at most one Bcc field. What the old ones name is said by the new.
	kept := make([]byte, 0, len(block)+256)
	for _, f := range fields {
		if !f.is("bcc") {
			kept = append(kept, f.raw...)
		}
	}
	if all := slices.Concat(named.inBcc, missing); len(all) > 0 {
		kept = append(kept, bccField(all)...)
	}
	return Content{
		Size: size - int64(len(block)) + int64(len(kept)),
		Reader: func() io.Reader {
			return io.MultiReader(bytes.NewReader(kept), &skipper{source: reader(), skip: int64(len(block))})
		},
	}, nil
}

// named is whom the header fields name.
type named struct {
	seen      map[string]bool // by relay.Address.Key
	inBcc     []relay.Address // by the Bcc fields that are in the header
	bccFields int
}

// namedIn collects the addresses of the fields that decide who gets a message, and
// makes sure that every one is a recipient.
func namedIn(fields []field, bcc []string, recipients []relay.Address) (*named, error) {
	n := &named{seen: map[string]bool{}}
	allowed := make(map[string]bool, len(recipients))
	for _, r := range recipients {
		allowed[r.Key()] = true
	}
	for _, f := range fields {
		switch {
		case f.hasPrefix("resent-"):
			return nil, fmt.Errorf("%w: it has a field %s", ErrResent, relay.Printable(f.name()))
		case f.is("to"), f.is("cc"), f.is("bcc"):
			addresses, err := checkNamed(f.name(), f.value(), allowed)
			if err != nil {
				return nil, err
			}
			for _, a := range addresses {
				if f.is("bcc") && !n.seen[a.Key()] {
					n.inBcc = append(n.inBcc, a)
				}
				n.seen[a.Key()] = true
			}
			if f.is("bcc") {
				n.bccFields++
			}
		}
	}
	// These are not in the header any more: they are checked, and come back as what is
	// missing there.
	for _, value := range bcc {
		if _, err := checkNamed("Bcc", value, allowed); err != nil {
			return nil, err
		}
	}
	return n, nil
}

func checkNamed(name, value string, allowed map[string]bool) ([]relay.Address, error) {
	addresses, err := parseAddresses(value)
	if err != nil {
		return nil, fmt.Errorf("%w: field %s: %w", ErrHeader, relay.Printable(name), err)
	}
	for _, a := range addresses {
		if !allowed[a.Key()] {
			return nil, fmt.Errorf("%w: %s in field %s", ErrEnvelope, relay.Printable(a.String()), relay.Printable(name))
		}
	}
	return addresses, nil
}

// missing gives the recipients that no field names, each once.
func (n *named) missing(recipients []relay.Address) []relay.Address {
	var out []relay.Address
	seen := map[string]bool{}
	for _, r := range recipients {
		if key := r.Key(); !n.seen[key] && !seen[key] && !r.IsZero() {
			seen[key] = true
			out = append(out, r)
		}
	}
	return out
}

// bccField writes the field, folded. Addresses are written from their pairs and hold
// nothing that could end a field.
func bccField(addresses []relay.Address) string {
	var b strings.Builder
	line := "Bcc:"
	for i, a := range addresses {
		text := " " + a.String()
		if i < len(addresses)-1 {
			text += ","
		}
		if line != "Bcc:" && len(line)+len(text) > foldAt {
			b.WriteString(line + "\r\n")
			line = ""
		}
		line += text
	}
	b.WriteString(line + "\r\n")
	return b.String()
}

// skipper leaves out the first octets of its source.
type skipper struct {
	source io.Reader
	skip   int64
}

func (s *skipper) Read(p []byte) (int, error) {
	if s.skip > 0 {
		n, err := io.CopyN(io.Discard, s.source, s.skip)
		if s.skip -= n; err != nil {
			return 0, err
		}
	}
	return s.source.Read(p)
}
