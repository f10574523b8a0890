package ownership_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/relay/ownership"
	"github.com/relayd/relayd/store"
	"github.com/relayd/relayd/store/embedded"
)

// zone is what the world's DNS says.
type zone struct {
	mu    sync.Mutex
	texts map[string][]string
	err   error
}

func (z *zone) TXT(_ context.Context, name string) ([]string, error) {
	z.mu.Lock()
	defer z.mu.Unlock()
	return z.texts[name], z.err
}

func (z *zone) publish(c *relay.DomainClaim) {
	z.mu.Lock()
	defer z.mu.Unlock()
	name, value := ownership.Record(c)
	z.texts[name] = append(z.texts[name], "v=something else", value)
}

func world(t *testing.T) (*ownership.Service, *zone, store.Directory) {
	t.Helper()
	d, err := embedded.OpenDirectory(embedded.DirectoryOptions{Path: filepath.Join(t.TempDir(), "directory")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	for _, id := range []string{"acme", "other"} {
		if err := d.Organisations().Put(t.Context(), &relay.Organisation{ID: id}); err != nil {
			t.Fatal(err)
		}
	}
	z := &zone{texts: map[string][]string{}}
	var mu sync.Mutex
	n := 0
	return ownership.New(ownership.Options{
		Claims: d.DomainClaims(), Organisations: d.Organisations(), Resolver: z,
		NewID: func(time.Time) string { mu.Lock(); defer mu.Unlock(); n++; return fmt.Sprintf("claim%04d", n) },
	}), z, d
}

func owns(t *testing.T, d store.Directory, organisation, domain string) bool {
	t.Helper()
	o, err := d.Organisations().Get(t.Context(), organisation)
	if err != nil {
		t.Fatal(err)
	}
	return o.Owns(domain)
}

func TestClaimAndProof(t *testing.T) {
	t.Parallel()
	s, z, d := world(t)
	ctx := t.Context()
	c, err := s.Claim(ctx, "acme", " Bücher.Example ")
	if err != nil || c.Domain != "xn--bcher-kva.example" || len(c.Token) < 20 {
		t.Fatalf("claim %+v, %v", c, err)
	}
	if again, err := s.Claim(ctx, "acme", "bücher.example"); err != nil || again.ID != c.ID {
		t.Errorf("the same claim again: %+v, %v", again, err)
	}
	if name, value := ownership.Record(c); name != "_relayd-challenge."+c.Domain || value != "relayd-domain="+c.Token {
		t.Errorf("record %s %s", name, value)
	}
	if got, err := s.Check(ctx, c.ID); !errors.Is(err, ownership.ErrNoRecord) || got.Checked.IsZero() || owns(t, d, "acme", c.Domain) {
		t.Errorf("before it is published: %+v, %v", got, err)
	}
	z.publish(c)
	for range 2 {
		if got, err := s.Check(ctx, c.ID); err != nil || got.Proved.IsZero() || !owns(t, d, "acme", c.Domain) {
			t.Errorf("after it is published: %+v, %v", got, err)
		}
	}
	if _, err := s.Check(ctx, "none"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("no such claim: %v", err)
	}
}

// The record of one organisation's claim proves nothing for another's.
func TestOneDomainTwoClaims(t *testing.T) {
	t.Parallel()
	s, z, d := world(t)
	mine, err1 := s.Claim(t.Context(), "acme", "acme.example")
	theirs, err2 := s.Claim(t.Context(), "other", "acme.example")
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	z.publish(mine)
	if _, err := s.Check(t.Context(), theirs.ID); !errors.Is(err, ownership.ErrNoRecord) {
		t.Errorf("by the record of another claim: %v", err)
	}
	if _, err := s.Check(t.Context(), mine.ID); err != nil {
		t.Fatal(err)
	}
	z.publish(theirs)
	if c, err := s.Check(t.Context(), theirs.ID); !errors.Is(err, ownership.ErrTaken) || !c.Proved.IsZero() || owns(t, d, "other", "acme.example") {
		t.Errorf("a domain that has an owner: %+v, %v", c, err)
	}
}

func TestWhatCannotBeClaimed(t *testing.T) {
	t.Parallel()
	s, _, _ := world(t)
	for _, domain := range []string{"", "com", "co.uk", "no domain", "a..example", "[127.0.0.1]", "x\r\ny.example"} {
		var refused *relay.FieldError
		if c, err := s.Claim(t.Context(), "acme", domain); !errors.As(err, &refused) || refused.Field != "domain" {
			t.Errorf("%q: %+v, %v", domain, c, err)
		}
	}
	if _, err := s.Claim(t.Context(), "nobody", "acme.example"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("an organisation that is not there: %v", err)
	}
	for i := range ownership.MaxClaims {
		if _, err := s.Claim(t.Context(), "acme", fmt.Sprintf("d%d.example", i)); err != nil {
			t.Fatal(err)
		}
	}
	var refused *relay.FieldError
	if _, err := s.Claim(t.Context(), "acme", "more.example"); !errors.As(err, &refused) || !strings.Contains(refused.Message, "At most 100") {
		t.Errorf("one too many: %v", err)
	}
}

// Nobody could say: the claim stays as it is.
func TestResolverThatFails(t *testing.T) {
	t.Parallel()
	s, z, _ := world(t)
	c, err := s.Claim(t.Context(), "acme", "acme.example")
	if err != nil {
		t.Fatal(err)
	}
	z.err = errors.New("no answer")
	if got, err := s.Check(t.Context(), c.ID); !errors.Is(err, z.err) || !got.Checked.IsZero() {
		t.Errorf("%+v, %v", got, err)
	}
}

// Two checks at one time, while somebody else changes the organisation.
func TestChecksAtOneTime(t *testing.T) {
	t.Parallel()
	s, z, d := world(t)
	c, err := s.Claim(t.Context(), "acme", "acme.example")
	if err != nil {
		t.Fatal(err)
	}
	z.publish(c)
	var both sync.WaitGroup
	for range 4 {
		both.Go(func() {
			if _, err := s.Check(t.Context(), c.ID); err != nil {
				t.Error(err)
			}
		})
	}
	both.Wait()
	if o, err := d.Organisations().Get(t.Context(), "acme"); err != nil || len(o.Domains) != 1 {
		t.Errorf("%+v, %v", o, err)
	}
}
