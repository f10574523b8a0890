package exchange_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/relayd/relayd/internal/simulator/exchange"
)

func TestVersions(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		options exchange.Options
		asked   string
		status  int
		info    string
	}{
		"newest":               {exchange.Options{}, "Exchange2019", 200, `MajorVersion="15" MinorVersion="2" MajorBuildNumber="1544" MinorBuildNumber="4"`},
		"the documented ones":  {exchange.Options{}, "Exchange2013_SP1", 200, `MajorVersion="15" MinorVersion="2"`},
		"none asked for":       {exchange.Options{}, "", 200, `MajorVersion="15"`},
		"unknown":              {exchange.Options{}, "Exchange2030", 500, ""},
		"SE":                   {exchange.Options{Release: exchange.ExchangeSE}, "Exchange2019", 200, `MajorBuildNumber="2562"`},
		"2016 by its own name": {exchange.Options{Release: exchange.Exchange2016}, "Exchange2016", 200, `MinorVersion="1"`},
		"2016 by a newer":      {exchange.Options{Release: exchange.Exchange2016}, "Exchange2019", 500, ""},
		"2013":                 {exchange.Options{Release: exchange.Exchange2013}, "Exchange2013_SP1", 500, ""},
		"2013 SP1":             {exchange.Options{Release: exchange.Exchange2013SP1}, "Exchange2013_SP1", 200, `MajorBuildNumber="847"`},
		"2010 SP2 by a newer":  {exchange.Options{Release: exchange.Exchange2010SP2}, "Exchange2013_SP1", 500, ""},
		"2010 SP2":             {exchange.Options{Release: exchange.Exchange2010SP2}, "Exchange2010_SP2", 200, `MajorVersion="14" MinorVersion="2" MajorBuildNumber="247" MinorBuildNumber="5"/>`},
		"2010 SP1":             {exchange.Options{Release: exchange.Exchange2010SP1}, "Exchange2010_SP1", 200, `MinorVersion="1"`},
		"2010":                 {exchange.Options{Release: exchange.Exchange2010}, "Exchange2010_SP1", 500, ""},
		"2007 SP1":             {exchange.Options{Release: exchange.Exchange2007SP1}, "Exchange2007_SP1", 200, `MajorVersion="8" MinorVersion="1"`},
		"2007":                 {exchange.Options{Release: exchange.Exchange2007}, "Exchange2007_SP1", 500, ""},
		"a list of its own":    {exchange.Options{Versions: []exchange.Release{exchange.Exchange2007SP1}}, "Exchange2013", 500, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := start(t, c.options)
			a := f.do(t, http.MethodPost, "/EWS/Exchange.asmx", getInbox(c.asked), "Authorization", basic("jane", password))
			if a.status != c.status || !strings.Contains(a.body, c.info) {
				t.Errorf("status %d, no %s in\n%s", a.status, c.info, a.body)
			}
			if got := codes(a); c.status == 500 && (len(got) != 1 || got[0] != "ErrorInvalidServerVersion") {
				t.Errorf("answered %v", got)
			}
			if got := f.server.Last().Version; got != c.asked {
				t.Errorf("recorded %q", got)
			}
		})
	}
	if _, err := exchange.New(exchange.Options{Release: "Exchange 5.5"}); err == nil {
		t.Error("an unknown release was taken")
	}
	if _, err := exchange.New(exchange.Options{Schemes: []exchange.Scheme{"Kerberos"}}); err == nil {
		t.Error("an unknown scheme was taken")
	}
}

