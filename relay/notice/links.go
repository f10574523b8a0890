package notice

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
)

// The errors of Links. They are for logs and for decisions of ours; an outsider gets
// the words of Public, which do not tell them apart.
var (
	ErrForged       = errors.New("the link is not one of ours")
	ErrUnknownLink  = errors.New("there is no such link, or no longer")
	ErrExpired      = errors.New("the link has expired")
	ErrUsed         = errors.New("the link was used already")
	ErrNeedsCode    = errors.New("the link works only together with its code")
	ErrWrongCode    = errors.New("the code is wrong")
	ErrTooManyTries = errors.New("too many wrong codes were typed")
)

// The limits of links.
const (
	MaxLifetime = 30 * 24 * time.Hour // of any link

	maxRaces  = 16             // tries to change a record that others change as well
	maxToken  = 128            // characters of a token that are looked at
	keepEnded = 24 * time.Hour // how long an expired link is kept, to be told from an unknown one
	pageSize  = 200            // records that are read in one step
)

// The words for outsiders.
const (
	publicLink  = "This link does not work, or no longer. Please ask for a new one."
	publicCode  = "This code is not right, or does not work any more. Please ask for a new one if it was typed correctly."
	publicFault = "Something went wrong on our side. Please try again later."
)

// Public is what an outsider may read about an error of Links.
func Public(err error) string {
	for _, refusal := range []error{ErrWrongCode, ErrTooManyTries, ErrNeedsCode} {
		if errors.Is(err, refusal) {
			return publicCode
		}
	}
	for _, refusal := range []error{ErrForged, ErrUnknownLink, ErrExpired, ErrUsed} {
		if errors.Is(err, refusal) {
			return publicLink
		}
	}
	return publicFault
}

// Key gives keys for purposes (secretbox.Box). The same purpose always gives the
// same key.
type Key interface {
	Derive(purpose string) []byte
}

// Links makes and checks one-time links. Its methods may be called concurrently.
//
// A token is the link's ID, a dot, and a MAC over ID, purpose, account and expiry.
// The record alone, as it lies in the directory or a backup of it, gives no token.
type Links struct {
	table store.Table[relay.Link]
	mac   []byte
	codes []byte
	names []byte
}

// NewLinks makes Links over the directory's table.
func NewLinks(table store.Table[relay.Link], key Key) *Links {
	return &Links{
		table: table, mac: key.Derive("notice/link"),
		codes: key.Derive("notice/code"), names: key.Derive("notice/link name"),
	}
}

// Make makes a link that is durable when Make returns, and its token. The lifetime
// is more than 0 and at most MaxLifetime. A link with a code is made by MakeCode.
func (l *Links) Make(ctx context.Context, purpose relay.LinkPurpose, account, organisation string, lifetime time.Duration) (token string, link *relay.Link, err error) {
	if purpose != relay.LinkMend && purpose != relay.LinkConnect {
		return "", nil, fmt.Errorf("make a link: the purpose %q is not one for a link without a code", purpose)
	}
	now := time.Now()
	link = &relay.Link{ID: relay.NewID(now).String(), Purpose: purpose, Organisation: organisation, Account: account}
	return l.keep(ctx, link, now, lifetime)
}

// keep makes a new link durable.
func (l *Links) keep(ctx context.Context, link *relay.Link, now time.Time, lifetime time.Duration) (string, *relay.Link, error) {
	if lifetime <= 0 || lifetime > MaxLifetime {
		return "", nil, fmt.Errorf("make a link: it must work for more than 0 and at most %v, not for %v", MaxLifetime, lifetime)
	}
	if link.Account == "" {
		return "", nil, errors.New("make a link: it needs an account")
	}
	// Whole seconds: the expiry is part of the MAC and must read back as it was written.
	link.Created, link.Expires = now.UTC(), now.Add(lifetime).UTC().Truncate(time.Second)
	if err := l.table.Put(ctx, link); err != nil {
		return "", nil, fmt.Errorf("keep a link of account %s: %w", link.Account, err)
	}
	return l.token(link), shown(link), nil
}

// makeOnce makes a link whose ID follows from the label, or finds the one that was
// made before: its token is the same. One that expired meanwhile is renewed.
func (l *Links) makeOnce(ctx context.Context, at time.Time, label string, link relay.Link, lifetime time.Duration) (string, *relay.Link, error) {
	link.ID = derive(l.names, at, label).String()
	for range maxRaces {
		now := time.Now()
		found, err := l.table.Get(ctx, link.ID)
		switch {
		case errors.Is(err, store.ErrNotFound):
			fresh := link
			found = &fresh
		case err != nil:
			return "", nil, fmt.Errorf("read link %s: %w", link.ID, err)
		case now.Before(found.Expires):
			return l.token(found), shown(found), nil
		}
		token, made, err := l.keep(ctx, found, now, lifetime)
		if err == nil || (!errors.Is(err, store.ErrStale) && !errors.Is(err, store.ErrExists)) {
			return token, made, err
		}
	}
	return "", nil, fmt.Errorf("make link %s: %w", link.ID, store.ErrStale)
}

// Open checks a token and gives its link, which stays as it is: programs that look
// at mail open every link in it. The errors are those above, or the store's.
func (l *Links) Open(ctx context.Context, token string) (*relay.Link, error) {
	link, err := l.read(ctx, token)
	if err == nil {
		err = usable(link, time.Now())
	}
	if err != nil {
		return nil, err
	}
	return shown(link), nil
}

