package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/relayd/relayd/internal/api"
	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store/embedded"
)

// rig is a running server with a directory on disk and everything else in memory.
//
//	caller --TCP with token--> Server --> embedded.Directory, fakes
//	caller --Unix socket-----> Server
type rig struct {
	*testing.T
	server   *Server
	queue    *fakeQueue
	accounts *fakeAccounts
	log      *safeBuffer
	contract *contract
	base     string
	socket   string
	token    string // of the operator
	now      func() time.Time

	mu     sync.Mutex
	bodies []string // every answer so far
}

type safeBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func newRig(t *testing.T, adjust ...func(*Options)) *rig {
	t.Helper()
	dir, err := embedded.OpenDirectory(embedded.DirectoryOptions{Path: filepath.Join(t.TempDir(), "directory.db")})
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{T: t, queue: &fakeQueue{}, accounts: newFakeAccounts(dir), log: &safeBuffer{}, now: time.Now}
	r.socket = filepath.Join(t.TempDir(), "admin.sock")
	opt := Options{
		Address: "127.0.0.1:0", Socket: r.socket, Version: "test",
		Directory: dir, Queue: r.queue, Conductor: r.queue, Accounts: r.accounts, Verifier: r.accounts,
		Explainer: fakeExplainer{dir}, Passwords: &fakePasswords{}, Keys: fakeKeys{}, Vault: fakeVault{}, Ownership: fakeOwnership{dir},
		Log: slog.New(slog.NewJSONHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Now: func() time.Time { return r.now() },
	}
	for _, a := range adjust {
		a(&opt)
	}
	if r.server, err = New(opt); err != nil {
		t.Fatal(err)
	}
	r.contract = readContract(t, r.server.document)
	r.start()
	t.Cleanup(func() {
		if err := dir.Close(); err != nil {
			t.Error(err)
		}
	})
	r.token = r.newToken(t, "")
	return r
}

// start runs the server until the test ends.
func (r *rig) start() {
	r.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	if err := r.server.Listen(ctx); err != nil {
		r.Fatal(err)
	}
	r.base = "http://" + r.server.Addr().String()
	ended := make(chan error, 1)
	go func() { ended <- r.server.Run(ctx) }()
	r.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			r.Errorf("Run ended with %v", err)
		}
	})
}

// newToken writes a token for one organisation, or for everything, past the API.
func (r *rig) newToken(t *testing.T, organisation string) string {
	t.Helper()
	text, rec := newToken(r.now())
	rec.Name, rec.Organisation = "test-"+organisation, organisation
	if err := r.server.opt.Directory.Tokens().Put(t.Context(), rec); err != nil {
		t.Fatal(err)
	}
	return text.Reveal()
}

// answer is what came back.
type answer struct {
	*testing.T
	status int
	header http.Header
	body   []byte
}

// request is one call; zero fields are left out.
type request struct {
	token   string
	match   string
	host    string
	headers map[string]string
	client  *http.Client
}

func (r *rig) do(method, path string, body any, how request) answer {
	r.Helper()
	req := r.compose(method, path, body, how)
	client := how.client
	if client == nil {
		client = http.DefaultClient
	}
	resp, err := client.Do(req)
	if err != nil {
		r.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		r.Fatalf("%s %s: read the answer: %v", method, path, err)
	}
	r.contract.check(r.T, method, req.URL.Path, resp, got)
	r.mu.Lock()
	r.bodies = append(r.bodies, string(got))
	r.mu.Unlock()
	return answer{r.T, resp.StatusCode, resp.Header, got}
}

