package discover

import (
	"strings"
	"testing"

	"github.com/relayd/relayd/internal/mailaddr"
	"github.com/relayd/relayd/relay"
)

var jane = relay.Address{Local: "jane", Domain: "acme.example"}

// checkOffer holds whatever a parser takes from outside to what may leave it.
func checkOffer(t *testing.T, o offer) {
	t.Helper()
	if len(o.smtp) > maxPairs || len(o.imap) > maxPairs {
		t.Errorf("%d and %d servers", len(o.smtp), len(o.imap))
	}
	for _, list := range [][]endpoint{o.smtp, o.imap} {
		for _, e := range list {
			if name, err := mailaddr.ParseDomain(e.Host); err != nil || name != e.Host {
				t.Errorf("host %q", e.Host)
			}
			if e.Port < 1 || e.Port > 65535 || (e.TLS != relay.TLSImplicit && e.TLS != relay.TLSStartTLS) {
				t.Errorf("%+v", e)
			}
			if len(e.Login) > maxLogin || e.Login != relay.Printable(e.Login) {
				t.Errorf("login %q", e.Login)
			}
		}
	}
	if o.ews != "" && (!strings.HasPrefix(o.ews, "https://") || strings.ContainsAny(o.ews, "@? \r\n") || hostOf(o.ews) == "") {
		t.Errorf("EWS %q", o.ews)
	}
}

func FuzzAutoconfig(f *testing.F) {
	f.Add([]byte(`<clientConfig><emailProvider><outgoingServer type="smtp"><hostname>smtp.%EMAILDOMAIN%</hostname><port>465</port><socketType>SSL</socketType><username>%EMAILADDRESS</username></outgoingServer></emailProvider></clientConfig>`))
	f.Add([]byte(`<clientConfig><emailProvider><incomingServer type="exchange"><ewsURL>https://ex.acme.example/EWS/Exchange.asmx</ewsURL></incomingServer></emailProvider></clientConfig>`))
	f.Add([]byte(`<!DOCTYPE x [<!ENTITY a "b">]><clientConfig>&a;</clientConfig>`))
	f.Add([]byte(`<clientConfig><emailProvider><incomingServer type="imap"><hostname>x..y</hostname><port>0</port><socketType>plain</socketType></incomingServer></emailProvider></clientConfig>`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if o, err := parseAutoconfig(data, jane); err == nil {
			checkOffer(t, o)
		}
	})
}

func FuzzPACC(f *testing.F) {
	f.Add([]byte(`{"protocols":{"imap":{"host":"imap.acme.example"},"smtp":{"host":"smtp.acme.example"}},"authentication":{"password":false,"oauth-public":{"issuer":"x"}}}`))
	f.Add([]byte(`{"protocols":{"submit":{"host":"127.0.0.1"}}}`))
	f.Add([]byte(`[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]`))
	f.Add([]byte(`{} {}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if o, err := parsePACC(data); err == nil {
			checkOffer(t, o)
		}
	})
}

func FuzzV2(f *testing.F) {
	f.Add([]byte(`{"Protocol":"Ews","Url":"https://ex.acme.example/EWS/Exchange.asmx"}`))
	f.Add([]byte(`{"Protocol":"Ews","Url":"https://u:p@ex.acme.example/EWS/Exchange.asmx?x=1"}`))
	f.Add([]byte(`{"Protocol":"Ews","Url":"https://169.254.169.254/x"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if o, err := parseV2(data); err == nil {
			checkOffer(t, o)
		}
	})
}

func FuzzPOX(f *testing.F) {
	const head, tail = `<Autodiscover><Response><Account><Action>settings</Action>`, `</Account></Response></Autodiscover>`
	f.Add([]byte(head + `<Protocol><Type>EXPR</Type><ASUrl>https://ex.acme.example/EWS/Exchange.asmx</ASUrl></Protocol>` + tail))
	f.Add([]byte(head + `<Protocol><Type>SMTP</Type><Server>smtp.acme.example</Server><Port>587</Port><Encryption>TLS</Encryption></Protocol>` + tail))
	f.Add([]byte(`<Autodiscover><Response><Account><Action>redirectUrl</Action><RedirectUrl>http://x/</RedirectUrl></Account></Response></Autodiscover>`))
	f.Add([]byte(`<Autodiscover><Response><Account><Action>redirectAddr</Action><RedirectAddr>a@b</RedirectAddr></Account></Response></Autodiscover>`))
	f.Fuzz(func(t *testing.T, data []byte) {
		o, next, err := parsePOX(data, jane)
		if err != nil {
			return
		}
		checkOffer(t, o)
		if next != "" && !strings.HasPrefix(next, "https://") {
			t.Errorf("it leads to %q", next)
		}
	})
}

func TestPlaceholders(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"%EMAILADDRESS%": "jane@acme.example", "%EMAILLOCALPART%.%EMAILDOMAIN%": "jane.acme.example",
		"%emailaddress%": "jane@acme.example", "%EMAILADDRESS": "jane@acme.example", // one % is missing, as in a file that is in use
		"%EMAILDOMAIN.x": "acme.example.x", "100%": "100%", "%REALNAME%": "%REALNAME%", "\tjane": "jane", "": "",
		strings.Repeat("%EMAILADDRESS%", 1000): "",
	} {
		if got := expand(text, jane); got != want {
			t.Errorf("%q becomes %q", text, got)
		}
	}
	var e endpoint
	if e.setLogin(expand("%REALNAME%", jane), jane); !e.asks || e.Login != "" {
		t.Errorf("a name that nobody knows: %+v", e)
	}
}

func TestOwnable(t *testing.T) {
	t.Parallel()
	for domain, want := range map[string]bool{
		"acme.example": true, "example": false, "com": false, "co.uk": false, "acme.co.uk": true, "github.io": true, "mail.acme.com": true,
	} {
		if ownable(domain) != want {
			t.Errorf("%s: %v", domain, !want)
		}
	}
}
