package webhook_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/relay/webhook"
	"github.com/relayd/relayd/store"
)

// table is a store.Table in memory, under the same rules as a real one.
type table[T any] struct {
	id       func(*T) string
	revision func(*T) *uint64

	mu   sync.Mutex
	rows map[string]T
	last uint64
	fail func(method string) error
}

func (f *table[T]) check(method string) error {
	if f.fail == nil {
		return nil
	}
	return f.fail(method)
}

func (f *table[T]) Get(_ context.Context, id string) (*T, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.check("get"); err != nil {
		return nil, err
	}
	rec, ok := f.rows[id]
	if !ok {
		return nil, fmt.Errorf("%q: %w", id, store.ErrNotFound)
	}
	return &rec, nil
}

func (f *table[T]) Put(_ context.Context, rec *T) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.check("put"); err != nil {
		return err
	}
	old, there := f.rows[f.id(rec)]
	switch revision := *f.revision(rec); {
	case revision == 0 && there:
		return store.ErrExists
	case revision != 0 && (!there || *f.revision(&old) != revision):
		return store.ErrStale
	}
	f.last++
	*f.revision(rec) = f.last
	f.rows[f.id(rec)] = *rec
	return nil
}

func (f *table[T]) Delete(_ context.Context, id string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.check("delete"); err != nil {
		return err
	}
	if _, ok := f.rows[id]; !ok {
		return store.ErrNotFound
	}
	delete(f.rows, id)
	return nil
}

func (f *table[T]) List(_ context.Context, after string, limit int) ([]*T, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.check("list"); err != nil {
		return nil, err
	}
	var ids []string
	for id := range f.rows {
		if id > after {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	var out []*T
	for _, id := range ids[:min(len(ids), limit)] {
		rec := f.rows[id]
		out = append(out, &rec)
	}
	return out, nil
}

func (f *table[T]) all() (out []T) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, rec := range f.rows {
		out = append(out, rec)
	}
	return out
}

func (f *table[T]) change(id string, edit func(*T)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	rec := f.rows[id]
	edit(&rec)
	f.last++
	*f.revision(&rec) = f.last
	f.rows[id] = rec
}

func (f *table[T]) failing(method string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fail = func(m string) error {
		if m == method {
			return err
		}
		return nil
	}
}

// sealer stands for secretbox.Box: it tells places apart.
type sealer struct{}

func (sealer) Seal(kind, id, field string, plain []byte) []byte {
	return []byte(kind + "\x00" + id + "\x00" + field + "\x00" + base64.StdEncoding.EncodeToString(plain))
}

func (sealer) Unseal(kind, id, field string, sealed []byte) ([]byte, error) {
	text, found := strings.CutPrefix(string(sealed), kind+"\x00"+id+"\x00"+field+"\x00")
	if !found {
		return nil, errors.New("it belongs elsewhere")
	}
	return base64.StdEncoding.DecodeString(text)
}

// observer writes down what it hears, one line each.
type observer struct {
	mu    sync.Mutex
	lines []string
	times []time.Time
}

func (o *observer) note(format string, args ...any) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.lines, o.times = append(o.lines, fmt.Sprintf(format, args...)), append(o.times, time.Now())
}

func (o *observer) WebhookCalled(w, event string, status, attempt int, err error) {
	o.note("called %s %s %d #%d %v", w, event, status, attempt, err)
}
func (o *observer) WebhookGivenUp(w, event string, attempts int) {
	o.note("given up %s %s %d", w, event, attempts)
}
func (o *observer) WebhookDisabled(w string) { o.note("disabled %s", w) }
func (o *observer) WebhookDropped(w, event, reason string) {
	o.note("dropped %s %s %s", w, event, reason)
}
func (o *observer) WebhookLost(event, account string, err error) {
	o.note("lost %s %s %v", event, account, err)
}
func (o *observer) Fault(step string, _ relay.ID, err error) { o.note("fault %s %v", step, err) }

// heard gives the lines that begin with a word.
func (o *observer) heard(word string) (out []string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, line := range o.lines {
		if strings.HasPrefix(line, word) {
			out = append(out, line)
		}
	}
	return out
}

// call is one that an endpoint was sent.
type call struct {
	at        time.Time
	id, stamp string
	signature string
	text      string
	body      struct {
		Type, Timestamp string
		Data            map[string]string
	}
}

// endpoint is a server at one port of example.com, reached over a pipe.
type endpoint struct {
	port     string
	server   *httptest.Server
	listener *pipes

	mu      sync.Mutex
	handler http.HandlerFunc
	calls   []call
}

func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	c := call{
		at: time.Now(), text: string(text), id: r.Header.Get("webhook-id"), stamp: r.Header.Get("webhook-timestamp"),
		signature: r.Header.Get("webhook-signature"),
	}
	if r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" || json.Unmarshal(text, &c.body) != nil {
		c.text = "not a call: " + c.text
	}
	e.mu.Lock()
	e.calls = append(e.calls, c)
	handler := e.handler
	e.mu.Unlock()
	handler(w, r)
}

func (e *endpoint) got() []call {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.calls)
}

func (e *endpoint) answers(handler http.HandlerFunc) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.handler = handler
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

// hang answers nothing until the client is gone, nor then.
func hang(_ http.ResponseWriter, r *http.Request) {
	<-r.Context().Done()
	panic(http.ErrAbortHandler) // to return would be to answer 200
}

// pipes is a listener whose connections are in memory, so that time can be false.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 443} }

