package notice

import (
	"context"
	"fmt"
	"time"
)

// The times before the end at which an entry is raised.
const (
	aheadFirst = 14 * 24 * time.Hour
	aheadLast  = 24 * time.Hour
)

// raiseBack is how far back an event that came due while relayd did not run is still
// raised at the start. It is raised then even if it was before: with the same content,
// so that whoever heard of it knows it again.
const raiseBack = 24 * time.Hour

// entryKey names an entry. One that is moved to another day is another one.
type entryKey struct {
	organisation string
	kind         EntryKind
	what         string
	account, app string
	when         int64
}

// expiring remembers what was raised. It belongs to Run.
type expiring struct {
	raised map[entryKey]time.Duration // how far ahead the last event was; 0: none yet
	looked map[string]bool            // the organisations whose entries are known
}

func newExpiring() *expiring {
	return &expiring{raised: map[entryKey]time.Duration{}, looked: map[string]bool{}}
}

// due says which event about an entry is to be raised now, if any: the last one whose
// time has come. At the first look those of long ago count as raised; an entry that
// turns up later is raised even if its first time is past.
func (x *expiring) due(key entryKey, when, now time.Time) (ahead time.Duration, raise bool) {
	switch {
	case !now.Before(when):
		return 0, false
	case !now.Before(when.Add(-aheadLast)):
		ahead = aheadLast
	case !now.Before(when.Add(-aheadFirst)):
		ahead = aheadFirst
	default:
		return 0, false
	}
	last, known := x.raised[key]
	if known && last != 0 && last <= ahead {
		return 0, false
	}
	if !known && !x.looked[key.organisation] && now.Sub(when.Add(-ahead)) > raiseBack {
		x.raised[key] = ahead
		return 0, false
	}
	return ahead, true
}

// forget drops what is over.
func (x *expiring) forget(now time.Time) {
	for key := range x.raised {
		if key.when <= now.UnixNano() {
			delete(x.raised, key)
		}
	}
}

// raise tells the events of the calendar that are due, of every organisation and of
// the operator.
func (s *Service) raise(ctx context.Context) error {
	if s.o.Events == nil || len(s.o.Sources) == 0 {
		return nil
	}
	var faults failures
	faults.add(s.raiseFor(ctx, ""))
	for after := ""; ; {
		page, err := s.o.Organisations.List(ctx, after, pageSize)
		if err != nil {
			faults.add(fmt.Errorf("read the organisations: %w", err))
			break
		}
		for _, org := range page {
			after = org.ID
			faults.add(s.raiseFor(ctx, org.ID))
		}
		if len(page) < pageSize {
			break
		}
	}
	s.expiring.forget(time.Now())
	return faults.err()
}

func (s *Service) raiseFor(ctx context.Context, organisation string) error {
	now := time.Now()
	entries, err := s.Calendar(ctx, organisation, now, now.Add(aheadFirst+time.Second))
	var faults failures
	faults.add(err)
	for i := range entries {
		e := &entries[i]
		key := entryKey{organisation, e.Kind, e.What, e.Account, e.App, e.When.UnixNano()}
		ahead, raise := s.expiring.due(key, e.When, now)
		if !raise {
			continue
		}
		if err := s.o.Events.Emit(ctx, e.event(organisation, ahead)); err != nil {
			faults.add(fmt.Errorf("raise that %s expires: %w", e.What, err))
			s.expiring.raised[key] = 0 // known, and still to be raised
			continue
		}
		s.expiring.raised[key] = ahead
	}
	if err == nil {
		s.expiring.looked[organisation] = true
	}
	return faults.err()
}
