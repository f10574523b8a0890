package embedded

import (
	"fmt"
	"time"

	"github.com/relayd/relayd/internal/safeio"
	"github.com/relayd/relayd/store"
)

// roomEvery is how often the free room of the disk is looked at.
const roomEvery = 100 * time.Millisecond

// room watches the free room of the disk. It is guarded by Queue.mu.
type room struct {
	fs    safeio.FS
	least int64
	now   func() time.Time

	looked time.Time
	err    error
}

// check is ErrFull while less is free than must stay free.
func (r *room) check() error {
	if r.least < 0 {
		return nil
	}
	if now := r.now(); now.Sub(r.looked).Abs() >= roomEvery {
		r.looked, r.err = now, nil
		if free, err := r.fs.Free(); err == nil && free < r.least {
			r.err = fmt.Errorf("%d octets are free on the disk: %w", free, store.ErrFull)
		}
	}
	return r.err
}

// complainEvery is how often the same trouble is told.
const complainEvery = time.Minute

// complaint keeps the log from filling while a trouble lasts.
type complaint struct{ last time.Time }

func (c *complaint) allow(now time.Time) bool {
	if now.Sub(c.last).Abs() < complainEvery {
		return false
	}
	c.last = now
	return true
}
