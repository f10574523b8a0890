package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/url"
	"slices"

	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/relay/admin"
	"github.com/relayd/relayd/relay/ownership"
	"github.com/relayd/relayd/store"
)

// buildAdmin makes the API over everything else.
func (p *program) buildAdmin(context.Context) (err error) {
	p.ownership = ownership.New(ownership.Options{
		Claims: p.directory.DomainClaims(), Organisations: p.directory.Organisations(), Resolver: texts{p.resolver},
		NewID: claimID,
	})
	a := p.cfg.Admin
	o := admin.Options{
		Socket: adminSocket(p.cfg), Hosts: p.adminHosts(), Version: build().Version,
		Directory: p.directory, Queue: p.spool, Conductor: control{p.conductor}, Accounts: p.accounts, Verifier: p.accounts,
		Explainer: p.route, Passwords: p.auth, Keys: keyMaker{p.box}, Sealer: appSealer{p.box}, Ownership: owners{p.ownership},
		Mender: mender{p}, Scout: scout{p}, Webhooks: hooks{p}, Checks: p.checks(),
		Pages: p.pages, Metrics: p.metrics.Handler(), MetricsOpen: a.OpenMetrics, Log: p.out,
	}
	if a.Enabled {
		o.Address = a.Address.String()
	}
	if a.Certificate != "" {
		pair, err := tls.LoadX509KeyPair(a.Certificate, a.Key)
		if err != nil {
			return fmt.Errorf("admin.certificate: %w", err)
		}
		o.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	}
	p.admin, err = admin.New(o)
	p.metrics.WatchAccounts(p.accountStates)
	p.metrics.WatchQuotas(p.quotas)
	p.metrics.WatchQueue(p.queueState)
	p.metrics.WatchCertificate(p.keeper.Expires)
	return err
}

// adminHosts are the names by which the API may be called: those that the operator
// lists, and that of the address by which people reach the pages.
func (p *program) adminHosts() []string {
	hosts := slices.Clone(p.cfg.Admin.Hosts)
	if u, err := url.Parse(p.cfg.Admin.PublicURL); err == nil && u.Hostname() != "" {
		hosts = append(hosts, u.Hostname())
	}
	return hosts
}

// checks are what must work before relayd calls itself ready.
func (p *program) checks() []admin.Check {
	return []admin.Check{
		{Name: "queue", Check: func(context.Context) error {
			select {
			case <-p.spool.Failed():
				return store.ErrUnknown
			default:
				return p.accept.Room(context.Background(), 0)
			}
		}},
		{Name: "directory", Check: func(ctx context.Context) error {
			_, err := p.directory.Tokens().Get(ctx, "-")
			if errors.Is(err, store.ErrNotFound) {
				return nil
			}
			return err
		}},
	}
}

// statesPage is how many accounts are read at one time for the metrics.
const statesPage = 1000

func (p *program) accountStates() map[relay.AccountState]int {
	states := make(map[relay.AccountState]int)
	for after := ""; ; {
		page, err := p.directory.Accounts().List(context.Background(), after, statesPage)
		if err != nil || len(page) == 0 {
			return states
		}
		for _, a := range page {
			states[a.State]++
		}
		after = page[len(page)-1].ID
	}
}
