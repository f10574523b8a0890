package discover

import (
	"context"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/relayd/relayd/internal/mailaddr"
	"github.com/relayd/relayd/relay"
)

// files are the two places of a domain's own configuration file
// (draft-ietf-mailmaint-autoconfig §4.1; the third one, by http, is left out).
func (s *search) files() []inquiry {
	domain := s.address.Domain
	return []inquiry{
		s.file(SourceAutoconfig, "https://autoconfig."+domain+"/mail/config-v1.1.xml?emailaddress="+url.QueryEscape(s.address.String())),
		s.file(SourceAutoconfig, "https://"+domain+"/.well-known/autoconfig/mail/config-v1.1.xml"),
	}
}

// ispdb asks the public database. It learns the domain and nothing else.
func (s *search) ispdb(source Source, domain string) []inquiry {
	if s.opts.ISPDB == "" {
		return nil
	}
	q := s.file(source, s.opts.ISPDB+url.PathEscape(domain))
	q.asked = "The public database of mail providers, for " + domain
	return []inquiry{q}
}

func (s *search) file(source Source, address string) inquiry {
	return inquiry{source, "The settings file at " + hostOf(address), func(ctx context.Context) ([]Suggestion, string, error) {
		answer, err := s.document(ctx, request{url: address})
		if err != nil {
			return nil, "", err
		}
		o, err := parseAutoconfig(answer.body, s.address)
		if err != nil {
			return nil, "", err
		}
		o.from = answer.from
		return s.suggest(o, source)
	}}
}

// parseAutoconfig reads a configuration file, version 1.1, and takes what is safe.
func parseAutoconfig(data []byte, a relay.Address) (offer, error) {
	root, err := parseXML(data)
	if err != nil {
		return offer{}, err
	}
	if !strings.EqualFold(root.name, "clientConfig") {
		return offer{}, errMalformed
	}
	email := root.first("emailProvider")
	if email == nil {
		return offer{}, errNothing
	}
	var o offer
	for _, server := range email.children {
		kind := strings.ToLower(server.attrs["type"])
		switch name := strings.ToLower(server.name); {
		case name == "outgoingserver" && kind == "smtp":
			o.smtp = o.take(o.smtp, server, a)
		case name == "incomingserver" && kind == "imap":
			o.imap = o.take(o.imap, server, a)
		case name == "incomingserver" && (kind == "exchange" || kind == "ews"), name == "ews":
			for _, child := range []string{"ewsURL", "url"} {
				if address, ok := ewsAddress(expand(server.value(child), a)); ok && o.ews == "" {
					o.ews = address
				}
			}
		}
	}
	return o, nil
}

// take adds a server to a list if it can be used safely, and its kinds of sign-in.
func (o *offer) take(list []endpoint, n *node, a relay.Address) []endpoint {
	e, ok := endpointOf(expand(n.value("hostname"), a), n.value("port"), n.value("socketType"))
	signIns := signInsOf(n.all("authentication"))
	if !ok || len(signIns) == 0 || len(list) >= maxPairs {
		return list
	}
	for _, kind := range signIns {
		if !slices.Contains(o.signIns, kind) {
			o.signIns = append(o.signIns, kind)
		}
	}
	e.setLogin(expand(n.value("username"), a), a)
	return append(list, e)
}

// endpointOf checks the parts of a server. What is not encrypted is not taken.
func endpointOf(host, port, socket string) (endpoint, bool) {
	name, err := mailaddr.ParseDomain(strings.TrimSuffix(strings.TrimSpace(host), "."))
	if err != nil {
		return endpoint{}, false
	}
	number, err := strconv.ParseUint(strings.TrimSpace(port), 10, 16)
	if err != nil || number == 0 {
		return endpoint{}, false
	}
	e := endpoint{Server: relay.Server{Host: name, Port: int(number)}}
	switch strings.ToUpper(strings.TrimSpace(socket)) {
	case "SSL", "TLS":
		e.TLS = relay.TLSImplicit
	case "STARTTLS":
		e.TLS = relay.TLSStartTLS
	default:
		return endpoint{}, false
	}
	return e, true
}

// maxLogin bounds a user name; no address is longer.
const maxLogin = 254

// setLogin takes a user name. One that still has a placeholder in it, or that cannot
// be one, is left for the person.
func (e *endpoint) setLogin(name string, a relay.Address) {
	switch {
	case name == "" || name == a.String():
	case len(name) > maxLogin || name != relay.Printable(name) || leftover.MatchString(name):
		e.asks = true
	default:
		e.Login = name
	}
}

// signInsOf gives the kinds of sign-in that relayd can do, in the file's order. Where
// nothing is said a password is meant.
func signInsOf(list []*node) []relay.SignIn {
	if len(list) == 0 {
		return []relay.SignIn{relay.SignInPassword}
	}
	var out []relay.SignIn
	for _, n := range list {
		var kind relay.SignIn
		switch strings.ToLower(n.text) {
		case "password-cleartext", "password-encrypted", "plain", "secure":
			kind = relay.SignInPassword
		case "oauth2":
			kind = relay.SignInConsent
		default:
			continue
		}
		if !slices.Contains(out, kind) {
			out = append(out, kind)
		}
	}
	return out
}

var (
	// placeholder takes a closing % that is missing for granted: such files are about.
	placeholder = regexp.MustCompile(`(?i)%(EMAILADDRESS|EMAILLOCALPART|EMAILDOMAIN)%?`)
	leftover    = regexp.MustCompile(`%[A-Za-z]+`)
)

// expand fills in the placeholders. A text that is too long to be of use is dropped
// before it grows.
func expand(text string, a relay.Address) string {
	if len(text) > maxAddress {
		return ""
	}
	return placeholder.ReplaceAllStringFunc(strings.TrimSpace(text), func(found string) string {
		switch strings.ToUpper(strings.Trim(found, "%")) {
		case "EMAILADDRESS":
			return a.String()
		case "EMAILLOCALPART":
			return a.Local
		}
		return a.Domain
	})
}

// ewsAddress checks an address of EWS: https, a name, the usual port, and nothing that
// could carry more than a place.
func ewsAddress(text string) (string, bool) {
	u, err := url.Parse(strings.TrimSpace(text))
	if err != nil || text == "" || checkTarget(u) != nil || u.RawQuery != "" || u.Fragment != "" || len(u.Path) < 2 {
		return "", false
	}
	return "https://" + strings.ToLower(u.Hostname()) + u.EscapedPath(), true
}
