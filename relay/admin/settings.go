package admin

import (
	"context"
	"errors"

	"github.com/relayd/relayd/internal/api"
	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
)

// readSettings checks settings as a caller writes them, for an account or a starter
// configuration of the organisation.
func (d *desk) readSettings(ctx context.Context, organisation string, in api.Settings) (relay.Settings, error) {
	out := relay.Settings{Provider: in.Provider, Preset: in.Preset, App: in.App, SignIn: relay.SignIn(in.SignIn)}
	if in.SignIn == "password" {
		out.SignIn = relay.SignInPassword
	}
	for _, w := range in.Ways {
		out.Ways = append(out.Ways, relay.Way(w))
	}
	var err error
	if out.SMTP, err = server("smtp", in.SMTP); err != nil {
		return out, err
	}
	if out.IMAP, err = server("imap", in.IMAP); err != nil {
		return out, err
	}
	if in.EWS != nil {
		out.EWS = relay.EWS{URL: in.EWS.URL, Version: in.EWS.Version, Login: in.EWS.Login}
	}
	if err := plainText("preset", in.Preset); err != nil {
		return out, err
	}
	return out, d.mayUse(ctx, organisation, in.App)
}

// mayUse refuses an application that the organisation may not use: of its own, and of
// the operator's, each one may.
func (d *desk) mayUse(ctx context.Context, organisation, app string) error {
	if app == "" {
		return nil
	}
	rec, err := d.dir.Apps().Get(ctx, app)
	if errors.Is(err, store.ErrNotFound) || err == nil && rec.Organisation != "" && rec.Organisation != organisation {
		return wrong("app", "There is no OAuth application %q.", relay.Printable(app))
	}
	return err
}

// server checks one endpoint. Whether its host may be reached at all is decided
// when it is dialled.
func server(field string, in *api.Server) (relay.Server, error) {
	if in == nil {
		return relay.Server{}, nil
	}
	name, err := host(field+".host", in.Host)
	if err != nil {
		return relay.Server{}, err
	}
	if err := plainText(field+".login", in.Login); err != nil {
		return relay.Server{}, err
	}
	return relay.Server{Host: name, Port: in.Port, TLS: relay.TLSMode(in.TLS), Login: in.Login}, nil
}
