package exchange

import (
	"bytes"
	"fmt"
	"io"
	"mime"
	"net/mail"
	"slices"
	"strings"
	"time"
)

// message is an Internet message with what the server has to know of it.
type message struct {
	content []byte
	header  mail.Header
}

// readMessage takes a message apart; its header must be one.
func readMessage(content []byte) (message, error) {
	m, err := mail.ReadMessage(bytes.NewReader(content))
	if err != nil || len(m.Header) == 0 {
		return message{}, refuse("ErrorMimeContentInvalid", "The MIME content was invalid.")
	}
	return message{content, m.Header}, nil
}

// lenient is for what lies in a folder, which may be anything.
func lenient(content []byte) message {
	m, err := readMessage(content)
	if err != nil {
		return message{content: content, header: mail.Header{}}
	}
	return m
}

// subject and the display names are shown decoded (RFC 2047).
func (m message) subject() string {
	raw := m.header.Get("Subject")
	if text, err := new(mime.WordDecoder).DecodeHeader(raw); err == nil {
		return text
	}
	return raw
}

// addresses gives what stands in fields of one name.
func (m message) addresses(field string) ([]*mail.Address, error) {
	// A name in an old character set spoils no address.
	asIs := func(_ string, r io.Reader) (io.Reader, error) { return r, nil }
	parser := &mail.AddressParser{WordDecoder: &mime.WordDecoder{CharsetReader: asIs}}
	var all []*mail.Address
	for _, value := range m.header[field] {
		if strings.TrimSpace(value) == "" {
			continue
		}
		list, err := parser.ParseList(value)
		if err != nil {
			return nil, fmt.Errorf("field %s: %w", field, err)
		}
		all = append(all, list...)
	}
	return all, nil
}

// recipients are everybody in To, Cc and Bcc, each once.
func (m message) recipients() ([]string, error) {
	var all []string
	for _, field := range []string{"To", "Cc", "Bcc"} {
		list, err := m.addresses(field)
		if err != nil {
			return nil, refuse("ErrorInvalidRecipients", "At least one recipient is not valid.")
		}
		for _, a := range list {
			if !containsName(all, a.Address) {
				all = append(all, a.Address)
			}
		}
	}
	if len(all) == 0 {
		return nil, refuse("ErrorInvalidRecipients", "At least one recipient isn't valid.")
	}
	return all, nil
}

// completed puts in front what every message has, and this one lacks.
func (m message) completed(o Owner, id string, now time.Time) message {
	var front strings.Builder
	add := func(name, value string) {
		if m.header.Get(name) == "" {
			front.WriteString(name + ": " + value + "\r\n")
		}
	}
	add("From", (&mail.Address{Name: o.Name, Address: o.Address}).String())
	add("Date", now.Format(time.RFC1123Z))
	add("Message-Id", "<"+id+"@"+domainOf(o.Address)+">")
	if front.Len() == 0 {
		return m
	}
	return lenient(append([]byte(front.String()), m.content...))
}

// without takes a field out of the header, with its folded lines.
func (m message) without(field string) []byte {
	kept := make([]byte, 0, len(m.content))
	rest, skipping := m.content, false
	for len(rest) > 0 {
		end := bytes.IndexByte(rest, '\n') + 1
		if end == 0 {
			end = len(rest)
		}
		line := rest[:end]
		if len(bytes.TrimRight(line, "\r\n")) == 0 {
			break // the body begins
		}
		if line[0] != ' ' && line[0] != '\t' {
			name, _, _ := bytes.Cut(line, []byte(":"))
			skipping = strings.EqualFold(string(bytes.TrimSpace(name)), field)
		}
		if !skipping {
			kept = append(kept, line...)
		}
		rest = rest[end:]
	}
	return append(kept, rest...)
}

// size is what Exchange calls the size of an item.
func (m message) size() int { return len(m.content) }

// body gives the text, and whether it is HTML, of a message with one part.
func (m message) body() (text string, html bool) {
	parsed, err := mail.ReadMessage(bytes.NewReader(m.content))
	if err != nil {
		return "", false
	}
	const longest = 1 << 20 // of a body that is shown; the whole is in MimeContent
	raw, err := io.ReadAll(io.LimitReader(parsed.Body, longest))
	if err != nil {
		return "", false
	}
	return string(raw), strings.HasPrefix(strings.ToLower(m.header.Get("Content-Type")), "text/html")
}

// compose makes a message out of an item's own properties, for clients that give no
// MimeContent.
func compose(item *node) ([]byte, error) {
	var b bytes.Buffer
	field := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%s: %s\r\n", name, value)
		}
	}
	for _, f := range []struct{ name, property string }{
		{"From", "From"}, {"To", "ToRecipients"}, {"Cc", "CcRecipients"}, {"Bcc", "BccRecipients"}, {"Reply-To", "ReplyTo"},
	} {
		list, err := mailboxList(item.find(typesSpace, f.property))
		if err != nil {
			return nil, err
		}
		field(f.name, list)
	}
	field("Subject", mime.QEncoding.Encode("utf-8", oneLine(item.find(typesSpace, "Subject").content())))
	field("Message-ID", oneLine(item.find(typesSpace, "InternetMessageId").content()))
	text := item.find(typesSpace, "Body")
	kind := "text/plain"
	if text.attr("BodyType") == "HTML" {
		kind = "text/html"
	}
	field("MIME-Version", "1.0")
	field("Content-Type", kind+"; charset=utf-8")
	field("Content-Transfer-Encoding", "8bit")
	b.WriteString("\r\n")
	if text != nil {
		b.WriteString(strings.ReplaceAll(strings.ReplaceAll(string(text.text), "\r\n", "\n"), "\n", "\r\n"))
	}
	return b.Bytes(), nil
}

// mailboxList writes mailboxes as a header field has them.
func mailboxList(list *node) (string, error) {
	if list == nil {
		return "", nil
	}
	var all []string
	for _, m := range list.nodes {
		address := m.find(typesSpace, "EmailAddress").content()
		if _, err := mail.ParseAddress(address); err != nil {
			return "", refuse("ErrorInvalidRecipients", "At least one recipient is not valid.")
		}
		all = append(all, (&mail.Address{Name: oneLine(m.find(typesSpace, "Name").content()), Address: address}).String())
	}
	return strings.Join(all, ", "), nil
}

// oneLine keeps a value from becoming two fields.
func oneLine(s string) string {
	return strings.Join(slices.Collect(strings.FieldsFuncSeq(s, func(r rune) bool { return r == '\r' || r == '\n' })), " ")
}
