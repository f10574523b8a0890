package main

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/relayd/relayd/internal/api"
	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/relay/admin"
	"github.com/relayd/relayd/store"
)

// nextYear is a day that is far from now.
func nextYear() time.Time { return time.Now().AddDate(1, 0, 0) }

// memoryMender makes links that lead nowhere. A consent by code ends at the second
// look: well, or as the name of the account's mailbox says.
type memoryMender struct {
	accounts *memoryAccounts
	mu       sync.Mutex
	looks    map[string]int
}

func (*memoryMender) Link(_ context.Context, _ *relay.Account, purpose relay.LinkPurpose) (string, time.Time, error) {
	return "https://relay.acme.example/link/to-" + string(purpose), nextYear(), nil
}

func (*memoryMender) Invite(_ context.Context, a *relay.Account, _ string) (time.Time, error) {
	if a.User == "" {
		return time.Time{}, &admin.Conflict{Message: "Too many of these mails were sent about this account. Try again later."}
	}
	return nextYear(), nil
}

func (*memoryMender) SendCode(context.Context, *relay.Account, string) (string, time.Time, error) {
	return "https://relay.acme.example/link/code", nextYear(), nil
}

func (*memoryMender) BeginDevice(_ context.Context, a *relay.Account, app, _ string) (api.Device, error) {
	d := api.Device{ID: a.Address.Local, UserCode: "ABCD-EFGH", VerificationURL: "https://vendor.example/device", Expires: nextYear(), State: "waiting"}
	if app != "" {
		d.UserCode = "OTHER-APP"
	}
	return d, nil
}

func (m *memoryMender) Device(ctx context.Context, a *relay.Account, id, by string) (api.Device, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	d, err := m.BeginDevice(ctx, a, "", by)
	if err != nil || id != d.ID {
		return d, store.ErrNotFound
	}
	m.looks[id]++
	if m.looks[id] < 2 {
		return d, nil
	}
	switch a.Address.Local {
	case "refuses":
		d.State, d.Message = "failed", "The consent was\x1b[2J refused."
	case "sleeps":
		d.State = "expired"
	default:
		d.State = "done"
		err = m.accounts.Verify(ctx, a.ID, by)
	}
	return d, err
}

func (*memoryMender) AdminConsent(_ context.Context, app *relay.App, _ string) (string, error) {
	return "https://vendor.example/adminconsent?client_id=" + app.ClientID, nil
}

// memoryScout knows a sure provider for the domain acme.example, and an unsure one for
// beta.example.
type memoryScout struct{}

func (memoryScout) Discover(_ context.Context, address relay.Address, _, provider string) (api.Discovery, error) {
	d := api.Discovery{Address: address.String(), Suggestions: []api.Suggestion{}, Trail: []api.DiscoveryStep{
		{Source: "preset", Asked: "The list of known providers", Came: address.Domain + " is\x1b[2J on it.", Found: true},
	}}
	s := api.Suggestion{
		Settings: api.Settings{
			Provider: "imap", SMTP: &api.Server{Host: "smtp.found.example", Port: 465, TLS: "implicit"},
			IMAP: &api.Server{Host: "imap.found.example", Port: 993, TLS: "implicit", Login: "jane"}, SignIn: "password",
		},
		Name: "Found Mail", Source: "preset", RegisteredDomains: []string{"found.example"}, SignIns: []string{"password", "oauth"},
		Hints: []api.ProviderHint{{Text: "Switch IMAP on.", URL: "https://found.example/help"}, {Text: "Register an application.", Administrator: true}},
	}
	if provider != "" {
		s.Provider = provider
	}
	switch address.Domain {
	case "acme.example":
		d.Suggestions = append(d.Suggestions, s)
	case "beta.example":
		s.Name, s.Source, s.Confirm, s.Why = "", "srv", true, "The servers come from the DNS, which nothing protects."
		d.Suggestions = append(d.Suggestions, s)
	}
	return d, nil
}

func (memoryScout) Usage(a *relay.Account) api.AccountUsage {
	if a.User == "" {
		return api.AccountUsage{}
	}
	return api.AccountUsage{
		Known: true,
		Hour:  api.Window{Messages: api.Book{Used: 3, Limit: 10, Left: 7, Learned: true}},
		Day:   api.Window{Messages: api.Book{Used: 12, Limit: 500, Left: 488}, Recipients: api.Book{Used: 30, Limit: 2000, Left: 1970}},
	}
}

func (memoryScout) Calendar(_ context.Context, organisation string, from, to time.Time) ([]api.CalendarEntry, error) {
	end := from.AddDate(0, 0, 30)
	if organisation == "" || end.After(to) {
		return nil, nil
	}
	return []api.CalendarEntry{{When: end, Kind: "app_secret", What: "Acme\x1b[2J mail", Actor: "administrator", Sentence: "The client secret ends."}}, nil
}

func (memoryScout) NameWarning(name string, a relay.Address) string {
	return scout{}.NameWarning(name, a)
}

// memoryHooks calls nobody. A webhook that is "deaf" does not take its ping.
type memoryHooks struct{ dir store.Directory }

func (memoryHooks) NewSecret(id string) (relay.Secret, []byte, error) {
	return "whsec_shown_once", []byte("sealed " + id), nil
}

func (memoryHooks) CheckURL(text string) error { return hooks{}.CheckURL(text) }

func (memoryHooks) Events() []string { return hooks{}.Events() }

func (h memoryHooks) Test(ctx context.Context, id string) (api.WebhookTrial, error) {
	w, err := h.dir.Webhooks().Get(ctx, id)
	if err != nil {
		return api.WebhookTrial{}, err
	}
	if strings.HasSuffix(w.URL, "deaf") {
		return api.WebhookTrial{Status: 500, Message: "The ping was not taken: it answered 500."}, nil
	}
	return api.WebhookTrial{Taken: true, Status: 204, Message: "The endpoint answered 204: the webhook works."}, nil
}
