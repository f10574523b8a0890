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

func TestWhereTokensMayGo(t *testing.T) {
	t.Parallel()
	presets, err := provider.NewPresets()
	if err != nil {
		t.Fatal(err)
	}
	p := &program{presets: presets}
	own := relay.App{Vendor: "microsoft", Endpoints: relay.Endpoints{Mail: "mail.acme.example MX.acme.example"}}
	for _, test := range []struct {
		app  relay.App
		host string
		want bool
	}{
		{relay.App{Vendor: "google"}, "smtp.gmail.com", true},
		{relay.App{Vendor: "gmail"}, "imap.gmail.com", true},
		{relay.App{Vendor: "google"}, "smtp.office365.com", false},
		{relay.App{Vendor: "microsoft"}, "outlook.office365.com", true},
		{relay.App{Vendor: "outlook_com"}, "smtp-mail.outlook.com", true},
		{relay.App{Vendor: "microsoft"}, "mail.acme.example", false},
		{own, "mx.acme.example", true},
		{own, "acme.example", false},
		{relay.App{Vendor: "unheard of"}, "smtp.gmail.com", false},
	} {
		if got := p.tokenHost(&test.app, test.host); got != test.want {
			t.Errorf("%s to %s: %v", test.app.Vendor, test.host, got)
		}
	}
	if p.tokenHost(nil, "smtp.gmail.com") {
		t.Error("a token of no application")
	}
}
