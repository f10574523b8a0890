package discover

import (
	"context"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/relayd/relayd/internal/mailbox"
	"github.com/relayd/relayd/internal/smtpwire"
	"github.com/relayd/relayd/internal/tlsconf"
	"github.com/relayd/relayd/relay"
)

// guesses tries the usual names. Each server must answer, be what it is taken for, and
// prove its name by a certificate; nobody signs in.
func (s *search) guesses(exchanger string, _ error) []inquiry {
	list := []inquiry{{SourceGuess, "The usual names of mail servers under " + s.address.Domain, func(ctx context.Context) ([]Suggestion, string, error) {
		return s.guessServers(ctx, exchanger)
	}}}
	if s.choice.Provider == relay.ProviderExchange || ownExchange(exchanger, s.address.Domain) {
		list = append(list, s.guessEWS(exchanger))
	}
	return list
}

// guessServers looks at every server once, all at the same time, and takes the first
// pair of which both answer; else the first of each kind.
func (s *search) guessServers(ctx context.Context, exchanger string) ([]Suggestion, string, error) {
	guesses := s.opts.Presets.Guesses(s.address.Domain, exchanger)
	var smtp, imap []relay.Server
	for _, g := range guesses {
		smtp, imap = addServer(smtp, g.SMTP), addServer(imap, g.IMAP)
	}
	smtpGood, imapGood := make([]bool, len(smtp)), make([]bool, len(imap))
	var all sync.WaitGroup
	for i, server := range smtp {
		all.Go(func() { smtpGood[i] = s.answersSMTP(ctx, server) })
	}
	for i, server := range imap {
		all.Go(func() { imapGood[i] = s.answersIMAP(ctx, server) })
	}
	all.Wait()
	var o offer
	for _, g := range guesses {
		if smtpGood[slices.Index(smtp, g.SMTP)] && imapGood[slices.Index(imap, g.IMAP)] {
			o = offer{smtp: []endpoint{{Server: g.SMTP}}, imap: []endpoint{{Server: g.IMAP}}}
			return s.suggest(o, SourceGuess)
		}
	}
	if i := slices.Index(smtpGood, true); i >= 0 {
		o.smtp = []endpoint{{Server: smtp[i]}}
	}
	if i := slices.Index(imapGood, true); i >= 0 {
		o.imap = []endpoint{{Server: imap[i]}}
	}
	if len(o.smtp) == 0 {
		return nil, "", errProbe
	}
	return s.suggest(o, SourceGuess)
}

func addServer(list []relay.Server, server relay.Server) []relay.Server {
	if slices.Contains(list, server) {
		return list
	}
	return append(list, server)
}

// answersSMTP reports whether a submission server answers there, under a certificate
// for its name. One that announces STARTTLS and fails it does not.
func (s *search) answersSMTP(ctx context.Context, server relay.Server) bool {
	conn, err := s.opts.Dialer.DialContext(ctx, "tcp", net.JoinHostPort(server.Host, strconv.Itoa(server.Port)))
	if err != nil {
		return false
	}
	c := smtpwire.NewClient(conn, smtpwire.ClientOptions{Hello: s.opts.Hello, Timeouts: smtpwire.ClientTimeouts{
		Greeting: s.opts.StepTimeout, Command: s.opts.StepTimeout, Handshake: s.opts.StepTimeout,
	}})
	defer c.Close() //nolint:errcheck // it was only looked at
	config := tlsconf.Client(server.Host, s.opts.Roots)
	steps := []func(context.Context) error{
		func(ctx context.Context) error { return c.ImplicitTLS(ctx, config) }, c.Greet, c.Hello,
	}
	if server.TLS == relay.TLSStartTLS {
		steps = []func(context.Context) error{
			c.Greet, c.Hello, func(ctx context.Context) error { return c.StartTLS(ctx, config) }, c.Hello,
		}
	}
	for _, step := range steps {
		if step(ctx) != nil {
			return false
		}
	}
	return true
}

// answersIMAP is answersSMTP for IMAP.
func (s *search) answersIMAP(ctx context.Context, server relay.Server) bool {
	_, err := mailbox.Probe(ctx, mailbox.Options{
		Dialer: s.opts.Dialer, Server: server, Roots: s.opts.Roots, ConnectTimeout: s.opts.StepTimeout,
	})
	return err == nil
}

// guessEWS asks the usual place of EWS at the usual names. An Exchange server shows
// itself there by the kinds of sign-in that it wants.
func (s *search) guessEWS(exchanger string) inquiry {
	domain := s.address.Domain
	return inquiry{SourceGuess, "The usual names of Exchange servers under " + domain, func(ctx context.Context) ([]Suggestion, string, error) {
		hosts := []string{"mail." + domain, "autodiscover." + domain}
		if ownExchange(exchanger, domain) && !slices.Contains(hosts, exchanger) {
			hosts = append(hosts, exchanger)
		}
		good := make([]bool, len(hosts))
		var all sync.WaitGroup
		for i, host := range hosts {
			all.Go(func() { good[i] = s.wantsEWSSignIn(ctx, ewsAt(host)) })
		}
		all.Wait()
		i := slices.Index(good, true)
		if i < 0 {
			return nil, "", errNothing
		}
		return s.suggest(offer{ews: ewsAt(hosts[i])}, SourceGuess)
	}}
}

func ewsAt(host string) string { return "https://" + host + "/EWS/Exchange.asmx" }

// wantsEWSSignIn reports whether the address answers as EWS does to a stranger.
func (s *search) wantsEWSSignIn(ctx context.Context, address string) bool {
	answer, err := s.fetch(ctx, request{url: address})
	if err != nil || answer.status != http.StatusUnauthorized || answer.from != "" {
		return false
	}
	return slices.ContainsFunc(answer.header.Values("WWW-Authenticate"), func(scheme string) bool {
		scheme, _, _ = strings.Cut(strings.ToUpper(scheme), " ")
		return scheme == "NTLM" || scheme == "NEGOTIATE"
	})
}
