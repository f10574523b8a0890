package storetest

import (
	"context"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
)

func testRoundTrip(t *testing.T, b *bench) {
	for _, body := range []string{"", "small", strings.Repeat("large\r\n", LargeBody/7)} {
		m := b.newMessage("bob", "eve")
		b.put(m, body)
		b.same(m, relay.NewState(m), body)
		at := time.Now().UTC()
		s := b.change(m.ID, relay.EventAttempt, func(s *relay.State) {
			s.Route = relay.Route{Kind: relay.RouteAccount, Account: "acc", Rule: "rule", Reason: "reason"}
			s.RouteFixed, s.DelayTold, s.HeldFor = true, true, time.Minute
			s.Hold = &relay.Hold{Reason: "r", Rule: "operator", Account: "acc", By: "token", Since: at}
			s.Copy = relay.Copy{Status: relay.CopyPending, Account: "acc", Folder: "Sent", UID: 7, Attempts: 2, Since: at, Next: at, Reason: "x"}
			s.Recipients[1] = relay.RecipientState{
				Outcome: relay.Deferred, DotSent: true, Attempts: 3, Next: at, At: at, Rule: "rcpt.x", Peer: "mx",
				Reply: relay.Reply{Code: 451, Enhanced: relay.Enhanced{4, 7, 1}, Text: "later"},
			}
		})
		b.same(m, s, body)
		b.restart()
		b.same(m, s, body)
		b.crash()
		b.same(m, s, body)
	}
}

// learner changes the message while it is read, as a hash of the content does.
type learner struct {
	io.Reader
	learn func()
}

func (l learner) Read(p []byte) (int, error) {
	n, err := l.Reader.Read(p)
	if errors.Is(err, io.EOF) {
		l.learn()
	}
	return n, err
}

func testContentFirst(t *testing.T, b *bench) {
	m := b.newMessage("bob")
	key := relay.SubmissionKey{}
	body := learner{strings.NewReader("body"), func() { m.Size, m.BodyHash[0], key[0] = 4, 99, 1 }}
	if _, err := b.Put(t.Context(), m, func() relay.SubmissionKey { return key }, body); err != nil {
		t.Fatalf("put: %v", err)
	}
	b.same(m, relay.NewState(m), "body")
	again := b.newMessage("bob")
	id, err := b.Put(t.Context(), again, func() relay.SubmissionKey { return relay.SubmissionKey{1} }, strings.NewReader("body"))
	if err != nil || id != m.ID {
		t.Fatalf("the key was asked for too early: %s, %v", id, err)
	}
}

