package webmail_test

import (
	"encoding/base64"
	"encoding/binary"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/relayd/relayd/internal/webmail"
	"github.com/relayd/relayd/relay"
)

// steps tells in short what a server was asked: the connection, the kind of sign-in,
// and the operation.
func steps(calls []call) string {
	var out []string
	for _, c := range calls {
		how := "-"
		switch scheme, token, _ := strings.Cut(c.authorization, " "); {
		case scheme == "Basic":
			how = "basic"
		case scheme != "":
			m, _ := base64.StdEncoding.DecodeString(token)
			how = strings.ToLower(scheme) + string(rune('0'+binary.LittleEndian.Uint32(m[8:])))
		}
		operation := firstMatch(c.body, `<s:Body><m:(\w+)`)
		if operation == "" {
			operation = "nothing"
		}
		out = append(out, string(rune('0'+c.conn))+" "+how+" "+operation)
	}
	return strings.Join(out, ", ")
}

func TestEWSSignIn(t *testing.T) {
	t.Parallel()
	const ntlm = "1 - nothing, 1 ntlm1 nothing, 1 ntlm3 GetFolder, 1 - CreateItem, 1 - FindItem"
	for _, test := range []struct {
		name, login  string
		schemes      []string
		domain, user string
		steps        string
	}{
		{"NTLM with a domain", `ACME\jane`, nil, "ACME", "jane", ntlm},
		{"NTLM with a user principal name", "jane@acme.example", nil, "", "jane@acme.example", ntlm},
		{"NTLM with the account's address", "", nil, "", "jane@acme.example", ntlm},
		{"NTLM with a plain name", "jane", nil, "", "jane", ntlm},
		{"all schemes in one field", `ACME\jane`, []string{`Basic realm="a, b", Negotiate, NTLM`}, "ACME", "jane", ntlm},
		{"Negotiate alone", `ACME\jane`, []string{"Negotiate", `Basic realm="x"`}, "ACME", "jane", strings.ReplaceAll(ntlm, "ntlm", "negotiate")},
		{"Basic", "jane@acme.example", []string{`Basic realm="mail.acme.example"`}, "", "jane@acme.example", "1 - nothing, 1 basic GetFolder, 1 basic CreateItem, 1 basic FindItem"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			x := serveExchange(t)
			x.domain, x.user = test.domain, test.user
			if test.schemes != nil {
				x.schemes = test.schemes
			}
			c := x.credentials()
			c.Account.EWS.Login = test.login
			client := x.open(c, relay.WayEWS)
			if _, err := client.Send(t.Context(), content(message)); err != nil {
				t.Fatal(err)
			}
			if _, err := client.Find(t.Context(), webmail.FolderSent, "<1@acme.example>"); err != nil {
				t.Fatal(err)
			}
			if got := steps(x.seen()); got != test.steps {
				t.Errorf("the server was asked\n%s\nwant\n%s", got, test.steps)
			}
		})
	}
}

// A server that takes the sign-in and refuses the request all the same would ask for no
// sign-in on that connection again: the next call makes another one.
func TestEWSRefusedAfterTheSignIn(t *testing.T) {
	t.Parallel()
	x := serveExchange(t)
	x.replies["GetFolder"] = func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Www-Authenticate", "NTLM")
		say(http.StatusUnauthorized, "text/plain", "not you")(w, r)
	}
	client := x.open(x.credentials(), relay.WayEWS)
	_, err := client.Check(t.Context())
	want{where: relay.AtAuth, code: 401, text: "Unauthorized"}.check(t, err)
	delete(x.replies, "GetFolder")
	if _, err := client.Check(t.Context()); err != nil {
		t.Errorf("afterwards: %v", err)
	}
	if got, want := steps(x.seen()), "1 - nothing, 1 ntlm1 nothing, 1 ntlm3 GetFolder, 2 - nothing, 2 ntlm1 nothing, 2 ntlm3 GetFolder"; got != want {
		t.Errorf("the server was asked\n%s\nwant\n%s", got, want)
	}
}

