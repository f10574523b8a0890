package auth

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"

	"github.com/relayd/relayd/relay"
)

// B7: long, random, with a findable prefix, stored as a hash.
func TestNewPassword(t *testing.T) {
	t.Parallel()
	s := newScene(t, Options{})
	seen := make(map[relay.Secret]bool)
	for range 100 {
		password, hash := s.NewPassword()
		text := password.Reveal()
		if !strings.HasPrefix(text, PasswordPrefix) || len(text) != len(PasswordPrefix)+32 || seen[password] {
			t.Fatalf("a password of %d characters, seen before: %v", len(text), seen[password])
		}
		seen[password] = true
		if bytes.Contains(hash, []byte(text[4:12])) || !s.matches(hash, password) {
			t.Fatal("the hash holds the password, or does not match it")
		}
	}
}

func TestMatches(t *testing.T) {
	t.Parallel()
	s := newScene(t, Options{})
	hash := hashPassword(s.key, "secret")
	otherKey := hashPassword(bytes.Repeat([]byte{1}, 32), "secret")
	otherVersion := append([]byte{hashVersion + 1}, hash[1:]...)
	for name, tc := range map[string]struct {
		hash     []byte
		password relay.Secret
		want     bool
	}{
		"right":         {hash, "secret", true},
		"wrong":         {hash, "Secret", false},
		"empty":         {hash, "", false},
		"other key":     {otherKey, "secret", false},
		"other version": {otherVersion, "secret", false},
		"cut":           {hash[:len(hash)-1], "secret", false},
		"no hash":       {nil, "secret", false},
		"nothing":       {nil, "", false},
	} {
		if got := s.matches(tc.hash, tc.password); got != tc.want {
			t.Errorf("%s: %v, want %v", name, got, tc.want)
		}
	}
}

func TestInNetworks(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		networks []string
		addr     string
		want     bool
	}{
		{nil, "192.0.2.1", true},
		{[]string{"192.0.2.0/24"}, "192.0.2.1", true},
		{[]string{"192.0.2.0/24"}, "::ffff:192.0.2.1", true},
		{[]string{"192.0.2.0/24"}, "192.0.3.1", false},
		{[]string{"192.0.2.1"}, "192.0.2.1", true},
		{[]string{"192.0.2.1"}, "192.0.2.2", false},
		{[]string{"2001:db8::/32", "10.0.0.0/8"}, "2001:db8::1", true},
		{[]string{"2001:db8::/32", "10.0.0.0/8"}, "11.0.0.1", false},
		{[]string{"fe80::/10"}, "fe80::1%eth0", true},
		{[]string{"fe80::1"}, "fe80::1%eth0", true},
		{[]string{"nonsense"}, "192.0.2.1", false},
		{[]string{""}, "192.0.2.1", false},
	} {
		if got := inNetworks(tc.networks, netip.MustParseAddr(tc.addr)); got != tc.want {
			t.Errorf("inNetworks(%q, %s) = %v", tc.networks, tc.addr, got)
		}
	}
}

func FuzzInNetworks(f *testing.F) {
	f.Add("10.0.0.0/8")
	f.Add("::ffff:10.0.0.0/104")
	f.Add("fe80::1%eth0")
	f.Fuzz(func(t *testing.T, network string) {
		// An entry admits an address only if both are in one prefix that can be read.
		if inNetworks([]string{network}, netip.MustParseAddr("192.0.2.1")) && !strings.ContainsAny(network, ".:") {
			t.Errorf("%q holds 192.0.2.1", network)
		}
	})
}
