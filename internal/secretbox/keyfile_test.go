package secretbox

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestFirstStart(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "key")
	first, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v, %v, want 0600", info.Mode(), err)
	}
	second, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := second.Unseal("a", "b", "c", first.Seal("a", "b", "c", []byte("x"))); err != nil {
		t.Errorf("after a restart: %v", err)
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("the directory holds %v, %v, want the key file alone", entries, err)
	}
}

// Two processes that start at once agree on one key.
func TestFirstStartRace(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "key")
	boxes := make([]*Box, 8)
	var wg sync.WaitGroup
	for i := range boxes {
		wg.Go(func() {
			box, err := Open(path)
			if err != nil {
				t.Error(err)
			}
			boxes[i] = box
		})
	}
	wg.Wait()
	for _, box := range boxes {
		if box == nil || box.keys[0].id != boxes[0].keys[0].id {
			t.Fatal("two boxes have different keys")
		}
	}
}

func TestRefusedKeyFiles(t *testing.T) {
	t.Parallel()
	good := keyPrefix + base64.StdEncoding.EncodeToString(make([]byte, masterSize))
	for name, tc := range map[string]struct {
		text string
		mode os.FileMode
		want string
	}{
		"group may read":  {good, 0o640, "chmod 600"},
		"others may read": {good, 0o604, "chmod 600"},
		"empty":           {"", 0o600, "no key"},
		"comment only":    {"# nothing\n", 0o600, "no key"},
		"another file":    {"-----BEGIN PRIVATE KEY-----\n", 0o600, "must start with"},
		"short key":       {keyPrefix + "c2VjcmV0", 0o600, "32 octets"},
		"no base64":       {keyPrefix + "!!", 0o600, "32 octets"},
		"twice the same":  {good + "\n" + good, 0o600, "twice"},
		"huge":            {strings.Repeat("#\n", maxKeyFile), 0o600, "longer than"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "key")
			if err := os.WriteFile(path, []byte(tc.text), tc.mode); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, tc.mode); err != nil { // whatever the umask is
				t.Fatal(err)
			}
			_, err := Open(path)
			if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("error %v, want the path and %q", err, tc.want)
			}
			if err != nil && strings.Contains(err.Error(), "c2VjcmV0") {
				t.Error("the error repeats what may be a key")
			}
		})
	}
}

func TestDirectoryIsNoKeyFile(t *testing.T) {
	t.Parallel()
	if _, err := Open(t.TempDir()); err == nil || !strings.Contains(err.Error(), "regular") {
		t.Errorf("error %v, want one about a regular file", err)
	}
}

// A new key in front: old values open, new ones are sealed with it, derived keys stay.
func TestKeyAdded(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "key")
	before, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	old := before.Seal("a", "b", "c", []byte("x"))
	text, _ := os.ReadFile(path)
	added := keyPrefix + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, masterSize)) + "\n"
	if err := os.WriteFile(path, append([]byte(added), text...), 0o600); err != nil {
		t.Fatal(err)
	}
	after, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := after.Unseal("a", "b", "c", old); err != nil {
		t.Errorf("old value: %v", err)
	}
	if after.Current(old) || !after.Current(after.Seal("a", "b", "c", nil)) {
		t.Error("Current does not tell old from new")
	}
	if !bytes.Equal(before.Derive("p"), after.Derive("p")) {
		t.Error("a derived key changed")
	}
}

type memoryCanary struct{ sealed []byte }

func (m *memoryCanary) Canary(context.Context) ([]byte, error) { return m.sealed, nil }
func (m *memoryCanary) SetCanary(_ context.Context, sealed []byte) error {
	m.sealed = sealed
	return nil
}

func TestCanary(t *testing.T) {
	t.Parallel()
	box, canary := openBox(t), &memoryCanary{}
	for range 2 {
		if err := box.Check(t.Context(), canary); err != nil {
			t.Fatal(err)
		}
	}
	stored := bytes.Clone(canary.sealed)
	if err := openBox(t).Check(t.Context(), canary); !errors.Is(err, ErrUnknownKey) {
		t.Errorf("wrong key: error %v, want ErrUnknownKey", err)
	}
	if !bytes.Equal(stored, canary.sealed) {
		t.Error("a wrong key replaced the canary")
	}
	canary.sealed = box.Seal("account", "a1", "password", []byte("x"))
	if err := box.Check(t.Context(), canary); !errors.Is(err, ErrDamaged) {
		t.Errorf("foreign value: error %v, want ErrDamaged", err)
	}
}
