package discover_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/relayd/relayd/internal/netguard"
	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/relay/provider/discover"
)

const (
	configFirst  = "autoconfig.acme.example/mail/config-v1.1.xml"
	configSecond = "acme.example/.well-known/autoconfig/mail/config-v1.1.xml"
	paccPage     = "ua-auto-config.acme.example/.well-known/user-agent-configuration.json"
	v2Page       = "autodiscover.acme.example/autodiscover/autodiscover.json"
	poxPage      = "autodiscover.acme.example/autodiscover/autodiscover.xml"
)

func TestOperatorDecides(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	w.page(configFirst, text(config(outgoing("smtp.acme.example", "465", "SSL"), incoming("imap.acme.example", "993", "SSL"))))
	starter := &relay.Starter{Login: "{local}.{domain}", Settings: relay.Settings{
		Provider: relay.ProviderIMAP, SMTP: relay.Server{Host: "relay.acme.example", Port: 587, TLS: relay.TLSStartTLS},
	}}
	r := w.look("acme.example", discover.Choice{Organisation: "org1"}, func(o *discover.Options) {
		o.Starter = func(_ context.Context, organisation, domain string) (*relay.Starter, error) {
			if organisation != "org1" || domain != "acme.example" {
				t.Errorf("asked for %s %s", organisation, domain)
			}
			return starter, nil
		}
	})
	got := one(t, r, discover.SourceOperator)
	if !r.Final || got.Confirm || got.Settings.SMTP.Host != "relay.acme.example" || got.SMTPLogin != "jane.acme.example" || len(r.Suggestions) != 1 {
		t.Errorf("%+v", r)
	}
	if len(w.dials) > 0 {
		t.Errorf("though all was decided %v was dialled", w.dials)
	}
}

func TestOperatorNamesAProviderAlone(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		starter relay.Settings
		smtp    string
		ladder  []relay.Way
	}{
		{relay.Settings{Provider: relay.ProviderOffice365, SignIn: relay.SignInApp, App: "app1", Ways: []relay.Way{relay.WayGraph}}, "smtp.office365.com", []relay.Way{relay.WayGraph}},
		{relay.Settings{Provider: relay.ProviderGmail}, "smtp.gmail.com", []relay.Way{relay.WaySMTP}},
		{relay.Settings{Provider: relay.ProviderIMAP, Preset: "fastmail"}, "smtp.fastmail.com", []relay.Way{relay.WaySMTP}},
	} {
		w := newWorld(t, "")
		r := w.look("acme.example", discover.Choice{}, func(o *discover.Options) {
			o.Starter = func(context.Context, string, string) (*relay.Starter, error) {
				return &relay.Starter{Settings: c.starter}, nil
			}
		})
		got := one(t, r, discover.SourceOperator)
		if !r.Final || got.Settings.SMTP.Host != c.smtp || got.Settings.App != c.starter.App || got.Settings.SignIn != c.starter.SignIn ||
			!slices.Equal(got.Settings.Ladder(), c.ladder) {
			t.Errorf("%+v", got)
		}
	}
}

func TestOperatorsErrorEndsIt(t *testing.T) {
	t.Parallel()
	w, broken := newWorld(t, ""), errors.New("disk")
	o := w.options()
	o.Starter = func(context.Context, string, string) (*relay.Starter, error) { return nil, broken }
	if _, err := discover.New(o).Discover(t.Context(), relay.Address{Local: "jane", Domain: "gmail.com"}, discover.Choice{}); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	if _, err := discover.New(w.options()).Discover(t.Context(), relay.Address{Local: "jane", Domain: "[192.0.2.1]"}, discover.Choice{}); !errors.Is(err, discover.ErrAddress) {
		t.Errorf("got %v", err)
	}
}

