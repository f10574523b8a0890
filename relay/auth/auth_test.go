package auth

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
)

// directory is the submitters of a test, by login.
type directory struct {
	store.Table[relay.Submitter]
	byLogin map[string]relay.Submitter
	broken  error
}

func (d *directory) Submitters() store.Table[relay.Submitter] { return d }

func (d *directory) SubmitterByLogin(_ context.Context, login string) (*relay.Submitter, error) {
	if s, ok := d.byLogin[login]; ok && d.broken == nil {
		return &s, nil
	}
	return nil, errors.Join(store.ErrNotFound, d.broken)
}

func (d *directory) Get(_ context.Context, id string) (*relay.Submitter, error) {
	for _, s := range d.byLogin {
		if s.ID == id && d.broken == nil {
			return &s, nil
		}
	}
	if d.broken != nil {
		return nil, d.broken
	}
	return nil, store.ErrNotFound
}

// scene is an Authenticator with four submitters of one password.
type scene struct {
	*Authenticator
	directory *directory
	password  relay.Secret
	hashes    atomic.Int64 // how often a password was hashed
}

func newScene(t testing.TB, o Options) *scene {
	t.Helper()
	s := &scene{directory: &directory{}}
	o.Directory, o.Key = s.directory, make([]byte, 32)
	a, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	s.Authenticator = a
	a.hash = func(key []byte, password relay.Secret) []byte {
		s.hashes.Add(1)
		return hashPassword(key, password)
	}
	var hash []byte
	s.password, hash = a.NewPassword()
	s.directory.byLogin = map[string]relay.Submitter{
		"crm":   {ID: "s1", Login: "crm", PasswordHash: hash},
		"other": {ID: "s2", Login: "other", PasswordHash: hash},
		"off":   {ID: "s3", Login: "off", PasswordHash: hash, Disabled: true},
		"inner": {ID: "s4", Login: "inner", PasswordHash: hash, Networks: []string{"10.0.0.0/8"}},
	}
	return s
}

func from(addr string) relay.Client {
	return relay.Client{Addr: netip.AddrPortFrom(netip.MustParseAddr(addr), 1234)}
}

// try signs in and tells how long the answer took, on the clock of the bubble.
func (s *scene) try(t *testing.T, addr, login string, password relay.Secret) (time.Duration, error) {
	t.Helper()
	start := time.Now()
	_, err := s.Password(t.Context(), from(addr), login, password)
	return time.Since(start), err
}

const wrong = relay.Secret("rlp_wrong")

func TestSuccess(t *testing.T) {
	t.Parallel()
	s := newScene(t, Options{})
	got, err := s.Password(t.Context(), from("192.0.2.1"), "crm", s.password)
	if err != nil || got.ID != "s1" {
		t.Fatalf("Password = %+v, %v", got, err)
	}
	if got.PasswordHash != nil {
		t.Error("the hash left the store")
	}
	if _, err := s.Password(t.Context(), from("::ffff:10.1.2.3"), "inner", s.password); err != nil {
		t.Errorf("from an allowed network: %v", err)
	}
}

// B3: the same code, text, work and time for every reason. In the bubble time is
// exact, so one sample of each says more than a statistic.
func TestRefusalsAreAlike(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		login  string
		right  bool
		reason error
	}{
		"unknown name":         {"nobody", true, ErrUnknownLogin},
		"empty name":           {"", false, ErrUnknownLogin},
		"huge name":            {strings.Repeat("x", 10_000), false, ErrUnknownLogin},
		"wrong password":       {"crm", false, ErrPassword},
		"disabled":             {"off", true, ErrDisabled},
		"disabled and wrong":   {"off", false, ErrPassword},
		"network":              {"inner", true, ErrNetwork},
		"network and password": {"inner", false, ErrPassword},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newScene(t, Options{})
				password := wrong
				if tc.right {
					password = s.password
				}
				took, err := s.try(t, "192.0.2.1", tc.login, password)
				var answer *relay.Error
				if !errors.As(err, &answer) || answer.Code != 535 || answer.Enhanced != (relay.Enhanced{5, 7, 8}) || answer.Public != "Authentication credentials invalid" {
					t.Errorf("answer %v, want the one 535", err)
				}
				if !errors.Is(err, tc.reason) {
					t.Errorf("cause %v, want %v", err, tc.reason)
				}
				if took != DefaultFirstDelay {
					t.Errorf("took %v, want %v like every other refusal", took, DefaultFirstDelay)
				}
				if n := s.hashes.Load(); n != 1 {
					t.Errorf("%d passwords were hashed, want 1", n)
				}
				if strings.Contains(err.Error(), password.Reveal()) {
					t.Error("the password stands in the error")
				}
			})
		})
	}
}

