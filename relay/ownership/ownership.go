// Package ownership lets an organisation prove that a domain is its own.
//
// Whoever owns a domain decides who sends as its addresses, so nobody gets one by
// saying so. The operator gives domains to organisations; an organisation that wants
// another one proves it:
//  1. Claim makes a random token, and says which DNS record must hold it;
//  2. the organisation publishes the record;
//  3. Check looks it up, and gives the domain to the organisation, unless it belongs to
//     another one.
//
// A claim alone gives nothing and keeps nobody from the domain: several organisations
// may claim it, and the one that can change its DNS gets it.
package ownership

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/publicsuffix"

	"github.com/relayd/relayd/internal/mailaddr"
	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
)

// Claims is the directory's table of claims.
type Claims interface {
	Get(ctx context.Context, id string) (*relay.DomainClaim, error)
	Put(ctx context.Context, c *relay.DomainClaim) error
	List(ctx context.Context, after string, limit int) ([]*relay.DomainClaim, error)
}

// Organisations is the directory's table of organisations, under the promises of
// store.Directory.
type Organisations interface {
	Get(ctx context.Context, id string) (*relay.Organisation, error)
	Put(ctx context.Context, o *relay.Organisation) error
}

// Resolver looks up TXT records, each as one text. An error that reports itself as
// temporary means that nobody could say.
type Resolver interface {
	TXT(ctx context.Context, name string) ([]string, error)
}

// Options are the parts of a Service.
type Options struct {
	Claims        Claims
	Organisations Organisations
	Resolver      Resolver
	NewID         func(now time.Time) string // makes the IDs of claims
}

// Service keeps claims. Its methods may be called concurrently.
type Service struct{ o Options }

// New makes a Service.
func New(o Options) *Service { return &Service{o: o} }

// The record that proves a domain.
const (
	recordLabel = "_relayd-challenge."
	valuePrefix = "relayd-domain="
)

// MaxClaims is how many open claims an organisation may have.
const MaxClaims = 100

// The answers to a Check that proves nothing.
var (
	// ErrNoRecord means that the record is not published, or says something else.
	ErrNoRecord = errors.New("the DNS record is not there yet")
	// ErrTaken means that the domain belongs to another organisation.
	ErrTaken = errors.New("the domain belongs to another organisation")
)

// Claim notes that an organisation wants to prove a domain; the same claim again gives
// the one that is open. A *relay.FieldError says why a domain cannot be claimed.
func (s *Service) Claim(ctx context.Context, organisation, domain string) (*relay.DomainClaim, error) {
	name, err := mailaddr.ParseDomain(strings.TrimSpace(domain))
	if err != nil || strings.HasPrefix(name, "[") {
		return nil, &relay.FieldError{Field: "domain", Message: fmt.Sprintf("%q is not a domain; it looks like example.com.", relay.Printable(domain))}
	}
	if suffix, _ := publicsuffix.PublicSuffix(name); suffix == name {
		return nil, &relay.FieldError{Field: "domain", Message: fmt.Sprintf("Everybody can register names under %s: it belongs to nobody.", name)}
	}
	open, err := s.open(ctx, organisation)
	if err != nil {
		return nil, err
	}
	if at := slices.IndexFunc(open, func(c *relay.DomainClaim) bool { return c.Domain == name }); at >= 0 {
		return open[at], nil
	}
	if len(open) >= MaxClaims {
		return nil, &relay.FieldError{Field: "domain", Message: fmt.Sprintf("At most %d domains can be claimed at one time: prove or delete some first.", MaxClaims)}
	}
	now := time.Now()
	c := &relay.DomainClaim{ID: s.o.NewID(now), Organisation: organisation, Domain: name, Token: rand.Text(), Created: now}
	if err := s.o.Claims.Put(ctx, c); err != nil {
		return nil, fmt.Errorf("keep the claim to %s: %w", name, err)
	}
	return c, nil
}

// pageSize is how many claims are read in one step.
const pageSize = 200

// open gives the claims of an organisation that are not proved.
func (s *Service) open(ctx context.Context, organisation string) ([]*relay.DomainClaim, error) {
	var open []*relay.DomainClaim
	for after := ""; ; {
		page, err := s.o.Claims.List(ctx, after, pageSize)
		if err != nil {
			return nil, fmt.Errorf("read the claims: %w", err)
		}
		for _, c := range page {
			after = c.ID
			if c.Organisation == organisation && c.Proved.IsZero() {
				open = append(open, c)
			}
		}
		if len(page) < pageSize {
			return open, nil
		}
	}
}

// Record is the TXT record that proves a claim: its full name, and what it says.
func Record(c *relay.DomainClaim) (name, value string) {
	return recordLabel + c.Domain, valuePrefix + c.Token
}

// Check looks for the record of a claim and, if it is there, gives the domain to the
// organisation. The claim is returned as it stands then. It returns store.ErrNotFound,
// ErrNoRecord, ErrTaken, or an error of the resolver that could not say.
func (s *Service) Check(ctx context.Context, id string) (*relay.DomainClaim, error) {
	c, err := s.o.Claims.Get(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("read the claim %s: %w", id, err)
	}
	if !c.Proved.IsZero() {
		return c, nil
	}
	name, value := Record(c)
	texts, err := s.o.Resolver.TXT(ctx, name)
	if err != nil {
		return c, fmt.Errorf("look up %s: %w", name, err)
	}
	now := time.Now()
	c.Checked = now
	if !slices.ContainsFunc(texts, func(text string) bool { return strings.TrimSpace(text) == value }) {
		return c, errors.Join(ErrNoRecord, s.note(ctx, c))
	}
	if err := s.give(ctx, c); err != nil {
		return c, err
	}
	c.Proved = now
	return c, s.note(ctx, c)
}

// maxRaces is how often a change is tried again because somebody else changed the
// record in between.
const maxRaces = 16

// give puts the domain among those of the organisation.
func (s *Service) give(ctx context.Context, c *relay.DomainClaim) error {
	var err error
	for range maxRaces {
		o, getErr := s.o.Organisations.Get(ctx, c.Organisation)
		if getErr != nil {
			return fmt.Errorf("read the organisation %s: %w", c.Organisation, getErr)
		}
		if o.Owns(c.Domain) {
			return nil
		}
		o.Domains = append(o.Domains, c.Domain)
		if err = s.o.Organisations.Put(ctx, o); !errors.Is(err, store.ErrStale) {
			break
		}
	}
	switch {
	case errors.Is(err, store.ErrExists):
		return ErrTaken
	case err != nil:
		return fmt.Errorf("give %s to the organisation %s: %w", c.Domain, c.Organisation, err)
	}
	return nil
}

// note keeps what is known of a claim. One that was changed meanwhile is left alone:
// whoever changed it knew as much.
func (s *Service) note(ctx context.Context, c *relay.DomainClaim) error {
	if err := s.o.Claims.Put(ctx, c); err != nil && !errors.Is(err, store.ErrStale) {
		return fmt.Errorf("keep the claim to %s: %w", c.Domain, err)
	}
	return nil
}
