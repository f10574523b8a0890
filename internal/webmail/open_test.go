package webmail_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/relayd/relayd/internal/webmail"
	"github.com/relayd/relayd/relay"
)

func TestOpen(t *testing.T) {
	t.Parallel()
	exchangeAccount := func(change func(c *relay.Credentials)) *relay.Credentials {
		c := (&exchange{user: "jane", domain: "ACME", password: "secret"}).credentials()
		change(c)
		return c
	}
	withURL := func(u string) *relay.Credentials {
		return exchangeAccount(func(c *relay.Credentials) { c.Account.EWS.URL = u })
	}
	rest := func(way relay.Way, change func(c *relay.Credentials)) *relay.Credentials {
		c := bearer(way)
		change(c)
		return c
	}
	for _, test := range []struct {
		name string
		way  relay.Way
		c    *relay.Credentials
		is   error // nil: it opens
	}{
		{"EWS", relay.WayEWS, exchangeAccount(func(*relay.Credentials) {}), nil},
		{"EWS, plain", relay.WayEWS, withURL("http://127.0.0.1:81/EWS/Exchange.asmx"), nil},
		{"EWS without an address", relay.WayEWS, withURL(""), webmail.ErrURL},
		{"EWS, another scheme", relay.WayEWS, withURL("ftp://a.example/x"), webmail.ErrURL},
		{"EWS, no scheme", relay.WayEWS, withURL("a.example/x"), webmail.ErrURL},
		{"EWS, no host", relay.WayEWS, withURL("https:///x"), webmail.ErrURL},
		{"EWS, opaque", relay.WayEWS, withURL("https:a.example"), webmail.ErrURL},
		{"EWS, a password in the address", relay.WayEWS, withURL("https://u:hunter2@a.example/x"), webmail.ErrURL},
		{"EWS, a query", relay.WayEWS, withURL("https://a.example/x?y"), webmail.ErrURL},
		{"EWS, a fragment", relay.WayEWS, withURL("https://a.example/x#y"), webmail.ErrURL},
		{"EWS, control characters", relay.WayEWS, withURL("https://hunter2.example/\r\nx"), webmail.ErrURL},
		{"EWS, a token", relay.WayEWS, exchangeAccount(func(c *relay.Credentials) { c.Account.SignIn = relay.SignInConsent }), webmail.ErrSignIn},
		{"EWS, an odd login", relay.WayEWS, exchangeAccount(func(c *relay.Credentials) { c.Account.EWS.Login = "a\nb" }), webmail.ErrBadValue},
		{"EWS, no password", relay.WayEWS, exchangeAccount(func(c *relay.Credentials) { c.Password = "" }), webmail.ErrBadValue},
		{"EWS, an odd password", relay.WayEWS, exchangeAccount(func(c *relay.Credentials) { c.Password = "hunter2\x00" }), webmail.ErrBadValue},
		{"EWS, an odd version", relay.WayEWS, exchangeAccount(func(c *relay.Credentials) { c.Account.EWS.Version = `x"/>` }), webmail.ErrBadValue},
		{"Graph", relay.WayGraph, rest(relay.WayGraph, func(*relay.Credentials) {}), nil},
		{"Graph in a national cloud", relay.WayGraph, rest(relay.WayGraph, func(c *relay.Credentials) { c.App = &relay.App{Cloud: "china"} }), nil},
		{"Graph in a cloud that nobody knows", relay.WayGraph, rest(relay.WayGraph, func(c *relay.Credentials) { c.App = &relay.App{Cloud: "moon"} }), webmail.ErrURL},
		{"Graph with a password", relay.WayGraph, rest(relay.WayGraph, func(c *relay.Credentials) { c.Account.SignIn = relay.SignInPassword }), webmail.ErrSignIn},
		{"Graph with a token for mail", relay.WayGraph, rest(relay.WayGraph, func(c *relay.Credentials) { c.Resource = relay.ResourceMail }), webmail.ErrSignIn},
		{"Graph, an odd token", relay.WayGraph, rest(relay.WayGraph, func(c *relay.Credentials) { c.Token = "hunter2\r\nX-Evil: 1" }), webmail.ErrBadValue},
		{"Graph, no token", relay.WayGraph, rest(relay.WayGraph, func(c *relay.Credentials) { c.Token = "" }), webmail.ErrBadValue},
		{"Graph without an address", relay.WayGraph, rest(relay.WayGraph, func(c *relay.Credentials) { c.Account.Address = relay.Address{} }), webmail.ErrBadValue},
		{"Graph, a base that is none", relay.WayGraph, rest(relay.WayGraph, func(c *relay.Credentials) { c.App = &relay.App{Endpoints: relay.Endpoints{Graph: "x"}} }), webmail.ErrURL},
		{"Gmail", relay.WayGmailAPI, rest(relay.WayGmailAPI, func(*relay.Credentials) {}), nil},
		{"Gmail, a base that is none", relay.WayGmailAPI, rest(relay.WayGmailAPI, func(c *relay.Credentials) { c.App = &relay.App{Endpoints: relay.Endpoints{Gmail: "x"}} }), webmail.ErrURL},
		{"SMTP", relay.WaySMTP, bearer(relay.WaySMTP), webmail.ErrWay},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			client, err := webmail.New(webmail.Options{}).Open(test.c, test.way)
			if !errors.Is(err, test.is) || (err == nil) != (test.is == nil) {
				t.Fatalf("error %v, want %v", err, test.is)
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error tells a secret: %v", err)
			}
			if err == nil {
				client.Close()
			}
		})
	}
}
