package direct

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// PoolOptions are the limits of connections. A zero field takes its default.
type PoolOptions struct {
	PerAddress  int           // connections at one time to one address of an exchanger
	Patience    time.Duration // how long a message waits for one of them
	MaxIdle     int           // connections in all that wait for the next message
	IdleTimeout time.Duration // how long they wait
	MaxAge      time.Duration // an older connection is not used again
	MaxUses     int           // transactions on one connection
}

// The defaults of PoolOptions.
const (
	DefaultPerAddress  = 20              // Postfix: default_destination_concurrency_limit
	DefaultPatience    = 5 * time.Second // many destinations share an exchanger: its trouble must not hold their places
	DefaultMaxIdle     = 100             // file descriptors: a tenth of the usual limit of 1,024
	DefaultIdleTimeout = 5 * time.Second // the next message of a burst comes at once; a peer's slots are scarce
	DefaultMaxAge      = 5 * time.Minute // Postfix: smtp_connection_reuse_time_limit
	DefaultMaxUses     = 100             // many servers end a session after about that many messages
)

// quitTime bounds the farewell of a connection.
const quitTime = 5 * time.Second

var (
	errPoolClosed = errors.New("the deliverer is closed")
	errBusy       = errors.New("all connections to the address are in use")
)

// poolKey names what a connection is good for: one exchanger at one address.
type poolKey struct {
	host string
	addr netip.AddrPort
}

// pool limits the connections to each address, and keeps some for the next message.
type pool struct {
	opts     PoolOptions
	farewell chan struct{} // bounds the goroutines that say QUIT
	leaving  sync.WaitGroup

	mu     sync.Mutex
	slots  map[poolKey]*slot
	idle   int
	closed bool
}

// slot is the connections to one address. It exists while somebody uses it.
type slot struct {
	users   chan struct{} // one token for each conversation
	waiting int           // conversations that have or want a token
	idle    []*idleSession
}

type idleSession struct {
	*session
	expiry *time.Timer
}

func newPool(o PoolOptions) *pool {
	orDefault(&o.PerAddress, DefaultPerAddress)
	orDefault(&o.Patience, DefaultPatience)
	orDefault(&o.MaxIdle, DefaultMaxIdle)
	orDefault(&o.IdleTimeout, DefaultIdleTimeout)
	orDefault(&o.MaxAge, DefaultMaxAge)
	orDefault(&o.MaxUses, DefaultMaxUses)
	return &pool{opts: o, farewell: make(chan struct{}, o.MaxIdle), slots: make(map[poolKey]*slot)}
}

// place is the right to one connection to an address.
type place struct {
	pool *pool
	key  poolKey
	slot *slot
}

// enter waits until one more connection to an address is allowed, for a short while:
// errBusy.
func (p *pool) enter(ctx context.Context, key poolKey) (*place, error) {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil, errPoolClosed
	}
	s := p.slots[key]
	if s == nil {
		s = &slot{users: make(chan struct{}, p.opts.PerAddress)}
		p.slots[key] = s
	}
	s.waiting++
	p.mu.Unlock()
	patience := time.NewTimer(p.opts.Patience)
	defer patience.Stop()
	select {
	case s.users <- struct{}{}:
		return &place{p, key, s}, nil
	case <-patience.C:
		p.forget(key, s)
		return nil, errBusy
	case <-ctx.Done():
		p.forget(key, s)
		return nil, context.Cause(ctx)
	}
}

func (pl *place) leave() {
	<-pl.slot.users
	pl.pool.forget(pl.key, pl.slot)
}

func (p *pool) forget(key poolKey, s *slot) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s.waiting--
	p.tidy(key, s)
}

// tidy removes a slot that nobody needs. The caller holds the lock.
func (p *pool) tidy(key poolKey, s *slot) {
	if s.waiting == 0 && len(s.idle) == 0 {
		delete(p.slots, key)
	}
}

// idle takes the connection that was used last, or nil.
func (pl *place) idle() *session {
	p := pl.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	last := len(pl.slot.idle) - 1
	if last < 0 {
		return nil
	}
	s := pl.slot.idle[last]
	pl.slot.idle = pl.slot.idle[:last]
	p.idle--
	s.expiry.Stop()
	return s.session
}

// put keeps a connection for the next message, or ends it.
func (pl *place) put(s *session) {
	p := pl.pool
	if !s.client.Usable() {
		s.drop()
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed { // nobody would wait for the farewell any more
		s.drop()
		return
	}
	if p.idle >= p.opts.MaxIdle || s.used >= p.opts.MaxUses || time.Since(s.born) >= p.opts.MaxAge {
		p.quit(s)
		return
	}
	waits := &idleSession{session: s}
	waits.expiry = time.AfterFunc(p.opts.IdleTimeout, func() { p.expire(pl.key, pl.slot, waits) })
	pl.slot.idle = append(pl.slot.idle, waits)
	p.idle++
}

// expire ends a connection that waited too long.
func (p *pool) expire(key poolKey, s *slot, waits *idleSession) {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := slices.Index(s.idle, waits)
	if at < 0 {
		return // taken, or closed, in the same moment
	}
	s.idle = slices.Delete(s.idle, at, at+1)
	p.idle--
	p.quit(waits.session)
	p.tidy(key, s)
}

// quit takes leave of a peer without making anybody wait: RFC 5321 §4.1.1.10 asks
// for QUIT, but nothing depends on it. The caller holds the lock.
func (p *pool) quit(s *session) {
	select {
	case p.farewell <- struct{}{}:
	default:
		s.drop()
		return
	}
	p.leaving.Go(func() {
		defer func() { <-p.farewell }()
		ctx, cancel := context.WithTimeout(context.Background(), quitTime)
		defer cancel()
		_ = s.client.Quit(ctx) // it is closed in any case
	})
}

// close ends the idle connections and waits for their farewells.
func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	for key, s := range p.slots {
		for _, waits := range s.idle {
			waits.expiry.Stop()
			p.quit(waits.session)
		}
		s.idle = nil
		p.tidy(key, s)
	}
	p.idle = 0
	p.mu.Unlock()
	p.leaving.Wait()
}
