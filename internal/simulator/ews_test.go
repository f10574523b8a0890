package simulator_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-sasl"

	"github.com/relayd/relayd/internal/simulator"
	"github.com/relayd/relayd/internal/simulator/exchange"
	"github.com/relayd/relayd/internal/webmail"
	"github.com/relayd/relayd/relay"
)

const shared = "shared@acme.example"

// startExchange is a company with Jane, who has an alias and a shared mailbox, and
// John.
func startExchange(t *testing.T, change func(*simulator.Options)) *simulator.Simulator {
	t.Helper()
	o := simulator.Options{Personality: simulator.Exchange(), Accounts: []simulator.Account{
		{Address: jane, Password: "jane's", Aliases: []string{"info@acme.example"}},
		{Address: john, Login: "jdoe", Password: "john's"},
		{Address: shared, Password: "nobody's", Delegates: []string{jane}},
	}}
	if change != nil {
		change(&o)
	}
	return start(t, o)
}

// openEWS is relayd's own client, signed in by name and password to the mailbox of an
// address. A shared mailbox belongs to no user.
func openEWS(t *testing.T, s *simulator.Simulator, address, login, password string) webmail.Client {
	t.Helper()
	local, at, _ := strings.Cut(address, "@")
	c := &relay.Credentials{Password: relay.Secret(password)}
	c.Account = relay.Account{ID: "a1", User: "u1", Address: relay.Address{Local: local, Domain: at}}
	c.Account.Provider = relay.ProviderExchange
	c.Account.EWS = relay.EWS{URL: s.EWSURL(), Login: login}
	if address == shared {
		c.Account.User = ""
	}
	client, err := webmail.New(webmail.Options{Dialer: &net.Dialer{}, Roots: s.Roots()}).Open(c, relay.WayEWS)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client
}

func asJane(t *testing.T, s *simulator.Simulator) webmail.Client {
	t.Helper()
	return openEWS(t, s, jane, jane, "jane's")
}

func sendEWS(ctx context.Context, c webmail.Client, text string) error {
	_, err := c.Send(ctx, webmail.Content{Size: int64(len(text)), Reader: func() io.Reader { return strings.NewReader(text) }})
	return err
}

// ewsRefused checks what relayd's client makes of a refusal.
func ewsRefused(t *testing.T, err error, where relay.Where, code int, text string, unknown bool) *webmail.Error {
	t.Helper()
	var e *webmail.Error
	if !errors.As(err, &e) || e.Where != where || e.Reply.Code != code || !strings.Contains(e.Reply.Text, text) || e.Unknown != unknown {
		t.Errorf("answer %v, want %s %d %s, unknown %v", err, where, code, text, unknown)
		return &webmail.Error{}
	}
	return e
}

// One mailbox by three protocols:
//
//	webmail --EWS--> exchange --> mailboxes <-- SMTP, IMAP
func TestMailByExchange(t *testing.T) {
	t.Parallel()
	for name, schemes := range map[string][]exchange.Scheme{
		"NTLM": {exchange.NTLM}, "Negotiate": {exchange.Negotiate}, "Basic": {exchange.Basic}, "both": nil,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var forwarded []string
			s := startExchange(t, func(o *simulator.Options) {
				o.Personality.Exchange.Schemes = schemes
				o.Forward = func(_ context.Context, m simulator.Mail) error {
					forwarded = append(forwarded, m.To...)
					return nil
				}
			})
			c := asJane(t, s)
			if about, err := c.Check(t.Context()); err != nil || about.Version == "" {
				t.Fatalf("%+v, %v", about, err)
			}
			text := "Date: Sat, 28 Nov 2026 10:00:00 +0000\r\n" + strings.Replace(newsletter, "Boss <boss@other.example>", jane, 1)
			if err := sendEWS(t.Context(), c, text); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(forwarded, []string{"bob@world.example", "hidden@world.example"}) {
				t.Errorf("forwarded to %v", forwarded)
			}
			sent := s.Outbox()
			if len(sent) != 1 || sent[0].Via != "ews" || sent[0].User != jane || sent[0].From != jane || len(sent[0].To) != 3 ||
				!sent[0].TLS || bytes.Contains(sent[0].Content, []byte("Bcc:")) {
				t.Errorf("outbox %+v", sent)
			}
			copies := messages(t, s, jane, "Sent Items")
			if len(copies) != 1 || string(copies[0].Content) != text || !copies[0].Seen {
				t.Errorf("copies %+v", copies)
			}
			if got := messages(t, s, john, "INBOX"); len(got) != 1 || !bytes.HasPrefix(got[0].Content, []byte("Return-Path: <"+jane+">\r\nReceived:")) {
				t.Errorf("John has %+v", got)
			}
			found, err := openEWS(t, s, john, `EXAMPLE\jdoe`, "john's").Find(t.Context(), webmail.FolderAnywhere, "<9@acme.example>")
			if err != nil || len(found) != 1 || found[0].From != jane {
				t.Errorf("John finds %+v, %v", found, err)
			}
		})
	}
}