func TestPresetByDomain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	got := one(t, w.look("icloud.com", discover.Choice{}), discover.SourcePreset)
	if got.Confirm || got.SMTPLogin != "jane@icloud.com" || got.IMAPLogin != "jane" || got.Settings.Preset != "icloud" || len(got.Hints) == 0 {
		t.Errorf("%+v", got)
	}
	if got := one(t, w.look("gmx.de", discover.Choice{}), discover.SourcePreset); len(w.dials) > 0 || got.Settings.SMTP.Port != 465 {
		t.Errorf("%+v, dialled %v", got, w.dials)
	}
	if got := one(t, w.look("hotmail.co.nz", discover.Choice{}), discover.SourcePreset); !got.Confirm || !slices.Equal(got.SignIns, []relay.SignIn{relay.SignInConsent}) {
		t.Errorf("%+v", got)
	}
	if got := one(t, w.look("acme.example", discover.Choice{Provider: relay.ProviderGmail}), discover.SourcePreset); got.Confirm || got.Settings.Preset != "gmail" {
		t.Errorf("%+v", got)
	}
}

func TestAutoconfig(t *testing.T) {
	t.Parallel()
	for _, place := range []string{configFirst, configSecond} {
		w := newWorld(t, "")
		w.page(place, text(config(outgoing("smtp.%EMAILDOMAIN%", "465", "SSL")+outgoing("smtp.acme.example", "587", "STARTTLS"), incoming("imap.acme.example", "143", "STARTTLS"))))
		r := w.look("acme.example", discover.Choice{})
		got := one(t, r, discover.SourceAutoconfig)
		want := relay.Settings{
			Provider: relay.ProviderIMAP, SMTP: relay.Server{Host: "smtp.acme.example", Port: 465, TLS: relay.TLSImplicit},
			IMAP: relay.Server{Host: "imap.acme.example", Port: 143, TLS: relay.TLSStartTLS, Login: "jane"},
		}
		if !got.Settings.Equal(&want) || got.Confirm || got.SMTPLogin != "jane@acme.example" || got.IMAPLogin != "jane" ||
			!slices.Equal(got.RegisteredDomains, []string{"acme.example"}) || len(r.Suggestions) != 2 {
			t.Errorf("%s: %+v", place, r.Suggestions)
		}
		if slices.ContainsFunc(w.dials, func(d string) bool { return strings.HasPrefix(d, "ispdb") || strings.HasPrefix(d, "mail.") }) {
			t.Errorf("others were asked for nothing: %v", w.dials)
		}
	}
}

// The higher place wins even if it answers later.
func TestSpeedDecidesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	w.page(configSecond, text(config(outgoing("second.acme.example", "465", "SSL"), incoming("second.acme.example", "993", "SSL"))))
	w.page(configFirst, func(res http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(300 * time.Millisecond):
		case <-r.Context().Done():
		}
		text(config(outgoing("first.acme.example", "465", "SSL"), incoming("first.acme.example", "993", "SSL")))(res, r)
	})
	r := w.look("acme.example", discover.Choice{})
	if one(t, r, discover.SourceAutoconfig).Settings.SMTP.Host != "first.acme.example" || len(r.Suggestions) != 2 || r.Suggestions[1].Settings.SMTP.Host != "second.acme.example" {
		t.Errorf("%+v", r.Suggestions)
	}
}

// Servers of a provider that is known bring its preset along.
func TestServersOfAKnownProvider(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	w.page(configFirst, text(config(outgoing("smtp.gmail.com", "465", "SSL"), incoming("imap.gmail.com", "993", "SSL"))))
	got := one(t, w.look("acme.example", discover.Choice{}), discover.SourceAutoconfig)
	if got.Settings.Preset != "gmail" || got.Settings.Provider != relay.ProviderGmail || len(got.Hints) == 0 ||
		!slices.Equal(got.SignIns, []relay.SignIn{relay.SignInConsent, relay.SignInPassword}) {
		t.Errorf("%+v", got)
	}
}

