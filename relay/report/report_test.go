package report_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/textproto"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/relay/report"
	"github.com/relayd/relayd/store"
)

// text is content in memory.
type text string

func (b text) Size() int64       { return int64(len(b)) }
func (b text) Reader() io.Reader { return strings.NewReader(string(b)) }

// spool keeps what is put.
type spool struct {
	kept    map[relay.ID]*relay.Message
	content map[relay.ID]string
	err     error
}

func newSpool() *spool {
	return &spool{kept: map[relay.ID]*relay.Message{}, content: map[relay.ID]string{}}
}

func (s *spool) Put(_ context.Context, m *relay.Message, key func() relay.SubmissionKey, content io.Reader) (relay.ID, error) {
	if key != nil {
		return relay.ID{}, errors.New("a report has no submission key")
	}
	if s.err != nil {
		return relay.ID{}, s.err
	}
	if s.kept[m.ID] != nil {
		return relay.ID{}, fmt.Errorf("message %s: %w", m.ID, store.ErrExists)
	}
	b, err := io.ReadAll(content)
	if err != nil {
		return relay.ID{}, err
	}
	s.kept[m.ID], s.content[m.ID] = m, string(b)
	return m.ID, nil
}

var (
	accepted = time.Date(2026, 11, 21, 9, 30, 0, 0, time.UTC)
	jane     = relay.Address{Local: "jane", Domain: "acme.example"}
	bob      = relay.Address{Local: "bob", Domain: "world.example"}
)

const letter = "Received: from crm by relay.example; Sat, 21 Nov 2026 09:30:00 +0000\r\n" +
	"From: Jane Doe <jane@acme.example>\r\nTo: bob@world.example\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= from\r\n Acme\r\n" +
	"Message-ID: <42@acme.example>\r\nDate: Sat, 21 Nov 2026 09:30:00 +0000\r\n\r\nThe body is private.\r\n"

// failed is a message to bob that was refused, changed by the tests.
func failed() (*relay.Message, *relay.State) {
	m := &relay.Message{
		ID: relay.ID{1, 147, 2, 3, 4, 5, 6}, Accepted: accepted, Submitter: "s1", Organisation: "o1",
		From: jane, HeaderID: "<42@acme.example>", Size: int64(len(letter)),
		Envelope: relay.Envelope{
			ReturnPath: jane, EnvID: "crm-77",
			Recipients: []relay.Recipient{{Address: bob, ORcpt: "rfc822;Bob@World.example"}},
		},
	}
	s := relay.NewState(m)
	s.Recipients[0] = relay.RecipientState{
		Outcome: relay.Failed, Attempts: 1, Rule: "rcpt.no_such_user", Peer: "mx1.world.example [192.0.2.1:25]", At: accepted.Add(time.Minute),
		Reply: relay.Reply{Code: 550, Enhanced: relay.Enhanced{5, 1, 1}, Text: "No such user here"},
	}
	return m, s
}

func newReporter(s *spool, change ...func(*report.Options)) *report.Reporter {
	o := report.Options{Spool: s, Hostname: "relay.example", Hint: func(rule string) string {
		if rule == "rcpt.no_such_user" {
			return "The recipient's address does not exist."
		}
		return ""
	}}
	for _, c := range change {
		c(&o)
	}
	return report.New(o)
}

