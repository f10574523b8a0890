package upstream_test

import (
	"context"
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/relayd/relayd/internal/smtpwire/smtpwiretest"
	"github.com/relayd/relayd/internal/webmail"
	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/relay/upstream"
)

// TestRealGraph: with the real client and a server that speaks HTTP, "dot sent" is
// recorded before the service has the whole message; where that fails it never gets it.
func TestRealGraph(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status   int
		fails    error
		want     string
		whole    bool // the service had the whole message
		recorded bool // before that
	}{
		"accepted":     {http.StatusAccepted, nil, "delivered | delivered", true, true},
		"200":          {http.StatusOK, nil, "unknown web.not_202.graph | unknown web.not_202.graph", true, true},
		"throttled":    {http.StatusTooManyRequests, nil, "deferred web.slow_down | deferred web.slow_down | slow web.slow_down", true, true},
		"not recorded": {http.StatusAccepted, errNo, "deferred local.broken_off | deferred local.broken_off | aborted local.broken_off", false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var recorded, recordedFirst, whole atomic.Bool
			var got atomic.Value
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				p, err := io.ReadAll(r.Body)
				if err != nil {
					return
				}
				whole.Store(true)
				recordedFirst.Store(recorded.Load())
				got.Store(r.Header.Get("Authorization") + " " + string(p))
				w.WriteHeader(c.status)
			}))
			t.Cleanup(server.Close)
			k := account("jane", &smtpwiretest.Server{})
			k.Account.SignIn, k.Token, k.Account.Preset = relay.SignInConsent, "t0ken", "microsoft365"
			k.Account.Card.Ways = []relay.Way{relay.WayGraph}
			k.App = &relay.App{Endpoints: relay.Endpoints{Graph: server.URL}}
			w := newWorld(t, func(o *upstream.Options) {
				o.Web = webmail.New(webmail.Options{Dialer: &net.Dialer{}, PlainAllowed: netip.Addr.IsLoopback})
			}, k)
			del := delivery(2)
			del.Body = body(forTwo)
			var recipients []int
			del.BeforeDot = func(_ context.Context, r []int) error {
				recipients = r
				recorded.Store(c.fails == nil)
				return c.fails
			}
			a := w.check(t, del, c.want)
			if whole.Load() != c.whole || recordedFirst.Load() != c.recorded || !slices.Equal(recipients, []int{0, 1}) {
				t.Errorf("the service had all: %v; recorded before: %v, for %v", whole.Load(), recordedFirst.Load(), recipients)
			}
			if want := "Bearer t0ken " + base64.StdEncoding.EncodeToString([]byte(forTwo)); c.whole && got.Load() != want {
				t.Errorf("the service got %q, want %q", got.Load(), want)
			}
			if a.Way != relay.WayGraph || a.Peer.Host != "127.0.0.1" {
				t.Errorf("%+v", a)
			}
		})
	}
}
