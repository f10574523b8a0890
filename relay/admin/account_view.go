package admin

import (
	"github.com/relayd/relayd/internal/api"
	"github.com/relayd/relayd/relay"
)

func accountOwner(a *relay.Account) string { return a.Organisation }

// viewAccount is what may be shown of an account: everything but the password,
// sealed or not.
func viewAccount(a *relay.Account) api.Account {
	out := api.Account{
		ID: a.ID, Organisation: a.Organisation, User: a.User, Address: a.Address.String(),
		Settings: viewSettings(&a.Settings), HasPassword: len(a.Password) > 0,
		SentFolder: a.SentFolder, CopyMode: orAuto(a.CopyMode),
		State: string(a.State), StateReason: a.StateReason, StateRule: a.StateRule,
		StateSince: moment(a.StateSince), RetryAt: moment(a.RetryAt),
		Card: viewCard(a.Card), Revision: a.Revision,
	}
	for _, alias := range a.Aliases {
		out.Aliases = append(out.Aliases, api.Alias{Address: alias.Address.String(), ProvedAt: moment(alias.ProvedAt)})
	}
	if a.Binding.Kind != relay.BindingNone {
		out.Binding = &api.Binding{Kind: string(a.Binding.Kind), By: a.Binding.By, At: a.Binding.At.UTC()}
	}
	if k := a.Candidate; k != nil {
		out.Candidate = &api.Candidate{Settings: viewSettings(&k.Settings), Since: k.Since.UTC(), TryAt: moment(k.TryAt), Reason: k.Reason}
	}
	for _, r := range a.Down {
		out.Down = append(out.Down, api.Rung{Way: string(r.Way), Rule: r.Rule, Reason: r.Reason, Since: r.Since.UTC(), RetryAt: moment(r.RetryAt)})
	}
	return out
}

func orAuto(m relay.CopyMode) string {
	if m == relay.CopyAuto {
		return "auto"
	}
	return string(m)
}

func viewSettings(s *relay.Settings) api.Settings {
	out := api.Settings{
		Provider: s.Provider, Preset: s.Preset, Ways: words(s.Ways), SMTP: viewServer(s.SMTP), IMAP: viewServer(s.IMAP),
		SignIn: string(s.SignIn), App: s.App,
	}
	if out.SignIn == "" {
		out.SignIn = "password"
	}
	if s.EWS.URL != "" {
		out.EWS = &api.EWS{URL: s.EWS.URL, Version: s.EWS.Version, Login: s.EWS.Login}
	}
	return out
}

// words are values of a vocabulary as texts.
func words[T ~string](values []T) []string {
	var out []string
	for _, v := range values {
		out = append(out, string(v))
	}
	return out
}

// viewServer shows a server; nothing if there is none.
func viewServer(s relay.Server) *api.Server {
	if s.Host == "" {
		return nil
	}
	return &api.Server{Host: s.Host, Port: s.Port, TLS: string(s.TLS), Login: s.Login}
}

func viewCard(c relay.Card) *api.Card {
	if c.VerifiedAt.IsZero() {
		return nil
	}
	return &api.Card{
		VerifiedAt: c.VerifiedAt.UTC(), Ways: texts(words(c.Ways)), SMTPHost: c.SMTPHost, Certificate: c.Certificate,
		Extensions: texts(c.Extensions), MaxSize: c.MaxSize, ArrivedIn: c.ArrivedIn, ArrivedAfter: c.ArrivedAfter.Seconds(),
		KeepsFrom: c.KeepsFrom, KeepsHeaderID: c.KeepsHeaderID, ReplyNamesID: c.ReplyNamesID,
		SentFolder: c.SentFolder, FilesSent: c.FilesSent, Appends: c.Appends, AppendLimit: c.AppendLimit, UIDPlus: c.UIDPlus,
	}
}

func viewVerification(v relay.Verification) api.Verification {
	out := api.Verification{
		Account: v.Account, State: string(v.State), Started: v.Started.UTC(), Ended: moment(v.Ended),
		Steps: make([]api.VerificationStep, 0, len(v.Steps)), Field: v.Field, Message: v.Message,
	}
	for _, s := range v.Steps {
		out.Steps = append(out.Steps, api.VerificationStep{Name: s.Name, Label: s.Label, State: string(s.State), Detail: s.Detail})
	}
	return out
}
