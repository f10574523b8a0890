package netguard

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// names is a resolver whose answers change from one question to the next.
type names struct {
	answers [][]netip.Addr
	asked   atomic.Int32
}

func (n *names) LookupNetIP(_ context.Context, _, _ string) ([]netip.Addr, error) {
	i := int(n.asked.Add(1)) - 1
	if i >= len(n.answers) {
		return nil, errors.New("no such name")
	}
	return n.answers[i], nil
}

func addrs(list ...string) []netip.Addr {
	var out []netip.Addr
	for _, s := range list {
		out = append(out, netip.MustParseAddr(s))
	}
	return out
}

// listen opens a listener on loopback that counts connections.
func listen(t *testing.T) (uint16, *atomic.Int32) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	accepted := new(atomic.Int32)
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			accepted.Add(1)
			_ = c.Close()
		}
	}()
	return ln.Addr().(*net.TCPAddr).AddrPort().Port(), accepted
}

func TestDialAllowed(t *testing.T) {
	t.Parallel()
	port, _ := listen(t)
	g := New(Options{Allow: list("127.0.0.0/8"), Ports: []uint16{port}, Resolver: &names{answers: [][]netip.Addr{
		addrs("::1", "127.0.0.9", "127.0.0.1"), // only the last one listens
	}}})
	conn, err := g.DialContext(t.Context(), "tcp", net.JoinHostPort("mail.acme.example", strconv.Itoa(int(port))))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if got := conn.RemoteAddr().String(); got != "127.0.0.1:"+strconv.Itoa(int(port)) {
		t.Errorf("connected to %s", got)
	}
}

func TestAttackX1Spellings(t *testing.T) {
	t.Parallel()
	port, accepted := listen(t)
	g := New(Options{Ports: []uint16{port}})
	p := strconv.Itoa(int(port))
	for _, host := range []string{"127.0.0.1", "localhost", "localhost.", "::ffff:127.0.0.1", "0.0.0.0", "::", "0x7f000001", "2130706433", "0177.0.0.1", "127.1", ""} {
		conn, err := g.DialContext(t.Context(), "tcp", net.JoinHostPort(host, p))
		if err == nil {
			_ = conn.Close()
			t.Errorf("%q was dialled", host)
		}
	}
	if accepted.Load() != 0 {
		t.Error("a connection reached the listener")
	}
}

func TestAttackX4Rebinding(t *testing.T) {
	t.Parallel()
	port, accepted := listen(t)
	var refusals atomic.Int32
	resolver := &names{answers: [][]netip.Addr{addrs("203.0.114.1"), addrs("127.0.0.1")}}
	g := New(Options{
		Ports: []uint16{port}, Resolver: resolver,
		Refused: func(string, string) { refusals.Add(1) },
	})
	// The first answer is public; the check of somebody else would have passed it.
	if _, err := resolver.LookupNetIP(t.Context(), "ip", "rebind.example"); err != nil {
		t.Fatal(err)
	}
	_, err := g.DialContext(t.Context(), "tcp", net.JoinHostPort("rebind.example", strconv.Itoa(int(port))))
	if !errors.Is(err, ErrRefused) || accepted.Load() != 0 || refusals.Load() != 1 {
		t.Errorf("err %v, %d connections, %d refusals reported", err, accepted.Load(), refusals.Load())
	}
}

// Every hop of an HTTP client is a dial of its own, so a redirect is decided anew.
func TestAttackX6Redirects(t *testing.T) {
	t.Parallel()
	inside := serveHTTP(t, "127.0.0.2:0", http.StatusOK, "")
	outside := serveHTTP(t, "127.0.0.1:0", http.StatusFound, "http://"+inside.addr)
	g := New(Options{Allow: list("127.0.0.1/32"), Ports: []uint16{outside.port(), inside.port()}})
	client := &http.Client{Transport: &http.Transport{DialContext: g.DialContext}}
	defer client.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+outside.addr, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err == nil {
		_ = resp.Body.Close()
	}
	if !errors.Is(err, ErrRefused) || outside.asked.Load() != 1 || inside.asked.Load() != 0 {
		t.Errorf("%v; the first server was asked %d times, the second %d times", err, outside.asked.Load(), inside.asked.Load())
	}
}

type webServer struct {
	addr  string
	asked atomic.Int32
}

func (w *webServer) port() uint16 { return netip.MustParseAddrPort(w.addr).Port() }

// serveHTTP answers every request with one status and Location.
func serveHTTP(t *testing.T, addr string, status int, location string) *webServer {
	t.Helper()
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	w := &webServer{addr: ln.Addr().String()}
	srv := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		w.asked.Add(1)
		rw.Header().Set("Location", location)
		rw.WriteHeader(status)
	})}
	go func() { _ = srv.Serve(ln) }()
	t.Cleanup(func() { _ = srv.Close() })
	return w
}

