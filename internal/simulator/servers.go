package simulator

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"
)

// servers owns the goroutines that accept connections, and those that wait for
// their time.
type servers struct {
	running   sync.WaitGroup
	accepting sync.WaitGroup
	listeners []net.Listener

	mu    sync.Mutex
	over  bool
	ended chan struct{}
}

func newServers() *servers { return &servers{ended: make(chan struct{})} }

// serve accepts connections until close.
func (s *servers) serve(l net.Listener, serve func(net.Listener) error) {
	s.listeners = append(s.listeners, l)
	s.accepting.Go(func() {
		serve(l) //nolint:errcheck // it returns when the listener is closed
	})
}

// later does something after a while, unless everything ends before.
func (s *servers) later(delay time.Duration, do func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return
	}
	s.running.Go(func() {
		timer := time.NewTimer(delay)
		defer timer.Stop()
		select {
		case <-timer.C:
			do()
		case <-s.ended:
		}
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
	if s.end() {
		for _, l := range s.listeners {
			l.Close() //nolint:errcheck // it is over
		}
		s.accepting.Wait() // go-imap's Close must not overtake a Serve that has just begun
		end()
	}
	s.accepting.Wait()
	s.running.Wait()
}

// end tells everybody that it is over; it is true for the first who says so.
func (s *servers) end() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return false
	}
	s.over = true
	close(s.ended)
	return true
}

// logger gives the libraries' own messages to slog.
type logger struct{ to *slog.Logger }

// Printf logs a library's message.
func (l logger) Printf(format string, args ...any) {
	l.to.Debug("simulator", "detail", fmt.Sprintf(format, args...))
}

// Println logs a library's message.
func (l logger) Println(args ...any) { l.to.Debug("simulator", "detail", fmt.Sprint(args...)) }

// Write logs a line of net/http.
func (l logger) Write(line []byte) (int, error) {
	l.to.Debug("simulator", "detail", string(line))
	return len(line), nil
}
