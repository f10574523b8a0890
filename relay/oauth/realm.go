package oauth

import (
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/relayd/relayd/relay"
)

// realm is a vendor as one application sees it: tenant, cloud and addresses decided.
type realm struct {
	app       *relay.App
	vendor    *vendor
	endpoints relay.Endpoints
	hosts     map[string]string
	tenant    string
	issuers   []string
}

// tenantForm is an id or a domain of a tenant: nothing that could change an address.
var tenantForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9.-]{0,252}$`)

// realm decides what holds for an application. An error wraps ErrApp.
func (s *Service) realm(app *relay.App) (*realm, error) {
	v := s.vendors[app.Vendor]
	if v == nil {
		v = &vendor{ID: app.Vendor} // every address is the application's own
	}
	m := &realm{app: app, vendor: v, hosts: v.Hosts, issuers: v.Issuers, tenant: app.Tenant}
	if m.tenant == "" {
		m.tenant = v.Tenant
	}
	if v.Tenant != "" && !tenantForm.MatchString(m.tenant) {
		return nil, unusable("its tenant is none")
	}
	if app.Cloud != "" {
		c, ok := v.Clouds[app.Cloud]
		if !ok {
			return nil, unusable("its cloud is not known")
		}
		m.hosts = c.Hosts
		if len(c.Issuers) > 0 {
			m.issuers = c.Issuers
		}
	}
	if err := m.settle(); err != nil {
		return nil, err
	}
	return m, nil
}

// settle fills the endpoints: the application's own before the vendor's.
func (m *realm) settle() error {
	own, v, e := m.app.Endpoints, m.vendor, &m.endpoints
	e.Mail = own.Mail
	for _, p := range []struct {
		name       string
		to         *string
		own, other string
		needed     bool
	}{
		{"authorisation", &e.Auth, own.Auth, v.Auth, m.app.Kind == relay.AppConsent},
		{"token", &e.Token, own.Token, v.Token, true},
		{"device", &e.Device, own.Device, v.Device, false},
		{"revocation", &e.Revoke, own.Revoke, v.Revoke, false},
		{"admin consent", &e.AdminConsent, own.AdminConsent, v.AdminConsent, false},
		{"Graph", &e.Graph, own.Graph, v.Graph, false},
		{"Gmail", &e.Gmail, own.Gmail, v.Gmail, false},
	} {
		*p.to = p.own
		if p.own == "" {
			*p.to, _ = m.expand(p.other) // a host that is not known: not offered
		}
		if *p.to == "" && !p.needed {
			continue
		}
		if !isSecureURL(*p.to) {
			return unusable("its " + p.name + " address is missing or not https")
		}
	}
	return nil
}

var placeholder = regexp.MustCompile(`\{[a-z]+\}`)

// expand fills the hosts and the tenant in; {tid} stays. ok is false where a host is
// not known, and for the empty text.
func (m *realm) expand(text string) (filled string, ok bool) {
	ok = text != ""
	filled = placeholder.ReplaceAllStringFunc(text, func(p string) string {
		switch name := p[1 : len(p)-1]; {
		case name == "tid":
			return p
		case name == "tenant":
			return m.tenant
		case m.hosts[name] != "":
			return m.hosts[name]
		}
		ok = false
		return ""
	})
	if !ok {
		return "", false
	}
	return filled, true
}

// scopes are the permissions for one resource: a person's, or everybody's. An unknown
// vendor has none to name and decides itself.
func (m *realm) scopes(r relay.Resource) ([]string, error) {
	list := m.vendor.Scopes
	if m.app.Kind != relay.AppConsent {
		list = m.vendor.Everybody
	}
	var out []string
	for _, scope := range list[r] {
		filled, ok := m.expand(scope)
		if !ok {
			return nil, fmt.Errorf("%w: %s is not offered in this cloud", ErrApp, r)
		}
		out = append(out, filled)
	}
	if len(out) == 0 && (len(m.vendor.Scopes) > 0 || m.app.Kind != relay.AppConsent) {
		return nil, fmt.Errorf("%w: %s is not offered by this vendor", ErrApp, r)
	}
	return out, nil
}

// issuedBy reports whether the issuer is one of this realm. The issuers of a vendor
// that is not known, or whose addresses are replaced, live where those are.
func (m *realm) issuedBy(issuer string) bool {
	for _, known := range m.issuers {
		filled, ok := m.expand(known)
		if !ok {
			continue
		}
		front, back, many := strings.Cut(filled, "{tid}")
		if issuer == filled || (many && m.isTenantOf(issuer, front, back)) {
			return true
		}
	}
	if m.app.Endpoints.Auth == "" && m.app.Endpoints.Token == "" {
		return false
	}
	host := hostOf(issuer)
	return host != "" && (host == hostOf(m.endpoints.Auth) || host == hostOf(m.endpoints.Token))
}

// isTenantOf compares an issuer that names a tenant. Where the application is for one
// tenant alone and gives its id, that one it must be.
func (m *realm) isTenantOf(issuer, front, back string) bool {
	rest, ok := strings.CutPrefix(issuer, front)
	tid, ok2 := strings.CutSuffix(rest, back)
	if !ok || !ok2 || !tenantForm.MatchString(tid) {
		return false
	}
	return !isTenantID(m.tenant) || strings.EqualFold(tid, m.tenant)
}

var tenantID = regexp.MustCompile(`^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$`)

func isTenantID(tenant string) bool { return tenantID.MatchString(tenant) }

// oneTenant reports whether the application is for one tenant alone.
func (m *realm) oneTenant() bool {
	return m.tenant != "" && !slices.Contains(m.vendor.Tenants, m.tenant)
}

// public is the application as others may have it: without its secret, and with every
// address decided.
func (m *realm) public() *relay.App {
	app := *m.app
	app.Secret, app.Endpoints = nil, m.endpoints
	return &app
}

// Endpoints gives the addresses that hold for an application: its own before the
// vendor's. It returns ErrApp if there are none.
func (s *Service) Endpoints(app *relay.App) (relay.Endpoints, error) {
	m, err := s.realm(app)
	if err != nil {
		return relay.Endpoints{}, err
	}
	return m.endpoints, nil
}

// Vendors gives the names that relay.App.Vendor may have, in order. Any other needs
// addresses of its own.
func (s *Service) Vendors() []string { return slices.Sorted(maps.Keys(s.vendors)) }

// maxURL is the longest address that is taken from outside.
const maxURL = 2048

// isSecureURL reports whether a secret may be sent to the address, and a person to it.
func isSecureURL(address string) bool {
	u, err := url.Parse(address)
	return err == nil && len(address) <= maxURL && u.Scheme == "https" && u.Hostname() != "" &&
		u.User == nil && u.Fragment == "" && u.Opaque == ""
}

func hostOf(address string) string {
	if !isSecureURL(address) {
		return ""
	}
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return strings.ToLower(u.Host)
}
