package embedded

import (
	"context"
	"io"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/relayd/relayd/internal/safeio/simdisk"
	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store/journal"
)

// Beyond its budget of memory a body goes into a file, and is as whole there.
func TestSpoolMemory(t *testing.T) {
	t.Parallel()
	o := onDisk(t, simdisk.New())
	o.InlineBody, o.SpoolMemory = 1<<20, 1<<20+1
	o.Journal.SegmentSize, o.Journal.MaxGroup = 8<<20, 4<<20
	q := openSmall(t, o)
	body := strings.Repeat("0123456789abcdef", 40<<10)
	arriving, parked := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	first, second := newMessage("bob"), newMessage("bob")
	wg.Go(func() {
		slow := io.MultiReader(strings.NewReader(body), waitReader{arriving, parked})
		if _, err := q.Put(context.Background(), first, nil, slow); err != nil {
			t.Errorf("put: %v", err)
		}
	})
	<-arriving // the first has taken all of the budget
	mustPut(t, q, second, body)
	close(parked)
	wg.Wait()
	if names, _ := o.FS.List(bodyDir); len(names) != 1 || bodyDir+"/"+names[0] != bodyName(second.ID) {
		t.Fatalf("files: %v", names)
	}
	for _, m := range []*relay.Message{first, second} {
		if contentOf(t, q, m.ID) != body {
			t.Fatal("the content changed")
		}
	}
	if q.buffers.left != o.SpoolMemory {
		t.Fatalf("%d of the budget of %d came back", q.buffers.left, o.SpoolMemory)
	}
}

// waitReader says that it is reached, and waits.
type waitReader struct{ reached, until chan struct{} }

func (w waitReader) Read([]byte) (int, error) {
	close(w.reached)
	<-w.until
	return 0, io.EOF
}

// What memory holds of a waiting message stays under 300 octets.
func TestEntryIsSmall(t *testing.T) {
	q := openSmall(t, onDisk(t, simdisk.New()))
	const n = 100_000
	measure := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := measure()
	q.mu.Lock()
	for i := range n {
		e := &entry{id: relay.NewID(time.Now()), size: 1}
		q.admit(e, journal.Ref{Segment: uint64(i/1000 + 10), Length: 4000})
	}
	q.mu.Unlock()
	each := (measure() - before) / n
	t.Logf("%d octets for each message", each)
	if each == 0 || each > 300 {
		t.Fatalf("memory holds %d octets of each message", each)
	}
	q.mu.Lock()
	clear(q.live)
	q.mu.Unlock()
}
