package provider

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/relayd/relayd/internal/mailaddr"
	"github.com/relayd/relayd/relay"
)

func (e *presetEntry) compileServers(s *Preset) error {
	var err error
	if s.SMTP, err = serversOf(e.SMTP); err != nil {
		return fmt.Errorf("smtp: %w", err)
	}
	if s.IMAP, err = serversOf(e.IMAP); err != nil {
		return fmt.Errorf("imap: %w", err)
	}
	if e.Customers != nil {
		s.customers = new(servers)
		if s.customers.smtp, err = serversOf(e.Customers.SMTP); err != nil {
			return fmt.Errorf("customers: %w", err)
		}
		if s.customers.imap, err = serversOf(e.Customers.IMAP); err != nil {
			return fmt.Errorf("customers: %w", err)
		}
	}
	if len(e.SMTP)+len(e.Guesses) == 0 && e.EWS.URL+e.EWS.Path == "" {
		return errors.New("there is no way to send: smtp, ews and guesses are all missing")
	}
	for _, customer := range []bool{false, true} {
		all := s.everywhere(customer)
		for _, server := range slices.Concat(all.SMTP, all.IMAP) {
			if err := checkHost(server.Host); err != nil {
				return err
			}
		}
	}
	return nil
}

func serversOf(entries []serverEntry) ([]relay.Server, error) {
	var out []relay.Server
	for _, e := range entries {
		server, err := e.server()
		if err != nil {
			return nil, err
		}
		out = append(out, server)
	}
	return out, nil
}

func (e serverEntry) server() (relay.Server, error) {
	server := relay.Server{Host: e.Host, Port: e.Port, TLS: relay.TLSMode(e.TLS)}
	switch {
	case e.Host == "":
		return server, errors.New("a host is missing")
	case e.Port < 1 || e.Port > 65535:
		return server, fmt.Errorf("%d is not a port", e.Port)
	case server.TLS != relay.TLSImplicit && server.TLS != relay.TLSStartTLS:
		return server, fmt.Errorf("tls: %q is not known", e.TLS)
	}
	return server, nil
}

// checkHost takes names, and addresses of the machine itself.
func checkHost(host string) error {
	if a, err := netip.ParseAddr(host); err == nil && a.IsLoopback() {
		return nil
	}
	if parsed, err := mailaddr.ParseDomain(host); err != nil || parsed != host {
		return fmt.Errorf("%q is not a host name in lower case", host)
	}
	return nil
}

func checkURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" || u.User != nil || u.Fragment != "" {
		return fmt.Errorf("%q is not an address with https", text)
	}
	return checkHost(u.Host)
}

func (e *presetEntry) compileEWS(s *Preset) error {
	switch {
	case e.EWS.URL != "" && e.EWS.Path != "":
		return errors.New("ews: url and path are both given")
	case e.EWS.URL != "":
		s.EWS.URL = e.EWS.URL
		if err := checkURL(s.everywhere(false).EWS.URL); err != nil {
			return fmt.Errorf("ews: %w", err)
		}
	case e.EWS.Path != "":
		if s.EWS.URL = e.EWS.Path; !strings.HasPrefix(s.EWS.URL, "/") {
			return fmt.Errorf("ews: %q is not a path", s.EWS.URL)
		}
	}
	s.EWS.Version = e.EWS.Version
	return nil
}

func (e *presetEntry) compileGuesses(s *Preset) error {
	for _, g := range e.Guesses {
		smtp, err := g.SMTP.server()
		if err != nil {
			return fmt.Errorf("guesses: %w", err)
		}
		imap, err := g.IMAP.server()
		if err != nil {
			return fmt.Errorf("guesses: %w", err)
		}
		fill := strings.NewReplacer("{domain}", "acme.example", "{mx_host}", "mx.acme.example")
		for _, host := range []string{smtp.Host, imap.Host} {
			if err := checkHost(fill.Replace(host)); err != nil {
				return fmt.Errorf("guesses: %w", err)
			}
		}
		s.guesses = append(s.guesses, Guess{smtp, imap})
	}
	return nil
}
