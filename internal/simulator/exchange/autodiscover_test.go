package exchange_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/relayd/relayd/internal/simulator/exchange"
)

func pox(address, schema string) string {
	return `<?xml version="1.0" encoding="utf-8"?><Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006"><Request><EMailAddress>` +
		address + `</EMailAddress><AcceptableResponseSchema>` + schema + `</AcceptableResponseSchema></Request></Autodiscover>`
}

const poxSchema = "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"

func TestAutodiscover(t *testing.T) {
	t.Parallel()
	f := start(t, exchange.Options{})
	ask := func(body string) answer {
		return f.do(t, http.MethodPost, "/Autodiscover/Autodiscover.xml", body, "Authorization", basic("jane", password))
	}
	good := pox("INFO@acme.example", poxSchema)
	for name, c := range map[string]struct {
		body string
		with []string
	}{
		"settings": {good, []string{
			`<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006"><Response xmlns="` + poxSchema + `"><User><DisplayName>Jane Doe<`,
			"<AutoDiscoverSMTPAddress>jane@acme.example<", "<Action>settings<",
			"<Type>EXCH<", "<Type>EXPR<", "<ServerVersion>73C28608<", "<ASUrl>" + f.url + "/EWS/Exchange.asmx<", "<EwsUrl>" + f.url + "/EWS/Exchange.asmx<", "<AuthPackage>Ntlm<"}},
		"nobody":            {pox("eve@acme.example", poxSchema), []string{"<ErrorCode>500<", "The email address can&#39;t be found."}},
		"no address":        {pox("", poxSchema), []string{"<ErrorCode>600<", "Invalid Request"}},
		"another answer":    {pox("jane@acme.example", "http://schemas.microsoft.com/exchange/autodiscover/mobilesync/responseschema/2006"), []string{"<ErrorCode>601<", "Provider is not available"}},
		"the schema's lie":  {strings.Replace(good, `xmlns="http://`, `xmlns="https://`, 1), []string{"<ErrorCode>600<"}},
		"the answer's lie":  {pox("jane@acme.example", strings.Replace(poxSchema, "http:", "https:", 1)), []string{"<ErrorCode>601<"}},
		"no XML":            {"hello", []string{"<ErrorCode>600<"}},
		"a document type":   {strings.Replace(good, "?><A", "?><!DOCTYPE a><A", 1), []string{"<ErrorCode>600<"}},
		"something foreign": {"<a/>", []string{"<ErrorCode>600<"}},
	} {
		a := ask(c.body)
		for _, part := range c.with {
			if a.status != http.StatusOK || !strings.Contains(a.body, part) {
				t.Errorf("%s: status %d, no %s in\n%s", name, a.status, part, a.body)
			}
		}
	}
	if a := f.do(t, http.MethodGet, "/autodiscover/autodiscover.xml", "", "Authorization", basic("jane", password)); !strings.Contains(a.body, "<ErrorCode>600<") {
		t.Errorf("GET: status %d\n%s", a.status, a.body)
	}
}

func TestAutodiscoverTellsItsBase(t *testing.T) {
	t.Parallel()
	f := start(t, exchange.Options{BaseURL: "https://mail.acme.example/", Schemes: []exchange.Scheme{exchange.Basic, exchange.NTLM}})
	a := f.do(t, http.MethodPost, "/autodiscover/autodiscover.xml", pox("jane@acme.example", poxSchema), "Authorization", basic("jane", password))
	for _, part := range []string{"<EwsUrl>https://mail.acme.example/EWS/Exchange.asmx<", "<Server>mail.acme.example<", "<AuthPackage>Basic<"} {
		if !strings.Contains(a.body, part) {
			t.Errorf("no %s in\n%s", part, a.body)
		}
	}
}

