package account

import (
	"net/mail"
	"strings"
	"testing"
	"time"

	"github.com/relayd/relayd/relay"
)

// Every kind of failure at every place gives a sentence with a setting, or says
// that it is nobody's setting.
func TestExplain(t *testing.T) {
	t.Parallel()
	said := func(code int, text string) relay.Reply { return relay.Reply{Code: code, Text: text} }
	for _, test := range []struct {
		name  string
		side  side
		mode  relay.TLSMode
		where relay.Where
		reply relay.Reply
		flags string // "dialed", "plain"
		hint  string
		field string
		words string
	}{
		{"dns", sending, relay.TLSImplicit, relay.AtConnect, relay.Local("dns", "no such host"), "", "", "smtp.host", "no server with the name mail.example"},
		{"closed port", reading, relay.TLSImplicit, relay.AtConnect, relay.Local("refused", ""), "", "", "imap.port", "993 (implicit TLS) and 143 (STARTTLS)"},
		{"nobody answers", sending, relay.TLSImplicit, relay.AtConnect, relay.Local("timeout", "at connect"), "", "", "smtp.host", "firewall"},
		{"silence on a STARTTLS port", sending, relay.TLSStartTLS, relay.AtConnect, relay.Local("timeout", ""), "dialed", "", "smtp.tls", "implicit TLS, or port 587"},
		{"hang-up on a STARTTLS port", reading, relay.TLSStartTLS, relay.AtConnect, relay.Local("connection lost", ""), "dialed", "", "imap.tls", "implicit TLS, or port 143"},
		{"a private address", sending, relay.TLSImplicit, relay.AtConnect, relay.Local("address refused", ""), "", "", "smtp.host", "The operator can permit it"},
		{"in clear to a public address", sending, relay.TLSNone, relay.AtConnect, relay.Local("address refused", ""), "dialed", "", "smtp.tls", "without TLS"},
		{"another protocol", sending, relay.TLSStartTLS, relay.AtConnect, relay.Local("protocol", "* OK"), "dialed", "", "smtp.port", "not the outgoing server for SMTP"},
		{"the server refuses everybody", sending, relay.TLSImplicit, relay.AtConnect, said(554, "secret banner"), "dialed", "", "smtp.host", "refuses connections"},
		{"plain text on a TLS port", reading, relay.TLSImplicit, relay.AtTLS, relay.Local("handshake", "x"), "dialed plain", "", "imap.tls", "this port speaks STARTTLS. Choose STARTTLS, or port 993"},
		{"no STARTTLS", sending, relay.TLSStartTLS, relay.AtTLS, relay.Local("starttls missing", ""), "dialed", "", "smtp.tls", "port 465"},
		{"certificate", sending, relay.TLSImplicit, relay.AtTLS, relay.Local("certificate", "it is for other.example"), "dialed", "", "smtp.host", "it is for other.example"},
		{"certificate of an unknown authority", reading, relay.TLSImplicit, relay.AtTLS, relay.Local("certificate", "signed by an unknown authority"), "dialed", "", "imap.host", "not issued by an authority that relayd trusts"},
		{"certificate that has expired", sending, relay.TLSImplicit, relay.AtTLS, relay.Local("certificate", "expired"), "dialed", "", "smtp.host", "has expired"},
		{"broken handshake", sending, relay.TLSImplicit, relay.AtTLS, relay.Local("reset", ""), "dialed", "", "smtp.tls", "465 with implicit TLS"},
		{"old TLS", sending, relay.TLSImplicit, relay.AtTLS, relay.Local("handshake", "version"), "dialed", "", "smtp.tls", "no longer safe"},
		{"no AUTH", sending, relay.TLSStartTLS, relay.AtAuth, relay.Local("no mechanism", ""), "dialed", "", "smtp.port", "no sign-in by password"},
		{"no AUTH in clear", reading, relay.TLSNone, relay.AtAuth, relay.Local("login disabled", ""), "dialed", "", "imap.tls", "without TLS"},
		{"wrong password", sending, relay.TLSImplicit, relay.AtAuth, said(535, "5.7.8 no"), "dialed", "", "password", "app password"},
		{"wrong password, provider known", sending, relay.TLSImplicit, relay.AtAuth, said(535, "no"), "dialed", "Make an app password.", "password", "(it says: 535 no). Make an app password."},
		{"wrong name", sending, relay.TLSImplicit, relay.AtAuth, said(535, "No such user"), "dialed", "", "smtp.login", "does not know the user name jane"},
		{"not now", reading, relay.TLSImplicit, relay.AtAuth, said(454, "later"), "dialed", "", "", "try again later"},
		{"broken off at the sign-in", reading, relay.TLSImplicit, relay.AtAuth, relay.Local("timeout", ""), "dialed", "", "", "try again later"},
		{"sender refused", sending, relay.TLSImplicit, relay.AtMail, said(553, "not owned"), "dialed", "", "address", "does not let jane send as this address (it says: 553 not owned)"},
		{"greylisting", sending, relay.TLSImplicit, relay.AtRcpt, said(451, "later"), "dialed", "", "", "try again later"},
		{"spam filter", sending, relay.TLSImplicit, relay.AtAfterDot, said(554, "spam"), "dialed", "", "", "554 spam"},
	} {
		trouble := &trouble{side: test.side, server: relay.Server{Host: "mail.example", Port: 25, TLS: test.mode}, login: "jane",
			where: test.where, reply: test.reply, dialed: strings.Contains(test.flags, "dialed"), plain: strings.Contains(test.flags, "plain"),
			class: relay.Class{Hint: test.hint, Pause: time.Minute}}
		p := trouble.explain()
		if p.field != test.field || !strings.Contains(p.message, test.words) || p.pause != time.Minute {
			t.Errorf("%s: field %q: %s; want %q and %q", test.name, p.field, p.message, test.field, test.words)
		}
		if strings.Contains(p.message, "banner") || strings.Contains(p.message, "local:") || strings.Contains(p.message, "%!") {
			t.Errorf("%s: %s", test.name, p.message)
		}
	}
}

