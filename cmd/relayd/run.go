package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"time"

	"github.com/relayd/relayd/internal/config"
	"github.com/relayd/relayd/internal/metrics"
	"github.com/relayd/relayd/store"
)

// reassembleError ends run because a new configuration asks for another program.
type reassembleError struct{ cfg *config.Config }

func (*reassembleError) Error() string { return "the configuration changed" }

// run opens the listeners and works until ctx is done, a part fails, or a reload
// needs the program to be assembled anew. The order of the end: no new mail, no new
// attempts, then the rest. reload has a value whenever somebody asks for one; opened
// is called once everything listens.
func (p *program) run(ctx context.Context, reload <-chan *config.Config, opened func(*program)) error {
	if err := p.conductor.Load(ctx); err != nil {
		return err
	}
	if err := p.admin.Listen(ctx); err != nil {
		return err
	}
	if err := p.smtpd.Listen(ctx); err != nil {
		return err
	}
	p.guard.SetOwn(p.own())
	p.announce(ctx)
	opened(p)
	ended := make(chan error, 1)
	serving, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	go func() { ended <- p.runParts(serving) }()
	for {
		select {
		case err := <-ended:
			return err
		case <-p.spool.Failed():
			return p.stopUnknown("queue")
		case <-p.directory.Failed():
			return p.stopUnknown("directory")
		case cfg := <-reload:
			if !p.apply(cfg) {
				again := &reassembleError{cfg}
				stop(again)
				if err := <-ended; err != nil {
					return err
				}
				return again
			}
		}
	}
}

// stopUnknown ends the program without an answer to anybody: what the disk holds is
// unknown until it is read again (promise G2).
func (p *program) stopUnknown(what string) error {
	return fmt.Errorf("%s: %w; relayd ends now, so that the next start reads what is really there", what, store.ErrUnknown)
}

// runParts runs what works, in layers. The entrance ends first, then the conductor,
// which finishes what runs, then what both need. A part that fails ends all.
func (p *program) runParts(ctx context.Context) error {
	entrance, endEntrance := context.WithCancel(ctx)
	work, endWork := context.WithCancel(context.WithoutCancel(ctx))
	base, endBase := context.WithCancel(context.WithoutCancel(ctx))
	parts := []struct {
		ctx context.Context
		run func(context.Context) error
		end context.CancelFunc // of the next layer
	}{
		{entrance, p.smtpd.Run, endWork},
		{work, p.conductor.Run, endBase},
		{base, p.upstream.Run, endEntrance},
		{base, p.books.Run, endEntrance},
		{base, p.accounts.Run, endEntrance},
		{base, p.tokens.Run, endEntrance},
		{base, p.parkEnded, endEntrance},
		{base, p.notices.Run, endEntrance},
		{base, p.webhooks.Run, endEntrance},
		{base, p.tellAgain, endEntrance},
		{base, p.admin.Run, endEntrance},
	}
	asked := make(chan time.Time, 1)
	context.AfterFunc(entrance, func() {
		p.mail.Draining(context.Cause(entrance).Error())
		asked <- time.Now()
	})
	results := make(chan error)
	for _, part := range parts {
		go func() {
			err := part.run(part.ctx)
			part.end()
			results <- err
		}()
	}
	errs := make([]error, len(parts))
	for i := range parts {
		errs[i] = <-results
	}
	p.mail.Drained(p.spool.Usage().Messages, time.Since(<-asked))
	return errors.Join(errs...)
}

// announce tells where relayd listens, and as long as the API has no token how to
// make the first.
func (p *program) announce(ctx context.Context) {
	p.mail.Started(build().Version, p.cfg.DataDir)
	for _, l := range p.cfg.Listeners {
		p.mail.Listening("submission", l.Name, p.smtpd.Addr(l.Name).String(), l.Mode)
	}
	a := p.admin.Addr()
	if a == nil {
		return
	}
	mode := "http"
	if p.cfg.Admin.Certificate != "" {
		mode = "https"
	}
	p.mail.Listening("admin", "api", a.String(), mode)
	if tokens, err := p.directory.Tokens().List(ctx, "", 1); err == nil && len(tokens) == 0 {
		p.mail.NoToken()
	}
}

// apply puts a new configuration into force where that is possible while everything
// runs, and reports false if the program has to be assembled anew.
func (p *program) apply(cfg *config.Config) bool {
	if fingerprint(cfg) != p.files {
		return false
	}
	if err := p.keeper.Reload(); err != nil {
		p.mail.ReloadFailed(err)
	}
	old := *p.cfg
	next := *cfg
	old.Network, next.Network = config.Network{}, config.Network{}
	old.Log.Level, next.Log.Level = "", ""
	if !reflect.DeepEqual(old, next) {
		return false
	}
	p.cfg = cfg
	p.guard.SetRules(p.networkRules())
	p.mail.Reloaded()
	return true
}

func (p *program) queueState() metrics.QueueState {
	usage := p.spool.Usage()
	s := metrics.QueueState{Messages: usage.Messages, Bytes: usage.Bytes, Held: int64(p.conductor.Held())}
	if oldest := p.conductor.Oldest(); !oldest.IsZero() {
		s.Oldest = time.Since(oldest).Seconds()
	}
	return s
}

// level gives the log level of the configuration.
func level(text string) slog.Level {
	var l slog.Level
	if err := l.UnmarshalText([]byte(text)); err != nil {
		return slog.LevelInfo // config has checked it
	}
	return l
}