func TestEWSCheck(t *testing.T) {
	t.Parallel()
	x := serveExchange(t)
	x.tooNew = []string{"Exchange2013_SP1", "Exchange2010_SP2"}
	about, err := x.open(x.credentials(), relay.WayEWS).Check(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if about.Host != host || about.Addr != x.server.Listener.Addr().String() || !strings.HasPrefix(about.TLS, "TLS 1.3 ") ||
		about.Certificate != host || about.Version != "Exchange2007_SP1" {
		t.Errorf("about %+v", about)
	}
	if got := len(x.seen()); got != 5 {
		t.Errorf("%d requests, want the sign-in and one more for each version", got)
	}
}

func TestEWSVersionOfTheAccount(t *testing.T) {
	t.Parallel()
	x := serveExchange(t)
	x.tooNew = []string{"Exchange2010"}
	c := x.credentials()
	c.Account.EWS.Version = "Exchange2010"
	_, err := x.open(c, relay.WayEWS).Send(t.Context(), content(message))
	want{where: relay.AtAfterDot, code: 500, text: "ErrorInvalidServerVersion: The specified"}.check(t, err)
	x.tooNew = nil
	about, err := x.open(c, relay.WayEWS).Check(t.Context())
	if err != nil || about.Version != "Exchange2010" {
		t.Errorf("about %+v, error %v", about, err)
	}
}

func TestEWSSend(t *testing.T) {
	t.Parallel()
	x := serveExchange(t)
	client := x.open(x.credentials(), relay.WayEWS)
	for _, size := range []int{1, 2, 3, 24<<10 - 1, 24 << 10, 24<<10 + 1, 100 << 10} {
		text := message + strings.Repeat("x", size)
		receipt, err := client.Send(t.Context(), content(text))
		if err != nil {
			t.Fatal(err)
		}
		if receipt.Reply.String() != "200 NoError" {
			t.Errorf("reply %q", receipt.Reply)
		}
		body := x.last().body
		got, err := base64.StdEncoding.DecodeString(firstMatch(body, `<t:Message><t:MimeContent CharacterSet="UTF-8">([^<]*)</t:MimeContent></t:Message>`))
		if err != nil || string(got) != text {
			t.Fatalf("%d octets arrived changed: %v", size, err)
		}
		if !strings.Contains(string(body), `<m:CreateItem MessageDisposition="SendAndSaveCopy"><m:SavedItemFolderId><t:DistinguishedFolderId Id="sentitems"/></m:SavedItemFolderId>`) {
			t.Errorf("the folder of the copy is not named:\n%.700s", body)
		}
	}
	for _, c := range x.seen() {
		if c.length < 0 {
			t.Errorf("a request of %q has no Content-Length", firstMatch(c.body, `<m:(\w+)`))
		}
	}
}

func TestEWSSharedMailbox(t *testing.T) {
	t.Parallel()
	x := serveExchange(t)
	c := x.credentials()
	c.Account.User, c.Account.Address.Local = "", "o'neill&co"
	if _, err := x.open(c, relay.WayEWS).Send(t.Context(), content(message)); err != nil {
		t.Fatal(err)
	}
	const folder = `<t:DistinguishedFolderId Id="sentitems"><t:Mailbox><t:EmailAddress>o&#39;neill&amp;co@acme.example</t:EmailAddress></t:Mailbox></t:DistinguishedFolderId>`
	for _, c := range x.seen()[2:] {
		if !strings.Contains(string(c.body), folder) {
			t.Errorf("not in the shared mailbox:\n%.900s", c.body)
		}
	}
}

func TestEWSSignInFails(t *testing.T) {
	t.Parallel()
	const keyExchange = 0x40000000
	for _, test := range []struct {
		name   string
		change func(x *exchange, c *relay.Credentials)
		want   want
	}{
		{"wrong password, NTLM", func(_ *exchange, c *relay.Credentials) { c.Password = "other" },
			want{where: relay.AtAuth, code: 401, text: "Unauthorized"}},
		{"wrong password, Basic", func(x *exchange, c *relay.Credentials) { x.schemes, c.Password = []string{"Basic"}, "other" },
			want{where: relay.AtAuth, code: 401, text: "Unauthorized"}},
		{"no scheme that we know", func(x *exchange, _ *relay.Credentials) { x.schemes = []string{"Bearer", "Digest"} },
			want{where: relay.AtAuth, text: "local: no mechanism"}},
		{"a colon in the login, Basic", func(x *exchange, c *relay.Credentials) {
			x.schemes, c.Account.EWS.Login = []string{"Basic"}, "a:b"
		}, want{where: relay.AtAuth, text: "local: no mechanism"}},
		{"key exchange", func(x *exchange, _ *relay.Credentials) { x.flags = keyExchange },
			want{where: relay.AtAuth, text: "local: no mechanism"}},
		{"no sign-in asked for", func(x *exchange, _ *relay.Credentials) {
			x.service.answer = say(200, "text/xml", success("CreateItem", ""))
		}, want{where: relay.AtAuth, text: "local: no mechanism the server asks for no sign-in"}},
		{"a challenge that is none", func(x *exchange, _ *relay.Credentials) {
			x.service.answer = say(401, "text/plain", "", "Www-Authenticate", "NTLM AAAA")
		}, want{where: relay.AtAuth, text: "local: protocol"}},
		{"no challenge", func(x *exchange, _ *relay.Credentials) {
			x.service.answer = say(401, "text/plain", "", "Www-Authenticate", "NTLM")
		}, want{where: relay.AtAuth, text: "local: protocol", is: webmail.ErrAnswer}},
		{"a connection for each message", func(x *exchange, _ *relay.Credentials) {
			answer := x.service.answer
			x.service.answer = func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Connection", "close")
				answer(w, r)
			}
		}, want{where: relay.AtAuth, text: "local: connection lost"}},
		{"no answer", func(x *exchange, _ *relay.Credentials) { x.service.answer = cut },
			want{where: relay.AtAuth, text: "local: connection lost"}},
		{"not found", func(x *exchange, _ *relay.Credentials) { x.service.answer = say(404, "text/html", "<html>no") },
			want{where: relay.AtAfterDot, code: 404, text: "Not Found"}},
		{"out of order", func(x *exchange, _ *relay.Credentials) { x.service.answer = say(502, "text/html", "<html>no") },
			want{where: relay.AtConnect, text: "local: protocol HTTP 502 Bad Gateway"}},
		{"busy", func(x *exchange, _ *relay.Credentials) {
			x.service.answer = say(503, "text/html", "", "Retry-After", "7")
		},
			want{where: relay.AtAfterDot, code: 503, text: "Service Unavailable", pause: 7 * time.Second}},
		{"redirect", func(x *exchange, _ *relay.Credentials) {
			x.service.answer = say(302, "text/html", "", "Location", "https://evil.example/owa?secret")
		}, want{where: relay.AtAuth, text: "local: protocol HTTP 302: the service redirects, which is not followed (to evil.example)", is: webmail.ErrRedirect}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			x := serveExchange(t)
			c := x.credentials()
			test.change(x, c)
			client := x.open(c, relay.WayEWS)
			_, err := client.Send(t.Context(), content(message))
			test.want.check(t, err)
			for _, c := range x.seen() {
				if strings.Contains(string(c.body), "MimeContent") {
					t.Error("the message left all the same")
				}
			}
			if _, err := client.Check(t.Context()); err == nil {
				t.Error("Check succeeds")
			}
		})
	}
}

