package notice

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"html"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/textproto"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
)

const (
	rfc5322Date = "Mon, 02 Jan 2006 15:04:05 -0700" // RFC 5322 §3.3
	niceLine    = 78                                // RFC 5322 §2.1.1
	textWidth   = 72
	maxWord     = 900 // octets of one word of a header field; a line has at most 998 (RFC 5322 §2.1.1)
)

// letter is one notice before it is a message.
type letter struct {
	kind         string
	id           relay.ID
	organisation string
	account      string
	to           []relay.Address
	subject      string
	pieces       []piece
}

// piece is a part of what is said, for both forms of the text. Only one of code and
// url is set, if any.
type piece struct {
	text string // words of ours, with what was printed into them
	item string // what the text is about, for a line of a list
	url  string
	code string
}

func para(format string, args ...any) piece { return piece{text: fmt.Sprintf(format, args...)} }

// put makes a letter a message of the queue. One that is there already is fine: it is
// this one.
func (s *Service) put(ctx context.Context, l *letter) error {
	m, content := l.message(&s.o, time.Now())
	_, err := s.o.Spool.Put(ctx, m, nil, content)
	if errors.Is(err, store.ErrExists) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("put the notice %s (%s) into the queue: %w", l.id, l.kind, err)
	}
	s.o.Observer.NoticeMade(l.kind, l.id, l.organisation, l.account)
	return nil
}

// message is the letter as a message of the queue. The null return path keeps it from
// being answered and from being reported about (RFC 3834 §4, RFC 5321 §4.5.5).
func (l *letter) message(o *Options, now time.Time) (*relay.Message, io.Reader) {
	content := l.content(o, now)
	envelope := relay.Envelope{EightBit: !isASCII(string(content))}
	for _, to := range l.to {
		envelope.Recipients = append(envelope.Recipients, relay.Recipient{Address: to, Notify: relay.NotifyNever})
		envelope.SMTPUTF8 = envelope.SMTPUTF8 || to.NeedsSMTPUTF8()
	}
	return &relay.Message{
		ID: l.id, Kind: relay.KindNotice, Accepted: now, Organisation: l.organisation, Envelope: envelope,
		From: o.From, HeaderID: l.headerID(o), Size: int64(len(content)), BodyHash: sha256.Sum256(content),
	}, bytes.NewReader(content)
}

func (l *letter) headerID(o *Options) string { return "<" + l.id.String() + "@" + o.Hostname + ">" }

// content is header and body: the text, and the same in simple HTML (RFC 2046
// §5.1.4).
func (l *letter) content(o *Options, now time.Time) []byte {
	var out bytes.Buffer
	to := make([]string, len(l.to))
	for i := range l.to {
		to[i] = l.to[i].String()
	}
	body := multipart.NewWriter(&out)
	// It follows from the ID, of which nobody outside knows 80 bits beforehand.
	_ = body.SetBoundary("notice." + l.id.String()) // its form is always right
	field(&out, "From", phrase(o.Name)+" <"+o.From.String()+">")
	field(&out, "To", strings.Join(to, ", "))
	field(&out, "Subject", unstructured(l.subject))
	field(&out, "Date", now.Format(rfc5322Date))
	field(&out, "Message-ID", l.headerID(o))
	field(&out, "Auto-Submitted", "auto-generated") // RFC 3834 §5
	field(&out, "MIME-Version", "1.0")
	field(&out, "Content-Type", `multipart/alternative; boundary="`+body.Boundary()+`"`)
	out.WriteString("\r\n")
	writePart(body, "text/plain; charset=utf-8", l.plain())
	writePart(body, "text/html; charset=utf-8", l.html())
	_ = body.Close() // a buffer takes everything
	return out.Bytes()
}

func writePart(body *multipart.Writer, contentType, text string) {
	part, err := body.CreatePart(textproto.MIMEHeader{
		"Content-Type": {contentType}, "Content-Transfer-Encoding": {"quoted-printable"},
	})
	if err != nil {
		return // a buffer takes everything
	}
	qp := quotedprintable.NewWriter(part)
	_, _ = qp.Write([]byte(text))
	_ = qp.Close()
}