func TestPACC(t *testing.T) {
	t.Parallel()
	const body = `{"protocols":{"imap":{"host":"imap.acme.example"},"submit":{"host":"smtp.acme.example"}},"authentication":{"password":true}}`
	sum := sha256.Sum256([]byte(body))
	record := "_ua-auto-config.acme.example. TXT \"v=UAAC1; a=sha256; d=" + base64.StdEncoding.EncodeToString(sum[:]) + "\""
	w := newWorld(t, record)
	w.page(paccPage, text(body))
	if got := one(t, w.look("acme.example", discover.Choice{}), discover.SourcePACC); got.Confirm || got.Settings.SMTP.Port != 465 || got.Settings.IMAP.Host != "imap.acme.example" {
		t.Errorf("%+v", got)
	}
	w = newWorld(t, record)
	w.page(paccPage, text(body+" "))
	none(t, w.look("acme.example", discover.Choice{}), discover.SourcePACC, "vouches")
	w = newWorld(t, "")
	w.page(paccPage, text(body))
	none(t, w.look("acme.example", discover.Choice{}), discover.SourcePACC, "nothing")
	if slices.ContainsFunc(w.asked, func(a string) bool { return strings.Contains(a, "ua-auto-config") }) {
		t.Error("the document was fetched though nothing vouches for it")
	}
}

func TestISPDB(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	w.page("ispdb.example/acme.example", text(config(outgoing("smtp.hoster.example", "587", "STARTTLS"), incoming("imap.hoster.example", "993", "SSL"))))
	got := one(t, w.look("acme.example", discover.Choice{}), discover.SourceISPDB)
	if got.Confirm || !slices.Equal(got.RegisteredDomains, []string{"hoster.example"}) {
		t.Errorf("%+v", got)
	}
	for _, asked := range w.asked {
		if strings.Contains(asked, "ispdb") && strings.Contains(asked, "jane") {
			t.Errorf("the database was told the address: %s", asked)
		}
	}
	none(t, w.look("acme.example", discover.Choice{}, func(o *discover.Options) { o.ISPDB = "" }), discover.SourceISPDB, "")
}

func TestMXOfAKnownProvider(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "acme.example. MX 10 mx.zoho.eu.\nacme.example. MX 20 elsewhere.example.")
	got := one(t, w.look("acme.example", discover.Choice{}), discover.SourceMX)
	if !got.Confirm || got.Settings.SMTP.Host != "smtppro.zoho.eu" || !slices.Equal(got.RegisteredDomains, []string{"zoho.eu"}) {
		t.Errorf("%+v", got)
	}
	w = newWorld(t, "acme.example. MX 10 acme-example.mail.protection.outlook.com.")
	if got := one(t, w.look("acme.example", discover.Choice{}), discover.SourceMX); got.Settings.Provider != relay.ProviderOffice365 || got.Settings.SignIn != relay.SignInConsent {
		t.Errorf("%+v", got)
	}
}

func TestMXOfAHoster(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "acme.example. MX 10 mx1.mail.hoster.example.")
	w.page("autoconfig.hoster.example/mail/config-v1.1.xml", text(config(outgoing("smtp.hoster.example", "465", "SSL"), incoming("imap.hoster.example", "993", "SSL"))))
	got := one(t, w.look("acme.example", discover.Choice{}), discover.SourceMX)
	if !got.Confirm || got.SMTPLogin != "jane@acme.example" {
		t.Errorf("%+v", got)
	}
	w = newWorld(t, "acme.example. MX 10 mx1.mail.hoster.example.")
	w.page("ispdb.example/hoster.example", text(config(outgoing("smtp.hoster.example", "465", "SSL"), incoming("imap.hoster.example", "993", "SSL"))))
	one(t, w.look("acme.example", discover.Choice{}), discover.SourceMX)
}

func TestNullMX(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "acme.example. MX 0 .")
	none(t, w.look("acme.example", discover.Choice{}), discover.SourceMX, "takes no mail")
}

func TestSRV(t *testing.T) {
	t.Parallel()
	w := newWorld(t, `
		_submissions._tcp.acme.example. SRV 0 0 0 .
		_submission._tcp.acme.example.  SRV 10 1 587 late.acme.example.
		_submission._tcp.acme.example.  SRV 0 1 465 smtp.acme.example.
		_imaps._tcp.acme.example.       SRV 0 1 993 imap.acme.example.
		_imap._tcp.acme.example.        SRV 0 1 143 imap.acme.example.`)
	r := w.look("acme.example", discover.Choice{})
	got := one(t, r, discover.SourceSRV)
	if got.Settings.SMTP != (relay.Server{Host: "smtp.acme.example", Port: 465, TLS: relay.TLSImplicit}) || got.Settings.IMAP.Port != 993 || len(r.Suggestions) != 2 {
		t.Errorf("%+v", r.Suggestions)
	}
	if r.Suggestions[1].Settings.SMTP != (relay.Server{Host: "late.acme.example", Port: 587, TLS: relay.TLSStartTLS}) {
		t.Errorf("%+v", r.Suggestions[1])
	}
}