// A server that is silent on the usual port of STARTTLS hangs: nobody is told to
// choose the port that is chosen.
func TestExplainSilenceOnTheUsualPort(t *testing.T) {
	t.Parallel()
	trouble := &trouble{side: sending, server: relay.Server{Host: "mail.example", Port: 587, TLS: relay.TLSStartTLS},
		where: relay.AtConnect, reply: relay.Local("timeout", ""), dialed: true}
	if p := trouble.explain(); p.field != "smtp.host" || !strings.Contains(p.message, "does not answer on port 587") {
		t.Errorf("field %q: %s", p.field, p.message)
	}
}

func TestSameMailbox(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		from string
		own  relay.Address
		same bool
	}{
		{"Jane <jane@acme.example>", relay.Address{Local: "jane", Domain: "acme.example"}, true},
		{"jane@ACME.example", relay.Address{Local: "jane", Domain: "acme.example"}, true},
		{`"jane doe"@acme.example`, relay.Address{Local: "jane doe", Domain: "acme.example"}, true},
		{`"jane@home"@acme.example`, relay.Address{Local: "jane@home", Domain: "acme.example"}, true},
		{"j\u00f6rg@acme.example", relay.Address{Local: "j\u00f6rg", Domain: "acme.example"}, true},
		{"john@acme.example", relay.Address{Local: "jane", Domain: "acme.example"}, false},
		{`"jane"@other.example`, relay.Address{Local: "jane", Domain: "acme.example"}, false},
	} {
		from, err := mail.ParseAddress(test.from)
		if err != nil || sameMailbox(from, test.own) != test.same {
			t.Errorf("%s and %s: want %v (%v)", test.from, test.own, test.same, err)
		}
	}
}

