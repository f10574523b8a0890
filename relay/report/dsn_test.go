package report_test

import (
	"bufio"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"net/textproto"
	"strings"
	"testing"

	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/relay/report"
)

// dsn is a report as an independent parser reads it.
type dsn struct {
	message    *relay.Message
	raw        string
	header     mail.Header
	types      []string
	encodings  []string
	parts      []string // decoded
	perMessage textproto.MIMEHeader
	recipients []textproto.MIMEHeader
}

func made(t *testing.T, r *report.Reporter, s *spool, m *relay.Message, st *relay.State, kind relay.ReportKind, content string) *dsn {
	t.Helper()
	all := make([]int, len(m.Envelope.Recipients))
	for i := range all {
		all[i] = i
	}
	id, err := r.Report(t.Context(), m, st, all, kind, text(content))
	if err != nil {
		t.Fatal(err)
	}
	if id.IsZero() {
		return nil
	}
	return parse(t, s.kept[id], s.content[id])
}

func parse(t *testing.T, m *relay.Message, raw string) *dsn {
	t.Helper()
	d := &dsn{message: m, raw: raw}
	msg, err := mail.ReadMessage(strings.NewReader(raw))
	if err != nil {
		t.Fatalf("not a message: %v\n%s", err, raw)
	}
	d.header = msg.Header
	kind, params, err := mime.ParseMediaType(msg.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/report" || params["report-type"] != "delivery-status" {
		t.Fatalf("Content-Type %s %v, %v", kind, params, err)
	}
	mr := multipart.NewReader(msg.Body, params["boundary"])
	for {
		p, err := mr.NextRawPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("parts: %v\n%s", err, raw)
		}
		var content io.Reader = p
		encoding := p.Header.Get("Content-Transfer-Encoding")
		if encoding == "quoted-printable" {
			content = quotedprintable.NewReader(p)
		}
		b, err := io.ReadAll(content)
		if err != nil {
			t.Fatalf("part: %v", err)
		}
		d.types, d.encodings, d.parts = append(d.types, p.Header.Get("Content-Type")), append(d.encodings, encoding), append(d.parts, string(b))
	}
	if len(d.parts) != 3 {
		t.Fatalf("%d parts\n%s", len(d.parts), raw)
	}
	d.readGroups(t)
	return d
}

// readGroups reads the part for programs: groups of fields with empty lines between.
func (d *dsn) readGroups(t *testing.T) {
	t.Helper()
	groups := textproto.NewReader(bufio.NewReader(strings.NewReader(d.parts[1] + "\r\n")))
	for {
		h, err := groups.ReadMIMEHeader()
		if len(h) > 0 {
			d.recipients = append(d.recipients, h)
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("the part for programs: %v\n%s", err, d.parts[1])
		}
	}
	if len(d.recipients) == 0 {
		t.Fatalf("no group in %q", d.parts[1])
	}
	d.perMessage, d.recipients = d.recipients[0], d.recipients[1:]
}