func (r *rig) compose(method, path string, body any, how request) *http.Request {
	r.Helper()
	var reader io.Reader = http.NoBody
	switch b := body.(type) {
	case nil:
	case string:
		reader = strings.NewReader(b)
	default:
		text, err := json.Marshal(b)
		if err != nil {
			r.Fatal(err)
		}
		reader = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(r.Context(), method, r.base+path, reader)
	if err != nil {
		r.Fatal(err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if how.token != "" {
		req.Header.Set("Authorization", "Bearer "+how.token)
	}
	if how.match != "" {
		req.Header.Set("If-Match", how.match)
	}
	req.Host = how.host
	for name, value := range how.headers {
		req.Header.Set(name, value)
	}
	return req
}

// ask calls the API as the operator.
func (r *rig) ask(method, path string, body any) answer {
	r.Helper()
	return r.do(method, api.Prefix+path, body, request{token: r.token})
}

// as calls the API with another token.
func (r *rig) as(token, method, path string, body any) answer {
	r.Helper()
	return r.do(method, api.Prefix+path, body, request{token: token, match: "*"})
}

// change calls the API as the operator, with a revision.
func (r *rig) change(path, etag string, body any) answer {
	r.Helper()
	return r.do(http.MethodPut, api.Prefix+path, body, request{token: r.token, match: etag})
}

// overSocket is a client of the Unix socket.
func (r *rig) overSocket() *http.Client {
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", r.socket)
	}}
	r.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// is wants a status.
func (a answer) is(status int) answer {
	a.Helper()
	if a.status != status {
		a.Fatalf("status %d, want %d: %s", a.status, status, a.body)
	}
	return a
}

// names wants a problem about one field, such as "body.address".
func (a answer) names(location string) answer {
	a.Helper()
	var p api.Problem
	if err := json.Unmarshal(a.body, &p); err != nil {
		a.Fatal(err)
	}
	for _, item := range p.Errors {
		if item.Location == location {
			return a
		}
	}
	a.Fatalf("no problem names %s: %s", location, a.body)
	return a
}

// says wants words in the answer.
func (a answer) says(words string) answer {
	a.Helper()
	if !strings.Contains(string(a.body), words) {
		a.Fatalf("the answer does not say %q: %s", words, a.body)
	}
	return a
}

// read reads the answer into a T.
func read[T any](a answer) T {
	a.Helper()
	var v T
	if err := json.Unmarshal(a.body, &v); err != nil {
		a.Fatalf("%v: %s", err, a.body)
	}
	return v
}

// company makes an organisation that owns a domain, with one user in it.
func (r *rig) company(domain string) (api.Organisation, api.User) {
	r.Helper()
	o := read[api.Organisation](r.ask("POST", "/organisations", api.OrganisationInput{Name: "Company of " + domain, Domains: []string{domain}}).is(201))
	u := read[api.User](r.ask("POST", "/users", api.UserInput{Address: "jane@" + domain}).is(201))
	return o, u
}

// servers are an account's settings.
func servers(user, password string) api.AccountInput {
	return api.AccountInput{
		User: user, Password: &password,
		Settings: api.Settings{
			SMTP: &api.Server{Host: "smtp.example.com", Port: 587, TLS: "starttls"},
			IMAP: &api.Server{Host: "imap.example.com", Port: 993, TLS: "implicit"},
		},
	}
}

// message puts a message of an organisation into the queue.
func (r *rig) message(organisation string, outcome relay.Outcome) relay.ID {
	// Ids of one millisecond have no order; each message here is a little younger.
	now := r.now().Add(time.Duration(len(r.queue.messages)) * time.Millisecond)
	jane := relay.Address{Local: "jane", Domain: "acme.example"}
	m := &relay.Message{
		ID: relay.NewID(now), Accepted: now, Submitter: "sub_x", Organisation: organisation, Protocol: "ESMTPSA",
		From: jane, HeaderID: "<1@acme.example>", Size: 2048,
		Envelope: relay.Envelope{ReturnPath: jane, Recipients: []relay.Recipient{{Address: relay.Address{Local: "bob", Domain: "world.example"}}}},
	}
	s := relay.NewState(m)
	s.Recipients[0] = relay.RecipientState{Outcome: outcome, Attempts: 1, At: now, Peer: "mx.world.example", Reply: relay.Reply{Code: 451, Text: "later"}}
	r.queue.add(m, s, relay.Event{At: now, Kind: relay.EventAccepted}, relay.Event{
		At: now, Kind: relay.EventAttempt, Peer: relay.Peer{Host: "mx.world.example", Addr: "192.0.2.1:25", TLS: "TLS 1.3"},
		Route:   relay.Route{Kind: relay.RouteDirect, Rule: "no_account"},
		Results: []relay.Result{{Recipient: 0, Outcome: outcome, Reply: relay.Reply{Code: 451, Text: "later"}, Hint: "Wait."}},
	})
	return m.ID
}

// ctxT keeps the readiness checks of these tests short.
type ctxT = context.Context

var errInternal = errors.New("/var/lib/relayd/secret-path: input/output error")

// newHandlerRig makes a Server that does not listen, with an empty directory.
func newHandlerRig(t testing.TB) *Server {
	t.Helper()
	dir, err := embedded.OpenDirectory(embedded.DirectoryOptions{Path: filepath.Join(t.TempDir(), "directory.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = dir.Close() })
	q, a := &fakeQueue{}, newFakeAccounts(dir)
	s, err := New(Options{
		Directory: dir, Queue: q, Conductor: q, Accounts: a, Verifier: a, Explainer: fakeExplainer{dir},
		Passwords: &fakePasswords{}, Keys: fakeKeys{}, Vault: fakeVault{}, Ownership: fakeOwnership{dir}, Log: discard(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}