func TestWhoGetsWhat(t *testing.T) {
	t.Parallel()
	const never, success, failure, delay = relay.NotifyNever, relay.NotifySuccess, relay.NotifyFailure, relay.NotifyDelay
	for _, c := range []struct {
		name    string
		kind    relay.ReportKind
		notify  relay.Notify
		outcome relay.Outcome
		due     bool
	}{
		{"failure, nothing asked", relay.ReportFailure, 0, relay.Failed, true},
		{"failure, asked", relay.ReportFailure, failure, relay.Failed, true},
		{"failure, only success asked", relay.ReportFailure, success, relay.Failed, false},
		{"failure, never", relay.ReportFailure, never, relay.Failed, false},
		{"failure of what was delivered", relay.ReportFailure, failure, relay.Delivered, false},
		{"failure of what was cancelled", relay.ReportFailure, failure, relay.Cancelled, false},
		{"failure of what waits", relay.ReportFailure, failure, relay.Deferred, false},
		{"delay, nothing asked", relay.ReportDelay, 0, relay.Deferred, true},
		{"delay, asked", relay.ReportDelay, delay | failure, relay.Unknown, true},
		{"delay, not asked", relay.ReportDelay, failure, relay.Deferred, false},
		{"delay, never", relay.ReportDelay, never, relay.Deferred, false},
		{"delay of what was delivered", relay.ReportDelay, delay, relay.Delivered, false},
		{"success, nothing asked", relay.ReportSuccess, 0, relay.Delivered, false},
		{"success, asked", relay.ReportSuccess, success, relay.Delivered, true},
		{"success of what failed", relay.ReportSuccess, success, relay.Failed, false},
	} {
		m, s := failed()
		m.Envelope.Recipients[0].Notify, s.Recipients[0].Outcome = c.notify, c.outcome
		if got := len(report.Due(m, s, []int{0}, c.kind)) == 1; got != c.due {
			t.Errorf("%s: due %t", c.name, got)
		}
		m.Envelope.ReturnPath = relay.Address{}
		if report.Due(m, s, []int{0}, c.kind) != nil {
			t.Errorf("%s: a report to the null return path", c.name)
		}
		m.Envelope.ReturnPath, m.Kind = jane, relay.KindReport
		if report.Due(m, s, []int{0}, c.kind) != nil {
			t.Errorf("%s: a report about a report", c.name)
		}
	}
}

func TestFailureReport(t *testing.T) {
	t.Parallel()
	sp := newSpool()
	m, s := failed()
	d := made(t, newReporter(sp), sp, m, s, relay.ReportFailure, letter)

	for field, want := range map[string]string{
		"From": "Mail Delivery System <postmaster@relay.example>", "To": "<jane@acme.example>",
		"Subject": "Your message could not be delivered", "Auto-Submitted": "auto-replied", "Mime-Version": "1.0",
		"In-Reply-To": "<42@acme.example>", "References": "<42@acme.example>", "Message-Id": "<" + d.message.ID.String() + "@relay.example>",
	} {
		if got := d.header[field]; len(got) != 1 || got[0] != want {
			t.Errorf("%s: %q; want %q", field, got, want)
		}
	}
	if _, err := d.header.Date(); err != nil {
		t.Errorf("Date: %v", err)
	}
	want := textproto.MIMEHeader{
		"Original-Envelope-Id": {"crm-77"}, "Reporting-Mta": {"dns; relay.example"}, "Arrival-Date": {"Sat, 21 Nov 2026 09:30:00 +0000"},
	}
	if !reflect.DeepEqual(d.perMessage, want) {
		t.Errorf("about the message: %v; want %v", d.perMessage, want)
	}
	wantRecipient := textproto.MIMEHeader{
		"Original-Recipient": {"rfc822; Bob@World.example"}, "Final-Recipient": {"rfc822; bob@world.example"},
		"Action": {"failed"}, "Status": {"5.1.1"}, "Remote-Mta": {"dns; mx1.world.example"},
		"Diagnostic-Code": {"smtp; 550 5.1.1 No such user here"}, "Last-Attempt-Date": {"Sat, 21 Nov 2026 09:31:00 +0000"},
		"Final-Log-Id": {m.ID.String()},
	}
	if len(d.recipients) != 1 || !reflect.DeepEqual(d.recipients[0], wantRecipient) {
		t.Errorf("about bob: %v; want %v", d.recipients, wantRecipient)
	}
	for _, words := range []string{"bob@world.example", "550 5.1.1 No such user here", "The recipient's address does not exist.", "Subject: Grüße from Acme"} {
		if !strings.Contains(d.parts[0], words) {
			t.Errorf("the words do not say %q:\n%s", words, d.parts[0])
		}
	}
	if strings.Contains(d.raw, "The body is private.") {
		t.Error("the body went back though nobody asked for it")
	}
	if strings.Join(d.types, ", ") != "text/plain; charset=utf-8, message/delivery-status, text/rfc822-headers" {
		t.Errorf("types %q", d.types)
	}
	if header, _, _ := strings.Cut(letter, "\r\n\r\n"); d.parts[2] != header+"\r\n" {
		t.Errorf("returned %q", d.parts[2])
	}
	checkEnvelope(t, m, d)
}

