package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/relayd/relayd/internal/webmail"
	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/relay/account"
	"github.com/relayd/relayd/relay/oauth"
	"github.com/relayd/relayd/relay/provider"
	"github.com/relayd/relayd/relay/provider/discover"
	"github.com/relayd/relayd/store"
)

// buildAccounts makes the accounts' own life, which stands beside the flow: what is
// known of providers, consents, discovery, and the accounts themselves.
func (p *program) buildAccounts(context.Context) (err error) {
	if p.presets, err = provider.NewPresets(); err != nil {
		return fmt.Errorf("read the presets: %w", err)
	}
	p.web = webmail.New(webmail.Options{
		Dialer: p.guard, Roots: p.roots, PlainAllowed: p.guard.PlainAllowed, ConnectTimeout: p.cfg.Upstream.ConnectTimeout,
	})
	p.tokens, err = oauth.New(oauth.Options{
		Apps: p.directory.Apps(), Grants: p.directory.Grants(), Accounts: p.directory.Accounts(),
		Sealer: p.box, Dialer: p.guard, Roots: p.roots, Observer: consentEvents{p},
		RedirectURL: p.publicURL("/oauth/callback"), AdminRedirectURL: p.publicURL("/oauth/admin"),
	})
	if err != nil {
		return fmt.Errorf("read the vendors of OAuth: %w", err)
	}
	p.discover = discover.New(discover.Options{
		Dialer: p.guard, Resolver: p.resolver, Presets: p.presets, Roots: p.roots, Hello: p.hostname,
		Starter: p.starter, ISPDB: p.cfg.Accounts.SettingsDatabase,
	})
	p.accounts = account.New(account.Options{
		Accounts: p.directory.Accounts(), Sealer: p.box, Classifier: p.rules, Dialer: p.guard, Observer: accountEvents{p},
		Tokens: p.tokens, Finder: finder{p.discover}, Web: p.web, Preset: p.presetOf,
		Parked: func(id string) { p.upstream.CloseAccount(id) },
		Hello:  p.hostname, Roots: p.roots, PlainAllowed: p.guard.PlainAllowed,
		RetryEvery: p.cfg.Accounts.SignInPause, LoopPatience: p.cfg.Accounts.VerifyTimeout,
	})
	return nil
}

// publicURL is where people reach a path from outside; empty if they cannot.
func (p *program) publicURL(path string) string {
	base := strings.TrimSuffix(p.cfg.Admin.PublicURL, "/")
	if base == "" {
		return ""
	}
	return base + path
}

// starter gives the starter configuration of a domain; nil if there is none.
func (p *program) starter(ctx context.Context, organisation, domain string) (*relay.Starter, error) {
	s, err := p.directory.StarterOf(ctx, organisation, domain)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	return s, err
}

// presetOf is the preset to which the servers belong that somebody typed.
func (p *program) presetOf(s *relay.Settings) string {
	if preset, found := p.presets.ByServer(s.SMTP.Host); found {
		return preset.ID
	}
	return ""
}

// limits is what the provider of an account lets it do: what the administrator says,
// over what is known of the provider.
//
// Where no preset fits, nothing slows the account down: it may be a server of one's own.
// What such a server refuses teaches the ledger.
func (p *program) limits(a *relay.Account) relay.Limits {
	var known relay.Limits
	if a.Preset != "" {
		known = p.presets.Limits(a.Preset, a.Address.Domain)
	}
	s, err := p.starter(context.Background(), a.Organisation, a.Address.Domain)
	if err != nil || s == nil {
		return known
	}
	return s.Limits.Over(known)
}

// mayFile reports whether the provider of an account may file sent mail by itself,
// although a verification did not see it do so.
func (p *program) mayFile(a *relay.Account) bool {
	preset, found := p.presets.ByID(a.Rules())
	return found && (preset.SavesSent == provider.SavesDefaultOn || preset.SavesSent == provider.SavesUnknown)
}

// finder gives verification the settings that may be used without a person's yes.
type finder struct{ *discover.Discoverer }

