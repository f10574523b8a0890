package main

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"time"

	"github.com/relayd/relayd/internal/maillog"
	"github.com/relayd/relayd/internal/metrics"
	"github.com/relayd/relayd/internal/smtpwire"
	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/relay/accept"
	"github.com/relayd/relayd/relay/auth"
	"github.com/relayd/relayd/relay/queue"
	"github.com/relayd/relayd/relay/smtpd"
	"github.com/relayd/relayd/store"
)

// The purposes for which keys are derived from the master key. Changing one makes
// what it protects worthless.
const (
	purposePasswords = "submitter passwords"
	purposeLoops     = "loop marks"
)

// buildEntrance makes steps 1 to 3: listen, authenticate, accept.
func (p *program) buildEntrance(context.Context) (err error) {
	p.auth, err = auth.New(auth.Options{Directory: p.directory, Key: p.box.Derive(purposePasswords)})
	if err != nil {
		return err
	}
	lim := p.cfg.Limits
	p.accept, err = accept.New(accept.Options{
		Spool: acceptSpool{p.conductor, p.spool}, Directory: p.directory, Hostname: p.hostname, LoopKey: p.box.Derive(purposeLoops),
		ShowClient:     p.cfg.Accept.ShowClientAddress,
		MaxHeaderBytes: int(lim.HeaderSize), MaxHeaderFields: lim.HeaderFields, MaxReceived: lim.ReceivedHops,
		MaxMessages: int64(p.cfg.Spool.MaxMessages), MaxBytes: int64(p.cfg.Spool.MaxBytes),
		FreeDisk: p.data.Free, MinFreeDisk: int64(p.cfg.Spool.MinFreeDisk),
		Accepted: p.mail.Accepted, Repeated: p.mail.Repeated,
	})
	if err != nil {
		return err
	}
	p.smtpd, err = smtpd.New(smtpd.Options{
		Hostname: p.hostname, Listeners: p.listeners(), TLS: p.keeper.Server(),
		Authenticator: byLogin{p.auth, p.directory}, Acceptor: p.accept, Observer: entrance{p.mail, p.metrics}, Log: p.out,
		MaxConnections: lim.Connections, MaxConnectionsPerAddress: lim.ConnectionsPerAddress,
		MaxConnectionsPerSubmitter: lim.ConnectionsPerSubmitter, DrainTimeout: p.cfg.DrainTimeout,
		Wire: smtpwire.ServerOptions{
			MaxSize: int64(lim.MessageSize), MaxRecipients: lim.Recipients, MaxErrors: lim.Errors,
			MaxAuthFailures: lim.AuthAttempts, Idle: lim.IdleTimeout, Command: lim.CommandTimeout,
			Message: lim.MessageTimeout, MinRate: int64(lim.MinimumRate),
		},
	})
	return err
}

func (p *program) listeners() []smtpd.Listener {
	out := make([]smtpd.Listener, 0, len(p.cfg.Listeners))
	for _, l := range p.cfg.Listeners {
		out = append(out, smtpd.Listener{
			Name: l.Name, Address: l.Address.String(), Mode: smtpwire.Mode(l.Mode), Networks: l.Networks, Submitter: l.Submitter,
		})
	}
	return out
}

// acceptSpool is accept's spool: the conductor, so that what is accepted is also
// planned, and the queue itself for the rest.
type acceptSpool struct {
	conductor *queue.Conductor
	spool     store.Queue
}

func (s acceptSpool) Put(ctx context.Context, m *relay.Message, key func() relay.SubmissionKey, content io.Reader) (relay.ID, error) {
	return s.conductor.Put(ctx, m, key, content)
}

func (s acceptSpool) Acknowledged(id relay.ID) { s.spool.Acknowledged(id) }

func (s acceptSpool) Usage() store.Usage { return s.spool.Usage() }

// byLogin finds the submitter of a plaintext listener by the login that the
// configuration names: an id is made only when the submitter is.
type byLogin struct {
	*auth.Authenticator
	directory store.Directory
}

func (b byLogin) BySubmitterID(ctx context.Context, c relay.Client, login string) (*relay.Submitter, error) {
	s, err := b.directory.SubmitterByLogin(ctx, login)
	if err != nil {
		refusal := relay.Refuse(451, relay.Enhanced{4, 7, 0}, "This listener is not ready: its submitter does not exist yet")
		refusal.Cause = fmt.Errorf("find the submitter %q of listener %s: %w", login, c.Listener, err)
		return nil, refusal
	}
	return b.Authenticator.BySubmitterID(ctx, c, s.ID)
}

// entrance tells logs and metrics what happens at the listeners.
type entrance struct {
	log     *maillog.Log
	metrics *metrics.Metrics
}

func (e entrance) ConnectionOpened(listener string) { e.metrics.ConnectionOpened(listener) }

func (e entrance) ConnectionClosed(c relay.Client, _ int64, why error) {
	e.metrics.ConnectionClosed(c.Listener)
	if why != nil {
		e.log.ConnectionBroken(c.Listener, c.Addr, why.Error())
	}
}

func (e entrance) ConnectionRefused(listener string, c netip.AddrPort, reason string) {
	e.metrics.ConnectionRefused(reason)
	e.log.ConnectionRefused(listener, c, reason)
}

func (e entrance) SignedIn(c relay.Client, submitter, login string) {
	e.metrics.SignedIn()
	e.log.SignedIn(c, submitter, login)
}

func (e entrance) SignInFailed(c relay.Client, login string, reason error) {
	e.metrics.SignInFailed()
	e.log.SignInFailed(c, login, reason.Error())
}

func (e entrance) Refused(c relay.Client, submitter string, from relay.Address, err *relay.Error) {
	e.metrics.Refused(err.Code)
	e.log.Refused(c, submitter, from, err)
}

func (e entrance) Accepted(_ *relay.Submission, _ relay.ID, size int64, wait time.Duration) {
	e.metrics.Accepted(size, wait) // the log line is accept's, which knows the message
}
