package main

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/relay/notice"
	"github.com/relayd/relayd/relay/oauth"
	"github.com/relayd/relayd/relay/provider"
	"github.com/relayd/relayd/relay/queue"
	"github.com/relayd/relayd/relay/webhook"
	"github.com/relayd/relayd/store"
)

// buildNotices makes what people and programs are told.
func (p *program) buildNotices(context.Context) error {
	p.webhooks = webhook.New(webhook.Options{
		Webhooks: p.directory.Webhooks(), Calls: p.directory.WebhookCalls(), Sealer: p.box,
		Dialer: p.guard, Roots: p.roots, PlainAllowed: p.guard.PlainAllowed, Observer: p.mail, Kept: p.told,
	})
	from, err := reportSender(p.cfg.Reports.From)
	if err != nil {
		return err
	}
	n := p.cfg.Notices
	p.notices = notice.New(notice.Options{
		Spool: spoolFunc(func(ctx context.Context, m *relay.Message, key func() relay.SubmissionKey, content io.Reader) (relay.ID, error) {
			return p.conductor.Put(ctx, m, key, content)
		}),
		Accounts: p.directory.Accounts(), Users: p.directory.Users(), Organisations: p.directory.Organisations(),
		Links: p.directory.Links(), Key: p.box, Observer: p.mail, Events: p.webhooks, Waiting: waiting{p.conductor},
		Sources:  []notice.Source{consentDates{p.tokens}, providerDates{p.presets, p.directory}, certificateDate{p.keeper.Expires}},
		Hostname: p.hostname, From: from, Name: n.Name, BaseURL: p.publicURL(""),
		Silent: !n.Enabled, OwnerMends: p.ownerMends, MendLifetime: n.LinkLifetime, ConnectLifetime: n.LinkLifetime,
	})
	return nil
}

// ownerMends reports whether the reply rule that parked an account is one that its owner
// can do something about.
func (p *program) ownerMends(rule string) bool { return p.rules.ForOwner(rule) }

// waiting counts the messages that wait for an account.
type waiting struct{ *queue.Conductor }

func (w waiting) Waiting(_ context.Context, account string) (int, error) {
	return w.Conductor.Waiting(account), nil
}

// consentDates are when consents and the secrets of applications end.
type consentDates struct{ *oauth.Service }

func (d consentDates) Expiring(ctx context.Context, organisation string, from, to time.Time) ([]notice.Entry, error) {
	all, err := d.Service.Expiring(ctx, organisation)
	var entries []notice.Entry
	for _, e := range all {
		if organisation == "" && e.Organisation != "" {
			continue // that organisation's own calendar has it
		}
		if e.At.Before(from) || !e.At.Before(to) {
			continue
		}
		entry := notice.Entry{When: e.At, Kind: notice.EntryConsent, What: e.Address, Account: e.Account, App: e.App, Actor: notice.ActorOwner,
			Sentence: "The consent for this mailbox ends because nobody used it. Send a mail through it, or connect it again."}
		switch e.Kind {
		case oauth.ExpiryTesting:
			entry.Actor = notice.ActorAdministrator
			entry.Sentence = "Consents to an application in testing end after 7 days. Publish the application, then connect the mailbox again."
		case oauth.ExpirySecret:
			entry.Kind, entry.What, entry.Actor = notice.EntryAppSecret, e.Name, notice.ActorAdministrator
			entry.Sentence = "The client secret of the application ends. Make a new one at the provider and enter it here: until then no mailbox of it works."
		}
		entries = append(entries, entry)
	}
	return entries, err
}

// providerDates are the days on which providers end something that accounts of the
// organisation still use.
type providerDates struct {
	presets   *provider.Presets
	directory store.Directory
}

func (d providerDates) Expiring(ctx context.Context, organisation string, from, to time.Time) ([]notice.Entry, error) {
	if organisation == "" {
		return nil, nil
	}
	var entries []notice.Entry
	seen := map[string]bool{}
	for after := ""; ; {
		page, err := d.directory.Accounts().List(ctx, after, statesPage)
		if err != nil {
			return entries, err
		}
		for _, a := range page {
			after = a.ID
			if a.Organisation != organisation {
				continue
			}
			for _, deadline := range d.presets.Deadlines(a.Preset) {
				if seen[deadline.ID] || deadline.Date.Before(from) || !deadline.Date.Before(to) || !deadline.Concerns(&a.Settings) {
					continue
				}
				seen[deadline.ID] = true
				entries = append(entries, notice.Entry{
					When: deadline.Date, Kind: notice.EntryProvider, What: deadline.Preset, Actor: notice.ActorAdministrator, Sentence: deadline.Text,
				})
			}
		}
		if len(page) < statesPage {
			return entries, nil
		}
	}
}

// certificateDate is when relayd's own certificate ends.
type certificateDate struct{ expires func() time.Time }

func (d certificateDate) Expiring(_ context.Context, organisation string, _, _ time.Time) ([]notice.Entry, error) {
	if organisation != "" {
		return nil, nil
	}
	at := d.expires()
	if at.IsZero() {
		return nil, errors.New("the end of the certificate is not known")
	}
	return []notice.Entry{{
		When: at, Kind: notice.EntryCertificate, What: "certificate of the listeners", Actor: notice.ActorOperator,
		Sentence: "Applications refuse to submit once it has ended. Replace the files, and reload relayd.",
	}}, nil
}