func TestEWSBasicOnlyOverTLS(t *testing.T) {
	t.Parallel()
	x := serveExchange(t)
	x.schemes = []string{"Basic"}
	plain := servePlain(t, x)
	c := x.credentials()
	c.Account.EWS.URL = "http://" + host + "/EWS/Exchange.asmx"
	_, err := plain.open(c, relay.WayEWS).Check(t.Context())
	want{where: relay.AtAuth, text: "local: no mechanism"}.check(t, err)
	x.schemes = []string{"NTLM"}
	about, err := plain.open(c, relay.WayEWS).Check(t.Context())
	if err != nil || about.TLS != "" {
		t.Errorf("NTLM over http: %+v, %v", about, err)
	}
}

func TestEWSSignsInAgain(t *testing.T) {
	t.Parallel()
	t.Run("after the server closed the connection", func(t *testing.T) {
		t.Parallel()
		x := serveExchange(t)
		client := x.open(x.credentials(), relay.WayEWS)
		if _, err := client.Check(t.Context()); err != nil {
			t.Fatal(err)
		}
		x.server.CloseClientConnections()
		// The transport may see the end only when it writes: then the outcome of this
		// one is unknown, which is honest.
		if _, err := client.Find(t.Context(), webmail.FolderSent, "<x@y>"); err != nil {
			t.Logf("the end was seen late: %v", err)
		}
		if _, err := client.Send(t.Context(), content(message)); err != nil {
			t.Fatal(err)
		}
		if got := steps(x.seen()); !strings.Contains(got, "2 ntlm1 nothing, 2 ntlm3 ") {
			t.Errorf("the new connection is not signed in: %s", got)
		}
	})
	t.Run("for every request", func(t *testing.T) {
		t.Parallel()
		x := serveExchange(t)
		x.perRequest = true
		client := x.open(x.credentials(), relay.WayEWS)
		if _, err := client.Send(t.Context(), content(message)); err != nil {
			t.Fatal(err)
		}
		const all = "1 - nothing, 1 ntlm1 nothing, 1 ntlm3 GetFolder, 1 - CreateItem, 1 ntlm1 nothing, 1 ntlm3 CreateItem"
		if got := steps(x.seen()); got != all {
			t.Errorf("the server was asked\n%s\nwant\n%s", got, all)
		}
	})
}