func TestAutodiscoverOnlyWithReason(t *testing.T) {
	t.Parallel()
	const v2 = `{"Protocol":"Ews","Url":"https://ex.acme.example/EWS/Exchange.asmx"}`
	w := newWorld(t, "acme.example. MX 1 mx.hoster.example.")
	w.page(v2Page, text(v2))
	none(t, w.look("acme.example", discover.Choice{}), discover.SourceGuess, "No mail server")
	got := one(t, w.look("acme.example", discover.Choice{Provider: relay.ProviderExchange}), discover.SourceAutodiscover)
	if !got.Confirm || got.Settings.Provider != relay.ProviderExchange || got.Settings.EWS.URL != "https://ex.acme.example/EWS/Exchange.asmx" || got.EWSLogin != "" {
		t.Errorf("%+v", got)
	}
	w = newWorld(t, "acme.example. MX 1 mail.acme.example.") // looks like an own server
	w.page(v2Page, text(v2))
	one(t, w.look("acme.example", discover.Choice{}), discover.SourceAutodiscover)
}

const poxAnswer = `<?xml version="1.0" encoding="utf-8"?><Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006">
 <Response xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"><Account><AccountType>email</AccountType><Action>settings</Action>`

func TestPOX(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "acme.example. MX 1 mail.acme.example.")
	w.page("acme.example/autodiscover/autodiscover.xml", func(res http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.Method != http.MethodPost || !strings.Contains(string(body), "<EMailAddress>jane@acme.example</EMailAddress>") {
			t.Errorf("%s %s", r.Method, body)
		}
		text(poxAnswer+`<Protocol><Type>IMAP</Type><Server>mail.acme.example</Server><Port>993</Port><SSL>on</SSL><LoginName>jane@acme.example</LoginName></Protocol>
			<Protocol><Type>SMTP</Type><Server>mail.acme.example</Server><Port>25</Port><SSL>off</SSL></Protocol>
			<Protocol><Type>SMTP</Type><Server>mail.acme.example</Server><Port>587</Port><Encryption>TLS</Encryption></Protocol></Account></Response></Autodiscover>`)(res, r)
	})
	got := one(t, w.look("acme.example", discover.Choice{}), discover.SourceAutodiscover)
	if got.Settings.SMTP != (relay.Server{Host: "mail.acme.example", Port: 587, TLS: relay.TLSStartTLS}) || got.Settings.IMAP.TLS != relay.TLSImplicit {
		t.Errorf("%+v", got)
	}
	w = newWorld(t, "_autodiscover._tcp.acme.example. SRV 0 0 443 ex.hoster.example.")
	w.page("ex.hoster.example/autodiscover/autodiscover.xml", text(poxAnswer+`<Protocol><Type>EXCH</Type><ASUrl>https://inside.hoster.example/EWS/Exchange.asmx</ASUrl></Protocol>
		<Protocol><Type>EXPR</Type><ASUrl>https://outside.hoster.example/EWS/Exchange.asmx</ASUrl></Protocol></Account></Response></Autodiscover>`))
	got = one(t, w.look("acme.example", discover.Choice{Provider: relay.ProviderExchange}), discover.SourceAutodiscover)
	if got.Settings.EWS.URL != "https://outside.hoster.example/EWS/Exchange.asmx" || !slices.Equal(got.RegisteredDomains, []string{"hoster.example"}) {
		t.Errorf("%+v", got)
	}
}

