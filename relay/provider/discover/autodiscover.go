package discover

import (
	"context"
	"encoding/xml"
	"net/url"
	"slices"
	"strings"

	"github.com/relayd/relayd/internal/mailaddr"
	"github.com/relayd/relayd/relay"
)

// autodiscover asks the domain's own Autodiscover service, in the ways that need no
// sign-in, if there is reason to think of an Exchange server.
func (s *search) autodiscover(exchanger string, _ error) []inquiry {
	if s.choice.Provider != relay.ProviderExchange && !ownExchange(exchanger, s.address.Domain) {
		return nil
	}
	domain := s.address.Domain
	return []inquiry{
		s.v2("autodiscover." + domain),
		s.pox("autodiscover." + domain),
		s.pox(domain),
		s.poxBySRV(),
	}
}

// ownExchange reports whether the MX looks like a server of the domain's own, on which
// an Exchange may run: it is below the same registered domain, or is named after one.
func ownExchange(exchanger, domain string) bool {
	if exchanger == "" {
		return false
	}
	first, _, _ := strings.Cut(exchanger, ".")
	return registered(exchanger) == registered(domain) || strings.HasPrefix(first, "exch") || strings.HasPrefix(first, "owa")
}

// v2 is the JSON form, which Exchange 2016 and later answer without a sign-in.
func (s *search) v2(host string) inquiry {
	address := "https://" + host + "/autodiscover/autodiscover.json?Email=" + s.escaped() + "&Protocol=EWS"
	return inquiry{SourceAutodiscover, "Autodiscover (JSON) at " + host, func(ctx context.Context) ([]Suggestion, string, error) {
		answer, err := s.document(ctx, request{url: address})
		if err != nil {
			return nil, "", err
		}
		o, err := parseV2(answer.body)
		if err != nil {
			return nil, "", err
		}
		o.from = answer.from
		return s.suggest(o, SourceAutodiscover)
	}}
}

// parseV2 reads {"Protocol":"Ews","Url":"https://…"}.
func parseV2(data []byte) (offer, error) {
	var d struct {
		Protocol string
		URL      string `json:"Url"`
	}
	if err := parseJSON(data, &d); err != nil {
		return offer{}, err
	}
	address, ok := ewsAddress(d.URL)
	if !ok || !strings.EqualFold(d.Protocol, "EWS") {
		return offer{}, errUnusable
	}
	return offer{ews: address}, nil
}

// pox is the XML form. Exchange itself wants a sign-in for it, and gets none; Plesk,
// cPanel and others answer without.
func (s *search) pox(host string) inquiry {
	return inquiry{SourceAutodiscover, "Autodiscover (XML) at " + host, func(ctx context.Context) ([]Suggestion, string, error) {
		return s.askPOX(ctx, host)
	}}
}

// poxBySRV finds the service by its SRV record. Only the usual port of https is asked.
func (s *search) poxBySRV() inquiry {
	return inquiry{SourceAutodiscover, "Autodiscover (XML) at the server that the DNS names", func(ctx context.Context) ([]Suggestion, string, error) {
		answer, err := s.opts.Resolver.LookupSRV(ctx, "_autodiscover._tcp."+s.address.Domain)
		if err != nil {
			return nil, "", absence(err)
		}
		if len(answer.Records) == 0 {
			return nil, "", errNothing
		}
		host, err := mailaddr.ParseDomain(answer.Records[0].Host)
		if err != nil || answer.Records[0].Port != 443 {
			return nil, "", errUnusable
		}
		return s.askPOX(ctx, host)
	}}
}

// The namespaces of POX really begin with http: (MS-OXDSCLI §2.2.3).
const (
	poxRequest  = "http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006"
	poxResponse = "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"
)

