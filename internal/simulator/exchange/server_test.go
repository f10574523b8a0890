package exchange_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/relayd/relayd/internal/simulator/exchange"
)

// elsewhere is a listener that claims an address of another machine.
type elsewhere struct {
	net.Listener
	addr net.Addr
}

func (e elsewhere) Addr() net.Addr { return e.addr }

func TestServeTakesLoopbackOnly(t *testing.T) {
	t.Parallel()
	server, err := exchange.New(exchange.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, addr := range []net.Addr{
		&net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 443}, &net.TCPAddr{IP: net.IPv4zero, Port: 443}, &net.TCPAddr{Port: 443},
		&net.UnixAddr{Name: "/run/exchange", Net: "unix"},
	} {
		if err := server.Serve(t.Context(), elsewhere{addr: addr}); err == nil || !strings.Contains(err.Error(), "loopback") {
			t.Errorf("%v: %v", addr, err)
		}
	}
}

func TestServeTellsOfABrokenListener(t *testing.T) {
	t.Parallel()
	server, err := exchange.New(exchange.Options{})
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener.Close()
	if err := server.Serve(t.Context(), listener); !errors.Is(err, net.ErrClosed) {
		t.Errorf("served a closed listener: %v", err)
	}
}

// The end of the server ends a request that would have waited for an hour, and waits
// for its handler.
func TestServeEndsWithItsContext(t *testing.T) {
	t.Parallel()
	f := start(t, exchange.Options{})
	listener, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- f.server.Serve(ctx, listener) }()
	f.server.Inject(exchange.Fault{At: exchange.AtGetFolder, Delay: time.Hour})
	f.url = "http://" + listener.Addr().String()
	answered := make(chan error, 1)
	go func() {
		_, err := f.try(http.MethodPost, "/EWS/Exchange.asmx", getInbox(""), "Authorization", basic("jane", password))
		answered <- err
	}()
	for len(f.server.Requests()) == 0 {
		select {
		case err := <-answered:
			t.Fatalf("answered already: %v", err)
		case <-time.After(time.Millisecond):
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("serve: %v", err)
	}
	if err := <-answered; err == nil {
		t.Error("the request was answered")
	}
}

// broken is mailboxes whose disk has gone.
type broken struct{ *exchange.Memory }

func (broken) List(context.Context, string, string) ([]exchange.Item, error) {
	return nil, errors.New("disk")
}

func (broken) Deliver(context.Context, exchange.Mail) error { return errors.New("disk") }

func TestMailboxesFail(t *testing.T) {
	t.Parallel()
	f := start(t, exchange.Options{Mailboxes: broken{exchange.NewMemory(exchange.Owner{Address: "jane@acme.example", Login: "jane", Password: password})}})
	item := `<t:ItemId Id="amFuZUBhY21lLmV4YW1wbGUAaW5ib3gAMQ=="/>`
	for _, operation := range []string{
		create("SendOnly", "", letter), folderRequest(distinguished("inbox")), search("", "", "", distinguished("inbox")),
		`<m:GetItem><m:ItemIds>` + item + `</m:ItemIds></m:GetItem>`,
	} {
		a := f.call(t, operation)
		if got := strings.Join(codes(a), " "); a.status != http.StatusOK || got != "ErrorInternalServerError" || strings.Contains(a.body, "disk") {
			t.Errorf("status %d, %s\n%s", a.status, got, a.body)
		}
	}
}

func TestMemory(t *testing.T) {
	t.Parallel()
	m, ctx := exchange.NewMemory(exchange.Owner{Address: "jane@acme.example"}), t.Context()
	if _, err := m.Put(ctx, "eve@acme.example", "inbox", exchange.Item{}); !errors.Is(err, exchange.ErrNoMailbox) {
		t.Errorf("put: %v", err)
	}
	if _, err := m.List(ctx, "eve@acme.example", "inbox"); !errors.Is(err, exchange.ErrNoMailbox) {
		t.Errorf("list: %v", err)
	}
	if err := m.Delete(ctx, "eve@acme.example", "inbox", "1"); !errors.Is(err, exchange.ErrNoMailbox) {
		t.Errorf("delete: %v", err)
	}
	if err := m.Delete(ctx, "jane@acme.example", "inbox", "1"); !errors.Is(err, exchange.ErrNoItem) {
		t.Errorf("delete: %v", err)
	}
	if _, err := m.Find(ctx, ""); !errors.Is(err, exchange.ErrNoMailbox) {
		t.Errorf("find: %v", err)
	}
}
