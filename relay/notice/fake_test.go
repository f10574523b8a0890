package notice_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/relay/notice"
	"github.com/relayd/relayd/store"
	"github.com/relayd/relayd/store/embedded"
)

// table is a store.Table in memory, under the same rules as a real one.
type table[T any] struct {
	id       func(*T) string
	revision func(*T) *uint64

	mu      sync.Mutex
	rows    map[string]T
	last    uint64
	fail    func(method string) error // before anything is done; nil never
	between func()                    // once, between a Get and the Put that follows
}

func (f *table[T]) check(method string) error {
	if f.fail == nil {
		return nil
	}
	return f.fail(method)
}

func (f *table[T]) Get(_ context.Context, id string) (*T, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.check("get"); err != nil {
		return nil, err
	}
	rec, ok := f.rows[id]
	if !ok {
		return nil, fmt.Errorf("%q: %w", id, store.ErrNotFound)
	}
	return &rec, nil
}

func (f *table[T]) Put(_ context.Context, rec *T) error {
	if between := f.takeBetween(); between != nil {
		between()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.check("put"); err != nil {
		return err
	}
	old, there := f.rows[f.id(rec)]
	switch revision := *f.revision(rec); {
	case revision == 0 && there:
		return store.ErrExists
	case revision != 0 && (!there || *f.revision(&old) != revision):
		return store.ErrStale
	}
	f.last++
	*f.revision(rec) = f.last
	f.rows[f.id(rec)] = *rec
	return nil
}

func (f *table[T]) takeBetween() func() {
	f.mu.Lock()
	defer f.mu.Unlock()
	b := f.between
	f.between = nil
	return b
}

func (f *table[T]) Delete(_ context.Context, id string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.check("delete"); err != nil {
		return err
	}
	if _, ok := f.rows[id]; !ok {
		return store.ErrNotFound
	}
	delete(f.rows, id)
	return nil
}

func (f *table[T]) List(_ context.Context, after string, limit int) ([]*T, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.check("list"); err != nil {
		return nil, err
	}
	var ids []string
	for id := range f.rows {
		if id > after {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	var out []*T
	for _, id := range ids[:min(len(ids), limit)] {
		rec := f.rows[id]
		out = append(out, &rec)
	}
	return out, nil
}

func (f *table[T]) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.rows)
}

// change edits a record as somebody else would.
func (f *table[T]) change(id string, edit func(*T)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	rec := f.rows[id]
	edit(&rec)
	f.last++
	*f.revision(&rec) = f.last
	f.rows[id] = rec
}

func (f *table[T]) failing(fail func(string) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fail = fail
}

// spool keeps what is put, and remembers every ID.
type spool struct {
	mu       sync.Mutex
	err      error
	messages []*relay.Message
	contents []string
}

func (s *spool) Put(_ context.Context, m *relay.Message, key func() relay.SubmissionKey, content io.Reader) (relay.ID, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if key != nil {
		return relay.ID{}, errors.New("a notice has no submission key")
	}
	if s.err != nil {
		return relay.ID{}, s.err
	}
	if slices.ContainsFunc(s.messages, func(o *relay.Message) bool { return o.ID == m.ID }) {
		return relay.ID{}, fmt.Errorf("message %s: %w", m.ID, store.ErrExists)
	}
	b, err := io.ReadAll(content)
	if err != nil {
		return relay.ID{}, err
	}
	if m.Size != int64(len(b)) || m.BodyHash != sha256.Sum256(b) {
		return relay.ID{}, errors.New("size or hash is wrong")
	}
	s.messages, s.contents = append(s.messages, m), append(s.contents, string(b))
	return m.ID, nil
}

func (s *spool) refuse(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

func (s *spool) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.messages)
}

// letter is a notice as an independent reader sees it.
type letter struct {
	message    *relay.Message
	raw        string
	header     mail.Header
	text, html string
}

