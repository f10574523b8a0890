package relaytest

import (
	"context"
	"net"
	"testing"
)

func TestUnboundServesItsRecordsOnly(t *testing.T) {
	t.Parallel()
	u := StartUnbound(t, "127.0.0.92", "b.example. MX 10 mx.b.example.", "mx.b.example. A 127.0.0.93")
	r := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, u.Address)
	}}
	mx, err := r.LookupMX(context.Background(), "b.example")
	if err != nil || len(mx) != 1 || mx[0].Host != "mx.b.example." {
		t.Errorf("MX %v, %v", mx, err)
	}
	if _, err := r.LookupHost(context.Background(), "elsewhere.example"); err == nil {
		t.Error("a name without a record exists")
	}
}