func TestBadRequests(t *testing.T) {
	t.Parallel()
	f := start(t, exchange.Options{})
	good := getInbox("Exchange2013")
	replaced := func(old, with string) string { return strings.ReplaceAll(good, old, with) }
	deep := strings.Repeat("<a>", 60) + strings.Repeat("</a>", 60)
	for name, c := range map[string]struct{ body, code string }{
		"SOAP 1.2":                    {replaced("http://schemas.xmlsoap.org/soap/envelope/", "http://www.w3.org/2003/05/soap-envelope"), "ErrorInvalidRequest"},
		"messages by https":           {replaced("http://schemas.microsoft.com/exchange/services/2006/messages", "https://schemas.microsoft.com/exchange/services/2006/messages"), "ErrorSchemaValidation"},
		"types by https":              {replaced("http://schemas.microsoft.com/exchange/services/2006/types", "https://schemas.microsoft.com/exchange/services/2006/types"), "ErrorSchemaValidation"},
		"no namespace":                {"<Envelope><Body/></Envelope>", "ErrorInvalidRequest"},
		"a prefix that is not bound":  {replaced(`xmlns:m=`, `xmlns:n=`), "ErrorSchemaValidation"},
		"an operation that is not":    {envelope("", "", "<m:Explode/>"), "ErrorSchemaValidation"},
		"two operations":              {envelope("", "", "<m:GetFolder/><m:GetFolder/>"), "ErrorInvalidRequest"},
		"no operation":                {envelope("", "", ""), "ErrorInvalidRequest"},
		"no folders":                  {envelope("", "", folderRequest("")), "ErrorSchemaValidation"},
		"too many folders":            {envelope("", "", folderRequest(strings.Repeat(distinguished("inbox"), 1001))), "ErrorSchemaValidation"},
		"nothing":                     {"", "ErrorInvalidRequest"},
		"no XML":                      {"hello", "ErrorInvalidRequest"},
		"cut off":                     {good[:len(good)-20], "ErrorInvalidRequest"},
		"a second root":               {good + "<a/>", "ErrorInvalidRequest"},
		"text behind it":              {good + "a", "ErrorInvalidRequest"},
		"a document type":             {`<!DOCTYPE a [<!ENTITY b "c">]>` + strings.TrimPrefix(good, `<?xml version="1.0" encoding="utf-8"?>`), "ErrorInvalidRequest"},
		"an entity":                   {replaced("inbox", "&b;"), "ErrorInvalidRequest"},
		"too deep":                    {envelope("", "", deep), "ErrorInvalidRequest"},
		"too many elements":           {envelope("", strings.Repeat("<a/>", 50001), ""), "ErrorInvalidRequest"},
		"too many attributes":         {envelope("", "<a"+strings.Repeat(` b="c"`, 65)+"/>", ""), "ErrorInvalidRequest"},
		"another character set":       {replaced("utf-8", "iso-8859-1"), "ErrorInvalidRequest"},
		"impersonation, not allowed":  {envelope("", impersonating("PrimarySmtpAddress", "bob@acme.example"), folderRequest(distinguished("inbox"))), "ErrorImpersonateUserDenied"},
		"impersonation, of no one":    {envelope("", impersonating("PrimarySmtpAddress", ""), folderRequest(distinguished("inbox"))), "ErrorInvalidExchangeImpersonationHeaderData"},
		"impersonation, by a SID":     {envelope("", impersonating("SID", "S-1-5-21"), folderRequest(distinguished("inbox"))), "ErrorInvalidExchangeImpersonationHeaderData"},
		"impersonation without a SID": {envelope("", "<t:ExchangeImpersonation/>", folderRequest(distinguished("inbox"))), "ErrorInvalidExchangeImpersonationHeaderData"},
	} {
		a := f.do(t, http.MethodPost, "/EWS/Exchange.asmx", c.body, "Authorization", basic("jane", password))
		if got := strings.Join(codes(a), " "); a.status != 500 || got != c.code || !strings.Contains(a.body, "<s:Fault>") {
			t.Errorf("%s: status %d, %q, want a fault with %q:\n%s", name, a.status, got, c.code, a.body)
		}
	}
}

func impersonating(form, name string) string {
	return `<t:ExchangeImpersonation><t:ConnectingSID><t:` + form + `>` + name + `</t:` + form + `></t:ConnectingSID></t:ExchangeImpersonation>`
}