// pipeConn is an end of a pipe with an address and a count.
type pipeConn struct {
	net.Conn
	remote net.Addr
	sent   *atomic.Int64
}

func (c pipeConn) RemoteAddr() net.Addr { return c.remote }

func (c pipeConn) Write(b []byte) (int, error) {
	if c.sent != nil {
		c.sent.Add(int64(len(b)))
	}
	return c.Conn.Write(b)
}

// world is everything around a Service, in memory.
type world struct {
	webhooks  *table[relay.Webhook]
	calls     *table[relay.WebhookCall]
	observer  *observer
	options   webhook.Options
	secret    relay.Secret
	mu        sync.Mutex
	endpoints map[string]*endpoint // by port
	remote    netip.Addr
	sent      atomic.Int64 // octets, over all connections
	dialErr   error        // of every dial
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{
		webhooks: &table[relay.Webhook]{id: func(w *relay.Webhook) string { return w.ID }, revision: func(w *relay.Webhook) *uint64 { return &w.Revision }},
		calls:    &table[relay.WebhookCall]{id: func(c *relay.WebhookCall) string { return c.ID }, revision: func(c *relay.WebhookCall) *uint64 { return &c.Revision }},
		observer: &observer{}, secret: webhook.NewSecret(), endpoints: map[string]*endpoint{}, remote: netip.MustParseAddr("192.0.2.1"),
	}
	w.webhooks.rows, w.calls.rows = map[string]relay.Webhook{}, map[string]relay.WebhookCall{}
	w.options = webhook.Options{
		Webhooks: w.webhooks, Calls: w.calls, Sealer: sealer{}, Dialer: w, Observer: w.observer, Roots: x509.NewCertPool(),
	}
	return w
}

func (w *world) DialContext(ctx context.Context, _, address string) (net.Conn, error) {
	if w.dialErr != nil {
		return nil, fmt.Errorf("connect to %s: %w", address, w.dialErr)
	}
	_, port, _ := net.SplitHostPort(address)
	w.mu.Lock()
	e := w.endpoints[port]
	w.mu.Unlock()
	if e == nil {
		return nil, errors.New("connection refused at 10.1.2.3, an address of our own network")
	}
	ours, theirs := net.Pipe()
	remote := net.TCPAddrFromAddrPort(netip.AddrPortFrom(w.remote, 443))
	select {
	case e.listener.conns <- pipeConn{theirs, remote, nil}:
		return pipeConn{ours, remote, &w.sent}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// listen makes an endpoint and a webhook of the same name to it.
func (w *world) listen(t *testing.T, name string, handler http.HandlerFunc, edit ...func(*relay.Webhook)) *endpoint {
	t.Helper()
	e := w.endpoint(t, handler, true)
	w.webhook(t, name, "https://example.com:"+e.port+"/hook?token=canary-url", edit...)
	return e
}

func (w *world) endpoint(t *testing.T, handler http.HandlerFunc, secure bool) *endpoint {
	t.Helper()
	e := &endpoint{
		port: strconv.Itoa(1000 + len(w.endpoints)), handler: handler,
		listener: &pipes{conns: make(chan net.Conn), closed: make(chan struct{})},
	}
	e.server = httptest.NewUnstartedServer(e)
	e.server.Listener.Close()
	e.server.Listener, e.server.Config.ErrorLog = e.listener, log.New(io.Discard, "", 0)
	if secure {
		e.server.StartTLS()
		w.options.Roots.AddCert(e.server.Certificate())
	} else {
		e.server.Start()
	}
	w.mu.Lock()
	w.endpoints[e.port] = e
	w.mu.Unlock()
	t.Cleanup(e.server.Close)
	return e
}

func (w *world) webhook(t *testing.T, name, url string, edit ...func(*relay.Webhook)) {
	t.Helper()
	sealed, err := webhook.Seal(sealer{}, name, w.secret)
	if err != nil {
		t.Fatal(err)
	}
	w.webhooks.change(name, func(h *relay.Webhook) {
		*h = relay.Webhook{ID: name, Organisation: "o1", URL: url, Secret: sealed}
		for _, e := range edit {
			e(h)
		}
	})
}

// run starts a Service and gives what ends it.
func run(t *testing.T, s *webhook.Service) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	}
}

// event is the n-th of some that differ.
func event(n int) relay.AccountEvent {
	return relay.AccountEvent{
		Kind: relay.AccountEventParked, At: time.Date(2026, 11, 21, 9, 30, n, 0, time.UTC), Account: "a" + strconv.Itoa(n), Organisation: "o1",
		Address: relay.Address{Local: "jane", Domain: "acme.example"}, State: relay.AccountParked,
		Rule: "auth.password_wrong", Reason: "The password is wrong.", By: "boss",
	}
}

// signed checks a signature as the specification has it, apart from our own code.
func signed(t *testing.T, secret relay.Secret, c call) {
	t.Helper()
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret.Reveal(), "whsec_"))
	if err != nil {
		t.Fatal(err)
	}
	h := hmac.New(sha256.New, key)
	fmt.Fprintf(h, "%s.%s.%s", c.id, c.stamp, c.text)
	if want := "v1," + base64.StdEncoding.EncodeToString(h.Sum(nil)); c.signature != want {
		t.Errorf("the signature is %s, want %s", c.signature, want)
	}
	if want := strconv.FormatInt(c.at.Unix(), 10); c.stamp != want {
		t.Errorf("the timestamp is %s, want %s", c.stamp, want)
	}
}
