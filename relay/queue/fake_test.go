package queue

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
)

// memStore keeps messages in memory under the rules of store.Queue that the
// conductor relies on.
type memStore struct {
	mu       sync.Mutex
	messages map[relay.ID]*relay.Message
	states   map[relay.ID]*relay.State
	contents map[relay.ID][]byte
	events   map[relay.ID][]relay.Event
	fail     func(relay.Event) error // asked before each Record
	failOpen func() error            // asked before each Open
}

func newMemStore() *memStore {
	return &memStore{
		messages: map[relay.ID]*relay.Message{}, states: map[relay.ID]*relay.State{},
		contents: map[relay.ID][]byte{}, events: map[relay.ID][]relay.Event{},
	}
}

func (st *memStore) Put(_ context.Context, m *relay.Message, _ func() relay.SubmissionKey, content io.Reader) (relay.ID, error) {
	data, err := io.ReadAll(content)
	if err != nil {
		return relay.ID{}, err
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.messages[m.ID] != nil {
		return relay.ID{}, store.ErrExists
	}
	st.messages[m.ID], st.states[m.ID], st.contents[m.ID] = m, relay.NewState(m), data
	return m.ID, nil
}

func (st *memStore) Record(_ context.Context, id relay.ID, s *relay.State, e relay.Event) error {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.fail != nil {
		if err := st.fail(e); err != nil {
			return err
		}
	}
	old := st.states[id]
	if old == nil {
		return store.ErrNotFound
	}
	if s.Revision != old.Revision+1 {
		return fmt.Errorf("revision %d after %d: %w", s.Revision, old.Revision, store.ErrStale)
	}
	st.states[id] = s.Clone()
	st.events[id] = append(st.events[id], e)
	return nil
}

func (st *memStore) Get(_ context.Context, id relay.ID) (*relay.Message, *relay.State, error) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.states[id] == nil || st.states[id].Done() {
		return nil, nil, store.ErrNotFound
	}
	return st.messages[id], st.states[id].Clone(), nil
}

func (st *memStore) Open(_ context.Context, id relay.ID) (store.Content, error) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.failOpen != nil {
		if err := st.failOpen(); err != nil {
			return nil, err
		}
	}
	return memContent(st.contents[id]), nil
}

func (st *memStore) Waiting(_ context.Context, each func(*relay.Message, *relay.State) bool) error {
	st.mu.Lock()
	defer st.mu.Unlock()
	for id, s := range st.states {
		if !s.Done() && !each(st.messages[id], s.Clone()) {
			return nil
		}
	}
	return nil
}

func (st *memStore) state(id relay.ID) *relay.State {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.states[id]
}

func (st *memStore) eventsOf(id relay.ID) (kinds []relay.EventKind) {
	st.mu.Lock()
	defer st.mu.Unlock()
	for _, e := range st.events[id] {
		kinds = append(kinds, e.Kind)
	}
	return kinds
}

type memContent []byte

func (c memContent) Size() int64       { return int64(len(c)) }
func (c memContent) Reader() io.Reader { return bytes.NewReader(c) }
func (memContent) Close() error        { return nil }

// fixedRouter gives every message the common route, or what decide says.
type fixedRouter struct {
	mu     sync.Mutex
	common relay.Route
	decide func(*relay.Message) relay.Route
	until  func(*relay.Message) time.Time // when a hold ends by itself; nil: nobody can tell
	asked  int
}

func (r *fixedRouter) Until(_ context.Context, m *relay.Message) (time.Time, error) {
	if r.until == nil {
		return time.Time{}, nil
	}
	return r.until(m), nil
}

func (r *fixedRouter) Route(_ context.Context, m *relay.Message) (relay.Route, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked++
	if r.decide != nil {
		return r.decide(m), nil
	}
	return r.common, nil
}

// questions is how often it was asked since the last time.
func (r *fixedRouter) questions() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := r.asked
	r.asked = 0
	return n
}

func (r *fixedRouter) set(route relay.Route) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.common, r.decide = route, nil
}

// deliverFunc is a deliverer written as a function.
type deliverFunc func(ctx context.Context, d *relay.Delivery) relay.Attempt

func (f deliverFunc) Deliver(ctx context.Context, d *relay.Delivery) relay.Attempt { return f(ctx, d) }

// answering gives every recipient the same answer, after the dot.
func answering(outcome relay.Outcome, code int) deliverFunc {
	return func(ctx context.Context, d *relay.Delivery) relay.Attempt {
		var a relay.Attempt
		if err := d.BeforeDot(ctx, d.Recipients); err != nil {
			return a
		}
		for _, i := range d.Recipients {
			a.Results = append(a.Results, relay.Result{Recipient: i, Outcome: outcome, Reply: relay.Reply{Code: code}})
		}
		return a
	}
}

// fakeFiler answers from fields.
type fakeFiler struct {
	mu      sync.Mutex
	filed   []relay.Filed // answers of File, the last one repeated
	files   int
	found   relay.Found
	findErr error
	finds   int
	filings []relay.Filing // as they came
	panics  func(*relay.Filing) bool
	find    func() relay.Found // asked in place of found
}

func (f *fakeFiler) File(_ context.Context, filing *relay.Filing) relay.Filed {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.files++
	f.filings = append(f.filings, *filing)
	if f.panics != nil && f.panics(filing) {
		panic("index out of range")
	}
	if len(f.filed) == 0 {
		return relay.Filed{Status: relay.CopyFiled, Folder: "Sent", UID: 7}
	}
	answer := f.filed[0]
	if len(f.filed) > 1 {
		f.filed = f.filed[1:]
	}
	return answer
}

func (f *fakeFiler) Find(context.Context, string, *relay.Message) (relay.Found, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.finds++
	if f.find != nil {
		return f.find(), nil
	}
	return f.found, f.findErr
}

