package report

import (
	"bytes"
	"mime"
	"mime/quotedprintable"
	"strings"
)

// global reports whether the report is in the form of RFC 6533, because the
// message itself was internationalised.
func (n *notice) global() bool { return n.m.Envelope.NeedsSMTPUTF8() }

// boundary divides the parts. It follows from the ID, 80 bits of which nobody
// outside can know before the message is written.
func (n *notice) boundary() string { return "report." + n.id.String() }

// write makes the content of the report.
func (n *notice) write() []byte {
	w := &fieldWriter{utf8: n.m.Envelope.ReturnPath.NeedsSMTPUTF8()}
	w.field("From", displayName(n.opts.Name)+" <"+n.opts.From.String()+">")
	w.field("To", n.m.Envelope.ReturnPath.Path())
	w.field("Subject", n.subject())
	w.field("Date", n.now.Format(rfc5322Date))
	w.field("Message-ID", n.headerID())
	if isMessageID(n.m.HeaderID) { // RFC 5322 §3.6.4
		w.field("In-Reply-To", n.m.HeaderID)
		w.field("References", n.m.HeaderID)
	}
	w.field("Auto-Submitted", "auto-replied") // RFC 3834 §5.2
	w.field("MIME-Version", "1.0")
	w.field("Content-Type", `multipart/report; report-type=delivery-status; boundary="`+n.boundary()+`"`)
	parts := []part{n.textPart(), n.machinePart(), n.originalPart()}
	if parts[2].encoding() == eightBit { // RFC 2045 §6.4: the whole is labelled as its parts
		w.field("Content-Transfer-Encoding", eightBit)
	}
	w.end()
	for _, p := range parts {
		p.write(&w.buf, n.boundary())
	}
	w.buf.WriteString("\r\n--" + n.boundary() + "--\r\n")
	return w.buf.Bytes()
}

// part is one of the three.
type part struct {
	contentType, description string
	content                  []byte
	rigid                    bool // RFC 2046 §5.2.1: it cannot be encoded
}

func (n *notice) textPart() part {
	return part{"text/plain; charset=utf-8", "Notification", []byte(n.text()), false}
}

func (n *notice) machinePart() part {
	t := "message/delivery-status"
	if n.global() {
		t = "message/global-delivery-status" // RFC 6533 §4.2
	}
	return part{t, "Delivery report", n.statusPart(), false}
}

func (n *notice) originalPart() part {
	switch {
	case n.original.whole && n.global():
		return part{"message/global", "Undelivered message", n.original.content, false}
	case n.original.whole:
		return part{"message/rfc822", "Undelivered message", n.original.content, true}
	case n.global():
		return part{"message/global-headers", "Message header", n.original.content, false}
	}
	return part{"text/rfc822-headers", "Message header", n.original.content, false}
}

// The encodings of RFC 2045 §6.
const (
	sevenBit        = "7bit"
	eightBit        = "8bit"
	quotedPrintable = "quoted-printable"
)

// encoding is how the part travels. What is not plain 7-bit text is encoded, so
// that the report can pass every server; only a whole message stays as it is.
func (p part) encoding() string {
	switch {
	case isASCII(p.content) && (p.rigid || !hasLongLine(p.content)):
		return sevenBit
	case p.rigid:
		return eightBit
	}
	return quotedPrintable
}

func (p part) write(out *bytes.Buffer, boundary string) {
	w := &fieldWriter{}
	w.field("Content-Type", p.contentType)
	w.field("Content-Description", p.description)
	w.field("Content-Transfer-Encoding", p.encoding())
	out.WriteString("\r\n--" + boundary + "\r\n")
	out.Write(w.buf.Bytes())
	out.WriteString("\r\n")
	if p.encoding() != quotedPrintable {
		out.Write(p.content)
		return
	}
	qp := quotedprintable.NewWriter(out)
	_, _ = qp.Write(p.content) // a buffer takes everything
	_ = qp.Close()
}

func hasLongLine(content []byte) bool {
	for line := range bytes.Lines(content) {
		if len(line) > maxLine {
			return true
		}
	}
	return false
}

// displayName writes a name as RFC 5322 §3.2.5 and RFC 2047 §5 want it. It comes
// from the operator's configuration.
func displayName(name string) string {
	switch {
	case !isASCII([]byte(name)):
		return mime.QEncoding.Encode("utf-8", name)
	case strings.ContainsAny(name, `()<>[]:;@\,."`):
		return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(name) + `"`
	}
	return name
}
