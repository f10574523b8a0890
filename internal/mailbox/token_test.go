package mailbox_test

import (
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/relayd/relayd/internal/mailbox"
	"github.com/relayd/relayd/relay"
)

// TestSignInByToken: a row is what the server announces, what follows, and what
// comes of it: the step, and the kind or the status; empty means that it is open.
func TestSignInByToken(t *testing.T) {
	t.Parallel()
	const token = "ya29.t0ken-of-jane"
	const caps = `
		S: * OK ready
		C: CAPABILITY
		S: * CAPABILITY IMAP4rev1 %
		S: TAG OK done
`
	const welcome = `
		S: TAG OK [CAPABILITY IMAP4rev1 UIDPLUS] welcome
		C: CAPABILITY
		S: * CAPABILITY IMAP4rev1 UIDPLUS
		S: TAG OK done
		silence`
	b64 := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	older := b64("user=jane\x01auth=Bearer " + token + "\x01\x01")
	long := strings.Repeat("eyJ0eXAi.OiJKV1Qi-", 120)
	for name, c := range map[string]struct {
		caps  string
		rest  script
		token string
		want  string
	}{
		"XOAUTH2 with SASL-IR":      {"AUTH=XOAUTH2 SASL-IR AUTH=PLAIN", script("C: AUTHENTICATE XOAUTH2 " + older + welcome), token, ""},
		"XOAUTH2 without":           {"AUTH=XOAUTH2", script("C: AUTHENTICATE XOAUTH2\nraw + \\r\\n\nL: " + older + welcome), token, ""},
		"the standard is preferred": {"AUTH=XOAUTH2 AUTH=OAUTHBEARER SASL-IR", script("C: AUTHENTICATE OAUTHBEARER bixhPWphbmUs*" + welcome), token, ""},
		"the standard without":      {"AUTH=OAUTHBEARER", script("C: AUTHENTICATE OAUTHBEARER\nraw + \\r\\n\nL: *" + welcome), token, ""},
		"a long token": {"AUTH=XOAUTH2", script("C: AUTHENTICATE XOAUTH2\nraw + \\r\\n\nL: " +
			b64("user=jane\x01auth=Bearer "+long+"\x01\x01") + welcome), long, ""},
		"Google's refusal": {"AUTH=XOAUTH2 SASL-IR", script("C: AUTHENTICATE XOAUTH2 *\nS: + " + b64(`{"status":"400"}`) +
			"\nL:\nS: TAG NO [AUTHENTICATIONFAILED] Invalid credentials (Failure)\nsilence"), token,
			"imap auth: NO [AUTHENTICATIONFAILED] Invalid credentials (Failure)"},
		"the refusal of the standard": {"AUTH=OAUTHBEARER SASL-IR", script("C: AUTHENTICATE OAUTHBEARER *\nS: + " + b64(`{"status":"invalid_token"}`) +
			"\nL: AQ==\nS: TAG NO [AUTHENTICATIONFAILED] no\nsilence"), token, "imap auth: NO [AUTHENTICATIONFAILED] no"},
		"Microsoft's refusal": {"AUTH=XOAUTH2 SASL-IR", "C: AUTHENTICATE XOAUTH2 *\nS: TAG NO AUTHENTICATE failed.\nsilence", token,
			"imap auth: NO AUTHENTICATE failed."},
		"challenges without end": {"AUTH=XOAUTH2 SASL-IR", "C: AUTHENTICATE XOAUTH2 *\nS: + e30=\nL:\nS: + e30=\nsilence", token,
			"imap auth: protocol: the server asks more than the mechanism has"},
		"no mechanism": {"AUTH=PLAIN AUTH=LOGIN", "silence", token,
			"imap auth: no mechanism: the server takes no access token: it offers LOGIN PLAIN"},
		"no SASL at all":              {"", "silence", token, "imap auth: no mechanism: the server takes no access token: it offers none"},
		"a token that cannot be sent": {"AUTH=XOAUTH2", "silence", "a\r\nb", "imap auth: protocol: a value has control characters or is empty"},
		"the server repeats the token": {"AUTH=XOAUTH2 SASL-IR", script("C: AUTHENTICATE XOAUTH2 *\nS: TAG NO bad token " + token + "\nsilence"), token,
			"imap auth: NO (the server's words repeat what was sent, so they are not shown)"},
		"the server repeats a piece of the line": {"AUTH=XOAUTH2 SASL-IR", script("C: AUTHENTICATE XOAUTH2 *\nS: TAG BAD what is " + older[20:50] + "\nsilence"), token,
			"imap auth: BAD (the server's words repeat what was sent, so they are not shown)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := options(serve(t, nil, script(strings.ReplaceAll(caps, "%", c.caps))+c.rest))
			o.Password, o.Token = "", relay.Secret(c.token)
			m, err := mailbox.Open(t.Context(), o)
			got := ""
			if err != nil {
				got = err.Error()
			}
			if got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			if strings.Contains(got, c.token) || strings.Contains(got, older) {
				t.Error("the error holds the token")
			}
			var e *mailbox.Error
			if err != nil && (!errors.As(err, &e) || e.Step != mailbox.StepAuth) {
				t.Errorf("error %#v", err)
			}
			if m != nil {
				ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
				defer cancel()
				m.Close(ctx)
			}
		})
	}
}