func testContentFails(t *testing.T, b *bench) {
	lost := errors.New("connection lost")
	for _, size := range []int{0, 10, LargeBody} {
		m := b.newMessage("bob")
		body := io.MultiReader(strings.NewReader(strings.Repeat("x", size)), failing{lost})
		if _, err := b.Put(t.Context(), m, nil, body); !errors.Is(err, lost) {
			t.Fatalf("put: %v", err)
		}
		b.gone(m.ID)
		b.restart()
		b.gone(m.ID)
	}
	if u := b.Usage(); u != (store.Usage{}) {
		t.Fatalf("usage %+v", u)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func testRevisions(t *testing.T, b *bench) {
	m := b.newMessage("bob")
	b.put(m, "body")
	for _, revision := range []uint64{0, 2} {
		s := relay.NewState(m)
		s.Revision = revision
		if err := b.Record(t.Context(), m.ID, s, event(relay.EventAttempt)); !errors.Is(err, store.ErrStale) {
			t.Fatalf("record revision %d after 0: %v", revision, err)
		}
	}
	s := b.change(m.ID, relay.EventAttempt, func(s *relay.State) { s.DelayTold = true })
	if err := b.Record(t.Context(), m.ID, s, event(relay.EventAttempt)); !errors.Is(err, store.ErrStale) {
		t.Fatalf("record the same revision again: %v", err)
	}
	b.same(m, s, "body")
	if err := b.Record(t.Context(), relay.NewID(time.Now()), s, event(relay.EventAttempt)); !errors.Is(err, store.ErrNotFound) {
		t.Fatalf("record of an unknown message: %v", err)
	}
}

func testRetired(t *testing.T, b *bench) {
	for _, body := range []string{"small", strings.Repeat("x", LargeBody)} {
		m := b.newMessage("bob")
		b.put(m, body)
		s := b.change(m.ID, relay.EventAttempt, deliver)
		b.gone(m.ID)
		s.Revision++
		if err := b.Record(t.Context(), m.ID, s, event(relay.EventAttempt)); !errors.Is(err, store.ErrNotFound) {
			t.Fatalf("record of a retired message: %v", err)
		}
		b.restart()
		b.gone(m.ID)
		b.crash()
		b.gone(m.ID)
	}
}

func testContentOutlives(t *testing.T, b *bench) {
	for _, body := range []string{"small", strings.Repeat("x", LargeBody)} {
		m := b.newMessage("bob")
		b.put(m, body)
		c, err := b.Open(t.Context(), m.ID)
		if err != nil {
			t.Fatalf("open: %v", err)
		}
		b.change(m.ID, relay.EventAttempt, deliver)
		for range 2 {
			if got, err := io.ReadAll(c.Reader()); err != nil || string(got) != body {
				t.Fatalf("content after retirement: %d octets, %v", len(got), err)
			}
		}
		if err := c.Close(); err != nil {
			t.Fatalf("close content: %v", err)
		}
	}
}

func testExists(t *testing.T, b *bench) {
	m := b.newMessage("bob")
	b.put(m, "body")
	if _, err := b.Put(t.Context(), m, nil, strings.NewReader("other")); !errors.Is(err, store.ErrExists) {
		t.Fatalf("put a live ID again: %v", err)
	}
	b.same(m, relay.NewState(m), "body")
	for _, kind := range []relay.Kind{relay.KindReport, relay.KindNotice} {
		report := b.newMessage("jane")
		report.Kind = kind
		report.ID = m.ID.Derive(kind.String())
		b.put(report, "report")
		b.change(report.ID, relay.EventAttempt, deliver)
		for range 2 {
			// It is gone, but a crash between making it and noting it must show.
			if _, err := b.Put(t.Context(), report, nil, strings.NewReader("report")); !errors.Is(err, store.ErrExists) {
				t.Fatalf("put a retired %s again: %v", kind, err)
			}
			b.restart()
		}
	}
}

func testWaiting(t *testing.T, b *bench) {
	var want []relay.ID
	for range 9 {
		m := b.newMessage("bob")
		b.put(m, "body")
		want = append(want, m.ID)
	}
	b.change(want[4], relay.EventAttempt, deliver)
	want = append(want[:4:4], want[5:]...)
	for range 2 {
		var got []relay.ID
		all := func(m *relay.Message, s *relay.State) bool { got = append(got, m.ID); return true }
		if err := b.Waiting(t.Context(), all); err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("waiting %v, %v; want %v", got, err, want)
		}
		b.crash()
	}
	calls := 0
	if err := b.Waiting(t.Context(), func(*relay.Message, *relay.State) bool { calls++; return false }); err != nil || calls != 1 {
		t.Fatalf("%d calls after false, %v", calls, err)
	}
}

func testUsage(t *testing.T, b *bench) {
	one, two := b.newMessage("bob"), b.newMessage("bob")
	b.put(one, "12345")
	b.put(two, strings.Repeat("x", LargeBody))
	for range 2 {
		if u := b.Usage(); u.Messages != 2 || u.Bytes != 5+LargeBody {
			t.Fatalf("usage %+v", u)
		}
		b.restart()
	}
	b.change(one.ID, relay.EventAttempt, deliver)
	b.change(two.ID, relay.EventAttempt, deliver)
	if u := b.Usage(); u != (store.Usage{}) {
		t.Fatalf("usage at the end %+v", u)
	}
}

func testClosed(t *testing.T, b *bench) {
	m := b.newMessage("bob")
	b.put(m, "body")
	if err := b.Queue.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
	if _, err := b.Put(context.Background(), b.newMessage("bob"), nil, strings.NewReader("x")); !errors.Is(err, store.ErrClosed) {
		t.Fatalf("put after close: %v", err)
	}
	if _, _, err := b.Get(context.Background(), m.ID); !errors.Is(err, store.ErrClosed) {
		t.Fatalf("get after close: %v", err)
	}
	if _, err := b.List(context.Background(), store.Filter{}); !errors.Is(err, store.ErrClosed) {
		t.Fatalf("list after close: %v", err)
	}
	b.Acknowledged(m.ID)
}
