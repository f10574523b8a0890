package load

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// load is what is put on a server.
type load struct {
	address  string
	from     string
	size     int
	sessions int
	length   time.Duration
}

// result is what the generator saw.
type result struct {
	accepted int
	started  time.Time
	ended    time.Time       // when the last 250 came
	waits    []time.Duration // from MAIL to the final 250, sorted
}

// run keeps every session busy with one message after the other, until the time is
// over; each session has one connection.
func (l load) run(tb testing.TB) result {
	tb.Helper()
	r := result{started: time.Now()}
	deadline := r.started.Add(l.length)
	var mu sync.Mutex
	var all sync.WaitGroup
	for i := range l.sessions {
		all.Go(func() {
			waits, err := l.session(i, deadline)
			mu.Lock()
			defer mu.Unlock()
			r.waits = append(r.waits, waits...)
			if err != nil {
				tb.Errorf("session %d: %v", i, err)
			}
		})
	}
	all.Wait()
	r.ended, r.accepted = time.Now(), len(r.waits)
	slices.Sort(r.waits)
	return r
}

// session sends messages until the deadline. MAIL, RCPT and DATA leave in one
// write, as PIPELINING allows.
func (l load) session(number int, deadline time.Time) (waits []time.Duration, err error) {
	c, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", l.address)
	if err != nil {
		return nil, err
	}
	defer c.Close() //nolint:errcheck // the end of a connection
	if err := c.SetDeadline(deadline.Add(time.Minute)); err != nil {
		return nil, err
	}
	r := bufio.NewReader(c)
	if err := expect(r, "220"); err != nil {
		return nil, err
	}
	if _, err := c.Write([]byte("EHLO generator.example\r\n")); err != nil {
		return nil, err
	}
	if err := expect(r, "250"); err != nil {
		return nil, err
	}
	envelope := fmt.Appendf(nil, "MAIL FROM:<%s>\r\nRCPT TO:<bob@world.example>\r\nDATA\r\n", l.from)
	for n := 0; time.Now().Before(deadline); n++ {
		content := l.content(number, n)
		start := time.Now()
		if _, err := c.Write(envelope); err != nil {
			return waits, err
		}
		for _, code := range []string{"250", "250", "354"} {
			if err := expect(r, code); err != nil {
				return waits, err
			}
		}
		if _, err := c.Write(content); err != nil {
			return waits, err
		}
		if err := expect(r, "250"); err != nil {
			return waits, err
		}
		waits = append(waits, time.Since(start))
	}
	_, err = c.Write([]byte("QUIT\r\n"))
	return waits, err
}

// content is one message with its final dot; each has a Message-ID of its own.
func (l load) content(session, n int) []byte {
	var b bytes.Buffer
	b.Grow(l.size + 512)
	fmt.Fprintf(&b, "From: <%s>\r\nTo: <bob@world.example>\r\nDate: Sat, 21 Nov 2026 12:00:00 +0000\r\nSubject: load\r\nMessage-ID: <%d.%d.%d@acme.example>\r\n\r\n",
		l.from, session, n, time.Now().UnixNano())
	for b.Len() < l.size-2 {
		b.WriteString(filler[:min(len(filler)-2, l.size-2-b.Len())])
		b.WriteString("\r\n")
	}
	b.WriteString(".\r\n")
	return b.Bytes()
}

var filler = strings.Repeat("0123456789abcdef", 5)[:78]

// expect reads one reply and checks its code.
func expect(r *bufio.Reader, code string) error {
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return err
		}
		if !strings.HasPrefix(line, code) {
			return fmt.Errorf("the server said %q, want %s", line, code)
		}
		if len(line) > 3 && line[3] != '-' {
			return nil
		}
	}
}

// quantile of sorted waits.
func (r result) quantile(q float64) time.Duration {
	if len(r.waits) == 0 {
		return 0
	}
	return r.waits[min(int(q*float64(len(r.waits))), len(r.waits)-1)]
}
