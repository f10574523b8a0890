package accounts

import (
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/relayd/relayd/internal/relaytest"
	"github.com/relayd/relayd/internal/simulator"
	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/test/programtest"
)

// scale is how large the world is.
type scale struct {
	well    int // accounts whose provider works
	each    int // accounts that break in each way
	before  int // messages of each of the well while nobody is broken
	beside  int // messages of every account while some are broken
	each1s  int // messages submitted in a second
	clients int // connections of the applications
}

// host is where the providers are: not where connections begin, so that nobody takes
// the port on which one is not listening.
const host = "127.0.7.1"

// provider is a provider in trouble, and whose accounts are there.
type provider struct {
	way
	mending *mending
	addr    net.Addr
	sink    *programtest.Sink // nil as long as nobody listens
	locals  []string
}

// world is the installation with its providers.
type world struct {
	*testing.T
	scale
	install *programtest.Installation
	process *programtest.Process
	sink    *programtest.Sink // of those who are well
	well    []string          // their local parts
	broken  []*provider
	letters []*letter
}

// newWorld starts relayd with accounts that work, and some that break in each of the
// ways. queue is more of that part of the configuration.
func newWorld(t *testing.T, size scale, authority *relaytest.Authority, broken []way, queue string) *world {
	t.Helper()
	w := &world{T: t, scale: size, sink: programtest.StartSinkAt(t, host+":0", nil)}
	var accounts []programtest.Account
	for i := range w.scale.well {
		w.well = append(w.well, fmt.Sprintf("well%03d", i))
		accounts = append(accounts, programtest.Account{Local: w.well[i], SMTP: w.sink.Addr()})
	}
	for _, how := range broken {
		p := w.startProvider(how)
		w.broken = append(w.broken, p)
		for i := range w.each {
			a := programtest.Account{Local: fmt.Sprintf("%s%02d", how.name, i), SMTP: p.addr, Preset: how.preset}
			if how.secure {
				a.TLS, a.Roots = relay.TLSImplicit, authority.PEM()
			}
			p.locals = append(p.locals, a.Local)
			accounts = append(accounts, a)
		}
		if how.read {
			w.startMailboxes(accounts[len(accounts)-w.each:])
		}
	}
	w.install = programtest.New(t, programtest.Options{Binary: binary, Accounts: accounts, Config: map[string]string{
		// One delivery at a time through an account: its mail arrives in order.
		"queue":   "{retry: [2s, 5s, 10s, 20s, 40s], per_account: 1" + queue + "}",
		"direct":  "{enabled: false}",
		"notices": "{enabled: false}",
	}})
	w.process = w.install.Start()
	return w
}

func (w *world) startProvider(how way) *provider {
	w.Helper()
	p := &provider{way: how, mending: &mending{ctx: w.Context(), done: make(chan struct{})}}
	if how.absent {
		l, err := (&net.ListenConfig{}).Listen(w.Context(), "tcp", host+":0")
		if err != nil {
			w.Fatal(err)
		}
		p.addr = l.Addr()
		if err := l.Close(); err != nil {
			w.Fatal(err)
		}
		return p
	}
	p.sink = programtest.StartScriptedSink(w.T, host+":0", p.script(p.mending))
	p.addr = p.sink.Addr()
	return p
}

// startMailboxes gives accounts mailboxes that open to the new password: without one
// relayd takes no settings.
func (w *world) startMailboxes(accounts []programtest.Account) {
	w.Helper()
	var o simulator.Options
	for i := range accounts {
		o.Accounts = append(o.Accounts, simulator.Account{Address: accounts[i].Address().String(), Password: newPassword})
	}
	mailboxes, err := simulator.Start(w.Context(), o)
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(mailboxes.Close)
	for i := range accounts {
		a := &accounts[i]
		a.IMAP, a.IMAPTLS, a.Roots = mailboxes.IMAPAddr(), relay.TLSStartTLS, mailboxes.RootPEM()
	}
}

// mend lets a provider work from now on.
func (w *world) mend(p *provider) {
	w.Helper()
	if p.absent {
		p.sink = programtest.StartSinkAt(w.T, p.addr.String(), nil)
	}
	close(p.mending.done)
}

// await waits until a condition holds, and says what became of it if it does not.
func (w *world) await(what string, holds func() bool) {
	w.Helper()
	deadline := time.NewTimer(2 * programtest.Patience)
	defer deadline.Stop()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-deadline.C:
			w.Fatalf("%s: it never came to that", what)
		case <-tick.C:
		}
	}
}
