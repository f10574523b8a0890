package bearer_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/emersion/go-sasl"

	"github.com/relayd/relayd/internal/bearer"
	"github.com/relayd/relayd/relay"
)

// TestMechanisms: a row is a user and a token, and the two messages.
func TestMechanisms(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ login, token, standard, older string }{
		"an ordinary user": {
			"jane@acme.example", "ya29.x-_~+/=",
			"n,a=jane@acme.example,\x01host=mx.example\x01port=587\x01auth=Bearer ya29.x-_~+/=\x01\x01",
			"user=jane@acme.example\x01auth=Bearer ya29.x-_~+/=\x01\x01",
		},
		"a user to escape": {
			"a=b,c", "t", "n,a=a=3Db=2Cc,\x01host=mx.example\x01port=587\x01auth=Bearer t\x01\x01",
			"user=a=b,c\x01auth=Bearer t\x01\x01",
		},
		"a user beyond ASCII":     {"jäne", "t", "n,a=jäne,\x01host=mx.example\x01port=587\x01auth=Bearer t\x01\x01", "user=jäne\x01auth=Bearer t\x01\x01"},
		"no user":                 {"", "t", "", ""},
		"no token":                {"jane", "", "", ""},
		"a field in the user":     {"jane\x01auth=Bearer other", "t", "", ""},
		"a line end in the user":  {"jane\r\nQUIT", "t", "", ""},
		"a NUL in the user":       {"jane\x00", "t", "", ""},
		"a DEL in the user":       {"jane\x7f", "t", "", ""},
		"a field in the token":    {"jane", "t\x01host=evil", "", ""},
		"a line end in the token": {"jane", "t\n", "", ""},
		"a space in the token":    {"jane", "a b", "", ""},
		"a token beyond ASCII":    {"jane", "tökén", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := bearer.Mechanisms(c.login, "mx.example", 587, relay.Secret(c.token))
			for i, want := range []string{c.standard, c.older} {
				wantName := []string{"OAUTHBEARER", "XOAUTH2"}[i]
				name, message, err := m[i].Start()
				if string(message) != want || m[i].Name() != wantName {
					t.Errorf("%s: got %q, want %q", m[i].Name(), message, want)
				}
				if (want == "") != errors.Is(err, bearer.ErrControl) || (want != "" && name != wantName) {
					t.Errorf("name %q, error %v", name, err)
				}
			}
		})
	}
}

// TestRefusal: a refusal is answered once, and anew after another Start.
func TestRefusal(t *testing.T) {
	t.Parallel()
	for i, want := range []string{"\x01", ""} {
		m := bearer.Mechanisms("jane", "mx.example", 25, "t")[i]
		for range 2 {
			if _, _, err := m.Start(); err != nil {
				t.Fatal(err)
			}
			got, err := m.Next([]byte(`{"status":"401"}`))
			if err != nil || got == nil || string(got) != want {
				t.Errorf("%s answers %q, %v", m.Name(), got, err)
			}
			if _, err := m.Next(nil); !errors.Is(err, bearer.ErrChallenge) {
				t.Errorf("%s goes on: %v", m.Name(), err)
			}
		}
	}
}

// TestForeignServer: the server of go-sasl understands our OAUTHBEARER. It leaves
// "=2C" as it is, so the user has nothing to escape.
func TestForeignServer(t *testing.T) {
	t.Parallel()
	for name, refusal := range map[string]*sasl.OAuthBearerError{"good": nil, "refused": {Status: "401", Schemes: "bearer"}} {
		var got sasl.OAuthBearerOptions
		s := sasl.NewOAuthBearerServer(func(o sasl.OAuthBearerOptions) *sasl.OAuthBearerError { got = o; return refusal })
		m := bearer.Mechanisms("jane@acme.example", "mx.example", 587, "t0ken")[0]
		_, message, err := m.Start()
		if err != nil {
			t.Fatal(err)
		}
		challenge, done, err := s.Next(message)
		if want := (sasl.OAuthBearerOptions{Username: "jane@acme.example", Token: "t0ken", Host: "mx.example", Port: 587}); got != want {
			t.Errorf("%s: the server read %+v", name, got)
		}
		if refusal == nil {
			if !done || err != nil {
				t.Errorf("%s: done %v, %v", name, done, err)
			}
			continue
		}
		answer, err := m.Next(challenge)
		if err != nil {
			t.Fatal(err)
		}
		if _, done, err := s.Next(answer); !done || !errors.Is(err, refusal) {
			t.Errorf("%s: done %v, %v", name, done, err)
		}
	}
}

func TestRepeats(t *testing.T) {
	t.Parallel()
	token := "eyJ0eXAiOiJKV1QiLCJub25jZSI6Ik1 " + strings.Repeat("abcdefghijklmnopqrstuvwxyz", 20)
	for name, c := range map[string]struct {
		text, secret string
		want         bool
	}{
		"nothing in common":      {"5.7.3 Authentication unsuccessful", token, false},
		"the whole token":        {"token " + token + " is bad", token, true},
		"a piece of it":          {"token efghijklmnopqrst... is bad", token, true},
		"less than a piece":      {"abcdefghijklmno", token, false},
		"a short secret, whole":  {"wrong: secret", "secret", true},
		"a short secret, in two": {"wrong: sec ret", "secret", false},
		"no secret":              {"anything", "", false},
		"no text":                {"", token, false},
	} {
		if got := bearer.Repeats(c.text, c.secret); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
