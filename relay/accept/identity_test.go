package accept

import (
	"bytes"
	"net/mail"
	"strings"
	"testing"

	"github.com/relayd/relayd/internal/mailaddr"
	"github.com/relayd/relayd/relay"
)

// The attack rows of sender identity, from bytes. The submitter may send as all of
// acme.example and as jane@free.example.
func TestIdentity(t *testing.T) {
	t.Parallel()
	const oneFrom, oneBox = "550 5.7.1 The header must have exactly one From field; it has", "550 5.7.1 The field From must hold exactly one address"
	const malformed = "550 5.6.0 The header has a line that is neither"
	for name, tc := range map[string]struct{ header, refusal string }{
		"own":                                 {"From: max@acme.example", ""},
		"own, any case":                       {"fRoM: MAX@Acme.Example", ""},
		"proved elsewhere":                    {"From: Jane <jane@free.example>", ""},
		"name says another":                   {`From: "admin@rival.example" <max@acme.example>`, ""},
		"encoded name":                        {"From: =?utf-8?q?admin=40rival.example?= <max@acme.example>", ""},
		"dots in the name":                    {"From: Max M. Mustermann <max@acme.example>", ""},
		"comments":                            {"From: (a (b)) max@acme.example (Max)", ""},
		"folded":                              {"From: Max\n <max@acme.example>", ""},
		"8-bit name":                          {"From: Jürgen <max@acme.example>", ""},
		"F1":                                  {"From: <admin@rival.example>", "550 5.7.1 This login may not send as <admin@rival.example>"},
		"F1, unproved":                        {"From: joe@free.example", "550 5.7.1 This login may not send as <joe@free.example>"},
		"F2":                                  {"From: <max@acme.example>\nFrom: <admin@rival.example>", oneFrom + " 2"},
		"F2, other order":                     {"From: <admin@rival.example>\nFrom: <max@acme.example>", oneFrom + " 2"},
		"F2, other case":                      {"From: <max@acme.example>\nX: y\nfrom: <max@acme.example>", oneFrom + " 2"},
		"no From":                             {"Subject: x", oneFrom + " 0"},
		"F3":                                  {"From: <max@acme.example>, <admin@rival.example>", oneBox},
		"F3, no comma":                        {"From: <max@acme.example> <admin@rival.example>", oneBox},
		"F4":                                  {"From: <max@acme.example>:<admin@rival.example>", oneBox},
		"F4, group":                           {"From: g: <max@acme.example>, <admin@rival.example>;", oneBox},
		"F4, group of one":                    {"From: g: <max@acme.example>;", oneBox},
		"F4, semicolon":                       {"From: ;", oneBox},
		"F5":                                  {"From : <admin@rival.example>\nFrom: <max@acme.example>", malformed},
		"F5, tab":                             {"From\t: <admin@rival.example>\nFrom: <max@acme.example>", malformed},
		"empty":                               {"From:", oneBox},
		"no domain":                           {"From: max", oneBox},
		"name is an address":                  {"From: admin@rival.example <max@acme.example>", oneBox},
		"text behind":                         {"From: max@acme.example admin@rival.example", oneBox},
		"open bracket":                        {"From: Max <max@acme.example", oneBox},
		"open quote":                          {`From: "Max <max@acme.example>`, oneBox},
		"open comment":                        {"From: max@acme.example (Max", oneBox},
		"deep comment":                        {"From: max@acme.example " + strings.Repeat("(", 99) + strings.Repeat(")", 99), oneBox},
		"space in address":                    {"From: <max @acme.example>", oneBox},
		"comment in address":                  {"From: <max(x)@acme.example>", oneBox},
		"route":                               {"From: <@rival.example:max@acme.example>", oneBox},
		"two ats":                             {"From: <admin@rival.example@acme.example>", oneBox},
		"quoted at":                           {`From: <"admin@rival.example"@acme.example>`, ""},
		"percent is local":                    {"From: <admin%rival.example@acme.example>", ""},
		"domain of the submitter as a prefix": {"From: max@acme.example.rival.example", "550 5.7.1 This login may not send as <max@acme.example.rival.example>"},
		"fullwidth at":                        {"From: max＠acme.example", oneBox},
		"not UTF-8":                           {"From: J\xfcrgen <max@acme.example>", "550 5.6.0 The field From is not valid UTF-8"},
		"8-bit address":                       {"From: mäx@acme.example", "550 5.6.7 The address in From needs SMTPUTF8"},
		"8-bit domain":                        {"From: max@acme。example", "550 5.6.7 The address in From needs SMTPUTF8"},
		"F6, Sender":                          {"From: max@acme.example\nSender: admin@rival.example", "550 5.7.1 This login may not send as <admin@rival.example>"},
		"F6, own Sender":                      {"From: max@acme.example\nSender: jane@acme.example", ""},
		"F6, Sender of two":                   {"From: max@acme.example\nSender: a@acme.example, b@acme.example", "550 5.7.1 The field Sender must hold exactly one"},
		"F6, two Senders":                     {"From: max@acme.example\nSender: a@acme.example\nSender: a@acme.example", "550 5.6.0 The header has more than one Sender"},
		"F6, Resent-From":                     {"From: max@acme.example\nResent-From: admin@rival.example", "550 5.7.1 This login may not send as <admin@rival.example>"},
		"F6, second Resent-From":              {"From: max@acme.example\nResent-From: max@acme.example\nResent-From: admin@rival.example", "550 5.7.1 This login may not send as <admin@rival.example>"},
		"F6, Resent-Sender":                   {"From: max@acme.example\nResent-Sender: admin@rival.example", "550 5.7.1 This login may not send as <admin@rival.example>"},
		"F6, shown only":                      {"From: max@acme.example\nReply-To: admin@rival.example\nX-Sender: admin@rival.example", ""},
		"two Subjects":                        {"From: max@acme.example\nSubject: a\nsubject: b", "550 5.6.0 The header has more than one Subject"},
		"two Message-IDs":                     {"From: max@acme.example\nMessage-ID: <a>\nMessage-Id: <b>", "550 5.6.0 The header has more than one Message-ID"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, nil)
			content := crlf(tc.header + "\n\nbody\n")
			if tc.refusal == "" {
				s.take(t, submission(), content)
				return
			}
			if got := s.refused(t, submission(), content).Error(); !strings.HasPrefix(got, tc.refusal) {
				t.Errorf("refusal %q, want %q", got, tc.refusal)
			}
		})
	}
}

