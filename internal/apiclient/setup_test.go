package apiclient

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/relayd/relayd/internal/api"
)

// Every call goes where the API has it, and what names a thing is escaped.
func TestSetupCalls(t *testing.T) {
	t.Parallel()
	var got string
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		got = r.Method + " " + r.URL.EscapedPath()
		_, _ = io.WriteString(w, `{}`)
	})
	second := func(_ any, err error) error { return err }
	for want, call := range map[string]func(context.Context) error{
		"GET /apps":                        func(ctx context.Context) error { return second(c.Apps(ctx, nil)) },
		"POST /apps":                       func(ctx context.Context) error { return second(c.CreateApp(ctx, api.AppInput{})) },
		"GET /apps/a":                      func(ctx context.Context) error { return second(c.App(ctx, "a")) },
		"PUT /apps/a":                      func(ctx context.Context) error { return second(c.UpdateApp(ctx, "a", 1, api.AppInput{})) },
		"DELETE /apps/a":                   func(ctx context.Context) error { return c.DeleteApp(ctx, "a") },
		"POST /apps/a/admin-consent":       func(ctx context.Context) error { return second(c.AdminConsent(ctx, "a")) },
		"GET /starters":                    func(ctx context.Context) error { return second(c.Starters(ctx, nil)) },
		"POST /starters":                   func(ctx context.Context) error { return second(c.CreateStarter(ctx, api.StarterInput{})) },
		"GET /starters/s":                  func(ctx context.Context) error { return second(c.Starter(ctx, "s")) },
		"PUT /starters/s":                  func(ctx context.Context) error { return second(c.UpdateStarter(ctx, "s", 1, api.StarterInput{})) },
		"DELETE /starters/s":               func(ctx context.Context) error { return c.DeleteStarter(ctx, "s") },
		"GET /domain-claims":               func(ctx context.Context) error { return second(c.DomainClaims(ctx, nil)) },
		"POST /domain-claims":              func(ctx context.Context) error { return second(c.ClaimDomain(ctx, api.DomainClaimInput{})) },
		"GET /domain-claims/k":             func(ctx context.Context) error { return second(c.DomainClaim(ctx, "k")) },
		"POST /domain-claims/k/check":      func(ctx context.Context) error { return second(c.CheckDomainClaim(ctx, "k")) },
		"DELETE /domain-claims/k":          func(ctx context.Context) error { return c.DeleteDomainClaim(ctx, "k") },
		"GET /webhooks":                    func(ctx context.Context) error { return second(c.Webhooks(ctx, nil)) },
		"POST /webhooks":                   func(ctx context.Context) error { return second(c.CreateWebhook(ctx, api.WebhookInput{})) },
		"GET /webhooks/h":                  func(ctx context.Context) error { return second(c.Webhook(ctx, "h")) },
		"PUT /webhooks/h":                  func(ctx context.Context) error { return second(c.UpdateWebhook(ctx, "h", 1, api.WebhookInput{})) },
		"POST /webhooks/h/secret":          func(ctx context.Context) error { return second(c.RotateWebhookSecret(ctx, "h")) },
		"POST /webhooks/h/test":            func(ctx context.Context) error { return second(c.TestWebhook(ctx, "h")) },
		"DELETE /webhooks/h":               func(ctx context.Context) error { return c.DeleteWebhook(ctx, "h") },
		"POST /accounts/a/aliases":         func(ctx context.Context) error { return second(c.AddAlias(ctx, "a", "b@c.example")) },
		"DELETE /accounts/a/aliases/x%2Fy": func(ctx context.Context) error { return c.RemoveAlias(ctx, "a", "x/y") },
		"POST /accounts/a/aliases/b@c.example/verification": func(ctx context.Context) error { return second(c.VerifyAlias(ctx, "a", "b@c.example")) },
		"POST /accounts/a/binding":                          func(ctx context.Context) error { return second(c.Bind(ctx, "a")) },
		"POST /accounts/a/codes":                            func(ctx context.Context) error { return second(c.SendCode(ctx, "a")) },
		"POST /accounts/a/links":                            func(ctx context.Context) error { return second(c.Link(ctx, "a", api.LinkInput{})) },
		"POST /accounts/a/device-consents":                  func(ctx context.Context) error { return second(c.BeginDevice(ctx, "a", api.DeviceInput{})) },
		"GET /accounts/a/device-consents/d":                 func(ctx context.Context) error { return second(c.Device(ctx, "a", "d")) },
		"GET /accounts/a/usage":                             func(ctx context.Context) error { return second(c.AccountUsage(ctx, "a")) },
		"POST /discover":                                    func(ctx context.Context) error { return second(c.Discover(ctx, api.DiscoverInput{})) },
		"GET /calendar":                                     func(ctx context.Context) error { return second(c.Calendar(ctx, nil)) },
	} {
		if err := call(t.Context()); err != nil {
			t.Errorf("%s: %v", want, err)
		}
		method, path, _ := strings.Cut(want, " ")
		if got != method+" "+api.Prefix+path {
			t.Errorf("%s goes to %s", want, got)
		}
	}
}
