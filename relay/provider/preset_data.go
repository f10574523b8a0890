package provider

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"

	"go.yaml.in/yaml/v3"

	"github.com/relayd/relayd/relay"
)

// presetFile is presets.yaml.
type presetFile struct {
	Version  int           `yaml:"version"`
	Defaults limitEntry    `yaml:"defaults"`
	Presets  []presetEntry `yaml:"presets"`
}

// presetEntry is one preset as it is written.
type presetEntry struct {
	ID                string          `yaml:"id"`
	Name              string          `yaml:"name"`
	Provider          string          `yaml:"provider"`
	Domains           []string        `yaml:"domains"`
	DomainPatterns    []string        `yaml:"domain_patterns"`
	MX                []string        `yaml:"mx"`
	MXHint            []string        `yaml:"mx_hint"`
	SMTP              []serverEntry   `yaml:"smtp"`
	IMAP              []serverEntry   `yaml:"imap"`
	Customers         *serversEntry   `yaml:"customers"`
	Variants          *variantsEntry  `yaml:"variants"`
	EWS               ewsEntry        `yaml:"ews"`
	Guesses           []guessEntry    `yaml:"guesses"`
	Login             string          `yaml:"login"`
	IMAPLogin         string          `yaml:"imap_login"`
	Auth              []string        `yaml:"auth"`
	Password          string          `yaml:"password"`
	OAuth             *oauthEntry     `yaml:"oauth"`
	Ladder            []string        `yaml:"ladder"`
	SavesSent         string          `yaml:"saves_sent"`
	AppendDedup       bool            `yaml:"append_dedup"`
	Sent              sentEntry       `yaml:"sent"`
	From              string          `yaml:"from"`
	RewritesMessageID bool            `yaml:"rewrites_message_id"`
	Limits            limitEntry      `yaml:"limits"`
	LimitsFor         []limitsFor     `yaml:"limits_for"`
	LimitsNote        string          `yaml:"limits_note"`
	Deadlines         []deadlineEntry `yaml:"deadlines"`
	Hints             []hintEntry     `yaml:"hints"`
}

type serverEntry struct {
	Host string `yaml:"host"`
	Port int    `yaml:"port"`
	TLS  string `yaml:"tls"`
}

type serversEntry struct {
	SMTP []serverEntry `yaml:"smtp"`
	IMAP []serverEntry `yaml:"imap"`
}

type guessEntry struct {
	SMTP serverEntry `yaml:"smtp"`
	IMAP serverEntry `yaml:"imap"`
}

type variantsEntry struct {
	Name    string            `yaml:"name"`
	Values  []string          `yaml:"values"`
	Default string            `yaml:"default"`
	Domains map[string]string `yaml:"domains"`
}

type ewsEntry struct {
	URL     string   `yaml:"url"`
	Path    string   `yaml:"path"`
	Auth    []string `yaml:"auth"`
	Version string   `yaml:"version"`
}

type oauthEntry struct {
	As           string              `yaml:"as"`
	Vendor       string              `yaml:"vendor"`
	Closed       bool                `yaml:"closed"`
	Auth         string              `yaml:"auth"`
	Token        string              `yaml:"token"`
	Device       string              `yaml:"device"`
	Revoke       string              `yaml:"revoke"`
	AdminConsent string              `yaml:"admin_consent"`
	API          string              `yaml:"api"`
	Scopes       map[string][]string `yaml:"scopes"`
}

type sentEntry struct {
	SpecialUse string   `yaml:"special_use"`
	XList      bool     `yaml:"xlist"`
	Names      []string `yaml:"names"`
	NamesHint  []string `yaml:"names_hint"`
}

type limitEntry struct {
	Connections           int   `yaml:"connections"`
	MessagesPerConnection int   `yaml:"messages_per_connection"`
	MessagesPerMinute     int   `yaml:"messages_per_minute"`
	MessagesPerHour       int   `yaml:"messages_per_hour"`
	MessagesPerDay        int   `yaml:"messages_per_day"`
	RecipientsPerMessage  int   `yaml:"recipients_per_message"`
	RecipientsPerMinute   int   `yaml:"recipients_per_minute"`
	RecipientsPerHour     int   `yaml:"recipients_per_hour"`
	RecipientsPerDay      int   `yaml:"recipients_per_day"`
	MessageSize           int64 `yaml:"message_size"`
}

