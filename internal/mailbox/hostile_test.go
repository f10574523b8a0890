package mailbox_test

import (
	"context"
	"errors"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/relayd/relayd/internal/mailbox"
	"github.com/relayd/relayd/relay"
)

// check compares an error with the step and kind, or status, that it must have.
func check(t *testing.T, err error, step mailbox.Step, kindOrStatus string) {
	t.Helper()
	var e *mailbox.Error
	if !errors.As(err, &e) {
		t.Fatalf("error %v (%T), want an *Error", err, err)
	}
	if e.Step != step || (e.Kind != kindOrStatus && e.Status != kindOrStatus) {
		t.Errorf("error at %q, kind %q, status %q (%v), want %q and %q", e.Step, e.Kind, e.Status, err, step, kindOrStatus)
	}
}

func TestBeforeTheSignIn(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		script script
		tls    relay.TLSMode
		step   mailbox.Step
		kind   string
	}{
		{"U3 greeting without end", "flood 400000000 a", relay.TLSNone, mailbox.StepConnect, mailbox.KindProtocol},
		{"U6 no greeting", "silence", relay.TLSNone, mailbox.StepConnect, mailbox.KindTimeout},
		{"U6 no answer to STARTTLS", "S: * OK hi\nC: STARTTLS\nsilence", relay.TLSStartTLS, mailbox.StepTLS, mailbox.KindTimeout},
		{"U6 no handshake", "S: * OK hi\nC: STARTTLS\nS: TAG OK done\nsilence", relay.TLSStartTLS, mailbox.StepTLS, mailbox.KindTimeout},
		{"U7 PREAUTH on the STARTTLS port", "S: * PREAUTH hi\nsilence", relay.TLSStartTLS, mailbox.StepConnect, mailbox.KindProtocol},
		{"U7 PREAUTH in clear", "S: * PREAUTH hi\nsilence", relay.TLSNone, mailbox.StepConnect, mailbox.KindProtocol},
		{"U8 text behind the OK to STARTTLS", "S: * OK hi\nC: STARTTLS\nraw TAG OK\\r\\n* CAPABILITY IMAP4rev1\\r\\n\nsilence", relay.TLSStartTLS, mailbox.StepTLS, mailbox.KindProtocol},
		{"U9 STARTTLS refused", "S: * OK hi\nC: STARTTLS\nS: TAG BAD what?\nsilence", relay.TLSStartTLS, mailbox.StepTLS, mailbox.KindNoSTARTTLS},
		{"untagged answers without end", "S: * OK hi\nC: STARTTLS\nlines 100000 * X", relay.TLSStartTLS, mailbox.StepTLS, mailbox.KindProtocol},
		{"BYE instead of a greeting", "S: * BYE [UNAVAILABLE] later", relay.TLSNone, mailbox.StepConnect, "BYE"},
		{"an SMTP server", "S: 220 mail.example ESMTP\nsilence", relay.TLSNone, mailbox.StepConnect, mailbox.KindProtocol},
		{"plain text where TLS is expected", "S: * OK hi\nsilence", relay.TLSImplicit, mailbox.StepTLS, mailbox.KindHandshake},
		{"hangs up at once", "close", relay.TLSNone, mailbox.StepConnect, mailbox.KindLost},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			server := serve(t, nil, test.script)
			server.TLS = test.tls
			o := options(server)
			o.ConnectTimeout = 500 * time.Millisecond
			_, err := mailbox.Open(t.Context(), o)
			check(t, err, test.step, test.kind)
		})
	}
}

func TestPlainTextOnATLSPortIsTold(t *testing.T) {
	t.Parallel()
	server := serve(t, nil, "S: * OK hi\nsilence")
	server.TLS = relay.TLSImplicit
	_, err := mailbox.Open(t.Context(), options(server))
	var e *mailbox.Error
	if !errors.As(err, &e) || !e.Plain {
		t.Errorf("error %v does not say that the port speaks in clear", err)
	}
}

func TestNoPasswordInClearWithoutPermission(t *testing.T) {
	t.Parallel()
	o := options(serve(t, nil, "S: * OK hi\nC: nothing may come"))
	o.PlainAllowed = func(netip.Addr) bool { return false }
	_, err := mailbox.Open(t.Context(), o)
	check(t, err, mailbox.StepConnect, mailbox.KindAddress)
	if !errors.Is(err, mailbox.ErrPlain) {
		t.Errorf("error %v", err)
	}
}

