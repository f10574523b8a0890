package discover

import (
	"context"
	"strings"

	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/relay/provider"
)

// operator takes the starter configuration of the domain. One that names a provider
// or servers decides; one that does not only has limits.
func (s *search) operator(ctx context.Context) (decided bool, err error) {
	starter, err := s.opts.Starter(ctx, s.choice.Organisation, s.address.Domain)
	if err != nil || starter == nil {
		return false, err
	}
	settings := starter.Settings
	preset, known := s.opts.Presets.ByID(settings.Preset)
	if !known {
		preset, known = s.opts.Presets.ByServer(settings.SMTP.Host)
	}
	if !known {
		preset, known = s.opts.Presets.ByID(presetOf(settings.Provider))
	}
	if settings.SMTP.Host == "" && settings.IMAP.Host == "" && settings.EWS.URL == "" {
		if settings, known = fromPreset(settings, preset, s.address); !known {
			// Which kind of provider it is was decided, and where it is was not.
			if settings.Provider != "" {
				s.choice.Provider = settings.Provider
			}
			return false, nil
		}
	}
	if settings.Provider == "" {
		settings.Provider = relay.ProviderIMAP
	}
	login := ""
	if starter.Login != "" {
		a := s.address
		login = strings.NewReplacer("{address}", a.String(), "{local}", a.Local, "{domain}", a.Domain).Replace(starter.Login)
	}
	for _, name := range []*string{&settings.SMTP.Login, &settings.IMAP.Login, &settings.EWS.Login} {
		if *name == "" {
			*name = s.unlessAddress(login)
		}
	}
	found := s.suggestion(settings, SourceOperator)
	found.SignIns, found.whole = []relay.SignIn{settings.SignIn}, true
	if known {
		found.Name, found.Hints = preset.Name, preset.Hints
	}
	s.found, s.final = append(s.found, found), true
	s.note(Step{Source: SourceOperator, Asked: "The settings that were prepared for " + s.address.Domain, Came: "They are used.", Found: true})
	return true, nil
}

// fromPreset fills in the servers of a starter configuration that names a preset
// alone, and keeps what it says beside.
func fromPreset(settings relay.Settings, preset provider.Preset, a relay.Address) (relay.Settings, bool) {
	full, ok := preset.Settings(a, 0)
	if !ok {
		return settings, false
	}
	full.SignIn, full.App = settings.SignIn, settings.App
	if len(settings.Ways) > 0 {
		full.Ways = settings.Ways
	}
	return full, true
}

// presetOf is the preset of a provider that has one place for everybody.
func presetOf(kind string) string {
	switch kind {
	case relay.ProviderGmail:
		return "gmail"
	case relay.ProviderOffice365:
		return "microsoft365"
	}
	return ""
}
