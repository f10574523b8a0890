package direct

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/relayd/relayd/relay"
)

func TestSignaturesAreMadeOnceForABurst(t *testing.T) {
	t.Parallel()
	s, id := newSignatures(), relay.NewID(time.Now())
	key := []parsedKey{{SigningKey: SigningKey{ID: "k", Revision: 1}}}
	var made atomic.Int32
	sign := func() ([]byte, error) { return []byte{byte(made.Add(1))}, nil }
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if fields, err := s.of(id, key, sign); err != nil || fields[0] != 1 {
				t.Errorf("%v, %v", fields, err)
			}
		})
	}
	all.Wait()
	newer := []parsedKey{{SigningKey: SigningKey{ID: "k", Revision: 2}}}
	for name, again := range map[string]func() ([]byte, error){
		"another message":  func() ([]byte, error) { return s.of(id.Derive("x"), key, sign) },
		"another revision": func() ([]byte, error) { return s.of(id, newer, sign) },
		"one key more":     func() ([]byte, error) { return s.of(id, append(newer, key...), sign) },
	} {
		before := made.Load()
		if _, err := again(); err != nil || made.Load() != before+1 {
			t.Errorf("%s: %v, made %d times", name, err, made.Load()-before)
		}
	}
}

func TestSignaturesAreMadeAnewLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, id, made := newSignatures(), relay.NewID(time.Now()), 0
		sign := func() ([]byte, error) { made++; return nil, nil }
		for _, step := range []struct {
			wait time.Duration
			made int
		}{{0, 1}, {signatureReuse, 1}, {time.Nanosecond, 2}} {
			<-time.After(step.wait)
			if _, err := s.of(id, nil, sign); err != nil || made != step.made {
				t.Errorf("after %v more: %v, made %d times", step.wait, err, made)
			}
		}
	})
}

func TestFailedSignaturesAreNotKept(t *testing.T) {
	t.Parallel()
	s, fault := newSignatures(), errors.New("fault")
	id := relay.NewID(time.Now())
	if _, err := s.of(id, nil, func() ([]byte, error) { return nil, fault }); !errors.Is(err, fault) {
		t.Errorf("got %v", err)
	}
	if fields, err := s.of(id, nil, func() ([]byte, error) { return []byte("ok"), nil }); err != nil || string(fields) != "ok" {
		t.Errorf("the failure stayed: %q, %v", fields, err)
	}
}

func TestSignaturesAreBounded(t *testing.T) {
	t.Parallel()
	s := newSignatures()
	for range 3 * maxSignatureSets {
		if _, err := s.of(relay.NewID(time.Now()), nil, func() ([]byte, error) { return nil, nil }); err != nil {
			t.Fatal(err)
		}
	}
	if len(s.made) > maxSignatureSets {
		t.Errorf("%d sets are kept", len(s.made))
	}
}
