package main

import (
	"context"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/relayd/relayd/internal/api"
	"github.com/relayd/relayd/internal/apiclient"
)

// settingsFlags are the flags that say how accounts are reached and signed in to.
// What is not given stays as it is.
type settingsFlags struct {
	command    string // for the errors, such as "relayd account"
	provider   string
	preset     string
	smtp, imap serverFlags
	ews        api.EWS
	ways       []string
	signIn     string
	app        string
	given      func(flag string) bool
}

// serverFlags describe one server.
type serverFlags struct {
	hostport, tls, login string
}

const tlsHelp = "implicit, starttls or none (default: what is usual on the port)"

func (s *settingsFlags) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&s.provider, "provider", "", "imap, gmail, office365 or exchange; the servers of another provider are other ones")
	f.StringVar(&s.preset, "preset", "", "id of the preset whose limits and reply rules hold (default: found by the server)")
	f.StringVar(&s.smtp.hostport, "smtp", "", `outgoing server as HOST:PORT, such as smtp.example.com:587; "" takes it away`)
	f.StringVar(&s.smtp.tls, "smtp-tls", "", tlsHelp)
	f.StringVar(&s.smtp.login, "smtp-login", "", "user name there (default: the account's address)")
	f.StringVar(&s.imap.hostport, "imap", "", `incoming server as HOST:PORT, such as imap.example.com:993; "" takes it away`)
	f.StringVar(&s.imap.tls, "imap-tls", "", tlsHelp)
	f.StringVar(&s.imap.login, "imap-login", "", "user name there (default: the account's address)")
	f.StringVar(&s.ews.URL, "ews", "", `Exchange server as URL, such as https://mail.example.com/EWS/Exchange.asmx; "" takes it away`)
	f.StringVar(&s.ews.Version, "ews-version", "", "its version, such as Exchange2013_SP1 (default: it is found)")
	f.StringVar(&s.ews.Login, "ews-login", "", `user name there, as DOMAIN\user or user@domain (default: the account's address)`)
	f.StringSliceVar(&s.ways, "ways", nil, `ways of sending, best first: smtp, graph, gmail-api, ews; "" means the provider's own`)
	f.StringVar(&s.signIn, "sign-in", "", "password; oauth, by the person's consent; or app, by the secret of an application that opens many mailboxes")
	f.StringVar(&s.app, "app", "", `name or id of the OAuth application, for every sign-in but by password; "" means none`)
	s.given = f.Changed
}

// apply writes what was given into the settings.
func (s *settingsFlags) apply(ctx context.Context, client *apiclient.Client, in *api.Settings) error {
	if s.movesOn(in) {
		*in = api.Settings{SignIn: in.SignIn}
	}
	if s.given("provider") {
		in.Provider = s.provider
	}
	if s.given("preset") {
		in.Preset = s.preset
	}
	if err := s.server(&in.SMTP, "smtp", s.smtp); err != nil {
		return err
	}
	if err := s.server(&in.IMAP, "imap", s.imap); err != nil {
		return err
	}
	if err := s.exchange(in); err != nil {
		return err
	}
	if s.given("ways") {
		in.Ways = waysOf(s.ways)
	}
	if s.given("sign-in") {
		in.SignIn = s.signIn
	}
	if !s.given("app") {
		return nil
	}
	id, err := appID(ctx, client, s.app)
	in.App = id
	return err
}

// movesOn reports whether another provider than the one so far was given. Nothing of
// the old one's settings is of use there.
func (s *settingsFlags) movesOn(before *api.Settings) bool {
	return s.given("provider") && before.Provider != "" && before.Provider != s.provider
}

// waysOf reads ways as people type them.
func waysOf(typed []string) []string {
	ways := slices.Clone(typed)
	for i, w := range ways {
		ways[i] = strings.ReplaceAll(w, "-", "_")
	}
	return ways
}

func (s *settingsFlags) server(to **api.Server, kind string, f serverFlags) error {
	if s.given(kind) && f.hostport == "" {
		*to = nil
	}
	if f.hostport == "" && *to == nil {
		if f.tls != "" || s.given(kind+"-login") {
			return &usageError{command: s.command, problem: "--" + kind + " HOST:PORT is missing"}
		}
		return nil // it is found when the account is verified
	}
	server := api.Server{}
	if *to != nil {
		server = **to
	}
	*to = &server
	return s.fill(&server, kind, f)
}

func (s *settingsFlags) fill(to *api.Server, kind string, f serverFlags) error {
	if f.hostport != "" {
		host, text, err := net.SplitHostPort(f.hostport)
		port, convErr := strconv.Atoi(text)
		if err != nil || convErr != nil {
			return &usageError{command: s.command, problem: "--" + kind + " must be HOST:PORT, such as " + kind + ".example.com:" + usualPort(kind)}
		}
		to.Host, to.Port, to.TLS = host, port, usualTLS(port)
	}
	if f.tls != "" {
		to.TLS = f.tls
	}
	if s.given(kind + "-login") {
		to.Login = f.login
	}
	return nil
}

// exchange writes the Exchange server. Whoever names one has said the provider too.
func (s *settingsFlags) exchange(in *api.Settings) error {
	switch {
	case s.given("ews") && s.ews.URL == "":
		in.EWS = nil
		return nil
	case s.given("ews"):
		server := api.EWS{URL: s.ews.URL}
		if in.EWS != nil {
			server.Version, server.Login = in.EWS.Version, in.EWS.Login
		}
		in.EWS = &server
		if in.Provider == "" {
			in.Provider = "exchange"
		}
	case in.EWS == nil && (s.given("ews-login") || s.given("ews-version")):
		return &usageError{command: s.command, problem: "--ews URL is missing"}
	case in.EWS == nil:
		return nil
	}
	if s.given("ews-version") {
		in.EWS.Version = s.ews.Version
	}
	if s.given("ews-login") {
		in.EWS.Login = s.ews.Login
	}
	return nil
}

func usualPort(kind string) string {
	if kind == "imap" {
		return "993"
	}
	return "587"
}

// usualTLS is what servers speak on a port: implicit TLS on 465 and 993 (RFC 8314
// §7.3), STARTTLS elsewhere.
func usualTLS(port int) string {
	if port == 465 || port == 993 {
		return "implicit"
	}
	return "starttls"
}

// byToken reports whether a sign-in is by an access token, and so without a password.
func byToken(signIn string) bool { return signIn == "oauth" || signIn == "app" }

// settingsText is settings as names and values, for pairs.
func settingsText(s *api.Settings) []string {
	provider := s.Provider
	if s.Preset != "" {
		provider += " (preset " + s.Preset + ")"
	}
	signIn := s.SignIn
	if s.App != "" {
		signIn += " with the application " + s.App
	}
	return []string{
		"Provider", provider, "Ways of sending", strings.Join(s.Ways, ", "), "Outgoing server", endpoint(s.SMTP),
		"Incoming server", endpoint(s.IMAP), "Exchange server", exchangeText(s.EWS), "Sign-in", signIn,
	}
}

// endpoint is a server in one word; empty if there is none.
func endpoint(s *api.Server) string {
	if s == nil {
		return ""
	}
	text := s.Host + ":" + strconv.Itoa(s.Port) + " " + s.TLS
	if s.Login != "" {
		text += " as " + s.Login
	}
	return text
}

func exchangeText(e *api.EWS) string {
	if e == nil {
		return ""
	}
	text := e.URL
	if e.Version != "" {
		text += " " + e.Version
	}
	if e.Login != "" {
		text += " as " + e.Login
	}
	return text
}