// Use consumes a link without a code. Of any number of callers exactly one gets nil.
// A caller that wants to see the purpose first calls Open.
func (l *Links) Use(ctx context.Context, token string) (*relay.Link, error) {
	return l.change(ctx, token, func(link *relay.Link, now time.Time) error {
		if link.Purpose == relay.LinkCode {
			return fmt.Errorf("link %s: %w", link.ID, ErrNeedsCode)
		}
		link.Used = now.UTC()
		return nil
	})
}

// change reads a usable link and writes what apply made of it. A refusal of apply
// is given back once the change that goes with it is durable, and not before:
// otherwise a store that takes nothing would let somebody guess for ever.
func (l *Links) change(ctx context.Context, token string, apply func(*relay.Link, time.Time) error) (*relay.Link, error) {
	for range maxRaces {
		link, err := l.read(ctx, token)
		if err != nil {
			return nil, err
		}
		now := time.Now()
		if err := usable(link, now); err != nil {
			return nil, err
		}
		refusal := apply(link, now)
		if errors.Is(refusal, ErrNeedsCode) || errors.Is(refusal, ErrTooManyTries) {
			return nil, refusal // nothing was changed
		}
		err = l.table.Put(ctx, link)
		switch {
		case err == nil && refusal == nil:
			return shown(link), nil
		case err == nil:
			return nil, refusal
		case !errors.Is(err, store.ErrStale):
			return nil, fmt.Errorf("change link %s: %w", link.ID, err)
		}
	}
	return nil, fmt.Errorf("change a link: %w", store.ErrStale)
}

// read gives the link of a token whose MAC is right.
func (l *Links) read(ctx context.Context, token string) (*relay.Link, error) {
	id, mac, ok := parseToken(token)
	if !ok {
		return nil, ErrForged
	}
	link, err := l.table.Get(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, fmt.Errorf("link %s: %w", id, ErrUnknownLink)
	}
	if err != nil {
		return nil, fmt.Errorf("read link %s: %w", id, err)
	}
	if !hmac.Equal(mac, l.sign(link)) { // in constant time
		return nil, fmt.Errorf("link %s: %w", id, ErrForged)
	}
	return link, nil
}

func usable(link *relay.Link, now time.Time) error {
	switch {
	case !link.Used.IsZero():
		return fmt.Errorf("link %s: %w", link.ID, ErrUsed)
	case !now.Before(link.Expires):
		return fmt.Errorf("link %s: %w", link.ID, ErrExpired)
	}
	return nil
}

// parseToken divides a token. Its MAC is not yet checked.
func parseToken(token string) (id string, mac []byte, ok bool) {
	if len(token) > maxToken {
		return "", nil, false
	}
	id, text, _ := strings.Cut(token, ".")
	if _, err := relay.ParseID(id); err != nil {
		return "", nil, false
	}
	mac, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(mac) != sha256.Size || strings.ContainsAny(text, "\r\n") {
		return "", nil, false // the decoder would pass over line ends
	}
	return id, mac, true
}

func (l *Links) token(link *relay.Link) string {
	return link.ID + "." + base64.RawURLEncoding.EncodeToString(l.sign(link))
}

// sign is the MAC of a link (RFC 2104). Each part has its length before it, so that
// no two links give the same octets.
func (l *Links) sign(link *relay.Link) []byte {
	h := hmac.New(sha256.New, l.mac)
	for _, part := range []string{link.ID, string(link.Purpose), link.Account} {
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(part))))
		h.Write([]byte(part))
	}
	h.Write(binary.BigEndian.AppendUint64(nil, uint64(link.Expires.Unix())))
	return h.Sum(nil)
}

// shown is a link for callers: without what only this package needs.
func shown(link *relay.Link) *relay.Link {
	c := *link
	c.Code = nil
	return &c
}

// sweep removes links that ended some time ago.
func (l *Links) sweep(ctx context.Context, now time.Time) error {
	return l.each(ctx, func(link *relay.Link) error {
		if now.Before(link.Expires.Add(keepEnded)) {
			return nil
		}
		if err := l.table.Delete(ctx, link.ID); err != nil && !errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("remove link %s: %w", link.ID, err)
		}
		return nil
	})
}

// recent counts the links of an account that were made for a purpose since then.
func (l *Links) recent(ctx context.Context, purpose relay.LinkPurpose, account string, since time.Time) (n int, err error) {
	err = l.each(ctx, func(link *relay.Link) error {
		if link.Purpose == purpose && link.Account == account && link.Created.After(since) {
			n++
		}
		return nil
	})
	return n, err
}

func (l *Links) each(ctx context.Context, do func(*relay.Link) error) error {
	for after := ""; ; {
		page, err := l.table.List(ctx, after, pageSize)
		if err != nil {
			return fmt.Errorf("read the links: %w", err)
		}
		for _, link := range page {
			after = link.ID
			if err := do(link); err != nil {
				return err
			}
		}
		if len(page) < pageSize {
			return nil
		}
	}
}

// derive gives an ID that follows from a moment and a label. Without the key nobody
// can know it.
func derive(key []byte, at time.Time, label string) relay.ID {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(label))
	id := relay.NewID(at)
	copy(id[6:], h.Sum(nil))
	return id
}
