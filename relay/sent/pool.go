package sent

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/relayd/relayd/internal/mailbox"
	"github.com/relayd/relayd/relay"
)

// errClosed means that the Filer was closed.
var errClosed = errors.New("the filer is closed")

// farewell is how long an idle session may take to say goodbye.
const farewell = 2 * time.Second

// session is a signed-in mailbox with what was learned in it.
type session struct {
	*mailbox.Mailbox
	account string
	version uint64
	folder  string // the Sent folder; empty if it was not looked for
	again   bool   // it was used before, so the server may have hung up meanwhile
	timer   *time.Timer
}

// pool keeps sessions by account and version of the credentials.
type pool struct {
	open func(ctx context.Context, c *relay.Credentials) (*mailbox.Mailbox, error)
	o    *Options
	busy chan struct{} // one element for each filing at work

	mu     sync.Mutex
	turns  map[string]*turn
	idle   []*session // the longest idle first
	closed bool
	ending sync.WaitGroup // of sessions that say goodbye
}

// turn lets an account's filings wait for each other.
type turn struct {
	slots chan struct{}
	users int
}

func newPool(o *Options, open func(context.Context, *relay.Credentials) (*mailbox.Mailbox, error)) *pool {
	return &pool{open: open, o: o, busy: make(chan struct{}, o.Busy), turns: map[string]*turn{}}
}

// enter waits until the account may use a session, and then for room among all.
// leave must be called once.
func (p *pool) enter(ctx context.Context, account string) (leave func(), err error) {
	t, err := p.turnOf(account)
	if err != nil {
		return nil, err
	}
	select {
	case t.slots <- struct{}{}:
	case <-ctx.Done():
		p.forget(account, t)
		return nil, context.Cause(ctx)
	}
	select {
	case p.busy <- struct{}{}:
	case <-ctx.Done():
		<-t.slots
		p.forget(account, t)
		return nil, context.Cause(ctx)
	}
	return func() {
		<-p.busy
		<-t.slots
		p.forget(account, t)
	}, nil
}

func (p *pool) turnOf(account string) (*turn, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, errClosed
	}
	t := p.turns[account]
	if t == nil {
		t = &turn{slots: make(chan struct{}, p.o.PerAccount)}
		p.turns[account] = t
	}
	t.users++
	return t, nil
}

func (p *pool) forget(account string, t *turn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if t.users--; t.users == 0 {
		delete(p.turns, account)
	}
}

// take gives a session: an idle one, if there is one and it need not be fresh.
func (p *pool) take(ctx context.Context, c *relay.Credentials, fresh bool) (*session, error) {
	for {
		s := p.takeIdle(c.Account.ID)
		if s == nil {
			break
		}
		if !fresh && s.version == c.Account.Version && s.Usable() {
			s.again = true
			return s, nil
		}
		p.end(s)
	}
	m, err := p.open(ctx, c)
	if err != nil {
		return nil, err
	}
	return &session{Mailbox: m, account: c.Account.ID, version: c.Account.Version}, nil
}

func (p *pool) takeIdle(account string) *session {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.IndexFunc(p.idle, func(s *session) bool { return s.account == account })
	if i < 0 {
		return nil
	}
	s := p.idle[i]
	p.idle = slices.Delete(p.idle, i, i+1)
	s.timer.Stop()
	return s
}

// put keeps a session for later, if it can go on. The one that was idle for
// longest makes room.
func (p *pool) put(s *session) {
	if !s.Usable() {
		p.end(s)
		return
	}
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		p.end(s)
		return
	}
	var oldest *session
	if len(p.idle) >= p.o.Idle {
		oldest = p.idle[0]
		oldest.timer.Stop()
		p.idle = slices.Delete(p.idle, 0, 1)
	}
	s.timer = time.AfterFunc(p.o.IdleTime, func() { p.expire(s) })
	p.idle = append(p.idle, s)
	p.mu.Unlock()
	if oldest != nil {
		p.end(oldest)
	}
}

// expire ends a session that was idle for too long, unless it was just taken.
func (p *pool) expire(s *session) {
	p.mu.Lock()
	i := slices.Index(p.idle, s)
	if i < 0 {
		p.mu.Unlock()
		return
	}
	p.idle = slices.Delete(p.idle, i, i+1)
	p.ending.Add(1)
	p.mu.Unlock()
	defer p.ending.Done()
	goodbye(s)
}

// end lets a session say goodbye in the background: nobody waits for it but close.
func (p *pool) end(s *session) { p.ending.Go(func() { goodbye(s) }) }

func goodbye(s *session) {
	ctx, cancel := context.WithTimeout(context.Background(), farewell)
	defer cancel()
	s.Close(ctx)
}

// close ends the idle sessions. Those at work end with their filing.
func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	idle := p.idle
	p.idle = nil
	p.mu.Unlock()
	for _, s := range idle {
		s.timer.Stop()
		p.end(s)
	}
	p.ending.Wait()
}