// G9: the envelope alone is not enough, and neither is the header.
func TestEnvelopeAndHeader(t *testing.T) {
	t.Parallel()
	s, sub := newScene(t, nil), submission()
	sub.Envelope.ReturnPath = at("boss", "rival.example")
	if got := s.refused(t, sub, plainMessage); got.Code != 550 || !strings.Contains(got.Public, "<boss@rival.example>") {
		t.Errorf("foreign envelope: %v", got)
	}
	sub.Envelope.ReturnPath = relay.Address{}
	if got := s.refused(t, sub, plainMessage); got.Code != 550 || !strings.Contains(got.Public, "<>") {
		t.Errorf("A8, null return path: %v", got)
	}
	sub.Submitter.NullSender = true
	s.take(t, sub, plainMessage)
}

// F8: what is inside the body says nothing about the sender.
func TestNestedMessage(t *testing.T) {
	t.Parallel()
	content := crlf("From: max@acme.example\nContent-Type: message/rfc822\nDate: d\nMessage-ID: <m>\n\nFrom: admin@rival.example\nBcc: x@y.example\n\nnested\n")
	if got := newScene(t, nil).take(t, submission(), content); got != content {
		t.Errorf("spooled\n%s", got)
	}
}

func TestSMTPUTF8Address(t *testing.T) {
	t.Parallel()
	s, sub := newScene(t, nil), submission()
	sub.Envelope.SMTPUTF8 = true
	s.take(t, sub, crlf("From: Mäx <mäx@acme.example>\n\n"))
	if got := s.spool.message.From; got != at("mäx", "acme.example") {
		t.Errorf("From %v", got)
	}
	s = newScene(t, nil)
	const look = "550 5.7.1 This login may not send as <max@xn--cme-5cd.example>"
	if got := s.refused(t, sub, crlf("From: max@аcme.example\n\n")).Error(); !strings.HasPrefix(got, look) {
		t.Errorf("A9, a domain that looks like ours: %q, want %q", got, look)
	}
}