// What comes by SMTP and IMAP is there by EWS, and what EWS deletes is gone by IMAP.
func TestExchangeShowsWhatIMAPShows(t *testing.T) {
	t.Parallel()
	s := startExchange(t, nil)
	if err := submit(t, program(t, s, sasl.NewPlainClient("", jane, "jane's")), jane, mailOf(jane)); err != nil {
		t.Fatal(err)
	}
	c := openEWS(t, s, john, john, "john's")
	found, err := c.FindSubject(t.Context(), webmail.FolderInbox, "hello")
	if err != nil || len(found) != 1 || time.Since(found[0].Arrived) > time.Minute {
		t.Fatalf("%+v, %v", found, err)
	}
	for range 2 { // the second time it is gone already
		if err := c.Delete(t.Context(), found...); err != nil {
			t.Errorf("delete: %v", err)
		}
	}
	if left := messages(t, s, john, "INBOX"); len(left) != 0 {
		t.Errorf("%d messages are left", len(left))
	}
	for _, f := range []webmail.Folder{webmail.FolderSent, webmail.FolderJunk, webmail.FolderAnywhere} {
		if items, err := c.FindSubject(t.Context(), f, "hello"); err != nil || len(items) != 0 {
			t.Errorf("%s: %+v, %v", f, items, err)
		}
	}
}

func TestExchangeSignIn(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		login, password string
		ok              bool
	}{
		"address":          {john, "john's", true},
		"login":            {"jdoe", "john's", true},
		"domain and login": {`example\JDOE`, "john's", true},
		"local part":       {`EXAMPLE\john`, "john's", true},
		"mail domain":      {`acme.example\john`, "john's", true},
		"another domain":   {`ELSEWHERE\john`, "john's", false},
		"somebody's own":   {john, "jane's", false},
		"two of that name": {`EXAMPLE\max`, "max's", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, scheme := range []exchange.Scheme{exchange.NTLM, exchange.Basic} {
				s := startExchange(t, func(o *simulator.Options) {
					o.Personality.Exchange.Schemes = []exchange.Scheme{scheme}
					o.Accounts = append(o.Accounts, simulator.Account{Address: "max@acme.example", Password: "max's"},
						simulator.Account{Address: "max@other.example", Password: "max's"})
				})
				_, err := openEWS(t, s, john, test.login, test.password).Check(t.Context())
				if test.ok != (err == nil) {
					t.Errorf("%s: %v", scheme, err)
				}
				if !test.ok {
					ewsRefused(t, err, relay.AtAuth, 401, "Unauthorized", false)
				}
			}
		})
	}
}

