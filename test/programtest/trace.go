package programtest

import (
	"bytes"
	"fmt"
	"io"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/relayd/relayd/internal/relaytest"
)

// flushes are the system calls that make something durable.
const flushes = "fsync,fdatasync"

// holdFlush is how long a traced flush is held before it happens: time enough to
// kill the program.
const holdFlush = 150 * time.Millisecond

// Trace stands beside a process at every flush.
type Trace struct {
	tb    testing.TB
	cmd   *exec.Cmd
	ended chan struct{}
}

// TraceFlushes calls at with the number of each flush, from 1, while it is about to
// happen and has not happened. at must return at once.
func (p *Process) TraceFlushes(at func(n int)) *Trace {
	p.tb.Helper()
	return p.trace(at, "-e", fmt.Sprintf("inject=%s:delay_enter=%d", flushes, holdFlush.Microseconds()))
}

// FailFlushes makes the first flush of every thread fail with EIO, and those after
// it succeed: whoever tries again is told a lie. With paths, only flushes of these
// files fail.
func (p *Process) FailFlushes(paths ...string) *Trace {
	p.tb.Helper()
	args := []string{"-e", "inject=" + flushes + ":error=EIO:when=1"}
	for _, path := range paths {
		args = append(args, "-P", path)
	}
	return p.trace(func(int) {}, args...)
}

// trace attaches strace and returns when it is attached.
func (p *Process) trace(at func(n int), rules ...string) *Trace {
	p.tb.Helper()
	args := append([]string{"-f", "-p", fmt.Sprint(p.Pid()), "-e", "trace=" + flushes}, rules...)
	t := &Trace{tb: p.tb, ended: make(chan struct{})}
	t.cmd = exec.Command(relaytest.Need(p.tb, "strace"), args...) //nolint:gosec,noctx // the tests' own peer; ended by Stop
	out, err := t.cmd.StderrPipe()
	if err != nil {
		p.tb.Fatal(err)
	}
	if err := t.cmd.Start(); err != nil {
		p.tb.Fatal(err)
	}
	p.tb.Cleanup(t.Stop)
	attached := make(chan struct{})
	go t.watch(out, attached, at)
	select {
	case <-attached:
	case <-t.ended:
		p.tb.Skip("strace may not attach to a process here")
	}
	return t
}

// watch reads what strace says while it says it: the name of a call and the opening
// bracket come when the call begins.
func (t *Trace) watch(out io.Reader, attached chan<- struct{}, at func(n int)) {
	defer close(t.ended)
	found := finder{words: [][]byte{[]byte(" attached"), []byte("fsync("), []byte("fdatasync(")}}
	buf, n, isAttached := make([]byte, 4096), 0, false
	for {
		size, err := out.Read(buf)
		for _, word := range found.take(buf[:size]) {
			switch {
			case word > 0:
				n++
				at(n)
			case !isAttached:
				isAttached = true
				close(attached)
			}
		}
		if err != nil {
			_ = t.cmd.Wait() // it ends with the process that it traces
			return
		}
	}
}

// Stop lets the process go on without strace.
func (t *Trace) Stop() {
	_ = t.cmd.Process.Signal(syscall.SIGINT) // it may be gone already
	<-t.ended
}

// finder finds words in a stream, also those that two reads share.
type finder struct {
	words [][]byte
	rest  []byte
}

// take gives the numbers of the words in the order in which they end in p.
func (f *finder) take(p []byte) (found []int) {
	for _, c := range p {
		f.rest = append(f.rest, c)
		for i, word := range f.words {
			if bytes.HasSuffix(f.rest, word) {
				found = append(found, i)
				f.rest = f.rest[:0]
				break
			}
		}
	}
	const longest = 16
	f.rest = append([]byte(nil), f.rest[max(0, len(f.rest)-longest):]...)
	return found
}
