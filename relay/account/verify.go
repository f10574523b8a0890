package account

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
)

// errTooLong ends a verification that took longer than Options.TotalTimeout.
var errTooLong = errors.New("the verification took too long")

// Verify starts to prove an account, its candidate if it has one, and returns at once;
// Progress and Watch tell how it goes. by is who asked. It returns store.ErrNotFound if
// there is no such account, store.ErrInUse if a verification of it runs, and a
// *relay.FieldError that names what is missing.
func (s *Service) Verify(ctx context.Context, id, by string) error {
	a, err := s.o.Accounts.Get(ctx, id)
	if err != nil {
		return fmt.Errorf("read account %s: %w", id, err)
	}
	v := &verification{s: s, by: by, stored: a, account: a, trying: a.Candidate != nil}
	if v.trying {
		v.account = candidateOf(a)
	}
	if err := check(v.account, "", s.o.Finder != nil); err != nil {
		return err
	}
	if err := bound(v.account); err != nil {
		return err
	}
	if missing(v.account) != "" {
		return fieldError("password", "The password is not known yet: type it, or send the owner of %s a link to connect the mailbox.", v.account.Address)
	}
	return s.begin(v, v.plan())
}

// bound refuses to prove an address that nobody bound to its user where a sign-in says
// nothing about the address: an application's secret opens every mailbox of the company,
// and in a mailbox that cannot be read no mail to oneself is found.
func bound(a *relay.Account) error {
	open := a.SignIn == relay.SignInApp || onlySends(&a.Settings) && !unset(&a.Settings)
	if !open || a.Binding.Kind != relay.BindingNone {
		return nil
	}
	return fieldError("binding", "The address %s must first be bound to its user: an administrator maps it, or the user types the code that is mailed to it.", a.Address)
}

// begin runs a verification, unless one of the account runs.
func (s *Service) begin(v *verification, plan []step) error {
	id := v.account.ID
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx.Err() != nil {
		return fmt.Errorf("verify account %s: %w", id, errClosing)
	}
	running, cancel := context.WithCancelCause(s.ctx)
	p := newProgress(id, cancel, plan)
	if !s.remember(id, p) {
		cancel(nil)
		return fmt.Errorf("a verification of account %s runs: %w", id, store.ErrInUse)
	}
	v.p, v.steps = p, plan
	s.running.Go(func() {
		defer cancel(nil)
		s.verify(running, v)
	})
	return nil
}

// verification is one run of Verify or VerifyAlias.
type verification struct {
	s       *Service
	p       *progress
	by      string
	stored  *relay.Account // as it was when we began
	account *relay.Account // the same, or as it will be with its candidate
	trying  bool           // it is the candidate
	alias   *relay.Address // what is proved, if not the account's own address

	steps []step
	c     *relay.Credentials // of the mail resource
	lost  map[relay.Way]string

	smtp   smtpWay
	webs   []webWay
	imap   imapReader
	reader reader // where the mailbox is read; nil if it cannot be
	mails  []*loopMail
	card   relay.Card
}

// step is one line of progress. do gives what was found, or what is wrong.
type step struct {
	name, label string
	way         relay.Way // whose step it is; empty: of all
	do          func(*verification, context.Context) (found string, wrong *problem)
}

// plan is the steps of a verification, in their order. It follows the settings: a step
// that finds them plans again.
func (v *verification) plan() []step {
	var plan []step
	if unset(&v.account.Settings) {
		plan = append(plan, step{"discover", "Find the servers", "", (*verification).discover})
	}
	for _, way := range v.account.Ladder() {
		plan = append(plan, stepsOf(way)...)
	}
	if v.account.IMAP.Host != "" || unset(&v.account.Settings) {
		plan = append(plan,
			step{"imap.connect", "Connect to the incoming server", "", (*verification).connectIMAP},
			step{"imap.auth", "Sign in to the incoming server", "", (*verification).authIMAP},
			step{"imap.sent", "Find the folder for sent mail", "", (*verification).findSent})
	}
	return append(plan,
		step{"loop.send", "Send a mail to the own address", "", (*verification).sendLoops},
		step{"loop.find", "Wait for that mail", "", (*verification).findLoops},
		step{"loop.sent", "See whether the provider files sent mail itself", "", (*verification).watchSent},
		step{"sent.append", "Try to file a copy in Sent", "", (*verification).tryAppend},
		step{"loop.clean", "Remove that mail again", "", (*verification).clean})
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
	s.o.Observer.CredentialUsed(v.account, "verify", v.host())
	wrong := v.take(ctx)
	cause := context.Cause(ctx)
	v.close(ctx) // whoever reads how it ended finds the mailbox as it was
	switch {
	case cause != nil:
		v.broken(cause)
	case wrong != nil:
		v.failed(ctx, wrong)
	case v.alias != nil:
		v.aliasProved(ctx)
	default:
		v.succeeded(ctx)
	}
}

// host is the server that is signed in to, for the log.
func (v *verification) host() string {
	switch {
	case v.account.SMTP.Host != "":
		return v.account.SMTP.Host
	case v.account.EWS.URL != "":
		return hostOf(v.account.EWS)
	}
	return v.account.Provider
}

// take takes the steps until one fails for good or ctx ends. What is wrong with one
// way of the ladder is no failure while another one is left.
func (v *verification) take(ctx context.Context) *problem {
	v.lost = map[relay.Way]string{}
	for at := 0; at < len(v.steps); at++ {
		step := v.steps[at]
		if reason, lost := v.lost[step.way]; lost {
			v.p.step(step.name, relay.VerificationSkipped, reason)
			continue
		}
		v.p.step(step.name, relay.VerificationRunning, "")
		found, wrong := step.do(v, ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case wrong == nil:
			v.p.step(step.name, relay.VerificationDone, found)
		case wrong.skip:
			v.p.step(step.name, relay.VerificationSkipped, wrong.message)
		case step.way != "" && v.mayLose(step.way, wrong):
			v.lost[step.way] = wrong.message
			v.p.step(step.name, relay.VerificationSkipped, wrong.message)
		default:
			v.p.step(step.name, relay.VerificationFailed, wrong.message)
			return wrong
		}
	}
	return nil
}

