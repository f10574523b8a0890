package accounts

import (
	"context"
	"net"
	"time"
)

// mending is when a provider begins to work; ctx ends the test before that.
type mending struct {
	ctx  context.Context
	done chan struct{} // closed then
}

func (m *mending) mended() bool {
	select {
	case <-m.done:
		return true
	default:
		return false
	}
}

// until waits for the mending, at most for a time. 0 is for as long as it takes.
func (m *mending) until(limit time.Duration) {
	var over <-chan time.Time
	if limit > 0 {
		timer := time.NewTimer(limit)
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-m.done:
	case <-m.ctx.Done():
	case <-over:
	}
}

// deadLine takes everything and says nothing before it is mended.
type deadLine struct {
	net.Conn
	*mending
}

func (d deadLine) Write(p []byte) (int, error) {
	d.until(0)
	return d.Conn.Write(p)
}

// slowLine says one octet a second before it is mended.
type slowLine struct {
	net.Conn
	*mending
}

func (s slowLine) Write(p []byte) (int, error) {
	for i := range p {
		if s.mended() || s.ctx.Err() != nil {
			n, err := s.Conn.Write(p[i:])
			return i + n, err
		}
		if _, err := s.Conn.Write(p[i : i+1]); err != nil {
			return i, err
		}
		s.until(time.Second)
	}
	return len(p), nil
}
