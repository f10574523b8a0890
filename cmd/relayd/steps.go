package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/relayd/relayd/internal/mailaddr"
	"github.com/relayd/relayd/internal/smtpwire"
	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/relay/direct"
	"github.com/relayd/relayd/relay/queue"
	"github.com/relayd/relayd/relay/report"
	"github.com/relayd/relayd/relay/route"
	"github.com/relayd/relayd/relay/sent"
	"github.com/relayd/relayd/relay/upstream"
)

// buildRoutes makes step 5 and the deliverers of step 6 and 7.
func (p *program) buildRoutes(context.Context) error {
	p.route = route.New(route.Options{Directory: p.directory, NoDirect: !p.cfg.Direct.Enabled})
	up := p.cfg.Upstream
	p.upstream = upstream.New(upstream.Options{
		Dialer: p.guard, Accounts: p.directory.Accounts(), Credentials: p.accounts, Classifier: p.rules,
		Hello: p.hostname, Metrics: upstreamMetrics{p.metrics}, Ledger: &p.ledger, Health: p.accounts,
		Web: p.web, LimitsOf: p.limits,
		Roots: p.roots, AllowPlain: p.guard.PlainAllowed,
		MaxPerAccount: p.cfg.Queue.PerAccount, MaxTotal: up.MaxConnections, MaxMessages: up.MaxMessages,
		MaxAge: up.MaxAge, IdleTimeout: up.IdleTimeout, MaxRecipients: up.MaxRecipients,
		Timeouts: timeouts(up.CommandTimeout, up.FinalTimeout),
	})
	p.direct = direct.New(p.directOptions())
	p.sent = sent.New(sent.Options{
		Accounts: p.directory.Accounts(), Credentials: p.accounts, Classifier: p.rules, Dialer: p.guard,
		Web: p.web, Health: p.accounts, Learner: p.accounts, MayFile: p.mayFile,
		Roots: p.roots, PlainAllowed: p.guard.PlainAllowed,
		PerAccount: p.cfg.Sent.PerMailbox, IdleTime: p.cfg.Sent.IdleTimeout, Recheck: p.cfg.Sent.Recheck, ConnectTimeout: up.ConnectTimeout,
	})
	return nil
}

func (p *program) directOptions() direct.Options {
	d := p.cfg.Direct
	o := direct.Options{
		Dialer: p.guard, Resolver: p.resolver, Classifier: p.rules.Direct(), Log: p.out,
		Keys:     signingKeys{box: p.box, directory: p.directory},
		Hostname: d.HelloName, OwnNames: []string{p.hostname}, SigningDomain: d.SigningDomain,
		Port: uint16(d.Port), ClearOnly: d.TLS == "off", //nolint:gosec // the configuration allows 1 to 65535
		MaxAddresses: d.MaxHosts, ConnectTimeout: d.ConnectTimeout,
		Timeouts: timeouts(p.cfg.Upstream.CommandTimeout, p.cfg.Upstream.FinalTimeout),
		Pool: direct.PoolOptions{
			IdleTimeout: d.IdleTimeout, MaxUses: d.MaxMessages, PerAddress: p.cfg.Queue.PerDestination, MaxIdle: d.MaxIdle,
		},
		Connected: func(reused bool, _ string) { p.metrics.Connection(relay.RouteDirect, reused) },
	}
	if o.Hostname == "" {
		o.Hostname = p.hostname
	}
	return o
}

// timeouts are those of RFC 5321 §4.5.3.2, as far as the configuration changes
// them.
func timeouts(command, final time.Duration) smtpwire.ClientTimeouts {
	return smtpwire.ClientTimeouts{Command: command, Mail: command, Rcpt: command, DataEnd: final}
}

// buildConductor makes the conductor, and step 8, whose reports go into the queue
// through it.
func (p *program) buildConductor(ctx context.Context) error {
	hint := func(rule string) string {
		if text := direct.Hint(rule); text != "" {
			return text
		}
		return p.rules.Hint(rule)
	}
	from, err := reportSender(p.cfg.Reports.From)
	if err != nil {
		return err
	}
	q, s := p.cfg.Queue, p.cfg.Sent
	p.report = report.New(report.Options{
		Spool: spoolFunc(func(ctx context.Context, m *relay.Message, key func() relay.SubmissionKey, content io.Reader) (relay.ID, error) {
			return p.conductor.Put(ctx, m, key, content)
		}),
		Hostname: p.hostname, From: from, Hint: hint,
		GiveUpAfter: q.GiveUpAfter, MaxContent: int64(p.cfg.Reports.MaxReturned),
	})
	jitter := float64(q.JitterPercent) / 100
	p.conductor = queue.New(queue.Options{
		Store: p.spool, Router: p.route, Filer: p.sent, Reporter: p.report,
		Deliverers: map[relay.RouteKind]queue.Deliverer{
			relay.RouteAccount: p.upstream, relay.RouteDirect: p.direct, relay.RouteInbox: p.sent,
		},
		Accounts: accountNews{p.accounts, ctx.Done(), p.directory},
		Observer: observers{p.mail, p.metrics, &quotaWatch{p: p, asleep: map[string]time.Time{}}},
		Backoff:  queue.Backoff{Steps: q.Retry, Then: q.RetryThen, GiveUpAfter: q.GiveUpAfter, Jitter: jitter},
		CopyBackoff: queue.Backoff{
			Steps: s.Retry, Then: s.RetryThen, GiveUpAfter: s.GiveUpAfter, Jitter: jitter,
		},
		NoCopies: !s.Enabled, DelayAfter: q.DelayNoticeAfter, UnknownWait: q.UnknownWait,
		Attempts: q.Workers, PerAccount: q.PerAccount, PerDestination: q.PerDestination, PerMailbox: s.PerMailbox,
		Grace: p.cfg.DrainTimeout,
	})
	return nil
}

// spoolFunc is a spool as a function: reports go through the conductor, which is
// made after the step that writes them.
type spoolFunc func(context.Context, *relay.Message, func() relay.SubmissionKey, io.Reader) (relay.ID, error)

func (f spoolFunc) Put(ctx context.Context, m *relay.Message, key func() relay.SubmissionKey, content io.Reader) (relay.ID, error) {
	return f(ctx, m, key, content)
}

func reportSender(configured string) (relay.Address, error) {
	if configured == "" {
		return relay.Address{}, nil // report's default: postmaster at hostname
	}
	a, err := mailaddr.Parse(configured)
	if err != nil {
		return relay.Address{}, fmt.Errorf("reports.from: %w", err)
	}
	return a, nil
}
