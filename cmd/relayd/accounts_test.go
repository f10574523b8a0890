package main

import (
	"testing"

	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/relay/provider"
)

// Whoever names Gmail or Microsoft 365 need not name their servers.
func TestServersOfAKnownProvider(t *testing.T) {
	t.Parallel()
	presets, err := provider.NewPresets()
	if err != nil {
		t.Fatal(err)
	}
	p := &program{presets: presets}
	for name, test := range map[string]struct {
		provider, domain string
		typed            relay.Server
		preset, host     string
	}{
		"Workspace":         {relay.ProviderGmail, "acme.example", relay.Server{Login: "j"}, "gmail", "smtp.gmail.com"},
		"Microsoft 365":     {relay.ProviderOffice365, "acme.example", relay.Server{}, "microsoft365", "smtp.office365.com"},
		"Outlook.com":       {relay.ProviderOffice365, "outlook.com", relay.Server{}, "outlook_com", "smtp-mail.outlook.com"},
		"servers of Gmail":  {relay.ProviderIMAP, "acme.example", relay.Server{Host: "smtp.gmail.com", Port: 465}, "gmail", "smtp.gmail.com"},
		"servers of others": {relay.ProviderOffice365, "acme.example", relay.Server{Host: "mail.acme.example"}, "", "mail.acme.example"},
		"any":               {relay.ProviderIMAP, "gmail.com", relay.Server{}, "", ""},
	} {
		a := &relay.Account{Address: relay.Address{Local: "jane", Domain: test.domain}}
		a.Provider, a.SMTP = test.provider, test.typed
		p.complete(a)
		if a.Preset != test.preset || a.SMTP.Host != test.host || a.SMTP.Login != test.typed.Login || (test.typed.Host == "" && test.host != "") != (a.IMAP.Host != "") {
			t.Errorf("%s: %+v", name, a.Settings)
		}
	}
}