func (s *spool) letter(t *testing.T, i int) letter {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if i >= len(s.messages) {
		t.Fatalf("there are only %d notices", len(s.messages))
	}
	return parse(t, s.messages[i], s.contents[i])
}

func parse(t *testing.T, m *relay.Message, raw string) letter {
	t.Helper()
	l := letter{message: m, raw: raw}
	for line := range strings.SplitSeq(raw, "\r\n") {
		if len(line) > 998 || strings.ContainsAny(line, "\r\n") {
			t.Fatalf("a line that mail cannot have: %q", line)
		}
	}
	msg, err := mail.ReadMessage(strings.NewReader(raw))
	if err != nil {
		t.Fatalf("not a message: %v\n%s", err, raw)
	}
	l.header = msg.Header
	kind, params, err := mime.ParseMediaType(msg.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/alternative" {
		t.Fatalf("Content-Type %s, %v", kind, err)
	}
	parts := multipart.NewReader(msg.Body, params["boundary"])
	for _, want := range []struct {
		kind string
		text *string
	}{{"text/plain; charset=utf-8", &l.text}, {"text/html; charset=utf-8", &l.html}} {
		p, err := parts.NextRawPart()
		if err != nil || p.Header.Get("Content-Type") != want.kind {
			t.Fatalf("part %v, %v; want %s", p, err, want.kind)
		}
		b, err := io.ReadAll(quotedprintable.NewReader(p))
		if err != nil {
			t.Fatal(err)
		}
		*want.text = string(b)
	}
	if _, err := parts.NextPart(); !errors.Is(err, io.EOF) {
		t.Fatalf("after two parts: %v", err)
	}
	return l
}

// token finds the one-time link in the text.
func (l *letter) token(t *testing.T) string {
	t.Helper()
	_, rest, found := strings.Cut(l.text, notice.LinkPath)
	if !found {
		t.Fatalf("no link in\n%s", l.text)
	}
	token, _, _ := strings.Cut(rest, "\r\n")
	return token
}

// observer notes what it hears.
type observer struct {
	mu     sync.Mutex
	made   []string
	faults []error
}

func (o *observer) NoticeMade(kind string, _ relay.ID, _, _ string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.made = append(o.made, kind)
}

func (o *observer) Fault(_ string, _ relay.ID, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.faults = append(o.faults, err)
}

func (o *observer) broke() (text string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return fmt.Sprint(o.faults)
}

// key stands for secretbox.Box.
type key string

func (k key) Derive(purpose string) []byte {
	sum := sha256.Sum256([]byte(string(k) + purpose))
	return sum[:]
}

type waiting int

func (w waiting) Waiting(context.Context, string) (int, error) {
	if w < 0 {
		return 0, errors.New("the queue cannot count")
	}
	return int(w), nil
}

// world is everything around a Service, in memory.
type world struct {
	accounts *table[relay.Account]
	users    *table[relay.User]
	orgs     *table[relay.Organisation]
	links    *table[relay.Link]
	spool    *spool
	observer *observer
	options  notice.Options
}

var (
	jane = relay.Address{Local: "jane", Domain: "acme.example"}
	home = relay.Address{Local: "jane", Domain: "home.example"}
	boss = relay.Address{Local: "boss", Domain: "acme.example"}
)

const base = "https://relay.acme.example"

