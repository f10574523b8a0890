package simulator_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"io"
	"net/textproto"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-sasl"

	"github.com/relayd/relayd/internal/simulator"
)

func TestGmailTakesAppPasswords(t *testing.T) {
	t.Parallel()
	s := startAs(t, simulator.Gmail())
	for _, password := range []string{appPassword, strings.ReplaceAll(appPassword, " ", "")} {
		program(t, s, sasl.NewPlainClient("", jane, password))
		if err := reader(t, s).Login(jane, password).Wait(); err != nil {
			t.Errorf("IMAP with %q: %v", password, err)
		}
	}
	reply(t, program(t, s, nil).Auth(sasl.NewPlainClient("", jane, "abcdefghijklmnox")), 535, "5.7.8", "Username and Password not accepted")
	reply(t, program(t, s, nil).Auth(sasl.NewPlainClient("", john, "web password")), 534, "5.7.9", "Application-specific password required")
	reply(t, program(t, s, nil).Auth(sasl.NewPlainClient("", john, "wrong")), 535, "5.7.8", "")
	imapRefused(t, reader(t, s).Login(john, "web password").Wait(), imap.ResponseCode("ALERT"), "Application-specific password")
	imapRefused(t, reader(t, s).Login(jane, "wrong").Wait(), imap.ResponseCodeAuthenticationFailed, "Invalid credentials")
}

func TestGmailBearerTokens(t *testing.T) {
	t.Parallel()
	s := startAs(t, simulator.Gmail())
	token := s.IssueToken(jane, googleMail)
	for _, initial := range []bool{true, false} {
		program(t, s, &xoauth2{user: jane, token: token, initial: initial})
		if err := reader(t, s).Authenticate(&xoauth2{user: jane, token: token, initial: initial}); err != nil {
			t.Errorf("IMAP, initial %v: %v", initial, err)
		}
	}
	program(t, s, newOAuthBearer(jane, token))
	if err := reader(t, s).Authenticate(newOAuthBearer(jane, token)); err != nil {
		t.Errorf("IMAP with OAUTHBEARER: %v", err)
	}
	for name, bad := range map[string]*xoauth2{
		"made up":         {user: jane, token: "made-up"},
		"another's":       {user: john, token: token},
		"no such user":    {user: "nobody@acme.example", token: token},
		"too few scopes":  {user: jane, token: s.IssueToken(jane, "https://www.googleapis.com/auth/gmail.send")},
		"not readable":    {user: "jane\x01\x01", token: token},
		"nothing at all ": {},
	} {
		reply(t, program(t, s, nil).Auth(bad), 535, "5.7.8", "")
		if !strings.Contains(bad.challenge, `"status"`) {
			t.Errorf("%s: no challenge before the refusal, but %q", name, bad.challenge)
		}
		bad.challenge = ""
		imapRefused(t, reader(t, s).Authenticate(bad), imap.ResponseCodeAuthenticationFailed, "")
		if !strings.Contains(bad.challenge, `"status"`) {
			t.Errorf("%s: no challenge before the refusal of IMAP, but %q", name, bad.challenge)
		}
	}
	s.ExpireTokens(jane)
	expired := newOAuthBearer(jane, token)
	reply(t, program(t, s, nil).Auth(expired), 535, "5.7.8", "")
	if !strings.Contains(expired.challenge, `"schemes"`) {
		t.Errorf("OAUTHBEARER challenge %q", expired.challenge)
	}
}

