package simulator

import (
	"context"
	"net"
	"testing"
)

func TestDNSKnowsItsZoneOnly(t *testing.T) {
	t.Parallel()
	d, err := StartDNS(t.Context(), "127.0.0.1", "b.example. MX 10 mx.b.example.\nmx.b.example. A 127.0.0.1\n")
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	r := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, d.Addr())
	}}
	if mx, err := r.LookupMX(t.Context(), "b.example"); err != nil || len(mx) != 1 {
		t.Errorf("MX %v, %v", mx, err)
	}
	if hosts, err := r.LookupHost(t.Context(), "mx.b.example"); err != nil || len(hosts) != 1 {
		t.Errorf("A %v, %v", hosts, err)
	}
	if _, err := r.LookupHost(t.Context(), "c.example"); err == nil {
		t.Error("a name outside the zone exists")
	}
	if _, err := StartDNS(t.Context(), "192.0.2.1", ""); err == nil {
		t.Error("it listens outside of loopback")
	}
	if err := d.Add("not a zone"); err == nil {
		t.Error("a broken zone was taken")
	}
}