// Exchange itself wants a sign-in for POX and gets none; its EWS shows itself.
func TestExchangeThatWantsASignIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "acme.example. MX 1 mail.acme.example.")
	wants := func(res http.ResponseWriter, _ *http.Request) {
		res.Header().Add("WWW-Authenticate", "Negotiate")
		res.Header().Add("WWW-Authenticate", "NTLM")
		res.WriteHeader(http.StatusUnauthorized)
	}
	w.page(poxPage, wants)
	w.page("mail.acme.example/EWS/Exchange.asmx", wants)
	r := w.look("acme.example", discover.Choice{Provider: relay.ProviderExchange})
	if got := one(t, r, discover.SourceGuess); got.Settings.EWS.URL != "https://mail.acme.example/EWS/Exchange.asmx" {
		t.Errorf("%+v", got)
	}
	if !slices.ContainsFunc(r.Trail, func(s discover.Step) bool { return strings.Contains(s.Came, "sign-in") }) {
		t.Errorf("%+v", r.Trail)
	}
}

// EWS at Exchange Online is gone: an address of it stands for Microsoft 365.
func TestEWSOfExchangeOnline(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "acme.example. MX 1 mail.acme.example.")
	w.page(v2Page, text(`{"Protocol":"EWS","Url":"https://outlook.office365.com/EWS/Exchange.asmx"}`))
	if got := one(t, w.look("acme.example", discover.Choice{}), discover.SourceAutodiscover); got.Settings.Preset != "microsoft365" || got.Settings.EWS.URL != "" {
		t.Errorf("%+v", got)
	}
}

func TestGuess(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	w.smtp("mail.acme.example:465", true, "220 mail ESMTP", "250 mail")
	w.smtp("mail.acme.example:993", true, "* OK ready")
	got := one(t, w.look("acme.example", discover.Choice{}), discover.SourceGuess)
	if got.Settings.SMTP != (relay.Server{Host: "mail.acme.example", Port: 465, TLS: relay.TLSImplicit}) || got.Settings.IMAP.Port != 993 {
		t.Errorf("%+v", got)
	}
	// The pair of which both answer is better than the first of each.
	w = newWorld(t, "")
	w.smtp("mail.acme.example:465", true, "220 mail ESMTP", "250 mail")
	w.smtp("smtp.acme.example:465", true, "220 smtp ESMTP", "250 smtp")
	w.smtp("imap.acme.example:993", true, "* OK ready")
	if got := one(t, w.look("acme.example", discover.Choice{}), discover.SourceGuess); got.Settings.SMTP.Host != "smtp.acme.example" {
		t.Errorf("%+v", got)
	}
}

func TestGuessThatIsNoGood(t *testing.T) {
	t.Parallel()
	for name, serve := range map[string]func(*world){
		"STARTTLS refused": func(w *world) {
			w.smtp("mail.acme.example:587", false, "220 mail", "250-mail\r\n250 STARTTLS", "454 no")
		},
		"STARTTLS missing": func(w *world) { w.smtp("mail.acme.example:587", false, "220 mail", "250 mail") },
		"STARTTLS that lies": func(w *world) {
			w.smtp("mail.acme.example:587", false, "220 mail", "250-mail\r\n250 STARTTLS", "220 go", "250 ha")
		},
		"no TLS":           func(w *world) { w.smtp("mail.acme.example:465", false, "220 mail", "250 mail") },
		"no greeting":      func(w *world) { w.smtp("mail.acme.example:465", true) },
		"another protocol": func(w *world) { w.smtp("mail.acme.example:465", true, "SSH-2.0-x") },
		"another's name": func(w *world) {
			w.smtp("mail.other.example:465", true, "220 mail", "250 mail")
			w.places["mail.acme.example:465"] = w.places["mail.other.example:465"]
		},
		"IMAP alone": func(w *world) { w.smtp("mail.acme.example:993", true, "* OK ready") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "")
			serve(w)
			none(t, w.look("acme.example", discover.Choice{}, func(o *discover.Options) { o.StepTimeout = time.Second }), discover.SourceGuess, "No mail server with a valid certificate")
		})
	}
}