// mayLose reports whether the account can go on without a way: another one is signed
// in already, or the provider does not let this one be used and another is left.
func (v *verification) mayLose(way relay.Way, wrong *problem) bool {
	if v.signedIn() {
		return true
	}
	return wrong.stepDown && slices.ContainsFunc(v.account.Ladder(), func(other relay.Way) bool {
		_, lost := v.lost[other]
		return other != way && !lost
	})
}

// signedIn reports whether one of the ways can send.
func (v *verification) signedIn() bool { return v.smtp.ready || len(v.webs) > 0 }

func (v *verification) close(ctx context.Context) {
	v.tidy(ctx)
	if v.smtp.client != nil {
		v.smtp.client.Close() //nolint:errcheck // it is over
	}
	if v.imap.box != nil {
		v.imap.box.Close(ctx)
	}
	for _, w := range v.webs {
		w.client.Close() //nolint:errcheck // it is over
	}
}

// failed ends a verification at a step that found something wrong.
func (v *verification) failed(ctx context.Context, wrong *problem) {
	if v.trying {
		//nolint:errcheck // what it says stands in the progress as well
		v.s.update(context.WithoutCancel(ctx), v.account.ID, func(a *relay.Account) bool {
			if !v.isTried(a) {
				return false
			}
			a.Candidate.Reason, a.Candidate.TryAt = relay.Printable(wrong.message), time.Time{}
			return true
		})
	}
	v.s.o.Observer.AccountNotVerified(v.account, v.by, wrong.field, wrong.message)
	v.p.end(relay.VerificationFailed, wrong.field, wrong.message)
}

// broken ends a verification whose context ended.
func (v *verification) broken(cause error) {
	switch {
	case errors.Is(cause, errCancelled):
		v.p.end(relay.VerificationCancelled, "", "The verification was cancelled.")
	case errors.Is(cause, errTooLong):
		v.failed(context.Background(), &problem{message: "The servers answer too slowly for a verification: try again later."})
	default:
		v.p.end(relay.VerificationCancelled, "", "relayd was shut down: start the verification again.")
	}
}

// isTried reports whether the candidate that was tried is still the account's.
func (v *verification) isTried(a *relay.Account) bool {
	return a.Candidate != nil && a.Version+1 == v.account.Version && a.Address.Equal(v.account.Address) &&
		a.Candidate.Settings.Equal(&v.account.Settings) && slices.Equal(a.Candidate.Password, v.account.Password)
}

// isSame reports whether the account is still what was verified.
func (v *verification) isSame(a *relay.Account) bool {
	if v.trying {
		return v.isTried(a)
	}
	return a.Version == v.account.Version && a.Address.Equal(v.account.Address)
}

// succeeded writes what was found into the account, unless its settings were
// changed meanwhile: then what was proved is no longer what is there.
func (v *verification) succeeded(ctx context.Context) {
	ctx = context.WithoutCancel(ctx)
	now := time.Now()
	v.card.VerifiedAt = now
	if v.trying {
		// The consent first: should we stop in between, the old settings work with the
		// new consent, but the new ones not with the old.
		if err := v.adopt(ctx); err != nil {
			v.notWritten(err)
			return
		}
	}
	state, reason := relay.AccountVerified, ""
	if v.imap.refusal != "" {
		state, reason = relay.AccountDegraded, "no copy could be filed in Sent: "+v.imap.refusal
	}
	broken := false
	a, changed, err := v.s.update(ctx, v.account.ID, func(a *relay.Account) bool {
		if !v.isSame(a) {
			return false
		}
		broken = a.State == relay.AccountParked || a.State == relay.AccountDegraded && state == relay.AccountVerified
		if v.trying {
			v.promote(a)
		}
		restore(a, state, reason, now)
		a.Card, a.Down, a.Broke = v.card, nil, relay.Break{}
		return true
	})
	switch {
	case err != nil:
		v.notWritten(err)
	case !changed:
		v.failed(ctx, &problem{message: "The settings were changed during the verification: start it again."})
	default:
		if v.trying {
			v.s.o.Parked(a.ID) // connections of the old settings end
		}
		v.s.o.Observer.AccountVerified(a, v.by)
		v.s.cleanLate(v)
		if broken { // whoever heard of the trouble hears that it is over
			v.s.o.Observer.AccountRestored(a, v.by)
		}
		v.p.end(relay.VerificationDone, "", "The account works.")
	}
}

func (v *verification) notWritten(err error) {
	v.s.o.Observer.AccountNotVerified(v.account, v.by, "", err.Error())
	v.p.end(relay.VerificationFailed, "", "Everything works, but the result could not be written down: try again.")
}

// adopt makes the consent that was tried the account's own.
func (v *verification) adopt(ctx context.Context) error {
	if v.account.SignIn != relay.SignInConsent {
		return nil
	}
	return v.s.o.Tokens.Adopt(ctx, v.account.ID)
}

// promote puts the candidate into force. Its password is sealed again for its new
// place.
func (v *verification) promote(a *relay.Account) {
	next := candidateOf(a)
	if !next.Settings.Equal(&a.Settings) {
		next.LapseAliases()
	}
	if next.SignIn == relay.SignInPassword {
		next.Password = v.s.sealIn(a.ID, sealField, next.SignIn, v.c.Password)
	}
	*a = *next
}