func checkEnvelope(t *testing.T, m *relay.Message, d *dsn) {
	t.Helper()
	e := d.message.Envelope
	if !e.ReturnPath.IsZero() || len(e.Recipients) != 1 || e.Recipients[0].Address != m.Envelope.ReturnPath || e.Recipients[0].Notify != relay.NotifyNever {
		t.Errorf("envelope %+v", e)
	}
	if d.message.Kind != relay.KindReport || d.message.Submitter != "" || d.message.Organisation != m.Organisation {
		t.Errorf("message %+v", d.message)
	}
	if d.message.Size != int64(len(d.raw)) || e.EightBit != (strings.IndexFunc(d.raw, func(r rune) bool { return r >= 0x80 }) >= 0) {
		t.Errorf("size %d of %d, 8-bit %t", d.message.Size, len(d.raw), e.EightBit)
	}
	for line := range strings.Lines(d.raw) {
		if !strings.HasSuffix(line, "\r\n") || strings.Count(line, "\r") != 1 || len(line) > 1000 {
			t.Errorf("line %q", line)
		}
	}
}

func TestActionAndStatus(t *testing.T) {
	t.Parallel()
	reply := func(code int, e relay.Enhanced, s string) relay.Reply {
		return relay.Reply{Code: code, Enhanced: e, Text: s}
	}
	for _, c := range []struct {
		name           string
		kind           relay.ReportKind
		outcome        relay.Outcome
		reply          relay.Reply
		action, status string
		diagnostic     string
		words          string
	}{
		{"refused without enhanced code", relay.ReportFailure, relay.Failed, reply(554, relay.Enhanced{}, "no"), "failed", "5.0.0", "smtp; 554 no", "554 no"},
		{"code and enhanced code disagree", relay.ReportFailure, relay.Failed, reply(550, relay.Enhanced{4, 2, 2}, "x"), "failed", "4.4.7", "smtp; 550 4.2.2 x", "given up after 5 days"},
		{"too old", relay.ReportFailure, relay.Failed, reply(451, relay.Enhanced{4, 7, 1}, "greylisted"), "failed", "4.4.7", "smtp; 451 4.7.1 greylisted", "given up after 5 days"},
		{"never answered", relay.ReportFailure, relay.Failed, relay.Local("timeout", "dial tcp 10.1.2.3:25"), "failed", "4.4.7", "", "did not answer in time"},
		{"no such domain", relay.ReportFailure, relay.Failed, relay.Reply{Enhanced: relay.Enhanced{5, 1, 2}, Text: "local: dns no such domain"}, "failed", "5.1.2", "", "The domain of this address does not exist."},
		{"unknown kind", relay.ReportFailure, relay.Failed, relay.Local("something new", "/var/lib/x"), "failed", "4.4.7", "", "could not be reached"},
		{"delayed", relay.ReportDelay, relay.Deferred, reply(421, relay.Enhanced{4, 3, 2}, "busy"), "delayed", "4.3.2", "smtp; 421 4.3.2 busy", "Attempts go on until Thu, 26 Nov 2026 09:30:00"},
		{"delayed without code", relay.ReportDelay, relay.Deferred, relay.Local("refused", ""), "delayed", "4.0.0", "", "refused the connection"},
		{"passed on", relay.ReportSuccess, relay.Delivered, reply(250, relay.Enhanced{2, 0, 0}, "OK"), "relayed", "2.0.0", "smtp; 250 2.0.0 OK", "The mail server mx1.world.example took the message."},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			sp := newSpool()
			m, s := failed()
			m.Envelope.Recipients[0].Notify = relay.NotifySuccess | relay.NotifyDelay | relay.NotifyFailure
			s.Recipients[0].Outcome, s.Recipients[0].Reply, s.Recipients[0].Rule = c.outcome, c.reply, "other"
			d := made(t, newReporter(sp), sp, m, s, c.kind, letter)
			r := d.recipients[0]
			if r.Get("Action") != c.action || r.Get("Status") != c.status || r.Get("Diagnostic-Code") != c.diagnostic {
				t.Errorf("%s %s %q", r.Get("Action"), r.Get("Status"), r.Get("Diagnostic-Code"))
			}
			if !strings.Contains(strings.Join(strings.Fields(d.parts[0]), " "), c.words) {
				t.Errorf("the words do not say %q:\n%s", c.words, d.parts[0])
			}
			for _, internal := range []string{"10.1.2.3", "/var/lib", "local:", "192.0.2.1"} {
				if strings.Contains(d.raw, internal) {
					t.Errorf("internal text %q:\n%s", internal, d.raw)
				}
			}
			checkEnvelope(t, m, d)
		})
	}
}