func TestRedirects(t *testing.T) {
	t.Parallel()
	good := config(outgoing("smtp.acme.example", "465", "SSL"), incoming("imap.acme.example", "993", "SSL"))
	w := newWorld(t, "")
	w.page(configFirst, redirect("https://settings.hoster.example/a"))
	w.page("settings.hoster.example/a", redirect("/b"))
	w.page("settings.hoster.example/b", text(good))
	got := one(t, w.look("acme.example", discover.Choice{}), discover.SourceAutoconfig)
	if !got.Confirm || !slices.Contains(got.RegisteredDomains, "hoster.example") || !strings.Contains(got.Why, "settings.hoster.example") {
		t.Errorf("a new host is not shown: %+v", got)
	}
	w = newWorld(t, "")
	w.page(configFirst, redirect("https://autoconfig.acme.example/same"))
	w.page("autoconfig.acme.example/same", text(good))
	if got := one(t, w.look("acme.example", discover.Choice{}), discover.SourceAutoconfig); got.Confirm {
		t.Errorf("the same host must be confirmed: %+v", got)
	}
	for to, words := range map[string]string{
		"http://autoconfig.acme.example/plain":              "without https",
		"https://127.0.0.1/x":                               "not followed",
		"https://169.254.169.254/latest/meta-data/":         "not followed",
		"https://[::1]/x":                                   "not followed",
		"https://0x7f000001/x":                              "no answer", // a name that nobody has
		"https://user:pass@autoconfig.acme.example/x":       "not followed",
		"https://autoconfig.acme.example:6379/x":            "not followed",
		"ftp://autoconfig.acme.example/x":                   "without https",
		"https://autodiscover.co.uk/x":                      "not followed",
		"https://nowhere.example/x":                         "no answer",
		"https://" + strings.Repeat("a", 3000) + ".example": "not followed",
	} {
		w := newWorld(t, "")
		w.page(configFirst, redirect(to))
		none(t, w.look("acme.example", discover.Choice{}), discover.SourceAutoconfig, words)
	}
	w = newWorld(t, "")
	w.page(configFirst, redirect("/1"))
	for at, to := range map[string]string{"/1": "/2", "/2": "/3", "/3": "/4"} {
		w.page("autoconfig.acme.example"+at, redirect(to))
	}
	w.page("autoconfig.acme.example/4", text(good))
	none(t, w.look("acme.example", discover.Choice{}), discover.SourceAutoconfig, "too often")
}

// The redirects of HTTP and those inside the answers are counted together.
func TestRedirectsInsidePOX(t *testing.T) {
	t.Parallel()
	to := func(address string) http.HandlerFunc {
		return text(strings.Replace(poxAnswer, "settings", "redirectUrl", 1) + "<RedirectUrl>" + address + "</RedirectUrl></Account></Response></Autodiscover>")
	}
	settings := text(poxAnswer + `<Protocol><Type>EXPR</Type><EwsUrl>https://ex.hoster.example/EWS/Exchange.asmx</EwsUrl></Protocol></Account></Response></Autodiscover>`)
	w := newWorld(t, "")
	w.page(poxPage, to("https://ex.hoster.example/a"))
	w.page("ex.hoster.example/a", settings)
	if got := one(t, w.look("acme.example", discover.Choice{Provider: relay.ProviderExchange}), discover.SourceAutodiscover); !slices.Contains(got.RegisteredDomains, "hoster.example") {
		t.Errorf("%+v", got)
	}
	w = newWorld(t, "")
	w.page(poxPage, to("https://ex.hoster.example/a"))
	w.page("ex.hoster.example/a", redirect("/b"))
	w.page("ex.hoster.example/b", to("https://ex.hoster.example/c"))
	w.page("ex.hoster.example/c", redirect("/d"))
	w.page("ex.hoster.example/d", settings)
	none(t, w.look("acme.example", discover.Choice{Provider: relay.ProviderExchange}), discover.SourceAutodiscover, "too often")
	w = newWorld(t, "")
	w.page(poxPage, to("http://ex.hoster.example/a"))
	none(t, w.look("acme.example", discover.Choice{Provider: relay.ProviderExchange}), discover.SourceAutodiscover, "without https")
}