func TestImpersonation(t *testing.T) {
	t.Parallel()
	f := start(t, exchange.Options{Impersonators: []string{"service@acme.example"}})
	send := func(form, name string) answer {
		return f.do(t, http.MethodPost, "/EWS/Exchange.asmx",
			envelope("Exchange2013", impersonating(form, name), create("SendAndSaveCopy", distinguished("sentitems"), letter)),
			"Authorization", basic("service", password))
	}
	for _, form := range []string{"PrimarySmtpAddress", "SmtpAddress", "PrincipalName"} {
		if got := codes(send(form, "jane@acme.example")); len(got) != 1 || got[0] != "NoError" {
			t.Errorf("%s: %v", form, got)
		}
	}
	if kept := f.inFolder(t, "jane@acme.example", "sentitems"); len(kept) != 3 {
		t.Errorf("%d copies in Jane's folder", len(kept))
	}
	if got := codes(send("SmtpAddress", "eve@acme.example")); len(got) != 1 || got[0] != "ErrorNonExistentMailbox" {
		t.Errorf("nobody: %v", got)
	}
	if last := f.server.Requests()[0]; last.Login != "service@acme.example" || last.Mailbox != "jane@acme.example" || last.Scheme != "Basic" || last.Version != "Exchange2013" {
		t.Errorf("recorded: %+v", last)
	}
}

func TestHTTP(t *testing.T) {
	t.Parallel()
	f := start(t, exchange.Options{MaxRequest: 10000})
	as := []string{"Authorization", basic("jane", password)}
	for name, c := range map[string]struct {
		method, path, body string
		header             []string
		status             int
	}{
		"GET":               {http.MethodGet, "/EWS/Exchange.asmx", "", as, 405},
		"a form":            {http.MethodPost, "/EWS/Exchange.asmx", "a=b", append([]string{"Content-Type", "application/x-www-form-urlencoded"}, as...), 415},
		"no type":           {http.MethodPost, "/EWS/Exchange.asmx", "a=b", append([]string{"Content-Type", ""}, as...), 415},
		"another address":   {http.MethodPost, "/EWS/Services.wsdl", "", as, 404},
		"at the limit":      {http.MethodPost, "/EWS/Exchange.asmx", strings.Repeat("x", 10000), as, 500},
		"over it":           {http.MethodPost, "/EWS/Exchange.asmx", strings.Repeat("x", 10001), as, 413},
		"over it, nobody":   {http.MethodPost, "/EWS/Exchange.asmx", strings.Repeat("x", 10001), nil, 413},
		"over it, discover": {http.MethodPost, "/autodiscover/autodiscover.xml", strings.Repeat("x", 10001), as, 413},
	} {
		if a := f.do(t, c.method, c.path, c.body, c.header...); a.status != c.status {
			t.Errorf("%s: status %d, want %d", name, a.status, c.status)
		}
	}
	for _, path := range []string{"/EWS/Exchange.asmx", "/autodiscover/autodiscover.xml"} {
		for _, login := range []string{basic("jane", password), ""} {
			// Without a length the limit shows only while it is read.
			r, err := http.NewRequest(http.MethodPost, f.url+path, struct{ *strings.Reader }{strings.NewReader("<a>" + strings.Repeat("x", 20000))})
			if err != nil {
				t.Fatal(err)
			}
			r.ContentLength = -1
			r.Header.Set("Content-Type", "text/xml")
			r.Header.Set("Authorization", login)
			response, err := f.client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
			if response.StatusCode != http.StatusRequestEntityTooLarge {
				t.Errorf("%s, no length: status %d", path, response.StatusCode)
			}
		}
	}
}

// The limit of a server that nobody configured: 64 MiB, told by the length alone.
func TestTooLargeByDefault(t *testing.T) {
	t.Parallel()
	server, err := exchange.New(exchange.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for length, status := range map[int64]int{64 << 20: http.StatusUnauthorized, 64<<20 + 1: http.StatusRequestEntityTooLarge} {
		w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/EWS/Exchange.asmx", http.NoBody)
		r.ContentLength = length
		server.Handler().ServeHTTP(w, r)
		if w.Code != status {
			t.Errorf("%d bytes: status %d, want %d", length, w.Code, status)
		}
	}
}
