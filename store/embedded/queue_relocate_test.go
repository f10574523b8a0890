package embedded

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/relayd/relayd/internal/safeio/simdisk"
	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
)

// recycleFirst fills the first segment with short lives, and gives it up.
func recycleFirst(t *testing.T, q *Queue) {
	t.Helper()
	oldest, head := q.journal.Oldest()
	for ; head == oldest; _, head = q.journal.Oldest() {
		short := newMessage("eve")
		mustPut(t, q, short, strings.Repeat("x", 3000))
		finish(t, q, short)
	}
	if err := q.recycleOldest(t.Context()); err != nil {
		t.Fatalf("recycle: %v", err)
	}
}

// told records a state with an event that can be found on the disk.
func told(t *testing.T, q *Queue, m *relay.Message, revision uint64) error {
	t.Helper()
	s := relay.NewState(m)
	s.Revision, s.DelayTold, s.Route.Reason = revision, true, "reason of "+m.ID.String()
	return q.Record(t.Context(), m.ID, s, relay.Event{Kind: relay.EventAttempt, At: time.Now()})
}

// flip spoils the octet of a segment at which text begins.
func flip(t *testing.T, disk *simdisk.Disk, text string) {
	t.Helper()
	found := false
	disk.Edit("journal/segment-000001", func(b []byte) {
		if i := strings.Index(string(b), text); i >= 0 {
			found = true
			b[i] ^= 1
		}
	})
	if !found {
		t.Fatalf("%q is not on the disk", text)
	}
}

// A medium that spoils what was accepted: what still reads goes on, and nothing is
// sent that is not whole, or sent anew though its record says that it was sent.
func TestRecyclingOfDamaged(t *testing.T) {
	t.Parallel()
	disk := simdisk.New()
	o := onDisk(t, disk)
	q := openSmall(t, o)
	body, state, envelope, good := newMessage("bob"), newMessage("bob"), newMessage("bob"), newMessage("bob")
	for _, m := range []*relay.Message{body, state, envelope, good} {
		mustPut(t, q, m, "body of "+m.ID.String())
		if err := told(t, q, m, 1); err != nil {
			t.Fatal(err)
		}
	}
	flip(t, disk, "body of "+body.ID.String())
	flip(t, disk, "reason of "+state.ID.String())
	flip(t, disk, envelope.HeaderID)
	check := func() {
		t.Helper()
		_, s, err := q.Get(t.Context(), body.ID)
		if err != nil || s.Revision != 1 || !s.DelayTold {
			t.Errorf("with a damaged body: state %+v, %v", s, err)
		}
		c, err := q.Open(t.Context(), body.ID)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := io.ReadAll(c.Reader()); !errors.Is(err, ErrDamaged) {
			t.Errorf("a damaged body reads: %v", err)
		}
		_, s, err = q.Get(t.Context(), state.ID)
		if err != nil || s.Revision != 1 || s.Hold == nil {
			t.Errorf("with a damaged state: %+v, %v; it is not held", s, err)
		}
		if got := contentOf(t, q, state.ID); got != "body of "+state.ID.String() {
			t.Errorf("with a damaged state: content %q", got)
		}
	}
	check()
	recycleFirst(t, q)
	for range 2 {
		check()
		if _, _, err := q.Get(t.Context(), envelope.ID); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("without an envelope: %v", err)
		}
		if names, _ := disk.List(quarantineDir); len(names) != 1 || !strings.Contains(names[0], envelope.ID.String()) {
			t.Errorf("set aside: %v", names)
		}
		if u := q.Usage(); u.Messages != 3 {
			t.Errorf("usage %+v", u)
		}
		disk = disk.Crash(func() bool { return true })
		q.Close() //nolint:errcheck // it has no disk any more
		o.FS = disk
		q = openSmall(t, o)
	}
	for _, m := range []*relay.Message{body, state, good} {
		if err := told(t, q, m, 2); err != nil {
			t.Errorf("the next state: %v", err)
		}
	}
}

// What lay in a part of the journal that was set aside waits for nothing any more, and
// stays visible with the reason.
func TestLostMessageIsVisible(t *testing.T) {
	t.Parallel()
	disk := simdisk.New()
	o := onDisk(t, disk)
	q := openSmall(t, o)
	gone, here := newMessage("bob"), newMessage("bob")
	mustPut(t, q, gone, "needle")
	mustPut(t, q, here, "still here")
	if err := q.index.passed(t.Context(), q.journal.Durable()); err != nil {
		t.Fatal(err)
	}
	disk = disk.Crash(func() bool { return false })
	q.Close() //nolint:errcheck // it has no disk any more
	flip(t, disk, "needle")
	o.FS = disk
	for range 2 {
		q = openSmall(t, o)
		p, err := q.List(t.Context(), store.Filter{Waiting: true})
		if err != nil || len(p.Records) != 1 || p.Records[0].Message.ID != here.ID {
			t.Errorf("waiting: %+v, %v", p.Records, err)
		}
		p, err = q.List(t.Context(), store.Filter{Held: true})
		if err != nil || len(p.Records) != 1 || p.Records[0].Message.ID != gone.ID || p.Records[0].Retired.IsZero() {
			t.Fatalf("held: %+v, %v", p.Records, err)
		}
		if _, events, err := q.Timeline(t.Context(), gone.ID); err != nil || len(events) != 2 || events[1].Kind != relay.EventHeld {
			t.Errorf("timeline %+v, %v", events, err)
		}
		if err := q.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