func TestHostileDocuments(t *testing.T) {
	t.Parallel()
	good := config(outgoing("smtp.acme.example", "465", "SSL"), incoming("imap.acme.example", "993", "SSL"))
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		words   string
	}{
		"a DTD":          {text(`<!DOCTYPE clientConfig [<!ENTITY a "smtp.acme.example">]>` + good), "cannot be read"},
		"an entity bomb": {text(`<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><clientConfig>&b;</clientConfig>`), "cannot be read"},
		"an unknown one": {text(strings.Replace(good, "smtp.acme", "&secret;", 1)), "cannot be read"},
		"too large":      {text(good + strings.Repeat(" ", 64<<10)), "too large"},
		"endless": {func(w http.ResponseWriter, _ *http.Request) {
			for {
				if _, err := w.Write(make([]byte, 4096)); err != nil {
					return
				}
			}
		}, "too large"},
		"too deep":         {text("<clientConfig>" + strings.Repeat("<a>", 100) + strings.Repeat("</a>", 100) + "</clientConfig>"), "too large"},
		"too rich":         {text("<clientConfig>" + strings.Repeat("<a/>", 5000) + "</clientConfig>"), "too large"},
		"cut off":          {text(good[:len(good)-20]), "cannot be read"},
		"two documents":    {text("<clientConfig/><clientConfig/>"), "cannot be read"},
		"HTML":             {text("<html><body>SECRET<br></body></html>"), "cannot be read"},
		"another document": {text("<other/>"), "cannot be read"},
		"empty":            {text("  "), "nothing"},
		"plain only":       {text(config(outgoing("smtp.acme.example", "25", "plain"), incoming("imap.acme.example", "143", "plain"))), "used safely"},
		"no name":          {text(config(outgoing("SECRET name", "465", "SSL"), "")), "used safely"},
		"an address":       {text(config(outgoing("127.0.0.1", "465", "SSL"), "")), "used safely"},
		"a bad port":       {text(config(outgoing("smtp.acme.example", "99999", "SSL"), "")), "used safely"},
		"no sign-in":       {text(strings.ReplaceAll(config(outgoing("smtp.acme.example", "465", "SSL"), ""), "password-cleartext", "GSSAPI")), "used safely"},
		"an error":         {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "SECRET", http.StatusInternalServerError) }, "nothing"},
		"a sign-in":        {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }, "sign-in"},
		"huge headers":     {func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X", strings.Repeat("SECRET", 10000)) }, "no answer"},
		"a bad redirect":   {redirect("https://SECRET host/"), "no answer"},
		"hangs up":         {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "no answer"},
		"slow":             {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "no answer"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "")
			w.page(configFirst, c.handler)
			none(t, w.look("acme.example", discover.Choice{}, func(o *discover.Options) { o.StepTimeout = time.Second }), discover.SourceAutoconfig, c.words)
		})
	}
}

// A page whose certificate is for somebody else is not believed.
func TestCertificateOfAnotherName(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	w.page("other.example/x", text(""))
	w.places["autoconfig.acme.example:443"] = w.places["other.example:443"]
	none(t, w.look("acme.example", discover.Choice{}), discover.SourceAutoconfig, "certificate is not valid")
}

// Nobody speaks for a domain that cannot be owned: never autodiscover.TLD.
func TestPublicSuffixIsNotAsked(t *testing.T) {
	t.Parallel()
	for _, domain := range []string{"co.uk", "example", "com"} {
		w := newWorld(t, "")
		none(t, w.look(domain, discover.Choice{Provider: relay.ProviderExchange}), discover.SourceAutoconfig, "not asked")
		if len(w.dials) > 0 || w.dns.Asked(domain) > 0 {
			t.Errorf("%s: dialled %v", domain, w.dials)
		}
	}
}

// A whole discovery ends, whatever is silent, and what was found until then is kept.
func TestWholeDiscoveryEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "acme.example. MX 10 mail.acme.example.")
	silent := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	for _, p := range []string{configFirst, configSecond, "ispdb.example/acme.example", v2Page, poxPage, "acme.example/autodiscover/autodiscover.xml"} {
		w.page(p, silent)
	}
	w.dns.Trouble("_imaps._tcp.acme.example", 3)
	started := time.Now()
	w.look("acme.example", discover.Choice{}, func(o *discover.Options) { o.StepTimeout, o.TotalTimeout = 10*time.Second, 700*time.Millisecond })
	if took := time.Since(started); took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := discover.New(w.options()).Discover(ctx, relay.Address{Local: "jane", Domain: "acme.example"}, discover.Choice{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the caller's end gives %v", err)
	}
}

