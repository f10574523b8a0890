package main

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/relayd/relayd/internal/api"
	"github.com/relayd/relayd/relay"
)

// appFlags describe an application. What is not given stays as it is.
type appFlags struct {
	vendor, kind, clientID, tenant, cloud string
	testing                               bool
	expires                               string
	endpoints                             map[string]string
	given                                 func(flag string) bool
}

func (a *appFlags) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&a.vendor, "vendor", "", "google, microsoft, or the id of another vendor of OAuth")
	f.StringVar(&a.clientID, "client-id", "", "what the provider calls the application")
	f.StringVar(&a.kind, "kind", "", "consent, by each person; app-only, by the tenant's administrator for every mailbox; or service-account, of Google (default consent)")
	f.StringVar(&a.tenant, "tenant", "", "Microsoft: id of the tenant (default common)")
	f.StringVar(&a.cloud, "cloud", "", "Microsoft: a national cloud, such as gcc-high or china")
	f.BoolVar(&a.testing, "testing", false, "Google: the application is in testing, so that consents end after 7 days")
	f.StringVar(&a.expires, "secret-expires", "", "the day on which the secret ends, such as 2027-06-30")
	f.StringToStringVar(&a.endpoints, "endpoint", nil, "in place of the vendor's own, NAME=URL: auth, token, device, revoke, admin_consent, graph or gmail; mail=HOST names a further mail server that may get its tokens; may be repeated")
	a.given = f.Changed
}

// apply writes what was given into the input.
func (a *appFlags) apply(in *api.AppInput) error {
	for flag, set := range map[string]func(){
		"vendor":    func() { in.Vendor = a.vendor },
		"client-id": func() { in.ClientID = a.clientID },
		"kind":      func() { in.Kind = strings.ReplaceAll(a.kind, "-", "_") },
		"tenant":    func() { in.Tenant = a.tenant },
		"cloud":     func() { in.Cloud = a.cloud },
		"testing":   func() { in.Testing = a.testing },
	} {
		if a.given(flag) {
			set()
		}
	}
	if a.given("secret-expires") {
		day, err := time.ParseInLocation(time.DateOnly, a.expires, time.Local)
		if err != nil {
			return &usageError{command: "relayd app", problem: "--secret-expires must be a day, such as 2027-06-30"}
		}
		in.SecretExpires = &day
	}
	if a.given("endpoint") {
		return a.applyEndpoints(in)
	}
	return nil
}

func (a *appFlags) applyEndpoints(in *api.AppInput) error {
	e := api.Endpoints{}
	if in.Endpoints != nil {
		e = *in.Endpoints
	}
	names := map[string]*string{
		"auth": &e.Auth, "token": &e.Token, "device": &e.Device, "revoke": &e.Revoke,
		"admin_consent": &e.AdminConsent, "graph": &e.Graph, "gmail": &e.Gmail, "mail": &e.Mail,
	}
	for name, address := range a.endpoints {
		to := names[strings.ReplaceAll(name, "-", "_")]
		if to == nil {
			return &usageError{command: "relayd app", problem: "--endpoint knows no " + name}
		}
		*to = address
	}
	in.Endpoints = &e
	return nil
}

// appSecret are the flags that say where the secret of an application comes from.
type appSecret struct {
	file  string
	stdin bool
}

func (s *appSecret) flags(c *cobra.Command) {
	c.Flags().StringVar(&s.file, "secret-file", "", "file with the client secret, or the JSON key of a service account")
	c.Flags().BoolVar(&s.stdin, "secret-stdin", false, "read the client secret from the first line of standard input")
}

// given reports whether one of them was used.
func (s *appSecret) given() bool { return s.file != "" || s.stdin }

// read gives the secret: of the file, of standard input, or as it is typed.
func (s *appSecret) read(ctx context.Context, e *environment, in *api.AppInput) error {
	var secret relay.Secret
	var err error
	switch {
	case s.file != "" && s.stdin:
		return &usageError{command: "relayd app", problem: "--secret-file and --secret-stdin exclude each other"}
	case s.file != "":
		secret, err = secretFile(s.file)
	default:
		secret, err = e.secret(ctx, question{
			prompt: "Client secret of the application: ", what: "secret", flags: "--secret-stdin or --secret-file",
		}, s.stdin)
	}
	if err != nil {
		return err
	}
	text := secret.Reveal()
	in.Secret = &text
	return nil
}
