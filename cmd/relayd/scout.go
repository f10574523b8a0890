package main

import (
	"context"
	"time"

	"github.com/relayd/relayd/internal/api"
	"github.com/relayd/relayd/internal/ledger"
	"github.com/relayd/relayd/internal/likeness"
	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/relay/provider/discover"
)

// scout gives the API what can be known about accounts.
type scout struct{ p *program }

func (s scout) Discover(ctx context.Context, address relay.Address, organisation, provider string) (api.Discovery, error) {
	found, err := s.p.discover.Discover(ctx, address, discover.Choice{Organisation: organisation, Provider: provider})
	if err != nil {
		return api.Discovery{}, err
	}
	out := api.Discovery{Address: address.String(), Suggestions: []api.Suggestion{}, Trail: []api.DiscoveryStep{}}
	for i := range found.Suggestions {
		out.Suggestions = append(out.Suggestions, viewSuggestion(&found.Suggestions[i]))
	}
	for _, step := range found.Trail {
		out.Trail = append(out.Trail, api.DiscoveryStep{Source: string(step.Source), Asked: step.Asked, Came: step.Came, Found: step.Found})
	}
	return out, nil
}

func viewSuggestion(s *discover.Suggestion) api.Suggestion {
	settings := s.Settings
	settings.SMTP.Login, settings.IMAP.Login, settings.EWS.Login = s.SMTPLogin, s.IMAPLogin, s.EWSLogin
	out := api.Suggestion{
		Settings: api.ViewSettings(&settings), Name: s.Name, Source: string(s.Source), Confirm: s.Confirm, Why: s.Why,
		RegisteredDomains: append([]string{}, s.RegisteredDomains...), SignIns: []string{},
	}
	for _, how := range s.SignIns {
		if how == relay.SignInPassword {
			how = "password"
		}
		out.SignIns = append(out.SignIns, string(how))
	}
	for _, h := range s.Hints {
		out.Hints = append(out.Hints, api.ProviderHint{Text: h.Text, URL: h.URL, Administrator: h.Administrator})
	}
	return out
}

func (s scout) Usage(a *relay.Account) api.AccountUsage {
	r := s.p.ledger.Remaining(a.ID, s.p.limits(a), time.Now())
	return api.AccountUsage{Known: r.Known, Minute: viewWindow(r.Minute), Hour: viewWindow(r.Hour), Day: viewWindow(r.Day)}
}

func viewWindow(u ledger.Usage) api.Window {
	return api.Window{Messages: api.Book(u.Messages), Recipients: api.Book(u.Recipients)}
}

func (s scout) Calendar(ctx context.Context, organisation string, from, to time.Time) ([]api.CalendarEntry, error) {
	entries, err := s.p.notices.Calendar(ctx, organisation, from, to)
	if err != nil {
		return nil, err
	}
	out := make([]api.CalendarEntry, 0, len(entries))
	for _, e := range entries {
		out = append(out, api.CalendarEntry{
			When: e.When.UTC(), Kind: string(e.Kind), What: e.What, Account: e.Account, App: e.App,
			Actor: string(e.Actor), Sentence: e.Sentence,
		})
	}
	return out, nil
}

func (scout) NameWarning(name string, a relay.Address) string {
	return likeness.Of(name, a).Warning(name, a)
}
