package secretbox

import (
	"bytes"
	"errors"
	"path/filepath"
	"testing"
)

func openBox(t *testing.T) *Box {
	t.Helper()
	box, err := Open(filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	return box
}

func TestSealUnseal(t *testing.T) {
	t.Parallel()
	box := openBox(t)
	for _, plain := range [][]byte{nil, {0}, []byte("correct horse"), bytes.Repeat([]byte{'x'}, 100_000)} {
		sealed := box.Seal("account", "a1", "password", plain)
		if len(sealed) != len(plain)+Overhead {
			t.Errorf("%d octets sealed are %d, want %d more", len(plain), len(sealed), Overhead)
		}
		if len(plain) > 8 && bytes.Contains(sealed, plain[:8]) {
			t.Error("the sealed value holds the secret in clear")
		}
		got, err := box.Unseal("account", "a1", "password", sealed)
		if err != nil || !bytes.Equal(got, plain) {
			t.Errorf("Unseal = %q, %v, want %q", got, err, plain)
		}
	}
}

func TestSealNeverRepeats(t *testing.T) {
	t.Parallel()
	box := openBox(t)
	a, b := box.Seal("k", "i", "f", []byte("x")), box.Seal("k", "i", "f", []byte("x"))
	if bytes.Equal(a, b) {
		t.Error("the same secret sealed twice gives the same octets")
	}
}

// A value opens only in its own place, however the parts of the place are cut.
func TestSwappedPlaces(t *testing.T) {
	t.Parallel()
	box := openBox(t)
	sealed := box.Seal("account", "a1", "password", []byte("secret"))
	for _, place := range [][3]string{
		{"account", "a2", "password"}, {"key", "a1", "password"}, {"account", "a1", "token"},
		{"accounta1", "", "password"}, {"account", "a1password", ""}, {"account", "a1p", "assword"}, {"", "", ""},
	} {
		if _, err := box.Unseal(place[0], place[1], place[2], sealed); !errors.Is(err, ErrDamaged) {
			t.Errorf("%q: error %v, want ErrDamaged", place, err)
		}
	}
}

func TestEveryByteFlipped(t *testing.T) {
	t.Parallel()
	box := openBox(t)
	sealed := box.Seal("account", "a1", "password", []byte("secret"))
	for i := range sealed {
		for bit := range 8 {
			changed := bytes.Clone(sealed)
			changed[i] ^= 1 << bit
			_, err := box.Unseal("account", "a1", "password", changed)
			want := ErrDamaged
			if i >= 1 && i <= keyIDSize {
				want = ErrUnknownKey
			}
			if !errors.Is(err, want) {
				t.Fatalf("octet %d, bit %d: error %v, want %v", i, bit, err, want)
			}
		}
	}
	for n := range sealed {
		if _, err := box.Unseal("account", "a1", "password", sealed[:n]); err == nil {
			t.Fatalf("cut to %d octets it still opens", n)
		}
	}
}

func TestWrongKey(t *testing.T) {
	t.Parallel()
	sealed := openBox(t).Seal("account", "a1", "password", []byte("secret"))
	if _, err := openBox(t).Unseal("account", "a1", "password", sealed); !errors.Is(err, ErrUnknownKey) {
		t.Errorf("error %v, want ErrUnknownKey", err)
	}
}

func TestDerive(t *testing.T) {
	t.Parallel()
	box := openBox(t)
	if a := box.Derive("a"); len(a) != DerivedSize || !bytes.Equal(a, box.Derive("a")) {
		t.Errorf("Derive is not stable or has %d octets", len(a))
	}
	if bytes.Equal(box.Derive("a"), box.Derive("b")) {
		t.Error("two purposes have one key")
	}
	if bytes.Equal(box.Derive("a"), openBox(t).Derive("a")) {
		t.Error("two key files give one derived key")
	}
}

func FuzzUnseal(f *testing.F) {
	box, err := Open(filepath.Join(f.TempDir(), "key"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte{})
	f.Add(make([]byte, Overhead))
	f.Add(append([]byte{version}, box.keys[0].id[:]...))
	f.Fuzz(func(t *testing.T, sealed []byte) {
		if plain, err := box.Unseal("account", "a1", "password", sealed); err == nil {
			t.Fatalf("made-up octets opened as %q", plain)
		}
	})
}