func TestSignIn(t *testing.T) {
	t.Parallel()
	const caps = `
		S: * OK ready
		C: CAPABILITY
		S: * CAPABILITY IMAP4rev1 %
		S: TAG OK done
`
	for _, test := range []struct {
		name, caps string
		rest       script
		step       mailbox.Step
		kind, code string
	}{
		{"wrong password", "", "C: LOGIN \"jane\" \"secret\"\nS: TAG NO [AUTHENTICATIONFAILED] no", mailbox.StepAuth, "NO", "AUTHENTICATIONFAILED"},
		{"B6 a server that repeats the password", "", "C: LOGIN *\nS: TAG NO [AUTHENTICATIONFAILED] the password \"secret\" is wrong", mailbox.StepAuth, "NO", "AUTHENTICATIONFAILED"},
		{"LOGINDISABLED", "LOGINDISABLED", "silence", mailbox.StepAuth, mailbox.KindLoginDisabled, ""},
		{"PLAIN though LOGINDISABLED", "LOGINDISABLED AUTH=PLAIN SASL-IR", "C: AUTHENTICATE PLAIN AGphbmUAc2VjcmV0\nS: TAG NO [AUTHENTICATIONFAILED] no", mailbox.StepAuth, "NO", "AUTHENTICATIONFAILED"},
		{"U6 silence at the sign-in", "", "C: LOGIN *\nsilence", mailbox.StepAuth, mailbox.KindTimeout, ""},
		{"closed at the sign-in", "", "C: LOGIN *\nS: * BYE go away\nclose", mailbox.StepAuth, mailbox.KindLost, ""},
		{"nonsense at the sign-in", "", "C: LOGIN *\nS: HTTP/1.1 400 Bad Request", mailbox.StepAuth, mailbox.KindProtocol, ""},
		{"a challenge to PLAIN", "AUTH=PLAIN SASL-IR", "C: AUTHENTICATE PLAIN *\nS: + bW9yZQ==\nsilence", mailbox.StepAuth, mailbox.KindProtocol, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := script(strings.ReplaceAll(caps, "%", test.caps)) + test.rest
			o := options(serve(t, nil, s))
			o.OperationTimeout = 500 * time.Millisecond
			_, err := mailbox.Open(t.Context(), o)
			check(t, err, test.step, test.kind)
			var e *mailbox.Error
			if errors.As(err, &e) && e.Code != test.code {
				t.Errorf("code %q, want %q", e.Code, test.code)
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("the error shows the password: %v", err)
			}
		})
	}
}

func TestLoginThatCannotBeSent(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"", "jane\r\nA1 DELETE INBOX", "jane\x00", "jane\n"} {
		o := options(serve(t, nil, "S: * OK ready\nsilence"))
		o.Login = bad
		_, err := mailbox.Open(t.Context(), o)
		if !errors.Is(err, mailbox.ErrBadValue) {
			t.Errorf("login %q: %v", bad, err)
		}
		o = options(serve(t, nil, "S: * OK ready\nsilence"))
		o.Password = relay.Secret(bad)
		if _, err := mailbox.Open(t.Context(), o); !errors.Is(err, mailbox.ErrBadValue) {
			t.Errorf("password %q: %v", bad, err)
		}
	}
}

