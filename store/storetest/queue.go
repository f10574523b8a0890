package storetest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
)

// QueueHost is a place where one queue is kept.
type QueueHost interface {
	// Open opens the queue, again after Close or Crash.
	Open(t testing.TB) store.Queue
	// Crash ends the queue as a power cut does: what was not durable may be gone.
	// Calls that are under way end with an error.
	Crash(t testing.TB)
}

// RunQueue is the conformance suite of store.Queue. Each test gets a fresh host. A
// body is large if it has LargeBody octets: an engine may keep it in another way.
func RunQueue(t *testing.T, fresh func(t testing.TB) QueueHost) {
	tests := map[string]func(*testing.T, *bench){
		"message comes back":              testRoundTrip,
		"content is read before m":        testContentFirst,
		"content that fails":              testContentFails,
		"revisions":                       testRevisions,
		"retired":                         testRetired,
		"content outlives retirement":     testContentOutlives,
		"IDs are used once":               testExists,
		"waiting, oldest first":           testWaiting,
		"repeated submission":             testRepeated,
		"repeated submission, restart":    testRepeatedRestart,
		"repeated submission, concurrent": testRepeatedConcurrent,
		"usage":                           testUsage,
		"list by each filter":             testFilters,
		"list by pages":                   testPages,
		"timeline":                        testTimeline,
		"closed":                          testClosed,
		"crashes":                         testCrashes,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := &bench{TB: t, host: fresh(t)}
			b.Queue = b.host.Open(t)
			test(t, b)
			if err := b.Queue.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		})
	}
}

// LargeBody is more than an engine should keep in one record.
const LargeBody = 300 << 10

// bench is an open queue with what the tests do with it.
type bench struct {
	testing.TB
	store.Queue
	host QueueHost
	made atomic.Int64
}

func (b *bench) restart() {
	b.Helper()
	if err := b.Queue.Close(); err != nil {
		b.Fatalf("close: %v", err)
	}
	b.Queue = b.host.Open(b.TB)
}

func (b *bench) crash() {
	b.Helper()
	b.host.Crash(b.TB)
	b.Queue = b.host.Open(b.TB)
}

// newMessage makes a message that is a millisecond younger than the one before: IDs
// of one millisecond have no order.
func (b *bench) newMessage(recipients ...string) *relay.Message {
	return NewMessage(time.Now().Add(time.Duration(b.made.Add(1))*time.Millisecond), recipients...)
}

// NewMessage makes a message of which every field is set.
func NewMessage(at time.Time, recipients ...string) *relay.Message {
	at = at.UTC().Truncate(time.Microsecond)
	id := relay.NewID(at)
	m := &relay.Message{
		ID: id, Accepted: at, Submitter: "crm", Organisation: "acme", Protocol: "ESMTPSA",
		From:     relay.Address{Local: "Jane", Domain: "acme.example"},
		HeaderID: "<" + id.String() + "@acme.example>", Bcc: []string{"Eve <eve@acme.example>", "max@acme.example"},
		BodyHash: [32]byte(bytes.Repeat([]byte{7}, 32)),
		Envelope: relay.Envelope{
			ReturnPath: relay.Address{Local: "jane doe", Domain: "acme.example"},
			Ret:        relay.RetHeaders, EnvID: "env 1", SMTPUTF8: true, EightBit: true,
		},
	}
	for _, r := range recipients {
		m.Envelope.Recipients = append(m.Envelope.Recipients, relay.Recipient{
			Address: relay.Address{Local: r, Domain: "b.example"}, Notify: relay.NotifyDelay, ORcpt: "rfc822;" + r + "@b.example",
		})
	}
	return m
}

func (b *bench) put(m *relay.Message, body string) {
	b.Helper()
	m.Size = int64(len(body))
	if id, err := b.Put(context.Background(), m, nil, strings.NewReader(body)); err != nil || id != m.ID {
		b.Fatalf("put %s: %s, %v", m.ID, id, err)
	}
}

// change records the next state of a message.
func (b *bench) change(id relay.ID, kind relay.EventKind, edit func(*relay.State)) *relay.State {
	b.Helper()
	_, s, err := b.Get(context.Background(), id)
	if err != nil {
		b.Fatalf("get %s: %v", id, err)
	}
	s.Revision++
	edit(s)
	if err := b.Record(context.Background(), id, s, event(kind)); err != nil {
		b.Fatalf("record %s: %v", id, err)
	}
	return s
}

func event(kind relay.EventKind) relay.Event {
	return relay.Event{
		At: time.Now().UTC(), Kind: kind, By: "token", Detail: "why", Route: relay.Route{Kind: relay.RouteDirect, Rule: "r", Reason: "because"},
		Peer:    relay.Peer{Host: "mx.b.example", Addr: "192.0.2.1:25", TLS: "TLS 1.3"},
		Results: []relay.Result{{Recipient: 1, Outcome: relay.Deferred, Reply: relay.Reply{Code: 450, Enhanced: relay.Enhanced{4, 2, 1}, Text: "later"}, Rule: "x", Hint: "y", Pause: time.Hour}},
	}
}

func deliver(s *relay.State) {
	for i := range s.Recipients {
		s.Recipients[i].Outcome, s.Recipients[i].Reported = relay.Delivered, true
	}
}

func (b *bench) body(id relay.ID) string {
	b.Helper()
	c, err := b.Open(context.Background(), id)
	if err != nil {
		b.Fatalf("open %s: %v", id, err)
	}
	defer c.Close()
	got, err := io.ReadAll(c.Reader())
	if err != nil || int64(len(got)) != c.Size() {
		b.Fatalf("content of %s: %d octets of %d, %v", id, len(got), c.Size(), err)
	}
	return string(got)
}

// same checks that a message is kept, with this state and content.
func (b *bench) same(m *relay.Message, s *relay.State, body string) {
	b.Helper()
	gotM, gotS, err := b.Get(context.Background(), m.ID)
	if err != nil {
		b.Fatalf("get %s: %v", m.ID, err)
	}
	if !reflect.DeepEqual(gotM, m) {
		b.Fatalf("message\n got %+v\nwant %+v", gotM, m)
	}
	if !reflect.DeepEqual(gotS, s) {
		b.Fatalf("state\n got %+v\nwant %+v", gotS, s)
	}
	if got := b.body(m.ID); got != body {
		b.Fatalf("content of %s has %d octets, want %d", m.ID, len(got), len(body))
	}
}

func (b *bench) gone(id relay.ID) {
	b.Helper()
	if _, _, err := b.Get(context.Background(), id); !errors.Is(err, store.ErrNotFound) {
		b.Fatalf("get %s: %v, want ErrNotFound", id, err)
	}
	if _, err := b.Open(context.Background(), id); !errors.Is(err, store.ErrNotFound) {
		b.Fatalf("open %s: %v, want ErrNotFound", id, err)
	}
}
