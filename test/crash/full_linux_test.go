package crash

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/relayd/relayd/test/programtest"
)

// session --SMTP--> relayd on a disk of 64 MiB --SMTP--> sink
//
// The disk fills up until not even the journal takes a small letter: 452, and never
// another answer. What was accepted before is delivered on the full disk, or waits
// for a sink that is down. Room brings the 250 back, without a restart (promise G2).
func TestTortureFullDisk(t *testing.T) {
	t.Parallel()
	for name, down := range map[string]bool{"delivering": false, "waiting": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			disk := programtest.NewMemoryDisk(t, 64<<20)
			w := newWorld(t, filepath.Join(disk.Path, "relayd"), nil)
			w.sink.Down.Store(down)
			p := w.start()
			w.postMany(20)
			empty := disk.Fill(0)
			large := w.untilFull(p, 60_000) // each delivery gives the room of a file back
			small := w.untilFull(p, 3500)
			if !down {
				w.drained()
			}
			empty()
			w.sink.Down.Store(false)
			w.postMany(20)
			v := w.settle()
			t.Logf("on the full disk %d letters went into files and %d into the journal; %d acknowledged, %d arrivals, %d duplicates", large, small, v.acked, v.arrived, v.duplicates)
			select {
			case <-p.Ended():
				t.Errorf("relayd ended because of a full disk: %v", p.Err())
			default:
			}
		})
	}
}

// untilFull submits letters until one is refused for want of room, and gives the
// number before it.
func (w *world) untilFull(p *programtest.Process, size int) int {
	w.Helper()
	const enough = 50_000 // far more than the disk holds
	s, err := programtest.Dial(w.Context(), p.Addr())
	if err != nil {
		w.Fatal(err)
	}
	defer s.Close()
	for n := range enough {
		letter := w.letterOf(size)
		id, err := s.Submit(letter)
		if err == nil {
			if err := w.ledger.acknowledged(id, letter); err != nil {
				w.Fatal(err)
			}
			continue
		}
		w.isNoRoom(err)
		return n
	}
	w.Fatal("the disk never filled up")
	return 0
}

func (w *world) isNoRoom(err error) {
	w.Helper()
	var refusal *programtest.Refusal
	if !errors.As(err, &refusal) || !strings.HasPrefix(refusal.Line, "452 4.3.1 ") {
		w.Fatalf("on a full disk: %v, want 452 4.3.1", err)
	}
}

// What is left free for others is left: below it clients are told at MAIL, before
// they send anything.
func TestTortureRoomForOthersIsLeft(t *testing.T) {
	t.Parallel()
	disk := programtest.NewMemoryDisk(t, 64<<20)
	w := newWorld(t, filepath.Join(disk.Path, "relayd"), map[string]string{
		"spool": "{segment_size: 4MiB, inline_size: 4KiB, min_free_disk: 8MiB}",
	})
	p := w.start()
	<-w.post(w.newLetter())
	empty := disk.Fill(7 << 20)
	s, err := programtest.Dial(t.Context(), p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	w.await("452 at MAIL", func() bool {
		err := s.Command("MAIL FROM:<"+w.senders[0].Address().String()+">", "250")
		if err == nil {
			err = s.Command("RSET", "250")
		} else {
			w.isNoRoom(err)
			return true
		}
		return err != nil
	})
	empty()
	<-w.post(w.newLetter())
	w.settle()
}