func TestRet(t *testing.T) {
	t.Parallel()
	eight := strings.Replace(letter, "private", "größer", 1)
	for _, c := range []struct {
		name    string
		kind    relay.ReportKind
		ret     relay.Ret
		content string
		max     int64
		whole   bool
		coding  string
	}{
		{"unset", relay.ReportFailure, relay.RetUnset, letter, 0, false, "7bit"},
		{"headers", relay.ReportFailure, relay.RetHeaders, letter, 0, false, "7bit"},
		{"full", relay.ReportFailure, relay.RetFull, letter, 0, true, "7bit"},
		{"full, 8-bit", relay.ReportFailure, relay.RetFull, eight, 0, true, "8bit"},
		{"full, but too large", relay.ReportFailure, relay.RetFull, letter, 100, false, "7bit"},
		{"full, but only a delay", relay.ReportDelay, relay.RetFull, letter, 0, false, "7bit"},
		{"full, but a success", relay.ReportSuccess, relay.RetFull, letter, 0, false, "7bit"},
		{"headers of 8 bit", relay.ReportFailure, relay.RetHeaders, "Subject: Grüße\r\n\r\n", 0, false, "quoted-printable"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			sp := newSpool()
			m, s := failed()
			m.Envelope.Ret, m.Envelope.Recipients[0].Notify = c.ret, relay.NotifyFailure|relay.NotifyDelay|relay.NotifySuccess
			s.Recipients[0].Outcome = map[relay.ReportKind]relay.Outcome{
				relay.ReportFailure: relay.Failed, relay.ReportDelay: relay.Deferred, relay.ReportSuccess: relay.Delivered}[c.kind]
			r := newReporter(sp, func(o *report.Options) { o.MaxContent = c.max })
			d := made(t, r, sp, m, s, c.kind, c.content)
			header, _, _ := strings.Cut(c.content, "\r\n\r\n")
			want, wantType := header+"\r\n", "text/rfc822-headers"
			if c.whole {
				want, wantType = c.content, "message/rfc822"
			}
			if d.parts[2] != want || d.types[2] != wantType || d.encodings[2] != c.coding {
				t.Errorf("%s in %s: %q", d.types[2], d.encodings[2], d.parts[2])
			}
			checkEnvelope(t, m, d)
		})
	}
}