type limitsFor struct {
	Domains    []string `yaml:"domains"`
	limitEntry `yaml:",inline"`
}

type deadlineEntry struct {
	ID       string `yaml:"id"`
	Date     string `yaml:"date"`
	Concerns string `yaml:"concerns"`
	Text     string `yaml:"text"`
	URL      string `yaml:"url"`
}

type hintEntry struct {
	Topic string `yaml:"topic"`
	For   string `yaml:"for"`
	Text  string `yaml:"text"`
	URL   string `yaml:"url"`
}

func decodePresets(data []byte) (*presetFile, error) {
	d := yaml.NewDecoder(bytes.NewReader(data))
	d.KnownFields(true)
	f := new(presetFile)
	if err := d.Decode(f); err != nil {
		return nil, err
	}
	if f.Version != formatVersion {
		return nil, fmt.Errorf("version %d is not known", f.Version)
	}
	return f, nil
}

// compile gives the presets, or every mistake in them.
func (f *presetFile) compile() (*Presets, error) {
	p := &Presets{byID: map[string]*Preset{}, byDomain: map[string]*Preset{}, byServer: map[string]*Preset{}}
	var errs []error
	var err error
	if p.defaults, err = f.Defaults.limits(); err != nil {
		errs = append(errs, fmt.Errorf("defaults: %w", err))
	}
	for i := range f.Presets {
		preset, err := f.Presets[i].compile()
		if err == nil {
			err = p.add(preset)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("preset %s: %w", f.Presets[i].ID, err))
		}
	}
	for i := range f.Presets {
		if err := p.shareOAuth(&f.Presets[i]); err != nil {
			errs = append(errs, fmt.Errorf("preset %s: %w", f.Presets[i].ID, err))
		}
	}
	p.indexServers()
	if p.byID[genericID] == nil {
		errs = append(errs, fmt.Errorf("the preset %s is missing", genericID))
	}
	return p, errors.Join(errs...)
}

// add takes a preset in, if nothing of it is taken.
func (p *Presets) add(s *Preset) error {
	if p.byID[s.ID] != nil {
		return errors.New("the id is used twice")
	}
	p.byID[s.ID] = s
	p.list = append(p.list, s)
	for _, d := range s.domains {
		if other := p.byDomain[d]; other != nil {
			return fmt.Errorf("the domain %s belongs to %s already", d, other.ID)
		}
		p.byDomain[d] = s
	}
	for _, d := range s.Deadlines {
		for _, other := range p.list {
			for _, e := range other.Deadlines {
				if other != s && e.ID == d.ID {
					return fmt.Errorf("the deadline %s belongs to %s already", d.ID, other.ID)
				}
			}
		}
	}
	return nil
}

// shareOAuth gives a preset the OAuth data of another.
func (p *Presets) shareOAuth(e *presetEntry) error {
	if e.OAuth == nil || e.OAuth.As == "" || p.byID[e.ID] == nil {
		return nil
	}
	other := p.byID[e.OAuth.As]
	if other == nil || other.OAuth == nil {
		return fmt.Errorf("oauth: there is no preset %q to share with", e.OAuth.As)
	}
	p.byID[e.ID].OAuth = other.OAuth
	return nil
}

// indexServers makes the presets findable by their servers: SMTP first, then whatever
// else they have.
func (p *Presets) indexServers() {
	index := func(s *Preset, list []relay.Server) {
		for _, server := range list {
			if _, err := netip.ParseAddr(server.Host); err != nil && p.byServer[server.Host] == nil {
				p.byServer[server.Host] = s
			}
		}
	}
	for _, s := range p.list {
		for _, customer := range []bool{false, true} {
			index(s, s.everywhere(customer).SMTP)
		}
	}
	for _, s := range p.list {
		for _, customer := range []bool{false, true} {
			index(s, s.everywhere(customer).IMAP)
		}
	}
}

// everywhere is the preset with all values of its variants.
func (s *Preset) everywhere(customer bool) Preset {
	if s.variants == nil {
		return s.resolved(nil, customer)
	}
	return s.resolved(s.variants.values, customer)
}
