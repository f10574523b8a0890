package admin

import (
	"github.com/relayd/relayd/internal/api"
	"github.com/relayd/relayd/relay"
)

func accountOwner(a *relay.Account) string { return a.Organisation }

// viewAccount is what may be shown of an account: everything but the password,
// sealed or not.
func viewAccount(a *relay.Account) api.Account {
	return api.Account{
		ID: a.ID, Organisation: a.Organisation, User: a.User, Address: a.Address.String(),
		Provider: a.Provider, SMTP: viewServer(a.SMTP), IMAP: viewServer(a.IMAP),
		HasPassword: len(a.Password) > 0, SentFolder: a.SentFolder,
		State: string(a.State), StateReason: a.StateReason,
		StateSince: moment(a.StateSince), RetryAt: moment(a.RetryAt),
		Card: viewCard(a.Card), Revision: a.Revision,
	}
}

func viewServer(s relay.Server) api.Server {
	return api.Server{Host: s.Host, Port: s.Port, TLS: string(s.TLS), Login: s.Login}
}

func viewCard(c relay.Card) *api.Card {
	if c.VerifiedAt.IsZero() {
		return nil
	}
	return &api.Card{
		VerifiedAt: c.VerifiedAt.UTC(), SMTPHost: c.SMTPHost, SentFolder: c.SentFolder, FilesSent: c.FilesSent,
		KeepsFrom: c.KeepsFrom, KeepsHeaderID: c.KeepsHeaderID, UIDPlus: c.UIDPlus,
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
