package accept

import (
	"context"
	"errors"
	"fmt"

	"github.com/relayd/relayd/internal/mailaddr"
	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
)

// claims asks whether one submitter may use addresses.
type claims struct {
	directory    Directory
	submitter    *relay.Submitter
	organisation *relay.Organisation // fetched with the first claim
}

func (a *Acceptor) claims(s *relay.Submitter) *claims {
	return &claims{directory: a.Directory, submitter: s}
}

// hold returns nil if the submitter may send as the address, else the refusal that
// names it. A directory that cannot be asked is a fault of ours, never a refusal.
func (c *claims) hold(ctx context.Context, address relay.Address) error {
	if err := c.fetchOrganisation(ctx); err != nil {
		return relay.Fault(fmt.Errorf("find the submitter's organisation: %w", err))
	}
	account, err := found(c.directory.AccountByAddress(ctx, address))
	if err != nil {
		return relay.Fault(fmt.Errorf("find the account of %s: %w", address, err))
	}
	allowed, why := relay.MaySend(relay.Claim{
		Submitter: c.submitter, Organisation: c.organisation,
		Proved: account.ProvedFor(c.submitter.Organisation), Address: address,
	})
	if allowed {
		return nil
	}
	refusal := relay.RefuseSender(address)
	refusal.Cause = errors.New(why)
	return refusal
}

func (c *claims) fetchOrganisation(ctx context.Context) (err error) {
	if c.organisation != nil || c.submitter.Organisation == "" {
		return nil
	}
	c.organisation, err = found(c.directory.Organisations().Get(ctx, c.submitter.Organisation))
	return err
}

// found turns "there is none" from an error into nil.
func found[T any](rec *T, err error) (*T, error) {
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	return rec, err
}

// checkIdentity is promise G9: envelope and header each name an address that the
// submitter may use. It gives the mailbox of From.
func (a *Acceptor) checkIdentity(ctx context.Context, sub *relay.Submission, head *header) (relay.Address, error) {
	from, err := head.from(sub.Envelope.SMTPUTF8)
	if err != nil {
		return relay.Address{}, err
	}
	c := a.claims(sub.Submitter)
	if err := c.hold(ctx, sub.Envelope.ReturnPath); err != nil {
		return relay.Address{}, err
	}
	if err := c.hold(ctx, from.address); err != nil {
		return relay.Address{}, err
	}
	// Sender and the Resent fields say who really sent: they must not name
	// somebody else either.
	for _, f := range head.fields {
		if !f.is("Sender") && !f.is("Resent-From") && !f.is("Resent-Sender") {
			continue
		}
		claimed, err := f.mailbox(sub.Envelope.SMTPUTF8)
		if err != nil {
			return relay.Address{}, err
		}
		if err := c.hold(ctx, claimed.address); err != nil {
			return relay.Address{}, err
		}
	}
	return from.address, nil
}

// from gives the one mailbox of the one From field. Readers show the first From and
// signatures cover the last: so there may be only one.
func (h *header) from(smtputf8 bool) (mailbox, error) {
	fields := h.all("From")
	if len(fields) != 1 {
		return mailbox{}, errNotOneFrom(len(fields))
	}
	return fields[0].mailbox(smtputf8)
}

func (f field) mailbox(smtputf8 bool) (mailbox, error) {
	box, err := parseMailbox(f.unfolded())
	if err != nil {
		refusal := errNotOneMailbox(string(f.raw[:f.name]))
		if errors.Is(err, errNotUTF8) {
			refusal = errFieldNotUTF8(string(f.raw[:f.name]))
		}
		refusal.Cause = err
		return mailbox{}, refusal
	}
	// In a display name octets of 8 bits are only shown; in an address, its domain
	// included, they decide where mail goes, and the field goes on as it is written.
	if !smtputf8 && !mailaddr.IsASCII(box.written) {
		return mailbox{}, errNeedsSMTPUTF8(string(f.raw[:f.name]))
	}
	return box, nil
}
