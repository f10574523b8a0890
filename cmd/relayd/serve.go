package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/relayd/relayd/internal/config"
	"github.com/relayd/relayd/internal/maillog"
)

// newServe runs relayd.
func newServe(e *environment) *cobra.Command {
	return &cobra.Command{
		Use: "serve", Short: "Run relayd", Args: exactly(),
		Long: `serve runs relayd until SIGTERM or Ctrl-C: then clients that are idle are told to
come again, running transactions finish, and the program ends with status 0.
SIGHUP reads certificates and configuration again.

Without a configuration it serves this machine only, on ports that need no rights.`,
		RunE: func(c *cobra.Command, _ []string) error { return serve(c.Context(), e) },
	}
}

// serve assembles the program and runs it, anew after each reload that asks for it.
// A configuration with which it cannot start, such as one whose port is taken, is
// told of, and the program goes on with the one before.
func serve(ctx context.Context, e *environment) error {
	cfg, err := e.loadConfig()
	if err != nil {
		return err
	}
	levels, mail := new(slog.LevelVar), new(atomic.Pointer[maillog.Log])
	out := logger(e.stderr, cfg.Log.Format, levels)
	mail.Store(maillog.New(out))
	reload := e.watchReload(ctx, mail.Load, levels)
	for proven := cfg; ; {
		levels.Set(level(cfg.Log.Level))
		err := serveOnce(ctx, cfg, out, reload, func(p *program) {
			proven = cfg
			e.welcome(p)
		})
		var again *reassembleError
		switch {
		case errors.As(err, &again):
			cfg = again.cfg
		case err != nil && cfg != proven && ctx.Err() == nil:
			mail.Load().ReloadFailed(err)
			cfg = proven
		default:
			return err
		}
		out = logger(e.stderr, cfg.Log.Format, levels)
		mail.Store(maillog.New(out))
	}
}

func serveOnce(ctx context.Context, cfg *config.Config, out *slog.Logger, reload <-chan *config.Config, opened func(*program)) error {
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	p, err := assemble(life, cfg, out)
	if err != nil {
		return err
	}
	err = p.run(ctx, reload, opened)
	end()
	return errors.Join(err, p.close())
}

// watchReload reads the configuration again at each SIGHUP and hands it on. A
// configuration that is not good is told of and changes nothing.
func (e *environment) watchReload(ctx context.Context, mail func() *maillog.Log, levels *slog.LevelVar) <-chan *config.Config {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	reload := make(chan *config.Config)
	go func() {
		defer signal.Stop(hangups)
		for {
			select {
			case <-ctx.Done():
				return
			case <-hangups:
			}
			cfg, err := e.loadConfig()
			if err == nil {
				err = inspect(cfg)
			}
			if err != nil {
				mail().ReloadFailed(err)
				continue
			}
			levels.Set(level(cfg.Log.Level))
			select {
			case reload <- cfg:
			case <-ctx.Done():
			}
		}
	}()
	return reload
}

func logger(w io.Writer, format string, levels *slog.LevelVar) *slog.Logger {
	o := &slog.HandlerOptions{Level: levels}
	if format == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}

// welcome tells somebody who just tries relayd, without a configuration, what to do
// next.
func (e *environment) welcome(p *program) {
	if e.configPath() != "" {
		return
	}
	for _, l := range p.cfg.Listeners {
		fmt.Fprintf(e.stdout, "Applications submit mail to %s (%s).\n", p.smtpd.Addr(l.Name), l.Mode) //nolint:errcheck // nothing depends on it
	}
	//nolint:errcheck // nothing depends on it
	fmt.Fprint(e.stdout, `relayd runs with its defaults, for this machine only. In another terminal:

  relayd organisation create Acme --domain acme.example
  relayd submitter create crm --organisation Acme --whole-organisation
  relayd token create me

"relayd demo" shows the main job without any set-up. README.md goes on from here.
`)
}