func (f finder) Find(ctx context.Context, a *relay.Account) (relay.Settings, string, error) {
	found, err := f.Discover(ctx, a.Address, discover.Choice{Organisation: a.Organisation, Provider: a.Provider})
	if err != nil {
		return relay.Settings{}, "", err
	}
	if len(found.Suggestions) == 0 {
		return relay.Settings{}, "", &relay.FieldError{Field: "smtp.host", Message: fmt.Sprintf("No servers could be found for %s: enter them by hand.", a.Address)}
	}
	best := found.Suggestions[0]
	if best.Confirm {
		return relay.Settings{}, "", &relay.FieldError{Field: "smtp.host", Message: confirmation(&best)}
	}
	settings := best.Settings
	settings.SMTP.Login, settings.IMAP.Login, settings.EWS.Login = best.SMTPLogin, best.IMAPLogin, best.EWSLogin
	settings.SignIn = a.SignIn
	if !slices.Contains(best.SignIns, a.SignIn) {
		return relay.Settings{}, "", &relay.FieldError{Field: "consent", Message: fmt.Sprintf("%s takes no password from programs: connect the account by consent.", best.Name)}
	}
	return settings, describeSource(&best), nil
}

// confirmation asks a person whether servers are right that rest on a weak source.
func confirmation(s *discover.Suggestion) string {
	return fmt.Sprintf("Found, but not for sure: outgoing %s port %d, incoming %s port %d, run by %s. %s If that is right, enter these servers to confirm it.",
		s.Settings.SMTP.Host, s.Settings.SMTP.Port, s.Settings.IMAP.Host, s.Settings.IMAP.Port, strings.Join(s.RegisteredDomains, " and "), s.Why)
}

func describeSource(s *discover.Suggestion) string {
	text := "found by " + string(s.Source)
	if s.Name != "" {
		text = s.Name + ", " + text
	}
	return text
}

// accountEvents passes on what becomes of accounts: to the log, to people, to programs.
type accountEvents struct{ p *program }

func (e accountEvents) AccountVerified(a *relay.Account, by string) {
	e.p.mail.AccountVerified(a, by)
	e.p.webhooks.AccountVerified(a, by)
}

func (e accountEvents) AccountNotVerified(a *relay.Account, by, field, message string) {
	e.p.mail.AccountNotVerified(a, by, field, message)
	e.p.webhooks.AccountNotVerified(a, by, field, message)
}

func (e accountEvents) AccountParked(a *relay.Account, rule string, retry time.Time) {
	e.p.mail.AccountParked(a, rule, retry)
	e.p.notices.AccountParked(a, rule, retry)
	e.p.webhooks.AccountParked(a, rule, retry)
}

func (e accountEvents) AccountDegraded(a *relay.Account) {
	e.p.mail.AccountDegraded(a)
	e.p.webhooks.AccountDegraded(a)
}

func (e accountEvents) AccountRestored(a *relay.Account, by string) {
	e.p.mail.AccountRestored(a, by)
	e.p.webhooks.AccountRestored(a, by)
}

func (e accountEvents) AccountStepDown(a *relay.Account, r relay.Rung) {
	e.p.mail.AccountStepDown(a, r)
	e.p.webhooks.AccountStepDown(a, r)
}

func (e accountEvents) CredentialUsed(a *relay.Account, purpose, server string) {
	e.p.mail.CredentialUsed(a, purpose, server)
}

// consentEvents passes on what becomes of consents.
type consentEvents struct{ p *program }

func (e consentEvents) ConsentObtained(g *relay.Grant) { e.p.mail.ConsentObtained(g) }

func (e consentEvents) ConsentEnded(g *relay.Grant, err *relay.TokenError) {
	e.p.mail.ConsentEnded(g, err.Reply)
}

func (e consentEvents) TokenFailed(accountID, app string, err *relay.TokenError) {
	e.p.mail.TokenFailed(accountID, app, err.Reply)
}
