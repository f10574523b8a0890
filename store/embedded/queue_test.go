package embedded

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/relayd/relayd/internal/safeio"
	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
	"github.com/relayd/relayd/store/journal"
)

// smallQueue are options with which little fills a segment, a body goes into a file,
// and the index does not wait.
func smallQueue(dir string) QueueOptions {
	return QueueOptions{
		Dir: dir, InlineBody: 8 << 10, MinFree: -1, IndexDelay: time.Millisecond,
		Journal: journal.Options{SegmentSize: 64 << 10, MaxGroup: 32 << 10, Reserve: 1, LazyDelay: time.Millisecond},
	}
}

func openSmall(t testing.TB, o QueueOptions) *Queue {
	t.Helper()
	q, err := OpenQueue(o)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() { q.Close() })
	return q
}

// made counts messages, so that each is a millisecond younger than the one before:
// IDs of one millisecond have no order.
var made atomic.Int64

func newMessage(recipients ...string) *relay.Message {
	at := time.Now().Add(time.Duration(made.Add(1)) * time.Millisecond)
	m := &relay.Message{
		ID: relay.NewID(at), Accepted: time.Now().UTC(), Submitter: "crm", Protocol: "ESMTPSA",
		From: relay.Address{Local: "jane", Domain: "acme.example"},
	}
	m.HeaderID = "<" + m.ID.String() + "@acme.example>"
	m.Envelope.ReturnPath = m.From
	for _, r := range recipients {
		m.Envelope.Recipients = append(m.Envelope.Recipients, relay.Recipient{Address: relay.Address{Local: r, Domain: "b.example"}})
	}
	return m
}

func mustPut(t testing.TB, q *Queue, m *relay.Message, body string) {
	t.Helper()
	m.Size = int64(len(body))
	id, err := q.Put(t.Context(), m, nil, strings.NewReader(body))
	if err != nil || id != m.ID {
		t.Fatalf("put: %v, %v", id, err)
	}
}

// finish records the state in which everything is delivered.
func finish(t testing.TB, q *Queue, m *relay.Message) {
	t.Helper()
	finishAt(t, q, m, time.Now())
}

func finishAt(t testing.TB, q *Queue, m *relay.Message, at time.Time) {
	t.Helper()
	_, s, err := q.Get(t.Context(), m.ID)
	if err != nil {
		t.Fatalf("get: %v", err)
	}
	s.Revision++
	for i := range s.Recipients {
		s.Recipients[i].Outcome, s.Recipients[i].Reported = relay.Delivered, true
	}
	if err := q.Record(t.Context(), m.ID, s, relay.Event{At: at.UTC(), Kind: relay.EventAttempt}); err != nil {
		t.Fatalf("record: %v", err)
	}
}

func contentOf(t testing.TB, q *Queue, id relay.ID) string {
	t.Helper()
	c, err := q.Open(t.Context(), id)
	if err != nil {
		t.Fatalf("open content: %v", err)
	}
	defer c.Close()
	b, err := io.ReadAll(c.Reader())
	if err != nil || int64(len(b)) != c.Size() {
		t.Fatalf("read content: %d octets of %d, %v", len(b), c.Size(), err)
	}
	return string(b)
}

func TestOneProcess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	openSmall(t, smallQueue(dir))
	if _, err := OpenQueue(smallQueue(dir)); !errors.Is(err, safeio.ErrLocked) {
		t.Fatalf("a second opening: %v", err)
	}
}

func TestLifeOfMessage(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	q := openSmall(t, smallQueue(dir))
	for _, body := range []string{"small", strings.Repeat("large ", 4000), ""} {
		m := newMessage("bob", "eve")
		mustPut(t, q, m, body)
		if got := contentOf(t, q, m.ID); got != body {
			t.Fatalf("content of %d octets, want %d", len(got), len(body))
		}
		finish(t, q, m)
		if _, _, err := q.Get(context.Background(), m.ID); !errors.Is(err, store.ErrNotFound) {
			t.Fatalf("get after the end: %v", err)
		}
		r, events, err := q.Timeline(t.Context(), m.ID)
		if err != nil || len(events) != 2 || r.Retired.IsZero() || r.Message.HeaderID != m.HeaderID {
			t.Fatalf("timeline: %+v, %v, %v", r, events, err)
		}
	}
	if u := q.Usage(); u != (store.Usage{}) {
		t.Fatalf("usage at the end: %+v", u)
	}
	if names, _ := q.fs.List(bodyDir); len(names) != 0 {
		t.Fatalf("body files remain: %v", names)
	}
}

func TestSurvivesRestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	q := openSmall(t, smallQueue(dir))
	var all []*relay.Message
	for i := range 30 {
		m := newMessage("bob")
		mustPut(t, q, m, strings.Repeat("x", 100+700*i))
		all = append(all, m)
	}
	for _, m := range all[:10] {
		finish(t, q, m)
	}
	usage := q.Usage()
	if err := q.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
	q = openSmall(t, smallQueue(dir))
	if got := q.Usage(); got != usage {
		t.Fatalf("usage %+v after the restart, %+v before", got, usage)
	}
	n := 10
	err := q.Waiting(t.Context(), func(m *relay.Message, s *relay.State) bool {
		if m.ID != all[n].ID || len(s.Recipients) != 1 || s.Revision != 0 {
			t.Errorf("message %d is %+v, %+v", n, m, s)
		}
		n++
		return true
	})
	if err != nil || n != 30 {
		t.Fatalf("%d messages wait, %v", n-10, err)
	}
	for i, m := range all[10:] {
		if got := contentOf(t, q, m.ID); !bytes.Equal([]byte(got), bytes.Repeat([]byte("x"), 100+700*(i+10))) {
			t.Fatalf("content %d has %d octets", i, len(got))
		}
	}
}

// Who waits for the index when the queue is closed does not wait for ever.
func TestCloseEndsWaitForIndex(t *testing.T) {
	t.Parallel()
	q := openSmall(t, smallQueue(t.TempDir()))
	waited := make(chan error, 1)
	go func() { waited <- q.index.passed(context.Background(), journal.Position{Segment: 99}) }()
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-waited; !errors.Is(err, store.ErrClosed) {
		t.Fatalf("wait for the index: %v", err)
	}
}
