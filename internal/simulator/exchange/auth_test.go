package exchange_test

import (
	"bytes"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/relayd/relayd/internal/simulator/exchange"
)

func TestChallengeListsTheSchemes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		schemes []exchange.Scheme
		want    []string
	}{
		"as usual":   {nil, []string{"NTLM", "Basic realm="}},
		"all":        {[]exchange.Scheme{exchange.Negotiate, exchange.NTLM, exchange.Basic}, []string{"Negotiate", "NTLM", "Basic realm="}},
		"Basic only": {[]exchange.Scheme{exchange.Basic}, []string{"Basic realm="}},
		"NTLM only":  {[]exchange.Scheme{exchange.NTLM}, []string{"NTLM"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := start(t, exchange.Options{Schemes: c.schemes})
			for _, path := range []string{"/EWS/Exchange.asmx", "/ews/exchange.ASMX", "/Autodiscover/Autodiscover.xml"} {
				a := f.do(t, http.MethodPost, path, "<x/>")
				got := a.header["Www-Authenticate"]
				if a.status != http.StatusUnauthorized || !slices.EqualFunc(got, c.want, strings.HasPrefix) {
					t.Errorf("%s: status %d, %q; want %q", path, a.status, got, c.want)
				}
			}
		})
	}
}

func TestBasic(t *testing.T) {
	t.Parallel()
	f := start(t, exchange.Options{Domain: "CORP"})
	latin1 := strings.ReplaceAll(password, "ä", "\xe4")
	for name, c := range map[string]struct {
		header string
		status int
	}{
		"login":                {basic("jane", password), 200},
		"domain":               {basic(`CORP\jane`, password), 200},
		"domain in lower case": {basic(`corp\JANE`, password), 200},
		"mail domain":          {basic(`acme.example\jane`, password), 200},
		"address":              {basic("jane@acme.example", password), 200},
		"alias":                {basic("INFO@acme.example", password), 200},
		"Latin-1":              {basic("jane", latin1), 200},
		"scheme in lower case": {strings.Replace(basic("jane", password), "Basic", "basic", 1), 200},
		"other domain":         {basic(`OTHER\jane`, password), 401},
		"wrong password":       {basic("jane", "wrong"), 401},
		"no password":          {basic("jane", ""), 401},
		"nobody":               {basic("", ""), 401},
		"unknown":              {basic("eve", password), 401},
		"no base64":            {"Basic ***", 401},
		"unknown scheme":       {"Bearer token", 401},
	} {
		a := f.do(t, http.MethodPost, "/EWS/Exchange.asmx", getInbox("Exchange2013"), "Authorization", c.header)
		if a.status != c.status {
			t.Errorf("%s: status %d, want %d", name, a.status, c.status)
		}
	}
	if got := f.server.Last().Scheme; !strings.EqualFold(got, "Basic") && got != "Bearer" {
		t.Errorf("the last scheme is %q", got)
	}
	// Basic holds for one request.
	if a := f.do(t, http.MethodPost, "/EWS/Exchange.asmx", getInbox("Exchange2013")); a.status != 401 {
		t.Errorf("without a header: status %d, want 401", a.status)
	}
}

func TestNTLM(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		client ntlmClient
		status int
	}{
		"domain and login":   {ntlmClient{domain: "EXAMPLE", user: "jane", password: password}, 200},
		"address, no domain": {ntlmClient{user: "jane@acme.example", password: password}, 200},
		"mail domain":        {ntlmClient{domain: "acme.example", user: "Jane", password: password}, 200},
		"without MIC":        {ntlmClient{user: "jane", password: password, noMIC: true}, 200},
		"wrong password":     {ntlmClient{user: "jane", password: "wrong"}, 401},
		"other domain":       {ntlmClient{domain: "OTHER", user: "jane", password: password}, 401},
		"unknown":            {ntlmClient{user: "eve", password: password}, 401},
		"nobody":             {ntlmClient{}, 401},
		"NTLMv1":             {ntlmClient{user: "jane", password: password, version1: true}, 401},
		"broken MIC":         {ntlmClient{user: "jane", password: password, breakMIC: true}, 401},
		"clock":              {ntlmClient{user: "jane", password: password, at: time.Now().Add(-72 * time.Hour)}, 401},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := start(t, exchange.Options{})
			a := f.signIn(t, "NTLM", c.client)
			if a.status != c.status {
				t.Fatalf("status %d, want %d", a.status, c.status)
			}
			if a.status == 401 && !slices.Contains(a.header["Www-Authenticate"], "NTLM") {
				t.Errorf("after a refusal %q is offered", a.header["Www-Authenticate"])
			}
		})
	}
}

