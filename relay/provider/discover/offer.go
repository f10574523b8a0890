package discover

import (
	"net/url"
	"slices"
	"strings"

	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/relay/provider"
)

// endpoint is a server that a source names.
type endpoint struct {
	relay.Server      // Login is the user name, empty for the address
	asks         bool // only the person knows the user name
}

// offer is what a source names, already checked.
type offer struct {
	smtp, imap []endpoint // best first
	ews        string     // https address
	signIns    []relay.SignIn
	from       string // the host that gave it, if it is another than was asked
}

// maxPairs is how many pairs of servers of one source become suggestions.
const maxPairs = 3

// suggest makes suggestions of an offer, with words for the trail.
func (s *search) suggest(o offer, source Source) ([]Suggestion, string, error) {
	var list []Suggestion
	var hosts []string
	for n := range min(maxPairs, max(len(o.smtp), len(o.imap))) {
		if len(o.smtp) == 0 {
			break // nothing can be sent
		}
		smtp := o.smtp[min(n, len(o.smtp)-1)]
		settings := relay.Settings{Provider: relay.ProviderIMAP, SMTP: smtp.Server}
		asksIMAP := false
		if len(o.imap) > 0 {
			imap := o.imap[min(n, len(o.imap)-1)]
			settings.IMAP, asksIMAP = imap.Server, imap.asks
		}
		found := s.suggestion(settings, source)
		if smtp.asks {
			found.SMTPLogin = ""
		}
		if asksIMAP {
			found.IMAPLogin = ""
		}
		found.whole = len(o.imap) > 0
		list = append(list, s.finish(found, o))
		hosts = append(hosts, settings.SMTP.Host, settings.IMAP.Host)
	}
	if o.ews != "" {
		found := s.ofEWS(o, source)
		list = append(list, found)
		hosts = append(hosts, hostOf(o.ews))
	}
	if len(list) == 0 {
		return nil, "", errUnusable
	}
	return list, "It names " + strings.Join(distinct(hosts), " and ") + ".", nil
}

// ofEWS makes a suggestion of an EWS address. One at a provider that has presets, such
// as Exchange Online, stands for that provider: EWS is not the way there.
func (s *search) ofEWS(o offer, source Source) Suggestion {
	if preset, ok := s.opts.Presets.ByServer(hostOf(o.ews)); ok {
		if settings, ok := preset.Settings(s.address, 0); ok {
			found := s.suggestion(settings, source)
			found.whole = true
			return s.finish(found, o)
		}
	}
	preset, _ := s.opts.Presets.ByID("exchange_onprem")
	settings := relay.Settings{Provider: relay.ProviderExchange, Preset: preset.ID, EWS: relay.EWS{URL: o.ews, Version: preset.EWS.Version}}
	found := s.suggestion(settings, source)
	found.whole, found.Name, found.Hints = true, preset.Name, preset.Hints
	return s.finish(found, o)
}

// finish adds what the preset of the server knows, and where the offer came from.
func (s *search) finish(found Suggestion, o offer) Suggestion {
	settings := &found.Settings
	if preset, ok := s.opts.Presets.ByServer(settings.SMTP.Host); ok {
		full, _ := preset.Settings(s.address, 0)
		settings.Provider, settings.Preset, settings.SignIn = preset.Provider, preset.ID, full.SignIn
		settings.Ways = full.Ways
		if slices.Contains(full.Ways, relay.WayEWS) {
			settings.EWS = full.EWS
		}
		found.Name, found.Hints, found.SignIns = preset.Name, preset.Hints, preset.SignIns()
	} else {
		found.SignIns = o.signIns
		if len(found.SignIns) == 0 {
			found.SignIns = []relay.SignIn{relay.SignInPassword}
		}
		settings.SignIn = found.SignIns[0]
	}
	if o.from != "" && !found.Confirm {
		found.Confirm, found.Why = true, "The settings come from "+o.from+", to which the page that was asked leads."
	}
	if o.from != "" {
		found.RegisteredDomains = distinct(append(found.RegisteredDomains, registered(o.from)))
	}
	return found
}

// ofPreset makes suggestions of a preset, one for each pair of servers. why asks the
// person to confirm.
func (s *search) ofPreset(preset provider.Preset, source Source, why string) []Suggestion {
	var list []Suggestion
	for n := range maxPairs {
		settings, ok := preset.Settings(s.address, n)
		if !ok {
			break
		}
		found := s.suggestion(settings, source)
		found.Name, found.Hints, found.SignIns, found.whole = preset.Name, preset.Hints, preset.SignIns(), true
		if why != "" {
			found.Confirm, found.Why = true, why
		}
		list = append(list, found)
	}
	return list
}

// suggestion is what follows from settings and source alone.
func (s *search) suggestion(settings relay.Settings, source Source) Suggestion {
	found := Suggestion{Settings: settings, Source: source}
	var hosts []string
	for _, server := range []struct {
		host, login string
		name        *string
	}{
		{settings.SMTP.Host, settings.SMTP.Login, &found.SMTPLogin},
		{settings.IMAP.Host, settings.IMAP.Login, &found.IMAPLogin},
		{hostOf(settings.EWS.URL), settings.EWS.Login, &found.EWSLogin},
	} {
		if server.host == "" {
			continue
		}
		hosts = append(hosts, registered(server.host))
		if *server.name = server.login; server.login == "" {
			*server.name = s.address.String()
		}
	}
	if settings.Provider == relay.ProviderExchange && settings.EWS.Login == "" && source != SourceOperator {
		found.EWSLogin = "" // DOMAIN\user or a principal name: nobody can tell
	}
	found.RegisteredDomains = distinct(hosts)
	if source.weak() {
		found.Confirm, found.Why = true, whyWeak(source)
	}
	return found
}

func whyWeak(source Source) string {
	switch source {
	case SourceMX:
		return "The servers follow from where mail for the domain is delivered."
	case SourceSRV:
		return "The servers come from the DNS, which nothing protects."
	case SourceAutodiscover:
		return "The servers come from the domain's Autodiscover service, which was asked without a sign-in."
	}
	return "The servers are guessed."
}

// unlessAddress gives a user name where it is not the address itself.
func (s *search) unlessAddress(name string) string {
	if name == s.address.String() {
		return ""
	}
	return name
}

func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

// distinct gives each text once, and no empty one.
func distinct(list []string) []string {
	var out []string
	for _, text := range list {
		if text != "" && !slices.Contains(out, text) {
			out = append(out, text)
		}
	}
	return out
}
