package account

import (
	"context"

	"github.com/relayd/relayd/relay"
)

// cleanLate looks once more, after Options.LateAfter, for copies of a verification's own
// mails that the provider filed when it had ended, removes them, and notes on the
// account's card that the provider files. It is a courtesy:
// a copy that is left can be deleted by hand, so nothing is kept of it across a restart.
func (s *Service) cleanLate(v *verification) {
	if s.o.LateAfter <= 0 || v.imap.sent == "" || v.card.FilesSent || s.o.MayFile == nil || !s.o.MayFile(v.account) {
		return
	}
	id, sent, mails := v.account.ID, v.imap.sent, v.mails
	s.running.Go(func() {
		if wait(s.ctx, s.o.LateAfter) {
			s.removeLate(s.ctx, id, sent, mails)
		}
	})
}

// removeLate signs in once, if the account works.
func (s *Service) removeLate(ctx context.Context, id, sent string, mails []*loopMail) {
	ctx, stop := context.WithTimeout(ctx, s.o.TotalTimeout)
	defer stop()
	c, err := s.Credentials(ctx, id, relay.ResourceMail)
	if err != nil || !c.Account.State.Usable() || c.Account.IMAP.Host == "" {
		return
	}
	s.o.Observer.CredentialUsed(&c.Account, "clean", c.Account.IMAP.Host)
	box, t := s.openIMAP(ctx, c)
	if t != nil {
		return
	}
	r := imapReader{v: &verification{s: s, account: &c.Account, c: c}, box: box, sent: sent}
	defer func() { r.box.Close(ctx) }()
	for _, m := range mails {
		m.uids = map[string][]uint32{}
		if late, t := r.filed(ctx, m); t != nil || !late {
			continue
		}
		if _, err := r.remove(ctx, m); err != nil {
			return
		}
		if err := s.Learn(ctx, id, true); err != nil {
			return // the next message's copy teaches the same
		}
	}
}