func TestInternationalReport(t *testing.T) {
	t.Parallel()
	sp := newSpool()
	m, s := failed()
	m.Envelope.ReturnPath = relay.Address{Local: "jürgen", Domain: "acme.example"}
	m.Envelope.Recipients[0] = relay.Recipient{Address: relay.Address{Local: "bøb", Domain: "world.example"}, ORcpt: "utf-8;bøb@world.example"}
	s.Recipients[0].Reply.Text = "Ukjent bruker bøb"
	m.Envelope.SMTPUTF8, m.Envelope.Ret = true, relay.RetFull
	d := made(t, newReporter(sp), sp, m, s, relay.ReportFailure, strings.Replace(letter, "Jane Doe", "Jürgen", 1))
	if strings.Join(d.types, ", ") != "text/plain; charset=utf-8, message/global-delivery-status, message/global" {
		t.Errorf("types %q", d.types)
	}
	r := d.recipients[0]
	if r.Get("Final-Recipient") != "utf-8; bøb@world.example" || r.Get("Original-Recipient") != "utf-8; bøb@world.example" || !strings.HasSuffix(r.Get("Diagnostic-Code"), "bøb") {
		t.Errorf("%v", r)
	}
	if d.header.Get("To") != "<jürgen@acme.example>" || !d.message.Envelope.SMTPUTF8 {
		t.Errorf("to %s, SMTPUTF8 %t", d.header.Get("To"), d.message.Envelope.SMTPUTF8)
	}
	checkEnvelope(t, m, d)

	// A 7-bit report may hold 7-bit text only.
	sp = newSpool()
	m, s = failed()
	m.Envelope.Recipients[0].ORcpt = "utf-8;bøb@world.example"
	s.Recipients[0].Reply.Text = "Ukjent bøb"
	d = made(t, newReporter(sp), sp, m, s, relay.ReportFailure, letter)
	if got := d.recipients[0].Get("Original-Recipient"); got != `utf-8; b\x{F8}b@world.example` || d.encodings[1] != "7bit" {
		t.Errorf("%s in %s", got, d.encodings[1])
	}
}

func TestQuotedAddressesStayWhole(t *testing.T) {
	t.Parallel()
	sp := newSpool()
	m, s := failed()
	m.Envelope.ReturnPath = relay.Address{Local: "jane  of  acme", Domain: "acme.example"}
	m.Envelope.Recipients[0].Address = relay.Address{Local: strings.Repeat(`x  "`, 15), Domain: "world.example"}
	d := made(t, newReporter(sp), sp, m, s, relay.ReportFailure, letter)
	to, err := d.header.AddressList("To")
	if err != nil || to[0].Address != `"jane  of  acme"@acme.example` && to[0].Address != "jane  of  acme@acme.example" {
		t.Errorf("To: %v, %v", to, err)
	}
	if want := "rfc822; " + m.Envelope.Recipients[0].Address.String(); !strings.Contains(strings.ReplaceAll(d.parts[1], "\r\n ", " "), want) {
		t.Errorf("%q does not hold %q", d.parts[1], want)
	}
}

func TestManyRecipients(t *testing.T) {
	t.Parallel()
	sp := newSpool()
	m, s := failed()
	for i := range 999 {
		m.Envelope.Recipients = append(m.Envelope.Recipients, relay.Recipient{Address: relay.Address{Local: fmt.Sprint("u", i), Domain: "x.example"}})
		s.Recipients = append(s.Recipients, s.Recipients[0])
	}
	m.Envelope.Recipients[7].Notify = relay.NotifyNever
	d := made(t, newReporter(sp), sp, m, s, relay.ReportFailure, letter)
	if len(d.recipients) != 999 || !strings.Contains(d.parts[0], "and 949 more") || strings.Contains(d.raw, "u6@x.example") {
		t.Errorf("%d groups; words of %d octets", len(d.recipients), len(d.parts[0]))
	}
}

func TestReportIsMadeOnce(t *testing.T) {
	t.Parallel()
	sp := newSpool()
	r := newReporter(sp)
	m, s := failed()
	m.Envelope.Recipients = append(m.Envelope.Recipients, relay.Recipient{Address: jane})
	s.Recipients = append(s.Recipients, s.Recipients[0])
	first, err := r.Report(t.Context(), m, s, []int{0}, relay.ReportFailure, text(letter))
	if err != nil {
		t.Fatal(err)
	}
	content := sp.content[first]
	again, err := r.Report(t.Context(), m, s, []int{0}, relay.ReportFailure, text(letter))
	if err != nil || again != first || sp.content[first] != content {
		t.Errorf("again: %s, %v; want %s", again, err, first)
	}
	other, err := r.Report(t.Context(), m, s, []int{1}, relay.ReportFailure, text(letter))
	if err != nil || other == first || other.IsZero() {
		t.Errorf("about another recipient: %s, %v", other, err)
	}
	sp.err = store.ErrFull
	if id, err := r.Report(t.Context(), m, s, []int{0, 1}, relay.ReportFailure, text(letter)); !errors.Is(err, store.ErrFull) || !id.IsZero() {
		t.Errorf("with a full spool: %s, %v", id, err)
	}
	if id, err := r.Report(t.Context(), m, s, nil, relay.ReportFailure, text(letter)); err != nil || !id.IsZero() {
		t.Errorf("about nobody: %s, %v", id, err)
	}
}