// Operations of a session against a server that misbehaves in them.
func TestHostileAnswers(t *testing.T) {
	t.Parallel()
	folders := func(ctx context.Context, m *mailbox.Mailbox) error { _, err := m.Folders(ctx); return err }
	find := func(ctx context.Context, m *mailbox.Mailbox) error {
		_, err := m.Find(ctx, "INBOX", "Message-ID", "<1@x>")
		return err
	}
	put := func(ctx context.Context, m *mailbox.Mailbox) error {
		_, err := m.Append(ctx, "Sent", mailbox.Upload{Size: 10000, Content: strings.NewReader(strings.Repeat("a", 9998) + "\r\n")})
		return err
	}
	remove := func(ctx context.Context, m *mailbox.Mailbox) error { return m.Delete(ctx, "INBOX", 7) }
	const opened = "C: EXAMINE *\nS: * 3 EXISTS\nS: TAG OK [READ-ONLY] done\n"
	for _, test := range []struct {
		name string
		do   func(context.Context, *mailbox.Mailbox) error
		rest script
		step mailbox.Step
		kind string
	}{
		{"U4 LIST without end", folders, "C: LIST *\nlines 3000000 * LIST () \"/\" aaaaaaaaaaaaaaaaaaaaaaaaaaaa", mailbox.StepList, mailbox.KindProtocol},
		{"U4 untagged data without end", folders, "C: LIST *\nlines 3000000 * OK still here", mailbox.StepList, mailbox.KindProtocol},
		{"U4 a literal of 4 GB", folders, "C: LIST *\nS: * LIST () \"/\" {4000000000}\nflood 400000000 a", mailbox.StepList, mailbox.KindProtocol},
		{"U5 parentheses without end", folders, "C: LIST *\nS: * LIST (\nflood 3000000 (", mailbox.StepList, mailbox.KindProtocol},
		{"U6 silence at LIST", folders, "C: LIST *\nsilence", mailbox.StepList, mailbox.KindTimeout},
		{"U6 silence at EXAMINE", find, "C: EXAMINE *\nsilence", mailbox.StepSelect, mailbox.KindTimeout},
		{"U6 silence at SEARCH", find, opened + "C: UID SEARCH *\nsilence", mailbox.StepSearch, mailbox.KindTimeout},
		{"U6 silence before the literal", put, "C: APPEND *\nsilence", mailbox.StepAppend, mailbox.KindTimeout},
		{"U6 silence after the literal", put, "C: APPEND *\nS: + go on\nliteral\nsilence", mailbox.StepAppend, mailbox.KindTimeout},
		{"closed inside the literal", put, "C: APPEND *\nS: + go on\nclose", mailbox.StepAppend, ""},
		{"APPEND answers nonsense", put, "C: APPEND *\nS: + go on\nliteral\nS: banana", mailbox.StepAppend, mailbox.KindProtocol},
		{"SEARCH without end", find, opened + "C: UID SEARCH *\nS: * SEARCH\nflood 3000000 12345 ", mailbox.StepSearch, mailbox.KindProtocol},
		{"EXPUNGE 0, then many", remove, "C: SELECT *\nS: * 1 EXISTS\nS: TAG OK done\nC: UID STORE *\nS: TAG OK done\nC: UID EXPUNGE 7\nS: * 0 EXPUNGE\nlines 2000 * 1 EXPUNGE\nsilence", mailbox.StepDelete, mailbox.KindTimeout},
		{"U13 a folder name that is no modified UTF-7", folders, "C: LIST *\nS: * LIST () \"/\" \"a&b\"\nsilence", mailbox.StepList, mailbox.KindProtocol},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			m := open(t, signedIn+"\n"+test.rest, func(o *mailbox.Options) { o.OperationTimeout = 2 * time.Second })
			err := test.do(t.Context(), m)
			if test.kind == "" {
				var e *mailbox.Error
				if !errors.As(err, &e) || e.Step != test.step || e.Status != "" {
					t.Errorf("error %v", err)
				}
			} else {
				check(t, err, test.step, test.kind)
			}
			if m.Usable() {
				t.Error("the session is said to be usable after it lost step")
			}
			if err := test.do(t.Context(), m); err == nil {
				t.Error("a lost session still works")
			}
		})
	}
}

func TestMemoryStaysFlatUnderAFlood(t *testing.T) {
	m := open(t, signedIn+"\nC: LIST *\nlines 3000000 * LIST () \"/\" aaaaaaaaaaaaaaaaaaaaaaaaaaaa")
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	if _, err := m.Folders(t.Context()); err == nil {
		t.Fatal("an endless list was accepted")
	}
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 32<<20 {
		t.Errorf("%d MiB were allocated", grown>>20)
	}
}

func TestSearchThatNamesEveryUID(t *testing.T) {
	t.Parallel()
	m := open(t, signedIn+`
		C: EXAMINE *
		S: * 3 EXISTS
		S: TAG OK done
		C: UID SEARCH *
		S: * ESEARCH (TAG@ "TAG") UID ALL 1:4294967295
		S: TAG OK done
		C: UID FETCH 4294967276:4294967295 *
		S: TAG OK done
		C: FETCH 1:3 *
		S: TAG OK done
`)
	found, err := m.Find(t.Context(), "INBOX", "Message-ID", "<1@x>")
	if err != nil || len(found) != 0 {
		t.Errorf("found %v, %v", found, err)
	}
}

func TestCancelledOperation(t *testing.T) {
	t.Parallel()
	m := open(t, signedIn+"\nC: LIST *\nsilence")
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	_, err := m.Folders(ctx)
	check(t, err, mailbox.StepList, mailbox.KindLost)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v does not say that it was cancelled", err)
	}
}

func TestAppendRefusedBeforeTheLiteral(t *testing.T) {
	t.Parallel()
	m := open(t, signedIn+`
		C: APPEND "Sent" (\Seen) "21-Nov-2026 10:00:00 +0000" {10000}
		S: TAG NO [TRYCREATE] no such folder
`)
	_, err := m.Append(t.Context(), "Sent", mailbox.Upload{Size: 10000, Seen: true, Date: time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC),
		Content: strings.NewReader(strings.Repeat("a", 10000))})
	check(t, err, mailbox.StepAppend, "NO")
	var e *mailbox.Error
	if errors.As(err, &e); e.Code != "TRYCREATE" {
		t.Errorf("code %q", e.Code)
	}
	if m.Usable() { // go-imap closes the connection here: whoever goes on must open a new one
		t.Error("the session is said to be usable")
	}
}
