package admin

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/relayd/relayd/internal/api"
	"github.com/relayd/relayd/internal/apiclient"
	"github.com/relayd/relayd/internal/relaytest"
)

// Over the socket no token is needed, the Host is not looked at, and the audit log
// says which user of the machine it was.
func TestSocket(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	info, err := os.Lstat(r.socket)
	if err != nil || info.Mode() != fs.ModeSocket|0o600 {
		t.Fatalf("socket: mode %v, %v", info.Mode(), err)
	}
	local := request{client: r.overSocket(), host: "whatever.example"}
	made := read[api.TokenSecret](r.do("POST", "/api/v1/tokens", api.TokenInput{Name: "first"}, local).is(201))
	r.as(made.Secret, "GET", "/users", nil).is(200)
	if !strings.Contains(r.log.String(), `"by":"local","from":"socket uid=`) {
		t.Errorf("the audit log does not say who: %s", r.log.String())
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(r.socket), ".s*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

// A socket that a killed relayd left is replaced; one that answers, or a file, is not.
func TestSocketInTheWay(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	if _, err := listenSocket(t.Context(), r.socket); err == nil || !strings.Contains(err.Error(), "another relayd") {
		t.Errorf("a second relayd took the socket: %v", err)
	}
	r.do("GET", "/api/v1/users", nil, request{client: r.overSocket(), host: "localhost"}).is(200)

	dead := filepath.Join(t.TempDir(), "s")
	l, err := new(net.ListenConfig).Listen(t.Context(), "unix", dead)
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
	again, err := listenSocket(t.Context(), dead)
	if err != nil {
		t.Fatalf("a dead socket was not replaced: %v", err)
	}
	again.Close()

	long := filepath.Join(t.TempDir(), strings.Repeat("x", 100))
	if err := os.Mkdir(long, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := listenSocket(t.Context(), filepath.Join(long, "s")); err == nil || !strings.Contains(err.Error(), "admin.socket") {
		t.Errorf("a path that is too long gave %v", err)
	}

	file := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := listenSocket(t.Context(), file); err == nil {
		t.Error("a file was replaced by a socket")
	}
	if b, err := os.ReadFile(file); err != nil || string(b) != "precious" {
		t.Errorf("the file is gone: %v", err)
	}
}

// The end takes the socket away, ends at once when nothing runs, and a listener
// that cannot be opened is an error with its name.
func TestRunAndEnd(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	second, err := New(Options{
		Address: r.server.Addr().String(), Socket: filepath.Join(t.TempDir(), "s"), Directory: r.server.opt.Directory, Queue: r.queue, Conductor: r.queue,
		Accounts: r.accounts, Verifier: r.accounts, Explainer: fakeExplainer{}, Passwords: &fakePasswords{}, Keys: fakeKeys{},
		Vault: fakeVault{}, Ownership: fakeOwnership{}, Log: r.server.opt.Log,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "admin listener") {
		t.Errorf("a used port gave %v", err)
	}
	second.opt.Address = ""
	ctx, cancel := context.WithCancel(t.Context())
	if err := second.Listen(ctx); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- second.Run(ctx) }()
	if !apiclient.Answers(ctx, second.opt.Socket, 10*time.Second) {
		t.Error("the socket does not answer")
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Run ended with %v", err)
	}
	if _, err := os.Lstat(second.opt.Socket); !os.IsNotExist(err) {
		t.Errorf("the socket is still there: %v", err)
	}
}

func TestNewNamesWhatIsMissing(t *testing.T) {
	t.Parallel()
	if _, err := New(Options{}); err == nil || !strings.Contains(err.Error(), "Options.Directory") {
		t.Errorf("%v", err)
	}
}

// With TLS nothing is answered in clear, and the peer is asked for nothing newer
// than HTTP/1.1.
func TestTLS(t *testing.T) {
	t.Parallel()
	ca := relaytest.NewAuthority(t)
	r := newRig(t, func(o *Options) {
		o.TLS = &tls.Config{Certificates: []tls.Certificate{ca.Issue("127.0.0.1")}, MinVersion: tls.VersionTLS12}
	})
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: ca.Roots(), MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	plain := r.base
	r.base = strings.Replace(plain, "http:", "https:", 1)
	r.do("GET", "/api/v1/users", nil, request{token: r.token, client: &http.Client{Transport: transport}}).is(200)
	r.base = plain
	r.do("GET", "/api/v1/nothing", nil, request{token: r.token}).is(400)
}

// W15: what panics is an answer without stack or path, and the next request works.
func TestW15Panic(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *Options) {
		o.Metrics = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("at /var/lib/relayd") })
	})
	a := r.do("GET", "/metrics", nil, request{token: r.token}).is(500).says("fault of its own")
	if strings.Contains(string(a.body), "/var/lib") || strings.Contains(string(a.body), "goroutine") {
		t.Errorf("the inside came out: %s", a.body)
	}
	if !strings.Contains(r.log.String(), "at /var/lib/relayd") {
		t.Error("the log does not have the cause")
	}
	r.ask("GET", "/users", nil).is(200)
}

// R5: connections above the cap are closed at once; when one ends there is room again.
func TestR5ConnectionCap(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *Options) { o.MaxConnections = 2 })
	address := r.server.Addr().String()
	dial := func() net.Conn {
		c, err := new(net.Dialer).DialContext(t.Context(), "tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	answers := func(c net.Conn) bool {
		if _, err := io.WriteString(c, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
			return false
		}
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusNoContent
	}
	first, second := dial(), dial()
	if !answers(first) || !answers(second) {
		t.Fatal("connections within the cap were refused")
	}
	if answers(dial()) {
		t.Error("a connection above the cap was served")
	}
	first.Close()
	for !answers(dial()) { // until the server has seen the end of the first one
		if t.Context().Err() != nil {
			t.Fatal("no room after a connection ended")
		}
	}
}

// R4: a header that trickles in ends by an absolute deadline. The clock is not the
// machine's, so nothing here waits.
func TestR4SlowHeader(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		s := &Server{opt: Options{RequestTimeout: DefaultRequestTimeout, Log: discard()}, handler: http.NotFoundHandler()}
		s.add(&pipeListener{conns: conns(ours), closed: make(chan struct{})}, nil, func() {})
		ended := make(chan error, 1)
		go func() { ended <- s.listeners[0].server.Serve(s.listeners[0]) }()
		began := time.Now()
		go io.Copy(io.Discard, theirs) //nolint:errcheck // ends with the connection
		var err error
		for err == nil {
			_, err = theirs.Write([]byte("X"))
			<-time.After(time.Second)
		}
		if took := time.Since(began); took < readHeaderTimeout || took > readHeaderTimeout+3*time.Second {
			t.Errorf("the connection lasted %s", took)
		}
		if err := s.closeAll(); err != nil {
			t.Error(err)
		}
		<-ended
	})
}
