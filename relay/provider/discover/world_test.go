package discover_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/relayd/relayd/internal/relaytest"
	"github.com/relayd/relayd/internal/resolver"
	"github.com/relayd/relayd/internal/resolver/resolvertest"
	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/relay/provider"
	"github.com/relayd/relayd/relay/provider/discover"
)

// world is a small Internet on loopback: a DNS zone, web pages by host and path, and
// mail servers by name and port. Everything else cannot be reached.
type world struct {
	t         *testing.T
	authority *relaytest.Authority
	dns       *resolvertest.Server

	mu     sync.Mutex
	pages  map[string]http.HandlerFunc // by host and path
	places map[string]string           // "name:port" to the address where it really is
	asked  []string                    // requests, as "METHOD https://host/path?query"
	dials  []string
	bad    []string // what no request may have
}

func newWorld(t *testing.T, zone string) *world {
	t.Helper()
	return &world{
		t: t, authority: relaytest.NewAuthority(t), dns: resolvertest.New(t, zone),
		pages: map[string]http.HandlerFunc{}, places: map[string]string{},
	}
}

// page puts a page into the web, its host with it.
func (w *world) page(place string, handler http.HandlerFunc) {
	host, _, _ := strings.Cut(place, "/")
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pages[place] = handler
	if w.places[host+":443"] != "" {
		return
	}
	server := httptest.NewUnstartedServer(w)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{w.authority.Issue(host)}}
	server.Config.ErrorLog = nil
	server.StartTLS()
	w.t.Cleanup(server.Close)
	w.places[host+":443"] = server.Listener.Addr().String()
}

// text is a page that is always the same.
func text(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) }
}

func redirect(to string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, http.StatusFound) }
}

func (w *world) ServeHTTP(res http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	w.asked = append(w.asked, r.Method+" https://"+r.Host+r.URL.RequestURI())
	for _, name := range []string{"Authorization", "Cookie", "Referer"} {
		if r.Header.Get(name) != "" {
			w.bad = append(w.bad, name)
		}
	}
	handler := w.pages[r.Host+r.URL.Path]
	w.mu.Unlock()
	http.SetCookie(res, &http.Cookie{Name: "track", Value: "me"}) // every page tries
	if handler == nil {
		http.NotFound(res, r)
		return
	}
	handler(res, r)
}

// smtp plays a mail server that is only looked at. lines answer the commands in order.
func (w *world) smtp(place string, implicit bool, lines ...string) {
	host, _, _ := net.SplitHostPort(place)
	w.listen(place, func(conn net.Conn) {
		if implicit {
			conn = tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{w.authority.Issue(host)}})
		}
		buf := make([]byte, 1024)
		for _, line := range lines {
			if _, err := io.WriteString(conn, line+"\r\n"); err != nil {
				return
			}
			n, err := conn.Read(buf)
			if err != nil {
				return
			}
			if strings.HasPrefix(string(buf[:n]), "AUTH") {
				w.mu.Lock()
				w.bad = append(w.bad, "AUTH")
				w.mu.Unlock()
			}
		}
		_, _ = io.Copy(io.Discard, conn)
	})
}

// listen serves connections to a place one after the other.
func (w *world) listen(place string, serve func(net.Conn)) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	w.mu.Lock()
	w.places[place] = l.Addr().String()
	w.mu.Unlock()
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer conn.Close()
				conn.SetDeadline(time.Now().Add(5 * time.Second))
				serve(conn)
			})
		}
	})
	w.t.Cleanup(func() { l.Close(); all.Wait() })
}

// DialContext reaches the places of this world, and no other.
func (w *world) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	w.mu.Lock()
	w.dials = append(w.dials, address)
	at := w.places[address]
	w.mu.Unlock()
	if at == "" {
		return nil, errors.New("no such place: SECRET-NETWORK-DETAIL")
	}
	return new(net.Dialer).DialContext(ctx, network, at)
}

