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
		Tokens: p.tokens, Finder: finder{p.discover}, Web: p.web, Complete: p.complete, TokenHost: p.tokenHost,
		Parked: func(id string) { p.upstream.CloseAccount(id) },
		Gone:   func(id string) { p.ledger.Forget(id) },
		Hello:  p.hostname, Roots: p.roots, PlainAllowed: p.guard.PlainAllowed,
		MayFile: p.mayFile, LateAfter: p.cfg.Sent.Recheck,
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

// complete adds the servers of Gmail or Microsoft 365 to an account of which no more is
// said than that, and the preset to which the servers of any account belong.
func (p *program) complete(a *relay.Account) {
	s := &a.Settings
	if s.SMTP.Host == "" && s.IMAP.Host == "" && len(s.Ways) == 0 {
		if known, found := p.presetOf(s.Provider, a.Address.Domain); found {
			s.Preset = known.ID
			s.SMTP, s.IMAP = withLogin(known.SMTP, s.SMTP.Login), withLogin(known.IMAP, s.IMAP.Login)
		}
	}
	if s.Preset == "" {
		if known, found := p.presets.ByServer(s.SMTP.Host); found {
			s.Preset = known.ID
		}
	}
}

// tokenHost reports whether a host is a mail server of the application's vendor, or one
// that the application names.
func (p *program) tokenHost(app *relay.App, host string) bool {
	if app == nil {
		return false
	}
	for named := range strings.FieldsSeq(app.Endpoints.Mail) {
		if strings.EqualFold(named, host) {
			return true
		}
	}
	vendor := app.Vendor
	if same, found := p.presets.ByID(vendor); found && same.OAuth != nil {
		vendor = same.OAuth.Vendor
	}
	known, found := p.presets.ByServer(host)
	return found && known.OAuth != nil && known.OAuth.Vendor == vendor
}

// presetOf is the preset of a provider whose servers are the same for everybody, as the
// domain has it.
func (p *program) presetOf(of, domain string) (provider.Preset, bool) {
	if known, match := p.presets.ByDomain(domain); match == provider.MatchDomain && known.Provider == of && of != relay.ProviderIMAP {
		return known, true
	}
	switch of {
	case relay.ProviderGmail:
		return p.presets.ByID("gmail")
	case relay.ProviderOffice365:
		return p.presets.ByID("microsoft365")
	}
	return provider.Preset{}, false
}

// withLogin is the best of several servers, with the user name that somebody chose.
func withLogin(known []relay.Server, login string) relay.Server {
	if len(known) == 0 {
		return relay.Server{Login: login}
	}
	best := known[0]
	best.Login = login
	return best
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

// ConsentEnded also parks the account: its owner is told, although nobody sends a mail
// at the moment.
func (e consentEvents) ConsentEnded(g *relay.Grant, err *relay.TokenError) {
	e.p.mail.ConsentEnded(g, err.Reply)
	select {
	case e.p.ended <- endedConsent{account: g.ID, app: g.App, reply: err.Reply}:
	default: // the account finds out when it is next used
	}
}

func (e consentEvents) TokenFailed(accountID, app string, err *relay.TokenError) {
	e.p.mail.TokenFailed(accountID, app, err.Reply)
}

// endedConsent is a consent that a vendor takes no more.
type endedConsent struct {
	account string
	app     string
	reply   relay.Reply
}

// maxEnded is how many of them wait to be noted with their accounts.
const maxEnded = 1000

// parkEnded notes with the accounts that their consents ended, until ctx ends.
func (p *program) parkEnded(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case e := <-p.ended:
			a, err := p.directory.Accounts().Get(ctx, e.account)
			if err != nil || a.SignIn != relay.SignInConsent || a.App != e.app {
				continue // it was deleted, it signs in by something else now, or the consent was a candidate's
			}
			if g, err := p.directory.Grants().Get(ctx, e.account); err != nil || g.Ended == "" {
				continue // the person has consented anew
			}
			c := p.rules.Classify(relay.Answer{Where: relay.AtToken, Provider: a.Rules(), Reply: e.reply})
			t := relay.Trouble{Kind: relay.TroublePark, Pause: c.Pause, Rule: c.Rule, Hint: c.Hint, Reply: e.reply, Version: a.Version}
			if err := p.accounts.Park(ctx, a.ID, t); err != nil {
				p.mail.Fault("park an account", relay.ID{}, err)
			}
		}
	}
}