func newWorld() *world {
	w := &world{
		accounts: &table[relay.Account]{id: func(a *relay.Account) string { return a.ID }, revision: func(a *relay.Account) *uint64 { return &a.Revision }},
		users:    &table[relay.User]{id: func(u *relay.User) string { return u.ID }, revision: func(u *relay.User) *uint64 { return &u.Revision }},
		orgs:     &table[relay.Organisation]{id: func(o *relay.Organisation) string { return o.ID }, revision: func(o *relay.Organisation) *uint64 { return &o.Revision }},
		links:    &table[relay.Link]{id: func(l *relay.Link) string { return l.ID }, revision: func(l *relay.Link) *uint64 { return &l.Revision }},
		spool:    &spool{}, observer: &observer{},
	}
	w.accounts.rows, w.users.rows = map[string]relay.Account{}, map[string]relay.User{}
	w.orgs.rows, w.links.rows = map[string]relay.Organisation{}, map[string]relay.Link{}
	w.options = notice.Options{
		Spool: w.spool, Accounts: w.accounts, Users: w.users, Organisations: w.orgs, Links: w.links,
		Key: key("k"), Waiting: waiting(12), Observer: w.observer, Hostname: "relay.example", BaseURL: base,
	}
	w.orgs.change("o1", func(o *relay.Organisation) { o.ID, o.Name = "o1", "Acme" })
	w.users.change("u1", func(u *relay.User) { *u = relay.User{ID: "u1", Organisation: "o1", Address: jane} })
	w.users.change("u2", func(u *relay.User) { *u = relay.User{ID: "u2", Organisation: "o1", Address: boss, Administrator: true} })
	w.account("a1", relay.AccountVerified, time.Time{})
	return w
}

func (w *world) account(id string, state relay.AccountState, since time.Time) {
	w.accounts.change(id, func(a *relay.Account) {
		a.ID, a.Organisation, a.User, a.Address = id, "o1", "u1", relay.Address{Local: "jane+" + id, Domain: "acme.example"}
		if id == "a1" {
			a.Address = jane
		}
		a.State, a.StateSince, a.StateReason = state, since, "The password is wrong (535 5.7.8 no)"
	})
}

// park does what relay/account does: the record, then the news.
func (w *world) park(s *notice.Service, id string) {
	w.account(id, relay.AccountParked, time.Now())
	if s != nil {
		a, _ := w.accounts.Get(context.Background(), id)
		s.AccountParked(a, "auth.password_wrong", time.Time{})
	}
}

func (w *world) told(t *testing.T, id string) relay.Told {
	t.Helper()
	w.accounts.mu.Lock()
	defer w.accounts.mu.Unlock()
	return w.accounts.rows[id].Told
}

// run starts a Service and gives what ends it.
func run(t *testing.T, s *notice.Service) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	}
}

// disk is a real directory and queue, which can be opened again.
type disk struct {
	dir       string
	directory *embedded.Directory
	queue     *embedded.Queue
}

func openDisk(t *testing.T, dir string) *disk {
	t.Helper()
	directory, err := embedded.OpenDirectory(embedded.DirectoryOptions{Path: filepath.Join(dir, "directory")})
	if err != nil {
		t.Fatal(err)
	}
	queue, err := embedded.OpenQueue(embedded.QueueOptions{Dir: filepath.Join(dir, "queue"), MinFree: -1})
	if err != nil {
		t.Fatal(err)
	}
	d := &disk{dir, directory, queue}
	t.Cleanup(d.close)
	return d
}

func (d *disk) close() {
	d.directory.Close()
	d.queue.Close()
}

func (d *disk) options() notice.Options {
	return notice.Options{
		Spool: d.queue, Accounts: d.directory.Accounts(), Users: d.directory.Users(), Organisations: d.directory.Organisations(),
		Links: d.directory.Links(), Key: key("k"), Hostname: "relay.example", BaseURL: base,
	}
}

// notices reads the notices that wait in the queue.
func (d *disk) notices(t *testing.T) (out []letter) {
	t.Helper()
	var waiting []*relay.Message
	if err := d.queue.Waiting(t.Context(), func(m *relay.Message, _ *relay.State) bool {
		waiting = append(waiting, m)
		return true
	}); err != nil {
		t.Fatal(err)
	}
	for _, m := range waiting {
		content, err := d.queue.Open(t.Context(), m.ID)
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if _, err := b.ReadFrom(content.Reader()); err != nil {
			t.Fatal(err)
		}
		content.Close()
		out = append(out, parse(t, m, b.String()))
	}
	return out
}
