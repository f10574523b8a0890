package admin

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
)

// listener is one place where the API can be reached.
type listener struct {
	net.Listener
	server *http.Server
	end    func() // what is left to do after the listener was closed
}

// Listen opens the listeners, so that a port in use is found before relayd says
// that it started. Run calls it if nobody did.
func (s *Server) Listen(ctx context.Context) error {
	if err := s.listen(ctx); err != nil {
		return errors.Join(err, s.closeAll())
	}
	return nil
}

func (s *Server) listen(ctx context.Context) error {
	if s.opt.Address != "" {
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", s.opt.Address)
		if err != nil {
			return fmt.Errorf("open the admin listener: %w", err)
		}
		if s.opt.TLS != nil {
			l = tls.NewListener(newLimited(l, s.opt.MaxConnections), s.opt.TLS)
		} else {
			l = newLimited(l, s.opt.MaxConnections)
		}
		s.add(l, nil, func() {})
	}
	if s.opt.Socket != "" {
		l, err := listenSocket(ctx, s.opt.Socket)
		if err != nil {
			return fmt.Errorf("open the admin socket %s: %w", s.opt.Socket, err)
		}
		// The listener is closed by then; a socket that is gone already is no harm.
		s.add(newLimited(l, s.opt.MaxConnections), localCaller, func() { _ = os.Remove(s.opt.Socket) })
	}
	return nil
}

func (s *Server) add(l net.Listener, conn func(context.Context, net.Conn) context.Context, end func()) {
	s.listeners = append(s.listeners, &listener{Listener: l, end: end, server: &http.Server{
		Handler:           s.handler,
		ConnContext:       conn,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       s.opt.RequestTimeout,
		WriteTimeout:      s.opt.RequestTimeout + readHeaderTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		Protocols:         http1(),
		// Broken handshakes and the like are the peer's matter.
		ErrorLog: slog.NewLogLogger(s.opt.Log.Handler(), slog.LevelDebug),
	}})
}

// http1 leaves HTTP/2 out: people and scripts gain nothing from it here, and it
// has limits of its own that would have to be guarded (attacks R10).
func http1() *http.Protocols {
	p := new(http.Protocols)
	p.SetHTTP1(true)
	return p
}

// Addr is where the TCP listener listens; nil without one.
func (s *Server) Addr() net.Addr {
	for _, l := range s.listeners {
		if a, ok := l.Addr().(*net.TCPAddr); ok {
			return a
		}
	}
	return nil
}

// Run serves until ctx ends, then lets running requests finish for at most
// Options.ShutdownTimeout. Its error is nil after an ordinary end.
func (s *Server) Run(ctx context.Context) error {
	if len(s.listeners) == 0 {
		if err := s.Listen(ctx); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var serving sync.WaitGroup
	for _, l := range s.listeners {
		serving.Go(func() {
			if err := l.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				cancel(fmt.Errorf("serve the admin API on %s: %w", l.Addr(), err))
			}
		})
	}
	<-ctx.Done()
	err := s.shutdown(context.WithoutCancel(ctx))
	serving.Wait()
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) && !errors.Is(cause, context.DeadlineExceeded) {
		return errors.Join(cause, err)
	}
	return err
}

// shutdown ends the listeners, at first politely.
func (s *Server) shutdown(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.opt.ShutdownTimeout)
	defer cancel()
	for _, l := range s.listeners {
		if err := l.server.Shutdown(ctx); err != nil {
			s.opt.Log.WarnContext(ctx, "admin requests were broken off", "error", err)
		}
	}
	return s.closeAll()
}

func (s *Server) closeAll() error {
	var errs []error
	for _, l := range s.listeners {
		errs = append(errs, l.server.Close())
		// Serve closes it as well; whichever comes second has nothing to do.
		if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
		l.end()
	}
	s.listeners = nil
	return errors.Join(errs...)
}
