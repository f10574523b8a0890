package oauthsim

import (
	"errors"
	"strings"
	"testing"
)

func FuzzParseAssertion(f *testing.F) {
	f.Add("eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJhIiwiYXVkIjpbIngiXX0.c2ln")
	f.Add("eyJhbGciOiJub25lIn0.eyJpc3MiOiJhIn0.")
	f.Add("eyJhbGciOiJIUzI1NiJ9.e30.c2ln")
	f.Add("..")
	f.Add(strings.Repeat("x", maxAssertion+1))
	f.Fuzz(func(t *testing.T, token string) {
		signed, _, _, err := parse(token)
		if err != nil {
			if !errors.Is(err, errAssertion) {
				t.Errorf("error %v", err)
			}
			return
		}
		if !strings.HasPrefix(token, signed+".") {
			t.Errorf("%q is not what is signed in %q", signed, token)
		}
	})
}