// What signs in at the dummy's place must not exist.
func TestDummyHasNoPassword(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, Options{})
		s.dummy.PasswordHash = hashPassword(s.key, "known")
		if _, err := s.try(t, "192.0.2.1", "nobody", "known"); !errors.Is(err, ErrUnknownLogin) {
			t.Errorf("error %v, want ErrUnknownLogin", err)
		}
	})
}

// A fault of ours is no failed sign-in: it is temporary and counts for nobody.
func TestDirectoryFault(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, Options{})
		s.directory.broken = nil
		fault := &faulty{directory: s.directory}
		s.Authenticator.directory = fault
		_, err := s.try(t, "192.0.2.1", "crm", s.password)
		var answer *relay.Error
		if !errors.As(err, &answer) || answer.Code != 451 || !errors.Is(err, store.ErrUnknown) {
			t.Errorf("error %v, want 451 with ErrUnknown", err)
		}
		if _, err := s.BySubmitterID(t.Context(), from("192.0.2.1"), "s1"); !errors.Is(err, store.ErrUnknown) {
			t.Errorf("by id: %v, want ErrUnknown", err)
		}
		s.Authenticator.directory = s.directory
		if took, err := s.try(t, "192.0.2.1", "crm", s.password); took != 0 || err != nil {
			t.Errorf("afterwards: %v after %v, want at once", err, took)
		}
	})
}

type faulty struct{ *directory }

func (f *faulty) SubmitterByLogin(context.Context, string) (*relay.Submitter, error) {
	return nil, store.ErrUnknown
}

func (f *faulty) Submitters() store.Table[relay.Submitter] {
	return &directory{broken: store.ErrUnknown}
}

func TestBrokenOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, Options{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		start := time.Now()
		_, err := s.Password(ctx, from("192.0.2.1"), "crm", wrong)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Millisecond {
			t.Errorf("error %v after %v, want the deadline after 1ms", err, time.Since(start))
		}
		if took, _ := s.try(t, "192.0.2.1", "crm", wrong); took != 2*DefaultFirstDelay {
			t.Errorf("the next one took %v: a guess that was not waited for must count", took)
		}
	})
}

func TestBySubmitterID(t *testing.T) {
	t.Parallel()
	s := newScene(t, Options{})
	for name, tc := range map[string]struct {
		id, addr string
		want     error
	}{
		"good":     {"s1", "127.0.0.1", nil},
		"unknown":  {"none", "127.0.0.1", ErrUnknownLogin},
		"disabled": {"s3", "127.0.0.1", ErrDisabled},
		"network":  {"s4", "127.0.0.1", ErrNetwork},
		"inside":   {"s4", "10.0.0.1", nil},
	} {
		got, err := s.BySubmitterID(t.Context(), from(tc.addr), tc.id)
		if !errors.Is(err, tc.want) || (err == nil && (got.ID != tc.id || got.PasswordHash != nil)) {
			t.Errorf("%s: %+v, %v, want %v", name, got, err, tc.want)
		}
	}
}

// TestCurrent: whatever was changed about a submitter ends its sign-ins.
func TestCurrent(t *testing.T) {
	t.Parallel()
	s := newScene(t, Options{})
	signedIn, err := s.Password(t.Context(), from("192.0.2.1"), "crm", s.password)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Current(t.Context(), signedIn); err != nil {
		t.Errorf("nothing was changed: %v", err)
	}
	record := s.directory.byLogin["crm"]
	record.Revision++
	s.directory.byLogin["crm"] = record
	for _, tc := range []struct {
		want   error
		change func()
	}{
		{ErrChanged, func() {}},
		{ErrUnknownLogin, func() { signedIn.ID = "none" }},
	} {
		tc.change()
		err := s.Current(t.Context(), signedIn)
		var answer *relay.Error
		if !errors.As(err, &answer) || answer.Code != 421 || !answer.Close || !errors.Is(err, tc.want) {
			t.Errorf("%v, want 421 because %v", err, tc.want)
		}
	}
	s.directory.broken = errors.New("disk on fire")
	var answer *relay.Error
	if err := s.Current(t.Context(), signedIn); !errors.As(err, &answer) || answer.Code != 451 {
		t.Errorf("fault of the directory: %v", err)
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	if _, err := New(Options{Directory: &directory{}, Key: make([]byte, 31)}); err == nil {
		t.Error("a short key was taken")
	}
	if _, err := New(Options{Key: make([]byte, 32)}); err == nil {
		t.Error("no directory was taken")
	}
}
