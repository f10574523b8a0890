package oauth

import (
	"errors"
	"time"

	"github.com/relayd/relayd/relay"
)

// gate stands before the requests of one application. What is wrong with the
// application is met once, and not by every account.
type gate struct {
	// probe is held by the one request that finds out whether the vendor takes the
	// application at all; slots by all requests.
	probe chan struct{}
	slots chan struct{}

	// Under Service.mu:
	revision uint64
	proved   bool                // the vendor took this revision of the application
	refused  map[string]*trouble // by domain; "" is all of them
	down     *trouble            // the endpoint could not be reached
}

// gateOf gives the gate of an application; the caller has s.mu. A changed record opens
// it again.
func (s *Service) gateOf(m *realm) *gate {
	g := s.apps[m.app.ID]
	if g == nil {
		g = &gate{probe: make(chan struct{}, 1), slots: make(chan struct{}, s.o.Together)}
		s.apps[m.app.ID] = g
	}
	if g.refused == nil || g.revision != m.app.Revision {
		g.revision, g.proved, g.down, g.refused = m.app.Revision, false, nil, map[string]*trouble{}
	}
	return g
}

// stands gives what stands in the way of every request now.
func (g *gate) stands(domain string, now time.Time) *relay.TokenError {
	for _, t := range []*trouble{g.refused[""], g.refused[domain], g.down} {
		if err := t.at(now); err != nil {
			return err
		}
	}
	return nil
}

// passGate makes a request when the application has room for it, and none while it is
// known to be refused.
func (s *Service) passGate(src *source, request func() (*issued, error)) (*issued, error) {
	s.mu.Lock()
	g := s.gateOf(src.realm)
	s.mu.Unlock()
	select {
	case g.probe <- struct{}{}:
	case <-s.ctx.Done():
		return nil, ErrClosed
	}
	probing, err := s.open(g, src)
	if err != nil || !probing {
		<-g.probe
	} else {
		defer func() { <-g.probe }()
	}
	if err != nil {
		return nil, err
	}
	select {
	case g.slots <- struct{}{}:
	case <-s.ctx.Done():
		return nil, ErrClosed
	}
	defer func() { <-g.slots }()
	if _, err := s.open(g, src); err != nil { // while we waited
		return nil, err
	}
	got, err := request()
	var f *failure
	switch {
	case err == nil:
		s.proved(src.realm)
	case errors.As(err, &f):
		s.note(src.realm, src.address.Domain, f)
	}
	return got, err
}

// open reports whether a request may be made, and whether it is to be the only one.
func (s *Service) open(g *gate, src *source) (probing bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if stands := g.stands(src.address.Domain, time.Now()); stands != nil {
		return false, stands
	}
	return !g.proved, nil
}

// proved remembers that the vendor took the application.
func (s *Service) proved(m *realm) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.gateOf(m)
	g.proved, g.down = true, nil
	delete(g.refused, "")
}

// note remembers what a failure means for the other accounts of the application.
func (s *Service) note(m *realm, domain string, f *failure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, now := s.gateOf(m), time.Now()
	t := &trouble{err: tokenError(m.app.ID, f), until: now.Add(refusedPause)}
	switch m.judge(f) {
	case appRefused:
		g.refused[""], g.proved = t, false
	case domainRefused:
		g.refused[domain] = t
	case ended, missing, mailboxRefused:
		g.proved = true // it was the account that was refused
	case temporary:
		if f.unreached() {
			t.until = now.Add(downPause)
			g.down, g.proved = t, false
		}
	}
	for d, old := range g.refused {
		if old.at(now) == nil {
			delete(g.refused, d)
		}
	}
}
