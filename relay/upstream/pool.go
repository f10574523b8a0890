package upstream

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/relayd/relayd/relay"
)

// errClosed means that the Deliverer takes no new attempts.
var errClosed = errors.New("the upstream pool is closed")

// pool keeps signed-in connections, by account id and credential version and never
// by host: a connection sends as the account that it is signed in to.
type pool struct {
	o       Options
	connect func(context.Context, *relay.Credentials) (*session, error)

	mu      sync.Mutex
	lanes   map[string]*lane // by account id; only accounts with connections
	open    int              // connections of all lanes
	changed chan struct{}    // closed, and replaced, when room may have come
	closed  bool
	leaving sync.WaitGroup // connections that take their leave
}

// lane is the connections of one account.
type lane struct {
	open  int        // also those in use and those being made
	idle  []*session // the one used last at the end
	epoch int        // grows when the account is closed: older connections end after use
}

func newPool(o Options, connect func(context.Context, *relay.Credentials) (*session, error)) *pool {
	return &pool{o: o, connect: connect, lanes: make(map[string]*lane), changed: make(chan struct{})}
}

// want is which connection is asked for.
type want struct {
	cred   *relay.Credentials
	limits relay.Limits // of the provider: connections, and messages on each
	fresh  bool         // a new one

	connecting func() (end func()) // is told when one is made
}

// connections is how many of them the account may have.
func (w want) connections(o *Options) int {
	return cmp.Or(max(w.limits.Connections, 0), o.MaxPerAccount)
}

// messages is how many go over one connection.
func (w want) messages(o *Options) int {
	return cmp.Or(max(w.limits.MessagesPerConnection, 0), o.MaxMessages)
}

// take gives a connection of the account: an idle one, unless a fresh one is asked
// for, or one that it makes. It waits while there is no room for another. The
// error is from the context, errClosed or from connect.
func (p *pool) take(ctx context.Context, w want) (*session, error) {
	for ctx.Err() == nil {
		pick, err := p.pick(w)
		switch {
		case err != nil:
			return nil, err
		case pick.idle != nil:
			p.o.Metrics.UpstreamReused()
			return pick.idle, nil
		case pick.room:
			return p.fill(ctx, w, pick.epoch)
		}
		select {
		case <-pick.wait:
		case <-ctx.Done():
		}
	}
	return nil, context.Cause(ctx)
}

// picked is what pick found: one of the three.
type picked struct {
	idle  *session        // an open connection
	room  bool            // room for a new one is reserved, of this epoch
	epoch int             //
	wait  <-chan struct{} // closed when another try is worth it
}

// pick finds an idle connection, or reserves room for a new one, or gives the
// channel to wait on.
func (p *pool) pick(w want) (picked, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return picked{}, errClosed
	}
	id, now := w.cred.Account.ID, time.Now()
	// What was signed in with other credentials, or lay idle beside a connection
	// that turned out to be dead, is of no use.
	p.drop(id, func(s *session) bool {
		return w.fresh || s.version != w.cred.Account.Version || s.stale(p.o, now)
	})
	l := p.lanes[id]
	if l == nil {
		l = &lane{}
		p.lanes[id] = l
	}
	if n := len(l.idle); n > 0 {
		s := l.idle[n-1]
		l.idle = l.idle[:n-1]
		return picked{idle: s}, nil
	}
	if l.open < w.connections(&p.o) && (p.open < p.o.MaxTotal || p.evict()) {
		l.open++
		p.open++
		return picked{room: true, epoch: l.epoch}, nil
	}
	if l.open == 0 {
		delete(p.lanes, id)
	}
	return picked{wait: p.changed}, nil
}

// fill uses the room that pick reserved.
func (p *pool) fill(ctx context.Context, w want, epoch int) (*session, error) {
	end := w.connecting()
	s, err := p.connect(ctx, w.cred)
	end()
	if err != nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.leave(w.cred.Account.ID)
		return nil, err
	}
	s.epoch, s.most = epoch, w.messages(&p.o)
	return s, nil
}

// give takes a connection back after a message.
func (p *pool) give(s *session) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s.messages++
	s.idleSince = time.Now()
	l := p.lanes[s.account]
	if p.closed || s.epoch != l.epoch || !s.client.Usable() || s.messages >= s.most || s.stale(p.o, s.idleSince) {
		p.leave(s.account)
		p.dismiss(s)
		return
	}
	l.idle = append(l.idle, s)
	p.wake()
}

// leave frees the room of one connection.
func (p *pool) leave(account string) {
	l := p.lanes[account]
	l.open--
	p.open--
	if l.open == 0 {
		delete(p.lanes, account)
	}
	p.wake()
}

func (p *pool) wake() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// drop closes the idle connections of an account of which bad is true.
func (p *pool) drop(account string, bad func(*session) bool) {
	l := p.lanes[account]
	if l == nil {
		return
	}
	l.idle = slices.DeleteFunc(l.idle, func(s *session) bool {
		if !bad(s) {
			return false
		}
		p.leave(account)
		p.dismiss(s)
		return true
	})
}

// evict makes room for another account: the connection that lay idle longest goes.
func (p *pool) evict() bool {
	var oldest *session
	for _, l := range p.lanes {
		if len(l.idle) > 0 && (oldest == nil || l.idle[0].idleSince.Before(oldest.idleSince)) {
			oldest = l.idle[0]
		}
	}
	if oldest != nil {
		p.drop(oldest.account, func(s *session) bool { return s == oldest })
	}
	return oldest != nil
}

// dismiss closes a connection that left its lane: with QUIT, beside the callers,
// while the pool lives.
func (p *pool) dismiss(s *session) {
	if p.closed || !s.client.Usable() {
		_ = s.client.Close()
		return
	}
	p.leaving.Go(s.quit)
}

// sweep closes what lay idle too long.
func (p *pool) sweep() {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	for account := range p.lanes {
		p.drop(account, func(s *session) bool { return s.stale(p.o, now) })
	}
}

func (p *pool) idle() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, l := range p.lanes {
		n += len(l.idle)
	}
	return n
}

func (p *pool) closeAccount(account string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if l := p.lanes[account]; l != nil {
		l.epoch++
	}
	p.drop(account, func(*session) bool { return true })
}

// close closes all idle connections and waits for them; what is in use is closed
// when it comes back.
func (p *pool) close() {
	p.mu.Lock()
	for account := range p.lanes {
		p.drop(account, func(*session) bool { return true })
	}
	p.closed = true
	p.wake()
	p.mu.Unlock()
	p.leaving.Wait()
}
