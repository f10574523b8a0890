package crash

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/relayd/relayd/test/programtest"
)

// driver is a number of applications that submit one letter after the other, and
// submit each again until it is acknowledged.
type driver struct {
	*world
	ctx      context.Context // ends everything
	stopping chan struct{}
	running  sync.WaitGroup
	repeated atomic.Int64 // submissions after one without an answer
	patient  atomic.Int64 // submissions after a temporary refusal
}

func (w *world) newDriver() *driver {
	return &driver{world: w, ctx: w.Context(), stopping: make(chan struct{})}
}

// post gets one letter acknowledged, whatever happens to relayd meanwhile. The
// channel is closed when that is done.
func (w *world) post(letter *programtest.Letter) <-chan struct{} {
	d, done := w.newDriver(), make(chan struct{})
	go func() {
		defer close(done)
		if s, ok := d.submit(nil, letter, false); ok {
			s.Close()
		}
	}()
	return done
}

// postMany gets letters acknowledged, one after the other.
func (w *world) postMany(n int) {
	for range n {
		<-w.post(w.newLetter())
	}
}

// drive starts the applications.
func (w *world) drive(sessions int) *driver {
	d := w.newDriver()
	for range sessions {
		d.running.Go(d.application)
	}
	return d
}

// stop lets every application get its last letter acknowledged, and waits for that.
func (d *driver) stop() {
	close(d.stopping)
	d.running.Wait()
}

func (d *driver) application() {
	var s *programtest.Session
	for {
		select {
		case <-d.stopping:
			if s != nil {
				s.Close()
			}
			return
		default:
		}
		// Some applications hang up after the final dot and come again: what was kept
		// for them must not be kept twice (promise G4).
		var ok bool
		if s, ok = d.submit(s, d.newLetter(), oneIn(15)); !ok {
			return
		}
	}
}

// submit submits a letter until it is acknowledged, and gives the connection for
// the next one. With loses the first answer is not waited for.
func (d *driver) submit(s *programtest.Session, letter *programtest.Letter, loses bool) (*programtest.Session, bool) {
	for d.ctx.Err() == nil {
		if s == nil {
			if s = d.connect(); s == nil {
				continue
			}
		}
		if loses {
			loses = false
			_ = s.Post(letter) // it is repeated whatever became of it
			s.Close()
			s = nil
			d.repeated.Add(1)
			continue
		}
		id, err := s.Submit(letter)
		if err == nil {
			if err = d.ledger.acknowledged(id, letter); err != nil {
				d.Errorf("write the ledger: %v", err)
			}
			return s, err == nil
		}
		s.Close()
		s = nil
		if !d.mayRepeat(err) {
			return nil, false
		}
	}
	return nil, false
}

// mayRepeat: no answer and a temporary one ask for another try. Nothing else is
// right for a good letter (promise G2).
func (d *driver) mayRepeat(err error) bool {
	var refusal *programtest.Refusal
	switch {
	case !errors.As(err, &refusal):
		d.repeated.Add(1)
		return true
	case strings.HasPrefix(refusal.Line, "4"):
		d.patient.Add(1)
		pause(d.ctx, 50*time.Millisecond)
		return true
	}
	d.Errorf("a good letter was refused: %v", err)
	return false
}

// connect opens a connection to the process of the moment, or waits a little.
func (d *driver) connect() *programtest.Session {
	if p := d.process(); p != nil && p.Addr() != "" {
		if s, err := programtest.Dial(d.ctx, p.Addr()); err == nil {
			return s
		}
	}
	pause(d.ctx, 5*time.Millisecond)
	return nil
}