func TestReturnedHeaderIsBounded(t *testing.T) {
	t.Parallel()
	sp := newSpool()
	m, s := failed()
	long := "From: jane@acme.example\r\nX-Long: " + strings.Repeat("x", 40) + "\r\n more\r\nSubject: late\r\n\r\n"
	r := newReporter(sp, func(o *report.Options) { o.MaxHeader = 60 })
	if d := made(t, r, sp, m, s, relay.ReportFailure, long); d.parts[2] != "From: jane@acme.example\r\n" {
		t.Errorf("returned %q", d.parts[2])
	}
}

// TestGolden shows whole reports, so that a change of the words is seen as such.
func TestGolden(t *testing.T) {
	t.Parallel()
	for name, kind := range map[string]relay.ReportKind{"failure": relay.ReportFailure, "delay": relay.ReportDelay} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sp := newSpool()
			m, s := failed()
			if kind == relay.ReportDelay {
				s.Recipients[0].Outcome, s.Recipients[0].Rule = relay.Deferred, "connect.busy"
				s.Recipients[0].Reply = relay.Reply{Code: 421, Enhanced: relay.Enhanced{4, 3, 2}, Text: "Service not available"}
			}
			d := made(t, newReporter(sp), sp, m, s, kind, letter)
			golden := filepath.Join("testdata", name+".eml")
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			got := strings.ReplaceAll(d.raw, d.header.Get("Date"), "DATE")
			if !bytes.Equal(want, []byte(got)) {
				t.Errorf("not as in %s:\n%s", golden, got)
			}
		})
	}
}

// FuzzReport puts any text from outside into a report: it must stay one message of
// three parts with the right fields, whatever lies in replies, ORCPT and ENVID.
func FuzzReport(f *testing.F) {
	f.Add("No such user", "rfc822;bob@x.example", "env", "Subject: x\r\n\r\nbody\r\n", "<1@x>", "mx.example [192.0.2.1]", false)
	f.Add("a\r\nBcc: evil@x.example\r\n\r\nx", "rfc822;a\r\nX: y", "e\r\n\r\nz", "Subject: =?utf-8?q?=0D=0AEvil:_x?=\r\n\r\n", "<1>\r\nX: y", "a\r\nb [", true)
	f.Add(strings.Repeat("x", 5000), strings.Repeat(" ", 300), "\x00", "no header at all", strings.Repeat("<", 900), "--report", true)
	f.Fuzz(func(t *testing.T, reply, orcpt, envid, content, headerID, peer string, utf8 bool) {
		sp := newSpool()
		m, s := failed()
		content = strings.ReplaceAll(strings.ReplaceAll(strings.ReplaceAll(content, "\r", ""), "\x00", ""), "\n", "\r\n")
		m.Envelope.EnvID, m.HeaderID, m.Envelope.SMTPUTF8 = envid, headerID, utf8
		m.Envelope.Recipients[0].ORcpt = orcpt
		s.Recipients[0].Reply.Text, s.Recipients[0].Peer = reply, peer
		d := made(t, newReporter(sp), sp, m, s, relay.ReportFailure, content)
		for field := range d.header {
			if !slices.Contains(strings.Fields("From To Subject Date Message-Id In-Reply-To References Auto-Submitted Mime-Version Content-Type Content-Transfer-Encoding"), field) {
				t.Errorf("field %q came in", field)
			}
		}
		if len(d.recipients) != 1 || d.recipients[0].Get("Final-Recipient") != "rfc822; bob@world.example" || d.recipients[0].Get("Status") != "5.1.1" {
			t.Errorf("groups %v", d.recipients)
		}
		for field := range d.recipients[0] {
			if !slices.Contains(strings.Fields("Original-Recipient Final-Recipient Action Status Remote-Mta Diagnostic-Code Last-Attempt-Date Final-Log-Id"), field) {
				t.Errorf("field %q came in", field)
			}
		}
	})
}
