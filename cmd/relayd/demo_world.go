package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/relayd/relayd/internal/config"
	"github.com/relayd/relayd/internal/simulator"
)

const (
	demoHostname = "relay.acme.example"
	demoListener = "submission"
)

// demoWorld is everything around relayd in the demonstration.
type demoWorld struct {
	dir      string // of relayd's data
	logFile  string
	log      *os.File
	mx       *simulator.MX
	provider *simulator.Simulator
	dns      *simulator.DNS
}

func startWorld(ctx context.Context) (w *demoWorld, err error) {
	w = &demoWorld{}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.close())
		}
	}()
	if w.dir, err = os.MkdirTemp("", "relayd-demo-"); err != nil {
		return nil, fmt.Errorf("make a temporary directory: %w", err)
	}
	w.logFile = filepath.Join(w.dir, "relayd.log")
	if w.log, err = os.Create(w.logFile); err != nil {
		return nil, fmt.Errorf("make the log: %w", err)
	}
	quiet := slog.New(slog.NewTextHandler(w.log, nil))
	w.mx, err = simulator.StartMX(ctx, simulator.MXOptions{Names: []string{"mx.world.example"}, Domains: []string{demoBob.Domain}, Logger: quiet})
	if err != nil {
		return nil, fmt.Errorf("start the world's mail server: %w", err)
	}
	w.provider, err = simulator.Start(ctx, simulator.Options{
		Accounts: []simulator.Account{{Address: demoJane.String(), Password: demoPassword}},
		Forward:  w.mx.Take, Logger: quiet,
	})
	if err != nil {
		return nil, fmt.Errorf("start the mail provider: %w", err)
	}
	w.dns, err = simulator.StartDNS(ctx, "127.0.0.1", "world.example. MX 10 mx.world.example.\nmx.world.example. A 127.0.0.1\n")
	return w, err
}

func (w *demoWorld) close() error {
	if w.dns != nil {
		w.dns.Close()
	}
	if w.provider != nil {
		w.provider.Close()
	}
	if w.mx != nil {
		w.mx.Close()
	}
	var err error
	if w.log != nil {
		err = w.log.Close()
	}
	if w.dir != "" {
		err = errors.Join(err, os.RemoveAll(w.dir))
	}
	return err
}

// config is the configuration of the demo: the defaults, on free ports, allowed to
// reach the simulated world.
func (w *demoWorld) config() (*config.Config, error) {
	roots := filepath.Join(w.dir, "provider-ca.pem")
	if err := os.WriteFile(roots, w.provider.RootPEM(), 0o600); err != nil {
		return nil, fmt.Errorf("write the provider's authority: %w", err)
	}
	free := netip.MustParseAddrPort("127.0.0.1:0")
	c := config.Default()
	c.Hostname, c.DataDir = demoHostname, w.dir
	c.Listeners = []config.Listener{{Name: demoListener, Address: free, Mode: "starttls"}}
	// A demonstration need not reserve the room of a relay.
	c.Spool.SegmentSize, c.Spool.InlineSize = 4*config.MiB, 512*config.KiB
	c.Upstream.RootsFile = roots
	c.Direct.Port = port(w.mx.Addr())
	c.DNS.Servers = []string{w.dns.Addr()}
	c.Network.Allow = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	for _, a := range []net.Addr{w.mx.Addr(), w.provider.SubmissionAddr(), w.provider.IMAPAddr()} {
		c.Network.Ports = append(c.Network.Ports, uint16(port(a))) //nolint:gosec // a TCP port
	}
	c.Admin.Enabled = false
	return c, nil
}

func port(a net.Addr) int {
	if tcp, ok := a.(*net.TCPAddr); ok {
		return tcp.Port
	}
	return 0
}

// demoRelayd is relayd itself, in this process.
type demoRelayd struct {
	program *program
	end     context.CancelFunc
	ended   chan struct{}
	err     error // after ended
}

func (w *demoWorld) startRelayd(ctx context.Context) (*demoRelayd, error) {
	cfg, err := w.config()
	if err != nil {
		return nil, err
	}
	ctx, end := context.WithCancel(ctx)
	r := &demoRelayd{end: end, ended: make(chan struct{})}
	opened := make(chan *program, 1)
	go func() {
		defer close(r.ended)
		r.err = serveOnce(ctx, cfg, slog.New(slog.NewTextHandler(w.log, nil)), nil, func(p *program) { opened <- p })
	}()
	select {
	case r.program = <-opened:
		return r, nil
	case <-r.ended:
		end()
		return nil, r.err
	}
}

func (r *demoRelayd) stop() error {
	r.end()
	<-r.ended
	return r.err
}
