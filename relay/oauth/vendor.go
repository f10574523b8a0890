package oauth

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"regexp"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/relayd/relayd/relay"
)

//go:embed vendors.yaml
var vendorData []byte

// vendor is one entry of vendors.yaml, whose header tells what each field means.
type vendor struct {
	ID             string                      `yaml:"id"`
	Also           []string                    `yaml:"also"`
	Hosts          map[string]string           `yaml:"hosts"`
	Tenant         string                      `yaml:"tenant"`
	Tenants        []string                    `yaml:"tenants"`
	Clouds         map[string]cloud            `yaml:"clouds"`
	Issuers        []string                    `yaml:"issuers"`
	Auth           string                      `yaml:"auth"`
	Token          string                      `yaml:"token"`
	Device         string                      `yaml:"device"`
	Revoke         string                      `yaml:"revoke"`
	AdminConsent   string                      `yaml:"admin_consent"`
	Graph          string                      `yaml:"graph"`
	Gmail          string                      `yaml:"gmail"`
	Identity       []string                    `yaml:"identity"`
	Scopes         map[relay.Resource][]string `yaml:"scopes"`
	Everybody      map[relay.Resource][]string `yaml:"everybody"`
	Words          map[string]string           `yaml:"words"`
	Parameters     map[string]string           `yaml:"parameters"`
	LoginHint      bool                        `yaml:"login_hint"`
	OneResource    bool                        `yaml:"one_resource"`
	ShortScopes    bool                        `yaml:"short_scopes"`
	Claims         []string                    `yaml:"claims"`
	Profile        profile                     `yaml:"profile"`
	ConsentMissing string                      `yaml:"consent_missing"`
	Idle           time.Duration               `yaml:"idle"`
	Testing        time.Duration               `yaml:"testing"`

	consentMissing *regexp.Regexp // nil: no text is one
}

type cloud struct {
	Hosts   map[string]string `yaml:"hosts"`
	Issuers []string          `yaml:"issuers"`
}

// profile is where a vendor without id tokens tells whose token it is.
type profile struct {
	URL       string `yaml:"url"`
	Field     string `yaml:"field"`
	Scheme    string `yaml:"scheme"`    // of the Authorization header; empty: Bearer
	Parameter string `yaml:"parameter"` // of the address, in place of a header
}

// parseVendors reads the form of vendors.yaml, and gives the vendors by every name
// that they have.
func parseVendors(data []byte) (map[string]*vendor, error) {
	var file struct {
		Version int       `yaml:"version"`
		Vendors []*vendor `yaml:"vendors"`
	}
	d := yaml.NewDecoder(bytes.NewReader(data))
	d.KnownFields(true)
	if err := d.Decode(&file); err != nil {
		return nil, fmt.Errorf("read the vendors: %w", err)
	}
	if file.Version != 1 {
		return nil, fmt.Errorf("read the vendors: version %d is not known", file.Version)
	}
	known := map[string]*vendor{}
	for _, v := range file.Vendors {
		if err := v.check(); err != nil {
			return nil, fmt.Errorf("vendor %q: %w", v.ID, err)
		}
		for _, name := range append([]string{v.ID}, v.Also...) {
			if known[name] != nil {
				return nil, fmt.Errorf("vendor %q: the name %q is taken", v.ID, name)
			}
			known[name] = v
		}
	}
	return known, nil
}

func (v *vendor) check() error {
	if v.ID == "" || v.Auth == "" || v.Token == "" || len(v.Scopes[relay.ResourceMail]) == 0 {
		return errors.New("id, auth, token and the scopes for mail are needed")
	}
	for r := range v.Scopes {
		if !isResource(r) {
			return fmt.Errorf("%q is no resource", r)
		}
	}
	if (v.Profile.URL == "") != (v.Profile.Field == "") {
		return errors.New("a profile needs url and field")
	}
	if v.ConsentMissing == "" {
		return nil
	}
	var err error
	v.consentMissing, err = regexp.Compile(v.ConsentMissing)
	return err
}

func isResource(r relay.Resource) bool {
	return r == relay.ResourceMail || r == relay.ResourceGraph || r == relay.ResourceGmail
}
