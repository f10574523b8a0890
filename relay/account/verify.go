package account

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/relayd/relayd/internal/mailbox"
	"github.com/relayd/relayd/internal/smtpwire"
	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
)

// errTooLong ends a verification that took longer than Options.TotalTimeout.
var errTooLong = errors.New("the verification took too long")

// Verify starts to prove an account and returns at once; Progress and Watch tell
// how it goes. by is who asked. It returns store.ErrNotFound if there is no such
// account, store.ErrInUse if a verification of it runs, and a *relay.FieldError
// that names what is missing.
func (s *Service) Verify(ctx context.Context, id, by string) error {
	c, err := s.Credentials(ctx, id, relay.ResourceMail)
	if err != nil {
		return err
	}
	if err := check(&c.Account, c.Password); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx.Err() != nil {
		return fmt.Errorf("verify account %s: %w", id, errClosing)
	}
	running, cancel := context.WithCancelCause(s.ctx)
	p := newProgress(id, cancel)
	if !s.remember(id, p) {
		cancel(nil)
		return fmt.Errorf("a verification of account %s runs: %w", id, store.ErrInUse)
	}
	s.running.Go(func() {
		defer cancel(nil)
		s.verify(running, &verification{s: s, c: c, p: p, by: by})
	})
	return nil
}

// verification is one run of Verify.
type verification struct {
	s  *Service
	c  *relay.Credentials
	p  *progress
	by string

	client *smtpwire.Client
	box    *mailbox.Mailbox
	refuse *trouble // the sign-in to the server for reading was refused
	sent   string   // name of the Sent folder; empty if there is none
	loop   loopMail
	card   relay.Card
}

// step is one line of progress. do gives what was found, or what is wrong.
type step struct {
	name, label string
	do          func(*verification, context.Context) (found string, wrong *problem)
}

// steps are the steps of a verification, in their order.
func steps() []step {
	return []step{
		{"smtp.connect", "Connect to the outgoing server", (*verification).connectSMTP},
		{"smtp.auth", "Sign in to the outgoing server", (*verification).authSMTP},
		{"smtp.sender", "Ask whether the address may be used as sender", (*verification).askSender},
		{"imap.connect", "Connect to the incoming server", (*verification).connectIMAP},
		{"imap.auth", "Sign in to the incoming server", (*verification).authIMAP},
		{"imap.sent", "Find the folder for sent mail", (*verification).findSent},
		{"loop.send", "Send a mail to the own address", (*verification).sendLoop},
		{"loop.find", "Wait for that mail", (*verification).findLoop},
		{"loop.sent", "See whether the provider files sent mail itself", (*verification).watchSent},
		{"loop.clean", "Remove that mail again", (*verification).clean},
	}
}

// verify takes the steps, and writes down how it ended.
func (s *Service) verify(ctx context.Context, v *verification) {
	select {
	case s.workers <- struct{}{}:
		defer func() { <-s.workers }()
	case <-ctx.Done():
		v.broken(context.Cause(ctx))
		return
	}
	ctx, stop := context.WithTimeoutCause(ctx, s.o.TotalTimeout, errTooLong)
	defer stop()
	s.o.Observer.CredentialUsed(&v.c.Account, "verify", v.c.Account.SMTP.Host)
	wrong := v.take(ctx)
	cause := context.Cause(ctx)
	v.close(ctx) // whoever reads how it ended finds the mailbox as it was
	switch {
	case cause != nil:
		v.broken(cause)
	case wrong != nil:
		v.failed(wrong)
	default:
		v.succeeded(ctx)
	}
}

// take takes the steps until one fails or ctx ends.
func (v *verification) take(ctx context.Context) *problem {
	for _, step := range steps() {
		v.p.step(step.name, relay.VerificationRunning, "")
		found, wrong := step.do(v, ctx)
		if ctx.Err() != nil {
			return nil
		}
		if wrong != nil {
			v.p.step(step.name, relay.VerificationFailed, wrong.message)
			return wrong
		}
		v.p.step(step.name, relay.VerificationDone, found)
	}
	return nil
}

func (v *verification) close(ctx context.Context) {
	if v.loop.sent && !v.loop.removed {
		v.tidy(ctx)
	}
	if v.client != nil {
		v.client.Close() //nolint:errcheck // it is over
	}
	if v.box != nil {
		v.box.Close(ctx)
	}
}

// failed ends a verification at a step that found something wrong.
func (v *verification) failed(wrong *problem) {
	v.s.o.Observer.AccountNotVerified(&v.c.Account, v.by, wrong.field, wrong.message)
	v.p.end(relay.VerificationFailed, wrong.field, wrong.message)
}

// broken ends a verification whose context ended.
func (v *verification) broken(cause error) {
	switch {
	case errors.Is(cause, errCancelled):
		v.p.end(relay.VerificationCancelled, "", "The verification was cancelled.")
	case errors.Is(cause, errTooLong):
		v.failed(&problem{message: "The servers answer too slowly for a verification: try again later."})
	default:
		v.p.end(relay.VerificationCancelled, "", "relayd was shut down: start the verification again.")
	}
}