// TestErrorDanceOnTheWire shows every line of it.
func TestErrorDanceOnTheWire(t *testing.T) {
	t.Parallel()
	s := startAs(t, simulator.Gmail())
	conn, err := tls.Dial("tcp", s.SubmissionsAddr().String(), &tls.Config{RootCAs: s.Roots(), ServerName: "localhost"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	lines := textproto.NewReader(bufio.NewReader(conn))
	say := func(line string, want int) string {
		t.Helper()
		if line != "-" {
			if _, err := io.WriteString(conn, line+"\r\n"); err != nil {
				t.Fatal(err)
			}
		}
		_, text, err := lines.ReadResponse(want)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		return text
	}
	say("-", 220)
	if text := say("EHLO app.example", 250); !strings.Contains(text, "AUTH LOGIN PLAIN XOAUTH2 OAUTHBEARER") {
		t.Errorf("EHLO: %s", text)
	}
	blob := base64.StdEncoding.EncodeToString([]byte("user=" + jane + "\x01auth=Bearer no\x01\x01"))
	said, err := base64.StdEncoding.DecodeString(say("AUTH XOAUTH2 "+blob, 334))
	if err != nil || !bytes.HasPrefix(said, []byte("{")) {
		t.Errorf("334 with %q, %v", said, err)
	}
	say("", 535)
}

func TestGmailRewritesForeignFrom(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, from, want, original string }{
		{"its own", "Jane <jane@acme.example>", "Jane <jane@acme.example>", ""},
		{"an alias", "jane.doe@acme.example", "jane.doe@acme.example", ""},
		{"another's", "Boss <boss@other.example>", `"Boss" <jane@acme.example>`, "Boss <boss@other.example>"},
		{"its own in capitals", "Jane@acme.example", "<jane@acme.example>", "Jane@acme.example"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := startAs(t, simulator.Gmail())
			if err := submit(t, program(t, s, sasl.NewPlainClient("", jane, appPassword)), "bounces@other.example", mailOf(test.from)); err != nil {
				t.Fatal(err)
			}
			inbox := messages(t, s, john, "INBOX")
			if len(inbox) != 1 {
				t.Fatalf("INBOX: %+v", inbox)
			}
			content := string(inbox[0].Content)
			if !strings.Contains(content, "\r\nFrom: "+test.want+"\r\n") || !strings.HasPrefix(content, "Return-Path: <"+jane+">") {
				t.Errorf("From is not %q in\n%s", test.want, content)
			}
			if strings.Contains(content, "X-Google-Original-From: "+test.original+"\r\n") != (test.original != "") {
				t.Errorf("X-Google-Original-From in\n%s", content)
			}
		})
	}
}

func TestGmailFilesAndReplaces(t *testing.T) {
	t.Parallel()
	s := startAs(t, simulator.Gmail())
	if err := submit(t, program(t, s, sasl.NewPlainClient("", jane, appPassword)), jane, mailOf(jane)); err != nil {
		t.Fatal(err)
	}
	c := reader(t, s)
	if err := c.Login(jane, appPassword).Wait(); err != nil {
		t.Fatal(err)
	}
	sent := usesOf(t, c)[imap.MailboxAttrSent]
	if sent != "[Gmail]/Sent Mail" {
		t.Errorf("\\Sent is %q", sent)
	}
	for _, content := range []string{mailOf(jane, "Bcc: secret@other.example\r\n"), strings.Replace(mailOf(jane), "<1@", "<2@", 1)} {
		append := c.Append(sent, int64(len(content)), nil)
		if _, err := append.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
		if err := append.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := append.Wait(); err != nil {
			t.Fatal(err)
		}
	}
	for _, folder := range []string{sent, "[Gmail]/All Mail"} {
		found := messages(t, s, jane, folder)
		if len(found) != 2 || !bytes.Contains(found[0].Content, []byte("Bcc:")) || !bytes.Contains(found[1].Content, []byte("<2@")) {
			t.Errorf("%s: %d messages %+v", folder, len(found), found)
		}
	}
	missing := c.Append("Nowhere", 2, nil)
	if _, err := missing.Write([]byte("\r\n")); err == nil {
		err = missing.Close()
		if err == nil {
			_, err = missing.Wait()
		}
		imapRefused(t, err, imap.ResponseCodeTryCreate, "")
	}
}

func TestGmailTellsItsExtension(t *testing.T) {
	t.Parallel()
	s := startAs(t, simulator.Gmail())
	c := reader(t, s)
	if !c.Caps().Has(imap.Cap("X-GM-EXT-1")) || !c.Caps().Has(imap.Cap("AUTH=XOAUTH2")) {
		t.Errorf("before the sign-in: %v", c.Caps())
	}
	if err := c.Login(jane, appPassword).Wait(); err != nil {
		t.Fatal(err)
	}
	caps, err := c.Capability().Wait()
	if err != nil || !caps.Has(imap.Cap("X-GM-EXT-1")) || !caps.Has(imap.CapSpecialUse) {
		t.Errorf("after the sign-in: %v, %v", caps, err)
	}
}
