package oauth

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"github.com/relayd/relayd/relay"
)

func jws(payload string) string {
	return "e30." + base64.RawURLEncoding.EncodeToString([]byte(payload)) + ".c2ln"
}

func TestParseIDToken(t *testing.T) {
	t.Parallel()
	const good = `{"iss":"i","aud":"a","exp":2000000000,"email":"x@y.example","email_verified":true}`
	for _, test := range []struct {
		name, raw string
		ok        bool
	}{
		{"as it should be", jws(good), true},
		{"many audiences", jws(`{"iss":"i","aud":["a","b"],"exp":2e9}`), true},
		{"claims of other kinds", jws(`{"iss":"i","aud":"a","exp":2000000000.5,"email":7,"x":{"y":[1]},"z":null}`), true},
		{"nothing", "", false},
		{"two parts", "a.b", false},
		{"four parts", "a.b.c.d", false},
		{"no base64", "a.!.c", false},
		{"padding", "a." + base64.URLEncoding.EncodeToString([]byte(good+" ")) + "=.c", false},
		{"no JSON", jws("x"), false},
		{"null", jws("null"), false},
		{"a list", jws("[]"), false},
		{"no issuer", jws(`{"aud":"a","exp":2000000000}`), false},
		{"an issuer that is no text", jws(`{"iss":1,"aud":"a","exp":2000000000}`), false},
		{"no audience", jws(`{"iss":"i","exp":2000000000}`), false},
		{"an empty audience", jws(`{"iss":"i","aud":"","exp":2000000000}`), false},
		{"no end", jws(`{"iss":"i","aud":"a"}`), false},
		{"an end that is no time", jws(`{"iss":"i","aud":"a","exp":"soon"}`), false},
		{"an end before all time", jws(`{"iss":"i","aud":"a","exp":-1}`), false},
		{"an end after all time", jws(`{"iss":"i","aud":"a","exp":1e300}`), false},
		{"deep", jws(`{"iss":"i","aud":"a","exp":2000000000,"x":` + strings.Repeat("[", 12000) + `}`), false},
		{"huge", jws(`{"iss":"i","aud":"a","exp":2000000000,"x":"` + strings.Repeat("a", maxIDToken) + `"}`), false},
	} {
		token, err := parseIDToken(test.raw)
		if (err == nil) != test.ok || (err != nil && !errors.Is(err, errIDToken)) {
			t.Errorf("%s: %v", test.name, err)
		}
		if err == nil && (token.issuer != "i" || token.audience[0] != "a" || token.expires.Unix() != 2000000000) {
			t.Errorf("%s: %+v", test.name, token)
		}
	}
}

// Whatever comes, it is read or refused, and only an address that parses is compared.
func FuzzIDToken(f *testing.F) {
	for _, payload := range []string{
		`{"iss":"i","aud":"a","exp":2000000000,"email":"x@y.example"}`, `{"aud":[1,"a"]}`, `null`, `{"exp":1e400}`, "\x00",
	} {
		f.Add(jws(payload))
	}
	f.Add("..")
	f.Fuzz(func(t *testing.T, raw string) {
		token, err := parseIDToken(raw)
		if err != nil {
			if token != nil || !errors.Is(err, errIDToken) {
				t.Errorf("%v, %v", token, err)
			}
			return
		}
		if token.issuer == "" || len(token.audience) == 0 || token.expires.IsZero() {
			t.Errorf("%+v", token)
		}
		for _, text := range token.texts {
			sameMailbox(text, relay.Address{Local: "x", Domain: "y.example"})
		}
	})
}

// An answer of a token endpoint is a token, or a failure that can be shown.
func FuzzAnswer(f *testing.F) {
	f.Add(400, `{"error":"invalid_grant","error_description":"x"}`, "10")
	f.Add(200, `{"access_token":"a"}`, "")
	f.Add(503, "<html>", "Sun, 01 Nov 2026 12:05:00 GMT")
	f.Fuzz(func(t *testing.T, status int, body, after string) {
		a := answer{status: status, body: []byte(body), header: map[string][]string{"Retry-After": {after}}, secrets: []string{"canary-secret"}}
		failed := a.refusal()
		if failed == nil {
			if status < 200 || status > 299 {
				t.Error("a refusal was taken for a token")
			}
			return
		}
		if text := failed.reply.Text; text != relay.Printable(text) || strings.Contains(text, "canary-secret") || failed.pause < 0 || failed.pause > maxAskedPause {
			t.Errorf("%+v", failed)
		}
	})
}
