package resolver_test

import (
	"errors"
	"net"
	"testing"

	"github.com/relayd/relayd/internal/relaytest"
	"github.com/relayd/relayd/internal/resolver"
)

// Topology: the resolver -> unbound, which knows two names.
func TestUnbound(t *testing.T) {
	t.Parallel()
	unbound := relaytest.StartUnbound(t, "127.0.0.97", "acme.example. MX 10 mx.acme.example.", "mx.acme.example. A 192.0.2.1")
	r := resolver.New(resolver.Options{Dialer: &net.Dialer{}, Servers: []string{unbound.Address}})
	if mx, err := r.LookupMX(t.Context(), "acme.example"); err != nil || mx.Records[0].Host != "mx.acme.example" {
		t.Errorf("MX: %v, %v", mx, err)
	}
	if a, err := r.LookupNetIP(t.Context(), "ip", "mx.acme.example"); err != nil || a[0].String() != "192.0.2.1" {
		t.Errorf("addresses: %v, %v", a, err)
	}
	if _, err := r.LookupMX(t.Context(), "mx.acme.example"); !errors.Is(err, resolver.ErrNoData) {
		t.Errorf("a name without MX: %v", err)
	}
	if _, err := r.LookupMX(t.Context(), "nowhere.example"); !errors.Is(err, resolver.ErrNotFound) {
		t.Errorf("no name: %v", err)
	}
}