func TestAutodiscoverJSON(t *testing.T) {
	t.Parallel()
	f := start(t, exchange.Options{})
	for name, c := range map[string]struct {
		method, query string
		status        int
		body          string
	}{
		"EWS":          {"GET", "?Email=jane@acme.example&Protocol=EWS", 200, `{"Protocol":"Ews","Url":"` + f.url + `/EWS/Exchange.asmx"}`},
		"small names":  {"GET", "?email=jane@acme.example&protocol=ews&RedirectCount=1", 200, `"Url":"` + f.url + `/EWS/Exchange.asmx"`},
		"by the path":  {"GET", "/v1.0/jane@acme.example?Protocol=Ews", 200, `"Protocol":"Ews"`},
		"POX":          {"GET", "?Email=jane@acme.example&Protocol=AutodiscoverV1", 200, `"Url":"` + f.url + `/autodiscover/autodiscover.xml"`},
		"unknown":      {"GET", "?Email=jane@acme.example&Protocol=Gopher", 400, `"ErrorCode":"InvalidProtocol"`},
		"nobody":       {"GET", "?Email=eve@acme.example&Protocol=EWS", 404, `"ErrorCode":"UserNotFound"`},
		"no address":   {"GET", "?Protocol=EWS", 400, `"ErrorCode":"MandatoryParameterMissing"`},
		"no protocol":  {"GET", "?Email=jane@acme.example", 400, `"ErrorCode":"MandatoryParameterMissing"`},
		"another verb": {"POST", "?Email=jane@acme.example&Protocol=EWS", 405, ""},
	} {
		a := f.do(t, c.method, "/Autodiscover/Autodiscover.json"+c.query, "")
		if a.status != c.status || !strings.Contains(a.body, c.body) {
			t.Errorf("%s: status %d, want %d with %s in\n%s", name, a.status, c.status, c.body, a.body)
		}
	}
}

func TestAutodiscoverRedirects(t *testing.T) {
	t.Parallel()
	f := start(t, exchange.Options{})
	ask := func() answer {
		return f.do(t, http.MethodPost, "/autodiscover/autodiscover.xml", pox("jane@acme.example", poxSchema), "Authorization", basic("jane", password))
	}
	elsewhere := "https://other.example/autodiscover/autodiscover.xml"
	f.server.Redirect(exchange.Redirect{Address: "jane@acme.example", ToAddr: "jane@other.example", Times: 1})
	f.server.Redirect(exchange.Redirect{Address: "Jane@acme.example", ToURL: elsewhere, Times: 2})
	f.server.Redirect(exchange.Redirect{Address: "bob@acme.example", ToURL: elsewhere})
	for i, part := range []string{
		"<Action>redirectAddr</Action><RedirectAddr>jane@other.example<", "<Action>redirectUrl</Action><RedirectUrl>" + elsewhere + "<",
		"<Action>redirectUrl<", "<Action>settings<",
	} {
		if a := ask(); !strings.Contains(a.body, part) {
			t.Errorf("time %d: no %s in\n%s", i, part, a.body)
		}
	}
	get := func(path string) answer { return f.do(t, http.MethodGet, path, "") }
	if a := get("/autodiscover/autodiscover.json?Email=bob@acme.example&Protocol=EWS"); a.status != http.StatusFound || a.header.Get("Location") != elsewhere {
		t.Errorf("V2: status %d to %q", a.status, a.header.Get("Location"))
	}
	if a := get("/autodiscover/autodiscover.xml"); a.status != http.StatusUnauthorized {
		t.Errorf("GET without a redirect for everybody: status %d", a.status)
	}
	f.server.ClearRedirects()
	f.server.Redirect(exchange.Redirect{ToURL: elsewhere})
	if a := get("/autodiscover/autodiscover.xml"); a.status != http.StatusFound || a.header.Get("Location") != elsewhere {
		t.Errorf("GET: status %d to %q", a.status, a.header.Get("Location"))
	}
}

func TestAutodiscoverFaults(t *testing.T) {
	t.Parallel()
	f := start(t, exchange.Options{})
	f.server.Inject(exchange.Fault{At: exchange.AtAutodiscover, Times: 1, Code: "ErrorServerBusy"})
	f.server.Inject(exchange.Fault{At: exchange.AtDiscoverJSON, Times: 1, Who: "jane@acme.example", Status: 503})
	if a := f.do(t, http.MethodPost, "/autodiscover/autodiscover.xml", pox("jane@acme.example", poxSchema), "Authorization", basic("jane", password)); a.status != 500 {
		t.Errorf("POX: status %d", a.status)
	}
	for path, status := range map[string]int{"bob@acme.example": 200, "jane@acme.example": 503} {
		if a := f.do(t, http.MethodGet, "/autodiscover/autodiscover.json?Protocol=Ews&Email="+path, ""); a.status != status {
			t.Errorf("V2 for %s: status %d, want %d", path, a.status, status)
		}
	}
}