func TestProgress(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	w.page(configSecond, text(config(outgoing("smtp.acme.example", "465", "SSL"), incoming("imap.acme.example", "993", "SSL"))))
	began, ended := map[int]bool{}, map[int]string{}
	r := w.look("acme.example", discover.Choice{Progress: func(s discover.Step) {
		if s.Came == "" {
			began[s.Number] = true
		} else {
			ended[s.Number] = s.Came
		}
	}})
	for i, s := range r.Trail {
		if s.Number != i+1 || ended[s.Number] != s.Came {
			t.Errorf("step %+v ended with %q", s, ended[s.Number])
		}
	}
	if len(began) < 3 || !r.Trail[2].Found || !strings.Contains(r.Trail[2].Came, "smtp.acme.example") {
		t.Errorf("%d began; %+v", len(began), r.Trail)
	}
}

// Every hop goes through the guarded dialer, which refuses what only relayd can reach.
func TestGuardedAtEveryHop(t *testing.T) {
	t.Parallel()
	w := newWorld(t, `
		acme.example. MX 10 mail.acme.example.
		_autodiscover._tcp.acme.example. SRV 0 0 443 metadata.acme.example.`)
	names := map[string]netip.Addr{
		"autoconfig.acme.example": netip.MustParseAddr("10.0.0.1"), "acme.example": netip.MustParseAddr("127.0.0.1"),
		"autodiscover.acme.example": netip.MustParseAddr("fd00:ec2::254"), "metadata.acme.example": netip.MustParseAddr("169.254.169.254"),
		"ispdb.example": netip.MustParseAddr("192.168.1.1"), "mail.acme.example": netip.MustParseAddr("100.64.0.1"),
		"smtp.acme.example": netip.MustParseAddr("::ffff:127.0.0.1"), "imap.acme.example": netip.MustParseAddr("64:ff9b::7f00:1"),
	}
	refused := make(chan string, 100)
	guard := netguard.New(netguard.Options{Resolver: fixed(names), Refused: func(asked, _ string) { refused <- asked }})
	r := w.look("acme.example", discover.Choice{Provider: relay.ProviderExchange}, func(o *discover.Options) { o.Dialer = guard })
	none(t, r, discover.SourceAutoconfig, "no answer")
	close(refused)
	seen := map[string]bool{}
	for asked := range refused {
		host, _, _ := net.SplitHostPort(asked)
		seen[host] = true
	}
	for name := range names {
		if !seen[name] {
			t.Errorf("%s was not refused", name)
		}
	}
	// And after a redirect: the first hop is allowed, the second is not.
	w = newWorld(t, "")
	w.page(configFirst, redirect("https://metadata.acme.example/latest/"))
	refused = make(chan string, 100)
	inner := netguard.New(netguard.Options{Resolver: fixed(names), Refused: func(asked, _ string) { refused <- asked }})
	r = w.look("acme.example", discover.Choice{}, func(o *discover.Options) {
		o.Dialer = dialerFunc(func(ctx context.Context, network, address string) (net.Conn, error) {
			if address == "autoconfig.acme.example:443" {
				return w.DialContext(ctx, network, address)
			}
			return inner.DialContext(ctx, network, address)
		})
	})
	none(t, r, discover.SourceAutoconfig, "no answer")
	close(refused)
	seen = map[string]bool{}
	for asked := range refused {
		seen[asked] = true
	}
	if !seen["metadata.acme.example:443"] {
		t.Error("the redirect did not go through the guard")
	}
}

type fixed map[string]netip.Addr

func (f fixed) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	if a, ok := f[host]; ok {
		return []netip.Addr{a}, nil
	}
	return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
}

type dialerFunc func(ctx context.Context, network, address string) (net.Conn, error)

func (f dialerFunc) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return f(ctx, network, address)
}