// Whatever both parsers take, they must read alike; and what ours takes, it takes
// again in the form that it gave.
func FuzzMailbox(f *testing.F) {
	for _, seed := range []string{
		"max@acme.example", "Max <max@acme.example>", `"a\"b, c" <max@acme.example>`, "(c) max@acme.example (d)", "<a@b>:<c@d>",
		"g: a@b.example;", `"x@y"@acme.example`, "=?utf-8?b?eA==?= <a@b.example>", "a.b. c <d@e.example>", "@a:b@c", "a@[127.0.0.1]",
		"Mäx <mäx@acme.example>", `"a <b@c.example>" <d@e.example>`, `a\"b <c@d.example>`, "<a@b.example> (x) y",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		ours, err := parseMailbox(value)
		if err != nil {
			return
		}
		again, err := parseMailbox("x <" + ours.written + ">")
		if err != nil || again.address != ours.address {
			t.Fatalf("%q gave %q, which reads as %v, %v", value, ours.written, again.address, err)
		}
		theirs, err := mail.ParseAddressList(value)
		if err != nil {
			return // stricter than we are
		}
		if len(theirs) != 1 {
			t.Fatalf("%q: net/mail reads %d addresses", value, len(theirs))
		}
		i := strings.LastIndexByte(theirs[0].Address, '@')
		foreign, err := mailaddr.Parse(relay.Address{Local: theirs[0].Address[:i], Domain: theirs[0].Address[i+1:]}.String())
		if err != nil || foreign != ours.address {
			t.Fatalf("%q: we read %v, net/mail %v (%v)", value, ours.address, foreign, err)
		}
	})
}

// Whatever is accepted comes out as a header that reads the same, has one From of an
// allowed address, and is clean.
func FuzzHeader(f *testing.F) {
	for _, seed := range []string{
		plainMessage, "From: max@acme.example\r\n\r\n", "From: max@acme.example\r\nBcc: a@b\r\n c@d\r\n\r\nx", "From: jane@acme.example\r\n\r\n",
		"From : a\r\n\r\n", "From: max@acme.example\r\n \r\n\r\n", "From: max@acme.example\n\r\n", "From: max@acme.example\r\nDKIM-Signature: d=acme.example;\r\n\tb=x\r\n",
		"From: max@acme.example\r\nReceived: x id 06h0096yybd225envamxsmh5g0 (mark 875d752fcdcc1e79); y\r\n\r\n", "\r\nFrom: max@acme.example\r\n",
	} {
		f.Add([]byte(seed), 7)
	}
	f.Fuzz(func(t *testing.T, content []byte, cut int) {
		s := newScene(t, nil)
		if _, err := s.Accept(t.Context(), submission(), &cutReader{content, cut}); err != nil {
			if s.spool.message != nil {
				t.Fatal("refused, and spooled all the same")
			}
			return
		}
		out := s.spool.content
		head, err := s.readHeader(newBuffer().(*[]byte), strings.NewReader(out))
		if err != nil {
			t.Fatalf("our own header is refused: %v\n%q", err, out)
		}
		from, err := head.from(false)
		if err != nil || from.address != s.spool.message.From || from.address.Domain == "rival.example" {
			t.Fatalf("From of what we spooled is %v, %v", from, err)
		}
		if head.count("Bcc")+head.count("Return-Path") != 0 || head.count("Message-ID") != 1 || head.count("Date") != 1 || head.messageID() != s.spool.message.HeaderID {
			t.Fatalf("the header was not repaired:\n%s", out)
		}
		if body := out[head.body:]; !bytes.Contains(content, []byte(strings.TrimSuffix(body, "\r\n"))) {
			t.Fatalf("the body %q was not in %q", body, content)
		}
	})
}

// cutReader gives out its octets in pieces of changing size.
type cutReader struct {
	rest []byte
	cut  int
}

func (r *cutReader) Read(p []byte) (int, error) {
	r.cut = r.cut*31 + 7
	n, err := bytes.NewReader(r.rest).Read(p[:1+(r.cut&0x7fffffff)%len(p)])
	r.rest = r.rest[n:]
	return n, err
}