func (w *world) options() discover.Options {
	w.t.Helper()
	presets, err := provider.NewPresets()
	if err != nil {
		w.t.Fatal(err)
	}
	return discover.Options{
		Dialer: w, Presets: presets, Roots: w.authority.Roots(), Hello: "relay.example", ISPDB: "https://ispdb.example",
		Resolver:    resolver.New(resolver.Options{Dialer: new(net.Dialer), Servers: []string{w.dns.Addr()}, Timeout: time.Second}),
		StepTimeout: 2 * time.Second,
	}
}

// look discovers the settings of jane at a domain, and checks what holds for every
// discovery.
func (w *world) look(domain string, choice discover.Choice, change ...func(*discover.Options)) discover.Result {
	w.t.Helper()
	o := w.options()
	for _, c := range change {
		c(&o)
	}
	started := time.Now()
	result, err := discover.New(o).Discover(w.t.Context(), relay.Address{Local: "jane", Domain: domain}, choice)
	if err != nil {
		w.t.Fatal(err)
	}
	if took := time.Since(started); took > 20*time.Second {
		w.t.Errorf("it took %s", took)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.bad) > 0 {
		w.t.Errorf("somebody was sent %v", w.bad)
	}
	for _, step := range result.Trail {
		if step.Asked == "" || step.Came == "" || strings.Contains(step.Asked+step.Came, "SECRET") {
			w.t.Errorf("a step of the trail: %+v", step)
		}
	}
	for _, s := range result.Suggestions {
		for _, server := range []relay.Server{s.Settings.SMTP, s.Settings.IMAP} {
			if server.Host != "" && server.TLS != relay.TLSImplicit && server.TLS != relay.TLSStartTLS {
				w.t.Errorf("a server without TLS: %+v", server)
			}
		}
		weak := slices.Contains([]discover.Source{discover.SourceMX, discover.SourceSRV, discover.SourceAutodiscover, discover.SourceGuess}, s.Source)
		if (weak && !s.Confirm) || (s.Confirm && s.Why == "") || len(s.RegisteredDomains) == 0 {
			w.t.Errorf("nobody would confirm %+v", s)
		}
	}
	return result
}

// none checks that nothing was found, and that one step says why.
func none(t *testing.T, r discover.Result, source discover.Source, words string) {
	t.Helper()
	if len(r.Suggestions) > 0 {
		t.Errorf("found %+v", r.Suggestions)
	}
	if words != "" && !slices.ContainsFunc(r.Trail, func(s discover.Step) bool { return s.Source == source && strings.Contains(s.Came, words) }) {
		t.Errorf("no step of %s says %q: %+v", source, words, r.Trail)
	}
}

// one gives the best suggestion, which must be of this source.
func one(t *testing.T, r discover.Result, source discover.Source) discover.Suggestion {
	t.Helper()
	if len(r.Suggestions) == 0 {
		t.Fatalf("nothing was found: %+v", r.Trail)
	}
	if got := r.Suggestions[0]; got.Source != source {
		t.Fatalf("%s won, not %s: %+v", got.Source, source, r.Trail)
	}
	return r.Suggestions[0]
}

// config is a configuration file with one server of each kind.
func config(smtp, imap string) string {
	return `<?xml version="1.0"?><clientConfig version="1.1"><emailProvider id="acme.example">` + imap + smtp + `</emailProvider></clientConfig>`
}

func outgoing(host, port, socket string) string {
	return `<outgoingServer type="smtp"><hostname>` + host + `</hostname><port>` + port + `</port><socketType>` + socket +
		`</socketType><username>%EMAILADDRESS%</username><authentication>password-cleartext</authentication></outgoingServer>`
}

func incoming(host, port, socket string) string {
	return `<incomingServer type="imap"><hostname>` + host + `</hostname><port>` + port + `</port><socketType>` + socket +
		`</socketType><username>%EMAILLOCALPART%</username></incomingServer>`
}
