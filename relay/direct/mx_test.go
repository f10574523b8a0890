package direct

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math/big"
	"net"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/relayd/relayd/internal/netguard"
)

// world is the Internet of a test: addresses, and the scripted exchangers behind
// them. An address that is not in it refuses the connection.
type world struct {
	t       *testing.T
	mu      sync.Mutex
	hosts   map[string]*mx // by "address:port" as it is dialled
	refused map[string]bool
	dialled []string
	hangUp  func() // ends the connections that wait for another message
}

func newWorld(t *testing.T) *world {
	return &world{t: t, hosts: map[string]*mx{}, refused: map[string]bool{}}
}

func (w *world) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	w.mu.Lock()
	w.dialled = append(w.dialled, address)
	host, refused := w.hosts[address], w.refused[address]
	w.mu.Unlock()
	switch {
	case refused:
		return nil, fmt.Errorf("connect to %s: %w", address, netguard.ErrRefused)
	case host == nil:
		return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.ECONNREFUSED}
	}
	return new(net.Dialer).DialContext(ctx, network, host.addr)
}

// calls are the addresses that were dialled, in order.
func (w *world) calls() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Join(w.dialled, " ")
}

// mx is an exchanger that follows one dialog for each connection. The lines:
//
//	S: 250 ok     it sends this line
//	C: MAIL       a line comes that begins so
//	BODY          the content comes, up to the final dot
//	TLS           it leads a TLS handshake
//	NOTLS         it answers the handshake with rubbish and hangs up
//	DROP          it hangs up
//	WAIT          it says nothing until the peer hangs up
//
// At the end of a dialog the peer may say QUIT, which is answered, or hang up.
type mx struct {
	t       *testing.T
	addr    string
	scripts []string

	mu     sync.Mutex
	met    int
	quits  int
	bodies []string
}

// exchanger starts a scripted exchanger at a made-up address of the world.
func (w *world) exchanger(address string, scripts ...string) *mx {
	w.t.Helper()
	listener, err := new(net.ListenConfig).Listen(w.t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	m := &mx{t: w.t, addr: listener.Addr().String(), scripts: scripts}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			running.Go(func() { m.serve(conn) })
		}
	})
	w.t.Cleanup(func() {
		w.hangUp()
		_ = listener.Close()
		running.Wait()
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.met < len(m.scripts) {
			w.t.Errorf("%s: %d of %d connections came", address, m.met, len(m.scripts))
		}
	})
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hosts[address] = m
	return m
}

func (m *mx) serve(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	m.mu.Lock()
	at := m.met
	m.met++
	m.mu.Unlock()
	if at >= len(m.scripts) {
		m.t.Errorf("connection %d was not expected", at+1)
		return
	}
	c := &conversation{mx: m, conn: conn, r: bufio.NewReader(conn)}
	for line := range strings.SplitSeq(m.scripts[at], "\n") {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		if !c.step(line) {
			return
		}
	}
	if line, err := c.r.ReadString('\n'); err == nil {
		if line != "QUIT\r\n" {
			m.t.Errorf("connection %d: %q came after the end of the dialog", at+1, line)
			return
		}
		m.mu.Lock()
		m.quits++
		m.mu.Unlock()
		_, _ = fmt.Fprint(c.conn, "221 bye\r\n")
	}
}

type conversation struct {
	mx   *mx
	conn net.Conn
	r    *bufio.Reader
}

// step does one line of a dialog. It reports whether the dialog goes on.
func (c *conversation) step(line string) bool {
	_ = c.conn.SetDeadline(time.Now().Add(10 * time.Second))
	word, text, _ := strings.Cut(line, " ")
	switch word {
	case "S:":
		_, err := fmt.Fprintf(c.conn, "%s\r\n", text)
		return err == nil
	case "C:":
		got, err := c.r.ReadString('\n')
		if err != nil || !strings.HasPrefix(got, text) {
			c.mx.t.Errorf("%q came (%v); want %q", got, err, text)
			return false
		}
		return true
	case "BODY":
		return c.body()
	case "TLS":
		conn := tls.Server(c.conn, &tls.Config{Certificates: []tls.Certificate{selfSigned(c.mx.t)}}) //nolint:gosec // a test server
		if err := conn.Handshake(); err != nil {
			return false
		}
		c.conn, c.r = conn, bufio.NewReader(conn)
		return true
	case "NOTLS":
		_, _ = fmt.Fprint(c.conn, "this is no TLS\r\n")
	case "WAIT":
		_, _ = c.r.ReadByte()
	case "DROP":
	default:
		c.mx.t.Errorf("%q is no line of a dialog", line)
	}
	return false
}

func (c *conversation) body() bool {
	var body strings.Builder
	for {
		line, err := c.r.ReadString('\n')
		if err != nil {
			return false
		}
		if line == ".\r\n" {
			break
		}
		body.WriteString(strings.TrimPrefix(line, "."))
	}
	c.mx.mu.Lock()
	defer c.mx.mu.Unlock()
	c.mx.bodies = append(c.mx.bodies, body.String())
	return true
}

// received gives the contents that came, in order.
func (m *mx) received() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.bodies)
}

// selfSigned is a certificate that nobody can check, as many exchangers have.
func selfSigned(t *testing.T) tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Error(err)
		return tls.Certificate{}
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(-time.Hour)} // and it is too old
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Error(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