// succeeded writes what was found into the account, unless its settings were
// changed meanwhile: then what was proved is no longer what is there.
func (v *verification) succeeded(ctx context.Context) {
	now := time.Now()
	v.card.VerifiedAt = now
	a, changed, err := v.s.update(context.WithoutCancel(ctx), v.c.Account.ID, func(a *relay.Account) bool {
		if a.Version != v.c.Account.Version || !a.Address.Equal(v.c.Account.Address) {
			return false
		}
		restore(a, relay.AccountVerified, "", now)
		a.Card = v.card
		return true
	})
	switch {
	case err != nil:
		v.s.o.Observer.AccountNotVerified(&v.c.Account, v.by, "", err.Error())
		v.p.end(relay.VerificationFailed, "", "Everything works, but the result could not be written down: try again.")
	case !changed:
		v.failed(&problem{message: "The settings were changed during the verification: start it again."})
	default:
		v.s.o.Observer.AccountVerified(a, v.by)
		v.p.end(relay.VerificationDone, "", "The account works.")
	}
}

func (v *verification) connectSMTP(ctx context.Context) (string, *problem) {
	client, t := v.s.connectSMTP(ctx, v.c)
	if t != nil {
		return "", t.explain()
	}
	v.client, v.card.SMTPHost = client, client.Banner()
	return v.c.Account.SMTP.Host + ", " + describeTLS(client.TLS()), nil
}

func (v *verification) authSMTP(ctx context.Context) (string, *problem) {
	t := v.s.authSMTP(ctx, v.client, v.c)
	if t == nil {
		return "as " + v.c.SMTPLogin(), nil
	}
	wrong := t.explain()
	if wrong.field == "password" {
		v.compareLogins(ctx, wrong)
	}
	return "", wrong
}

// compareLogins asks the other server: if it takes the password, the password is
// right and the user name or the right to send is what is wrong.
func (v *verification) compareLogins(ctx context.Context, wrong *problem) {
	box, t := v.s.openIMAP(ctx, v.c)
	if t != nil {
		return
	}
	box.Close(ctx)
	wrong.field = "smtp.login"
	wrong.message = fmt.Sprintf("The incoming server takes this password, but the outgoing server %s refuses it for the user name %s: "+
		"check the user name, and whether the provider allows sending by SMTP.", v.c.Account.SMTP.Host, v.c.SMTPLogin())
}

func (v *verification) askSender(ctx context.Context) (string, *problem) {
	if err := v.client.Probe(ctx, v.c.Account.Address, v.c.Account.Address); err != nil {
		return "", v.s.troubleOfSMTP(v.c, err, true).explain()
	}
	return v.c.Account.Address.String(), nil
}

// connectIMAP opens the mailbox. A refused sign-in is the next step's.
func (v *verification) connectIMAP(ctx context.Context) (string, *problem) {
	box, t := v.s.openIMAP(ctx, v.c)
	switch {
	case t == nil:
		v.box, v.card.UIDPlus = box, box.UIDPlus()
		peer := box.Peer()
		if peer.TLS == "" {
			return peer.Host + ", without TLS", nil
		}
		return fmt.Sprintf("%s, %s, certificate for %s", peer.Host, peer.TLS, peer.Certificate), nil
	case t.where == relay.AtAuth:
		v.refuse = t
		return v.c.Account.IMAP.Host, nil
	}
	return "", t.explain()
}

func (v *verification) authIMAP(context.Context) (string, *problem) {
	if v.refuse == nil {
		return "as " + v.c.IMAPLogin(), nil
	}
	wrong := v.refuse.explain()
	if wrong.field == "password" { // the outgoing server took it
		wrong.field = "imap.login"
		wrong.message = fmt.Sprintf("The outgoing server takes this password, but the incoming server %s refuses it for the user name %s: "+
			"check the user name, and whether IMAP is switched on in the mailbox's settings.", v.c.Account.IMAP.Host, v.c.IMAPLogin())
	}
	return "", wrong
}

func (v *verification) findSent(ctx context.Context) (string, *problem) {
	folder, err := v.box.FindSent(ctx, v.c.Account.SentFolder)
	switch {
	case errors.Is(err, mailbox.ErrNoSent):
		return "there is none yet; it is made with the first copy", nil
	case errors.Is(err, mailbox.ErrNoFolder):
		return "", &problem{field: "sent_folder", message: fmt.Sprintf("The mailbox has no folder %q: choose another one, or none.", v.c.Account.SentFolder)}
	case err != nil:
		return "", v.s.troubleOfIMAP(v.c, err).explain()
	}
	v.sent, v.card.SentFolder = folder.Name, folder.Name
	return folder.Name, nil
}