// askPOX asks, and follows the redirects that stand inside the answers as well: all of
// them together are maxRedirects.
func (s *search) askPOX(ctx context.Context, host string) ([]Suggestion, string, error) {
	var email strings.Builder
	if err := xml.EscapeText(&email, []byte(s.address.String())); err != nil {
		return nil, "", errMalformed
	}
	body := `<?xml version="1.0" encoding="utf-8"?><Autodiscover xmlns="` + poxRequest + `"><Request><EMailAddress>` +
		email.String() + `</EMailAddress><AcceptableResponseSchema>` + poxResponse + `</AcceptableResponseSchema></Request></Autodiscover>`
	address, left := "https://"+host+"/autodiscover/autodiscover.xml", maxRedirects
	for {
		answer, err := s.document(ctx, request{url: address, body: body, left: &left})
		if err != nil {
			return nil, "", err
		}
		o, next, err := parsePOX(answer.body, s.address)
		if err != nil {
			return nil, "", err
		}
		if next == "" {
			if o.from = answer.from; o.from == "" && hostOf(address) != host {
				o.from = hostOf(address)
			}
			return s.suggest(o, SourceAutodiscover)
		}
		if left--; left < 0 {
			return nil, "", errRedirects
		}
		address = next
	}
}

// parsePOX reads an answer: an offer, or the address that it leads to. An answer that
// leads to another mail address is not followed: the person typed this one.
func parsePOX(data []byte, a relay.Address) (o offer, next string, err error) {
	root, err := parseXML(data)
	if err != nil {
		return offer{}, "", err
	}
	account := root.first("Response").first("Account")
	if !strings.EqualFold(root.name, "Autodiscover") || account == nil {
		return offer{}, "", errMalformed
	}
	if to := account.value("RedirectUrl"); strings.EqualFold(account.value("Action"), "redirectUrl") {
		u, err := url.Parse(to)
		if err != nil {
			return offer{}, "", errLeads
		}
		if err := checkTarget(u); err != nil {
			return offer{}, "", err
		}
		return offer{}, u.String(), nil
	}
	if strings.EqualFold(account.value("Action"), "redirectAddr") {
		return offer{}, "", errLeads
	}
	var inside, outside string
	for _, p := range account.all("Protocol") {
		switch strings.ToUpper(p.value("Type")) {
		case "EXCH":
			inside = poxEWS(p, inside)
		case "EXPR": // how the server is reached from outside
			outside = poxEWS(p, outside)
		case "IMAP":
			o.imap = poxServer(o.imap, p, a, 143)
		case "SMTP":
			o.smtp = poxServer(o.smtp, p, a, 587)
		}
	}
	o.ews = firstOf(outside, inside)
	return o, "", nil
}

// poxEWS gives the EWS address of a protocol, unless there is one already.
func poxEWS(p *node, known string) string {
	for _, name := range []string{"EwsUrl", "ASUrl"} {
		if address, ok := ewsAddress(p.value(name)); ok && known == "" {
			return address
		}
	}
	return known
}

// poxServer takes an IMAP or SMTP server. SSL is on by default; what it means depends
// on the port, unless Encryption says more (MS-OXDSCLI §2.2.4.1.1.2.6).
func poxServer(list []endpoint, p *node, a relay.Address, upgrades int) []endpoint {
	mode := ""
	switch encryption := strings.ToUpper(p.value("Encryption")); {
	case encryption == "SSL":
		mode = "SSL"
	case encryption == "TLS":
		mode = "STARTTLS"
	case encryption == "NONE", strings.EqualFold(p.value("SSL"), "off"):
	default:
		mode = "SSL"
	}
	e, ok := endpointOf(p.value("Server"), p.value("Port"), mode)
	if !ok || strings.EqualFold(p.value("AuthRequired"), "off") || len(list) >= maxPairs {
		return list
	}
	switch {
	case e.Port == upgrades:
		e.TLS = relay.TLSStartTLS
	case slices.Contains([]int{465, 993}, e.Port):
		e.TLS = relay.TLSImplicit
	}
	e.setLogin(p.value("LoginName"), a)
	return append(list, e)
}

// escaped is the address for a query.
func (s *search) escaped() string { return url.QueryEscape(s.address.String()) }
