package simulator

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"sync"
)

// servers owns the goroutines that accept connections.
type servers struct {
	once      sync.Once
	running   sync.WaitGroup
	listeners []net.Listener
	ended     chan struct{}
}

func newServers() *servers { return &servers{ended: make(chan struct{})} }

// serve accepts connections until close.
func (s *servers) serve(l net.Listener, serve func(net.Listener) error) {
	s.listeners = append(s.listeners, l)
	s.running.Go(func() {
		serve(l) //nolint:errcheck // it returns when the listener is closed
	})
}

// closeWith ends everything when ctx ends.
func (s *servers) closeWith(ctx context.Context, closeAll func()) {
	stop := context.AfterFunc(ctx, closeAll)
	s.running.Go(func() {
		<-s.ended
		stop()
	})
}

// close ends the servers and waits for their goroutines.
func (s *servers) close(end func()) {
	s.once.Do(func() {
		close(s.ended)
		for _, l := range s.listeners {
			l.Close() //nolint:errcheck // it is over
		}
		end()
	})
	s.running.Wait()
}

// logger gives the libraries' own messages to slog.
type logger struct{ to *slog.Logger }

// Printf logs a library's message.
func (l logger) Printf(format string, args ...any) {
	l.to.Debug("simulator", "detail", fmt.Sprintf(format, args...))
}

// Println logs a library's message.
func (l logger) Println(args ...any) { l.to.Debug("simulator", "detail", fmt.Sprint(args...)) }