func TestRefusedBeforeAnyLookUp(t *testing.T) {
	t.Parallel()
	resolver := &names{}
	g := New(Options{Resolver: resolver})
	for _, c := range [][2]string{
		{"tcp", "mail.acme.example:22"}, {"tcp", "mail.acme.example:0"}, {"tcp", "mail.acme.example:smtp"},
		{"udp", "mail.acme.example:25"}, {"unix", "/run/relayd.sock"}, {"tcp", ":25"}, {"ip", "mail.acme.example:25"},
	} {
		if _, err := g.DialContext(t.Context(), c[0], c[1]); !errors.Is(err, ErrRefused) {
			t.Errorf("%s %s: %v", c[0], c[1], err)
		}
	}
	if _, err := g.DialContext(t.Context(), "tcp", "no-port"); err == nil {
		t.Error("an address without port was dialled")
	}
	if n := resolver.asked.Load(); n != 0 {
		t.Errorf("%d names were looked up", n)
	}
}

func TestOnlyDialsUDP(t *testing.T) {
	t.Parallel()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer pc.Close()
	to := pc.LocalAddr().(*net.UDPAddr).AddrPort()
	conn, err := New(Options{Only: []netip.AddrPort{to}}).DialContext(t.Context(), "udp", to.String())
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
}

func TestInterleave(t *testing.T) {
	t.Parallel()
	got := interleave(addrs("2001:db8::1", "2001:db8::2", "::ffff:10.0.0.1", "10.0.0.1", "10.0.0.2", "2001:db8::3"), 4)
	want := addrs("2001:db8::1", "10.0.0.1", "2001:db8::2", "10.0.0.2")
	if len(got) != len(want) {
		t.Fatalf("got %v, want %v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("got %v, want %v", got, want)
		}
	}
}

// fakeNet answers dials after a delay, in synctest's time.
type fakeNet map[string]struct {
	after time.Duration
	err   error
}

func (f fakeNet) connect(ctx context.Context, _, _ string, to netip.AddrPort) (net.Conn, error) {
	w := f[to.Addr().String()]
	select {
	case <-time.After(w.after):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if w.err != nil {
		return nil, w.err
	}
	c, _ := net.Pipe()
	return named{c, to.String()}, nil
}

type named struct {
	net.Conn
	name string
}

func TestRaceOrder(t *testing.T) {
	t.Parallel()
	dead := errors.New("no route")
	cases := []struct {
		name string
		net  fakeNet
		want string
		took time.Duration
	}{
		{"the first answers", fakeNet{"10.0.0.1": {after: 100 * time.Millisecond}}, "10.0.0.1:25", 100 * time.Millisecond},
		{"the first is silent", fakeNet{"10.0.0.1": {after: time.Hour}, "10.0.0.2": {after: time.Millisecond}}, "10.0.0.2:25", 251 * time.Millisecond},
		{"the first fails at once", fakeNet{"10.0.0.1": {err: dead}, "10.0.0.2": {after: time.Millisecond}}, "10.0.0.2:25", time.Millisecond},
		{"all fail", fakeNet{"10.0.0.1": {err: dead}, "10.0.0.2": {err: dead}, "10.0.0.3": {err: dead}}, "", 0},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { runRace(t, c.net, c.want, c.took, dead) })
		})
	}
}

func runRace(t *testing.T, fake fakeNet, want string, took time.Duration, dead error) {
	g := New(Options{Resolver: &names{answers: [][]netip.Addr{addrs("10.0.0.1", "10.0.0.2", "10.0.0.3")}}})
	g.connect = fake.connect
	start := time.Now()
	conn, err := g.DialContext(t.Context(), "tcp", "mail.acme.example:25")
	if got := time.Since(start); got != took {
		t.Errorf("took %s, want %s", got, took)
	}
	switch {
	case want == "" && !errors.Is(err, dead):
		t.Errorf("got %v, want %v", err, dead)
	case want != "" && (err != nil || conn.(named).name != want):
		t.Errorf("got %v, %v; want %s", conn, err, want)
	}
	// synctest fails the test if an attempt is still running when it ends.
}

func TestRaceEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := New(Options{Resolver: &names{answers: [][]netip.Addr{addrs("10.0.0.1", "10.0.0.2")}}})
		g.connect = fakeNet{"10.0.0.1": {after: time.Hour}, "10.0.0.2": {after: time.Hour}}.connect
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := g.DialContext(ctx, "tcp", "mail.acme.example:25"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}
