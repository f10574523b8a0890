package exchange_test

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/relayd/relayd/internal/relaytest"
	"github.com/relayd/relayd/internal/simulator/exchange"
)

const password = "Pässw0rd, mit Komma"

// fixture is a server on loopback with the mailboxes of a small company.
type fixture struct {
	server    *exchange.Server
	memory    *exchange.Memory
	authority *relaytest.Authority
	url       string
	client    *http.Client
}

func start(t *testing.T, o exchange.Options) *fixture {
	t.Helper()
	f := &fixture{authority: relaytest.NewAuthority(t), memory: exchange.NewMemory(
		exchange.Owner{Address: "jane@acme.example", Aliases: []string{"info@acme.example"}, Login: "jane", Name: "Jane Doe", Password: password},
		exchange.Owner{Address: "bob@acme.example", Login: "bob", Password: password},
		exchange.Owner{Address: "shared@acme.example", Login: "shared", Password: password, Delegates: []string{"jane@acme.example"}},
		exchange.Owner{Address: "service@acme.example", Login: "service", Password: password},
	)}
	if o.Mailboxes == nil {
		o.Mailboxes = f.memory
	}
	var err error
	if f.server, err = exchange.New(o); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f.url = "https://" + listener.Addr().String()
	secure := tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{f.authority.Issue("127.0.0.1")}})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- f.server.Serve(ctx, secure) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	f.client = f.newClient(t)
	return f
}

// newClient makes a client with connections of its own that does what it is told:
// it follows no redirect and signs in nowhere by itself.
func (f *fixture) newClient(t *testing.T) *http.Client {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: f.authority.Roots()}, MaxConnsPerHost: 1}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// answer is what came back, read to its end.
type answer struct {
	status int
	header http.Header
	body   string
}

func (f *fixture) do(t *testing.T, method, path, body string, header ...string) answer {
	t.Helper()
	a, err := f.try(method, path, body, header...)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func (f *fixture) try(method, path, body string, header ...string) (answer, error) {
	r, err := http.NewRequest(method, f.url+path, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	r.Header.Set("Content-Type", "text/xml; charset=utf-8")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	response, err := f.client.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	return answer{response.StatusCode, response.Header, string(raw)}, err
}

func basic(login, secret string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(login+":"+secret))
}

// call sends the body of an operation as Jane.
func (f *fixture) call(t *testing.T, operation string) answer {
	t.Helper()
	return f.do(t, http.MethodPost, "/EWS/Exchange.asmx", envelope("Exchange2013_SP1", "", operation), "Authorization", basic("jane", password))
}

func envelope(version, header, operation string) string {
	if version != "" {
		header = `<t:RequestServerVersion Version="` + version + `"/>` + header
	}
	return `<?xml version="1.0" encoding="utf-8"?>
<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types" xmlns:m="http://schemas.microsoft.com/exchange/services/2006/messages">
<s:Header>` + header + `</s:Header><s:Body>` + operation + `</s:Body></s:Envelope>`
}