func TestNTLMSignsInTheConnection(t *testing.T) {
	t.Parallel()
	f := start(t, exchange.Options{Schemes: []exchange.Scheme{exchange.NTLM, exchange.Negotiate}})
	jane := ntlmClient{domain: "EXAMPLE", user: "jane", password: password}
	for _, scheme := range []string{"NTLM", "Negotiate"} {
		if a := f.signIn(t, scheme, jane); a.status != 200 {
			t.Fatalf("%s: status %d", scheme, a.status)
		}
	}
	first := f.client
	if a := f.do(t, http.MethodPost, "/EWS/Exchange.asmx", getInbox("Exchange2013")); a.status != 200 {
		t.Errorf("the next request on the connection: status %d", a.status)
	}
	f.client = f.newClient(t)
	if a := f.do(t, http.MethodPost, "/EWS/Exchange.asmx", getInbox("Exchange2013")); a.status != 401 {
		t.Errorf("another connection: status %d, want 401", a.status)
	}
	// An answer belongs to the challenge of its own connection, and is good once.
	negotiate, challenge := f.challenged(t, "NTLM")
	last := "NTLM " + base64.StdEncoding.EncodeToString(jane.authenticate(t, negotiate, challenge))
	second := f.client
	f.client = f.newClient(t)
	if a := f.do(t, http.MethodPost, "/EWS/Exchange.asmx", getInbox("Exchange2013"), "Authorization", last); a.status != 401 {
		t.Errorf("the answer on another connection: status %d, want 401", a.status)
	}
	f.client = second
	if a := f.do(t, http.MethodPost, "/EWS/Exchange.asmx", getInbox("Exchange2013"), "Authorization", last); a.status != 200 {
		t.Errorf("the answer on its connection: status %d", a.status)
	}
	if a := f.do(t, http.MethodPost, "/EWS/Exchange.asmx", getInbox("Exchange2013"), "Authorization", last); a.status != 401 {
		t.Errorf("the answer again: status %d, want 401", a.status)
	}
	if a := f.do(t, http.MethodPost, "/EWS/Exchange.asmx", getInbox("Exchange2013")); a.status != 401 {
		t.Errorf("after a failed sign-in: status %d, want 401", a.status)
	}
	f.client = first
	if a := f.do(t, http.MethodPost, "/EWS/Exchange.asmx", getInbox("Exchange2013")); a.status != 200 {
		t.Errorf("the first connection still: status %d", a.status)
	}
	if got := f.server.Last().Scheme; got != "NTLM" {
		t.Errorf("the last scheme is %q", got)
	}
	for _, r := range f.server.Requests() {
		if r.Login != "jane@acme.example" || r.Operation != "GetFolder" {
			t.Errorf("recorded: %+v", r)
		}
	}
}

func TestNTLMTakesNoNonsense(t *testing.T) {
	t.Parallel()
	f := start(t, exchange.Options{})
	short := append([]byte("NTLMSSP\x00"), 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	outside := append(append([]byte("NTLMSSP\x00"), 3, 0, 0, 0), bytes.Repeat([]byte{0xff}, 80)...)
	for name, message := range map[string][]byte{
		"nothing":             nil,
		"other":               []byte("KRBSSP\x00\x00\x01\x00\x00\x00aaaaaaaa"),
		"a challenge":         append([]byte("NTLMSSP\x00"), 2, 0, 0, 0, 0, 0, 0, 0),
		"no character set":    append([]byte("NTLMSSP\x00"), 1, 0, 0, 0, 0, 0, 0, 0),
		"an answer too short": short,
		"fields outside":      outside,
		"large":               append(ntlmNegotiate(), make([]byte, 20<<10)...),
	} {
		for _, begun := range []bool{false, true} {
			if begun {
				f.challenged(t, "NTLM")
			}
			a := f.do(t, http.MethodPost, "/EWS/Exchange.asmx", "<x/>", "Authorization", "NTLM "+base64.StdEncoding.EncodeToString(message))
			if a.status != 401 || !slices.Contains(a.header["Www-Authenticate"], "NTLM") {
				t.Errorf("%s (begun: %v): status %d, %q", name, begun, a.status, a.header["Www-Authenticate"])
			}
		}
	}
}

// A large body must not cost the connection on which the challenge was given.
func TestNTLMKeepsTheConnectionOverALargeBody(t *testing.T) {
	t.Parallel()
	f := start(t, exchange.Options{})
	large := strings.Repeat("x", 2<<20)
	negotiate := ntlmNegotiate()
	f.do(t, http.MethodPost, "/EWS/Exchange.asmx", large)
	a := f.do(t, http.MethodPost, "/EWS/Exchange.asmx", large, "Authorization", "NTLM "+base64.StdEncoding.EncodeToString(negotiate))
	challenge, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(a.header.Get("WWW-Authenticate"), "NTLM "))
	if err != nil {
		t.Fatal(err)
	}
	last := ntlmClient{user: "jane", password: password}.authenticate(t, negotiate, challenge)
	if a := f.do(t, http.MethodPost, "/EWS/Exchange.asmx", getInbox("Exchange2013"), "Authorization", "NTLM "+base64.StdEncoding.EncodeToString(last)); a.status != 200 {
		t.Errorf("status %d", a.status)
	}
}

func TestPasswordChanges(t *testing.T) {
	t.Parallel()
	f := start(t, exchange.Options{})
	if err := f.memory.SetPassword("jane@acme.example", "new"); err != nil {
		t.Fatal(err)
	}
	if a := f.signIn(t, "NTLM", ntlmClient{user: "jane", password: password}); a.status != 401 {
		t.Errorf("the old password: status %d", a.status)
	}
	if a := f.signIn(t, "NTLM", ntlmClient{user: "jane", password: "new"}); a.status != 200 {
		t.Errorf("the new password: status %d", a.status)
	}
	if err := f.memory.SetPassword("eve@acme.example", "x"); err == nil {
		t.Error("nobody's password was changed")
	}
}

// Where the connection cannot be remembered, NTLM is not offered.
func TestHandlerAlone(t *testing.T) {
	t.Parallel()
	server, err := exchange.New(exchange.Options{Mailboxes: exchange.NewMemory(exchange.Owner{Address: "jane@acme.example", Password: password})})
	if err != nil {
		t.Fatal(err)
	}
	for _, header := range []string{"", "NTLM " + base64.StdEncoding.EncodeToString(ntlmNegotiate())} {
		w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/EWS/Exchange.asmx", strings.NewReader("<x/>"))
		r.Header.Set("Authorization", header)
		server.Handler().ServeHTTP(w, r)
		if got := w.Header()["Www-Authenticate"]; w.Code != 401 || len(got) != 1 || !strings.HasPrefix(got[0], "Basic") {
			t.Errorf("%q: status %d, %q", header, w.Code, got)
		}
	}
}
