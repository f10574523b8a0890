package peers

import (
	"io"
	"net"
	"sync"
	"testing"
)

// gate stands before a server and can be shut: then connections break, and new ones
// are refused. So one service of a provider fails while the others go on.
type gate struct {
	t       *testing.T
	address string // where it stands
	server  string // where it leads to

	mu       sync.Mutex
	listener net.Listener
	open     map[net.Conn]bool
}

// newGate makes an open gate before a server.
func (w *world) newGate(server string) *gate {
	w.t.Helper()
	g := &gate{t: w.t, server: server, address: w.at(hostGate) + ":993", open: map[net.Conn]bool{}}
	g.openUp()
	w.t.Cleanup(g.shut)
	return g
}

func (g *gate) openUp() {
	g.t.Helper()
	l, err := net.Listen("tcp", g.address)
	if err != nil {
		g.t.Fatal(err)
	}
	g.mu.Lock()
	g.listener = l
	g.mu.Unlock()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return // shut
			}
			go g.pass(c)
		}
	}()
}

// shut ends what goes through and refuses what comes.
func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.listener.Close()
	for c := range g.open {
		c.Close()
	}
	clear(g.open)
}

func (g *gate) pass(client net.Conn) {
	server, err := net.Dial("tcp", g.server)
	if err != nil {
		client.Close()
		return
	}
	g.mu.Lock()
	g.open[client], g.open[server] = true, true
	g.mu.Unlock()
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{client, server}, {server, client}} {
		both.Go(func() {
			io.Copy(way[0], way[1]) //nolint:errcheck // it ends with either side
			way[0].Close()
			way[1].Close()
		})
	}
	both.Wait()
}