// APIs and access tokens have their own words.
func TestExplainWithoutAPassword(t *testing.T) {
	t.Parallel()
	said := func(code int, text string) relay.Reply { return relay.Reply{Code: code, Text: text} }
	for _, test := range []struct {
		name    string
		trouble trouble
		field   string
		words   string
	}{
		{"no such Exchange server", trouble{web: relay.WayEWS, where: relay.AtConnect, reply: relay.Local("dns", "")}, "ews.url", "no server with the name"},
		{"a private address", trouble{web: relay.WayEWS, where: relay.AtConnect, reply: relay.Local("address refused", "")}, "ews.url", "operator can permit it"},
		{"nothing answers", trouble{web: relay.WayGraph, where: relay.AtConnect, reply: relay.Local("timeout", "")}, "", "Microsoft Graph does not answer"},
		{"certificate", trouble{web: relay.WayEWS, where: relay.AtTLS, reply: relay.Local("certificate", "expired")}, "ews.url", "has expired"},
		{"no TLS", trouble{web: relay.WayEWS, where: relay.AtTLS, reply: relay.Local("handshake", "x")}, "ews.url", "No secure connection"},
		{"wrong password", trouble{web: relay.WayEWS, where: relay.AtAuth, reply: said(401, "no")}, "password", "DOMAIN"},
		{"refused token", trouble{web: relay.WayGraph, where: relay.AtAuth, reply: said(401, "InvalidAuthenticationToken: no"), bearer: true}, "consent", "Connect the account again"},
		{"refused token by SMTP", trouble{side: sending, where: relay.AtAuth, reply: said(535, "no"), bearer: true, dialed: true}, "consent", "refuses the access"},
		{"revoked", trouble{where: relay.AtToken, reply: said(400, "invalid_grant: revoked"), class: relay.Class{Action: relay.ActionHoldAccount}}, "consent", "invalid_grant"},
		{"secret expired", trouble{where: relay.AtToken, reply: said(401, "invalid_client: x"), class: relay.Class{Action: relay.ActionHoldApp}}, "app", "invalid_client"},
		{"not now", trouble{where: relay.AtToken, reply: said(503, "busy"), class: relay.Class{Action: relay.ActionRetry}}, "", "gives no access"},
		{"no sign-in is asked for", trouble{web: relay.WayEWS, where: relay.AtAuth, reply: relay.Local("no mechanism", "the server asks for no sign-in")}, "ews.url", "asks for no sign-in"},
		{"a page that redirects", trouble{web: relay.WayEWS, where: relay.AtAuth, reply: relay.Local("protocol", "HTTP 302 to banner")}, "ews.url", "not Exchange's web service"},
		{"broken off at the sign-in", trouble{web: relay.WayEWS, where: relay.AtAuth, reply: relay.Local("timeout", "")}, "", "try again later"},
		{"no such page", trouble{web: relay.WayEWS, where: relay.AtAfterDot, reply: said(404, "banner")}, "ews.url", "/EWS/Exchange.asmx"},
		{"an error of Exchange's", trouble{web: relay.WayEWS, where: relay.AtAfterDot, reply: said(400, "ErrorSomething: no")}, "", "ends the verification"},
		{"too old", trouble{web: relay.WayEWS, where: relay.AtAfterDot, reply: said(500, "ErrorInvalidServerVersion: no")}, "ews.version", "Exchange 2007 SP1"},
		{"no right to the mailbox", trouble{web: relay.WayEWS, where: relay.AtAfterDot, reply: said(200, "ErrorAccessDenied: no")}, "ews.login", "does not open the mailbox"},
		{"may not send as itself", trouble{web: relay.WayEWS, where: relay.AtAfterDot, reply: said(200, "ErrorSendAsDenied: no"), class: relay.Class{Action: relay.ActionHoldSender}}, "address", "does not let"},
		{"the same by Graph", trouble{web: relay.WayGraph, where: relay.AtAfterDot, reply: said(403, "ErrorSendAsDenied: no"), class: relay.Class{Action: relay.ActionHoldSender}}, "address", "does not let"},
		{"the same by SMTP", trouble{side: sending, where: relay.AtAfterDot, reply: said(550, "no"), class: relay.Class{Action: relay.ActionHoldSender}}, "address", "does not let"},
		{"content", trouble{web: relay.WayGraph, where: relay.AtAfterDot, reply: said(400, "x")}, "", "ends the verification"},
	} {
		test.trouble.server.Host = "mail.example"
		test.trouble.class.OtherTransport = true
		p := test.trouble.explain()
		if p.field != test.field || !strings.Contains(p.message, test.words) || !p.stepDown || strings.Contains(p.message, "%!") || strings.Contains(p.message, "banner") {
			t.Errorf("%s: field %q: %s; want %q and %q", test.name, p.field, p.message, test.field, test.words)
		}
	}
}