// field writes one header field and nothing else: line ends and other control
// characters in the value become spaces.
func field(out *bytes.Buffer, name, value string) {
	out.WriteString(name + ":")
	line := len(name) + 1
	for word := range strings.FieldsSeq(printable(value)) {
		for len(word) > 0 {
			part := word[:min(len(word), maxWord)]
			for len(part) < len(word) && !utf8.RuneStart(word[len(part)]) {
				part = part[:len(part)-1]
			}
			word = word[len(part):]
			if line > len(name)+1 && line+1+len(part) > niceLine {
				out.WriteString("\r\n")
				line = 0
			}
			out.WriteString(" " + part)
			line += 1 + len(part)
		}
	}
	out.WriteString("\r\n")
}

func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}

// unstructured writes text as RFC 2047 §5 (1) wants it.
func unstructured(text string) string { return mime.QEncoding.Encode("utf-8", printable(text)) }

// phrase writes a display name: RFC 5322 §3.2.5, RFC 2047 §5 (3).
func phrase(name string) string {
	name = printable(name)
	switch {
	case !isASCII(name):
		return mime.BEncoding.Encode("utf-8", name) // Q would leave commas and brackets, which a phrase cannot have
	case strings.ContainsAny(name, `()<>[]:;@\,."`):
		return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(name) + `"`
	}
	return name
}

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r >= utf8.RuneSelf }) < 0
}

// plain is the text.
func (l *letter) plain() string {
	var b strings.Builder
	for i, p := range l.pieces {
		if i > 0 && (p.item == "" || l.pieces[i-1].item == "") {
			b.WriteString("\r\n")
		}
		switch {
		case p.url != "":
			b.WriteString(p.url + "\r\n") // never broken: it is clicked
		case p.code != "":
			b.WriteString("    " + p.code + "\r\n")
		case p.item != "":
			wrap(&b, "- ", "  ", p.item+": "+p.text)
		default:
			wrap(&b, "", "", p.text)
		}
	}
	return b.String()
}

// wrap writes a paragraph, its first line behind first and the others behind rest.
func wrap(b *strings.Builder, first, rest, text string) {
	b.WriteString(first)
	line := len(first)
	for word := range strings.FieldsSeq(text) {
		switch {
		case line == len(first):
		case line+1+len(word) > textWidth:
			b.WriteString("\r\n" + rest)
			line = len(rest)
		default:
			b.WriteString(" ")
			line++
		}
		b.WriteString(word)
		line += len(word)
	}
	b.WriteString("\r\n")
}

// html is the same for programs that show it. All of it is escaped.
func (l *letter) html() string {
	var b strings.Builder
	b.WriteString("<!DOCTYPE html>\r\n<html><head><meta charset=\"utf-8\"></head>\r\n<body style=\"font-family: sans-serif\">\r\n")
	for i, p := range l.pieces {
		starts := p.item != "" && (i == 0 || l.pieces[i-1].item == "")
		ends := p.item != "" && (i == len(l.pieces)-1 || l.pieces[i+1].item == "")
		if starts {
			b.WriteString("<ul>\r\n")
		}
		text := html.EscapeString(p.text)
		switch {
		case p.url != "":
			b.WriteString(`<p><a href="` + html.EscapeString(p.url) + `">` + text + "</a></p>\r\n")
		case p.code != "":
			b.WriteString(`<p><code style="font-size: 150%">` + html.EscapeString(p.code) + "</code></p>\r\n")
		case p.item != "":
			b.WriteString("<li>" + html.EscapeString(p.item) + ": " + text + "</li>\r\n")
		default:
			b.WriteString("<p>" + text + "</p>\r\n")
		}
		if ends {
			b.WriteString("</ul>\r\n")
		}
	}
	b.WriteString("</body></html>\r\n")
	return b.String()
}