func TestExchangePasswordChanges(t *testing.T) {
	t.Parallel()
	s := startExchange(t, nil)
	if err := s.SetPassword(jane, "new"); err != nil {
		t.Fatal(err)
	}
	if _, err := asJane(t, s).Check(t.Context()); err == nil {
		t.Error("the old password is taken")
	}
	if _, err := openEWS(t, s, jane, jane, "new").Check(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestExchangeSenders(t *testing.T) {
	t.Parallel()
	s := startExchange(t, nil)
	if err := s.AddAlias(jane, "added@acme.example"); err != nil {
		t.Fatal(err)
	}
	c := asJane(t, s)
	for _, from := range []string{jane, "info@acme.example", "added@acme.example", shared} {
		if err := sendEWS(t.Context(), c, mailOf(from)); err != nil {
			t.Errorf("as %s: %v", from, err)
		}
	}
	for _, from := range []string{john, "boss@other.example"} {
		ewsRefused(t, sendEWS(t.Context(), c, mailOf(from)), relay.AtAfterDot, 200, "ErrorSendAsDenied", false)
	}
	delegate := openEWS(t, s, shared, jane, "jane's")
	if _, err := delegate.Check(t.Context()); err != nil {
		t.Errorf("a shared mailbox: %v", err)
	}
	if _, err := openEWS(t, s, shared, john, "john's").Check(t.Context()); err == nil {
		t.Error("John opens the shared mailbox")
	}
	reply(t, submit(t, program(t, s, sasl.NewPlainClient("", jane, "jane's")), jane, mailOf(john)),
		550, "5.7.60", "permissions to send as this sender")
}

func TestExchangeReleases(t *testing.T) {
	t.Parallel()
	for release, version := range map[exchange.Release]string{
		exchange.Exchange2007SP1: "Exchange2007_SP1", exchange.Exchange2010SP2: "Exchange2010_SP2",
		exchange.Exchange2013SP1: "Exchange2013_SP1", exchange.ExchangeSE: "Exchange2013_SP1",
	} {
		s := startExchange(t, func(o *simulator.Options) { o.Personality.Exchange.Release = release })
		if about, err := asJane(t, s).Check(t.Context()); err != nil || about.Version != version {
			t.Errorf("%s: %+v, %v", release, about, err)
		}
	}
	how := simulator.Exchange()
	how.Exchange.Release = "Exchange5.5"
	if _, err := simulator.Start(t.Context(), simulator.Options{Personality: how}); err == nil || !strings.Contains(err.Error(), "Exchange5.5") {
		t.Errorf("an unknown release: %v", err)
	}
	if s := startAs(t, simulator.Plain()); s.EWSURL() != "" || s.Exchange() != nil {
		t.Error("every provider is an Exchange server")
	}
}

// The provider's faults reach EWS, at the place and for the mailbox that they name.
func TestExchangeFaults(t *testing.T) {
	t.Parallel()
	const back = "500 ErrorServerBusy: Later."
	for name, test := range map[string]struct {
		fault   simulator.Fault
		where   relay.Where
		code    int
		text    string
		unknown bool
		pause   time.Duration
		stored  bool
	}{
		"busy, before": {simulator.Fault{At: simulator.AtEWSSend, Reply: back, RetryAfter: 90 * time.Second},
			relay.AtAfterDot, 500, "ErrorServerBusy: Later.", false, 90 * time.Second, false},
		"a response message": {simulator.Fault{At: simulator.AtEWSSend, Reply: "200 ErrorMessageSizeExceeded: Too large."},
			relay.AtAfterDot, 200, "ErrorMessageSizeExceeded: Too large.", false, 0, false},
		"HTTP 503": {simulator.Fault{At: simulator.AtEWSSend, Reply: "503 Service: Unavailable", RetryAfter: 7 * time.Second},
			relay.AtAfterDot, 503, "", false, 7 * time.Second, false},
		"an error without a form":   {simulator.Fault{At: simulator.AtEWSSend}, relay.AtAfterDot, 503, "", true, 0, false},
		"the connection is cut":     {simulator.Fault{At: simulator.AtEWSSend, Hangup: true}, relay.AtAfterDot, 0, "local: connection lost", true, 0, false},
		"and after it was stored":   {simulator.Fault{At: simulator.AfterEWSSend, Hangup: true}, relay.AtAfterDot, 0, "local: connection lost", true, 0, true},
		"an HTML page after it":     {simulator.Fault{At: simulator.AfterEWSSend, Body: "<html>Oops</html>"}, relay.AtAfterDot, 0, "local: protocol", true, 0, true},
		"a gateway's error":         {simulator.Fault{At: simulator.AfterEWSSend, Reply: "502 Bad: Gateway"}, relay.AtAfterDot, 502, "", true, 0, true},
		"a sign-in that is refused": {simulator.Fault{At: simulator.AtEWSSignIn, Reply: "401"}, relay.AtAuth, 401, "", false, 0, false},
		"an account that is locked": {simulator.Fault{At: simulator.AtEWSSignIn, Reply: "500 ErrorAccountDisabled: No."},
			relay.AtAfterDot, 500, "ErrorAccountDisabled", false, 0, false},
		"a redirect": {simulator.Fault{At: simulator.AtEWSRead, Location: "https://other.example/"}, relay.AtConnect, 0, "local: protocol HTTP 302", false, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startExchange(t, nil)
			test.fault.Who, test.fault.Times = jane, 1
			s.Inject(test.fault)
			if err := sendEWS(t.Context(), openEWS(t, s, john, john, "john's"), mailOf(john)); err != nil {
				t.Errorf("John: %v", err)
			}
			c := asJane(t, s)
			e := ewsRefused(t, sendEWS(t.Context(), c, mailOf(jane)), test.where, test.code, test.text, test.unknown)
			if e.RetryAfter != test.pause {
				t.Errorf("pause %v, want %v", e.RetryAfter, test.pause)
			}
			if stored := len(messages(t, s, jane, "Sent Items")) == 1; stored != test.stored || len(s.Outbox()) == 2 != test.stored {
				t.Errorf("stored: %v, outbox %d", stored, len(s.Outbox()))
			}
			if err := sendEWS(t.Context(), c, mailOf(jane)); err != nil {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}

// A message that is refused is not stored, so nothing happens after that either.
func TestFaultAfterARefusal(t *testing.T) {
	t.Parallel()
	s := startExchange(t, nil)
	s.Inject(simulator.Fault{At: simulator.AfterEWSSend, Hangup: true})
	ewsRefused(t, sendEWS(t.Context(), asJane(t, s), mailOf(john)), relay.AtAfterDot, 200, "ErrorSendAsDenied", false)
}

func TestExchangeLimit(t *testing.T) {
	t.Parallel()
	s := startExchange(t, nil)
	if err := s.SetLimit(jane, 1); err != nil {
		t.Fatal(err)
	}
	c := asJane(t, s)
	if err := sendEWS(t.Context(), c, mailOf(jane)); err != nil {
		t.Fatal(err)
	}
	ewsRefused(t, sendEWS(t.Context(), c, mailOf(jane)), relay.AtAfterDot, 200, "ErrorSubmissionQuotaExceeded", false)
	if n := len(messages(t, s, jane, "Sent Items")); n != 1 {
		t.Errorf("%d copies", n)
	}
}

func TestAutodiscoverOfTheProvider(t *testing.T) {
	t.Parallel()
	s := startExchange(t, nil)
	const ask = "/Autodiscover/AutoDiscover.json?Protocol=EWS&Email="
	a := mustCall(t, s, "GET", ask+jane, "", "", "")
	if got := a.value(t)["Url"]; got != s.EWSURL() {
		t.Errorf("it says %v, want %s", got, s.EWSURL())
	}
	s.Inject(simulator.Fault{At: simulator.AtAutodiscover, Times: 1, Reply: "503 Busy: later"})
	if a := mustCall(t, s, "GET", ask+jane, "", "", ""); a.status != 503 {
		t.Errorf("status %d", a.status)
	}
	s.Exchange().Redirect(exchange.Redirect{ToURL: "https://other.example/", Times: 1})
	if a := mustCall(t, s, "GET", ask+jane, "", "", ""); a.header.Get("Location") != "https://other.example/" {
		t.Errorf("%d to %s", a.status, a.header.Get("Location"))
	}
	if a := mustCall(t, s, "GET", "/.well-known/openid-configuration", "", "", ""); a.status != 200 {
		t.Errorf("the other services: %d", a.status)
	}
}