// asked gives the filings that it was asked for.
func (f *fakeFiler) asked() []relay.Filing {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.filings)
}

func (f *fakeFiler) looks() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.finds
}

// fakeReporter counts reports.
type fakeReporter struct {
	mu    sync.Mutex
	kinds []relay.ReportKind
	to    [][]int
	at    []time.Time
}

func (r *fakeReporter) Report(_ context.Context, m *relay.Message, _ *relay.State, recipients []int, kind relay.ReportKind, _ relay.Body) (relay.ID, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.kinds, r.to, r.at = append(r.kinds, kind), append(r.to, recipients), append(r.at, time.Now())
	return m.ID.Derive(kind.String()), nil
}

// made gives the kinds of all reports.
func (r *fakeReporter) made() []relay.ReportKind {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.kinds)
}

// fakeAccounts parks by turning the router to hold.
type fakeAccounts struct {
	mu      sync.Mutex
	changed chan struct{}
	parked  []string
	onPark  func(account string)
}

func (f *fakeAccounts) Park(_ context.Context, account string, _ relay.Trouble) error {
	f.mu.Lock()
	f.parked = append(f.parked, account)
	f.mu.Unlock()
	if f.onPark != nil {
		f.onPark(account)
	}
	return nil
}

func (f *fakeAccounts) Changed() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.changed == nil {
		f.changed = make(chan struct{})
	}
	return f.changed
}

func (f *fakeAccounts) change() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.changed != nil {
		close(f.changed)
	}
	f.changed = make(chan struct{})
}

// faultLog is an observer that keeps what must not happen unseen.
type faultLog struct {
	mu       sync.Mutex
	faults   []string
	done     []relay.ID
	attempts []time.Time
}

func (o *faultLog) Attempted(*relay.Message, relay.Route, *relay.Attempt) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.attempts = append(o.attempts, time.Now())
}

// times gives the moments of all attempts.
func (o *faultLog) times() []time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.attempts)
}

func (*faultLog) Held(*relay.Message, *relay.Hold)                    {}
func (*faultLog) Released(*relay.Message, string)                     {}
func (*faultLog) Copied(*relay.Message, *relay.Copy)                  {}
func (*faultLog) Reported(*relay.Message, relay.ReportKind, relay.ID) {}
func (*faultLog) Cancelled(*relay.Message, string)                    {}
func (o *faultLog) Done(m *relay.Message, _ *relay.State) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.done = append(o.done, m.ID)
}
func (o *faultLog) Fault(step string, id relay.ID, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.faults = append(o.faults, fmt.Sprintf("%s %s: %v", step, id, err))
}

// stage is a conductor with everything around it faked.
type stage struct {
	t        *testing.T
	c        *Conductor
	store    *memStore
	router   *fixedRouter
	filer    *fakeFiler
	reporter *fakeReporter
	accounts *fakeAccounts
	log      *faultLog
	o        Options
}

var (
	throughAccount = relay.Route{Kind: relay.RouteAccount, Account: "a1", Rule: "account.verified"}
	direct         = relay.Route{Kind: relay.RouteDirect, Rule: "direct"}
	parked         = relay.Route{Kind: relay.RouteHold, Account: "a1", Rule: "account.parked", Reason: "the password was refused"}
)

// newStage makes the conductor; deliver serves every route.
func newStage(t *testing.T, route relay.Route, deliver deliverFunc) *stage {
	st := &stage{t: t, store: newMemStore(), router: &fixedRouter{common: route}, filer: &fakeFiler{},
		reporter: &fakeReporter{}, accounts: &fakeAccounts{}, log: &faultLog{}}
	st.o = Options{
		Store: st.store, Router: st.router, Filer: st.filer, Reporter: st.reporter, Accounts: st.accounts, Observer: st.log,
		Deliverers: map[relay.RouteKind]Deliverer{relay.RouteAccount: deliver, relay.RouteDirect: deliver, relay.RouteInbox: deliver},
		DelayAfter: DefaultDelayAfter, Random: func() float64 { return 0.5 },
	}
	return st
}

// run plays the scene with a running conductor, in a bubble of fake time.
func (st *stage) run(scene func()) {
	st.c = New(st.o)
	if err := st.c.Load(context.Background()); err != nil {
		st.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- st.c.Run(ctx) }()
	synctest.Wait()
	scene()
	stop()
	if err := <-ended; err != nil {
		st.t.Errorf("Run: %v", err)
	}
	for _, fault := range st.log.faults {
		st.t.Errorf("unexpected fault: %s", fault)
	}
}

// message makes a submission from one sender to the recipients.
func message(recipients ...string) *relay.Message {
	m := &relay.Message{
		ID: relay.NewID(time.Now()), Accepted: time.Now(), Submitter: "crm", HeaderID: "<1@acme.example>",
		From: relay.Address{Local: "jane", Domain: "acme.example"},
	}
	m.Envelope.ReturnPath = m.From
	for _, domain := range recipients {
		m.Envelope.Recipients = append(m.Envelope.Recipients, relay.Recipient{Address: relay.Address{Local: "bob", Domain: domain}})
	}
	return m
}

// put accepts a message and waits until nothing moves.
func (st *stage) put(m *relay.Message) relay.ID {
	st.t.Helper()
	id, err := st.c.Put(context.Background(), m, nil, bytes.NewReader([]byte("Subject: x\r\n\r\nbody\r\n")))
	if err != nil {
		st.t.Fatal(err)
	}
	synctest.Wait()
	return id
}

// after lets time pass and waits until nothing moves.
func (st *stage) after(d time.Duration) {
	time.Sleep(d) // fake time of the bubble
	synctest.Wait()
}
