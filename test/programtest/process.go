package programtest

import (
	"bufio"
	"encoding/json"
	"io"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Patience is how long a test waits for what must come. These machines are busy;
// nothing that works needs a fraction of it.
const Patience = 60 * time.Second

// Process is a running relayd.
type Process struct {
	tb    testing.TB
	cmd   *exec.Cmd
	ready chan struct{} // closed when it listens
	ended chan struct{} // closed when it is gone

	mu    sync.Mutex
	lines []string
	addr  string
	err   error // of Wait, after ended
}

// Launch starts the program and does not wait for anything.
func (in *Installation) Launch() *Process {
	in.tb.Helper()
	p := &Process{tb: in.tb, ready: make(chan struct{}), ended: make(chan struct{})}
	p.cmd = exec.Command(in.binary, "serve", "--config", in.config) //nolint:gosec,noctx // our own program; ended by Kill or Stop
	out, err := p.cmd.StderrPipe()
	if err != nil {
		in.tb.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		in.tb.Fatal(err)
	}
	go p.watch(out)
	in.tb.Cleanup(func() {
		p.Kill()
		if in.tb.Failed() {
			in.tb.Logf("the log of process %d ends:\n%s", p.Pid(), strings.Join(tail(p.Log(), 25), "\n"))
		}
	})
	return p
}

// Start starts the program and waits until it listens.
func (in *Installation) Start() *Process {
	in.tb.Helper()
	p := in.Launch()
	timer := time.NewTimer(Patience)
	defer timer.Stop()
	select {
	case <-p.ready:
	case <-p.ended:
		in.tb.Fatalf("relayd ended at its start: %v\n%s", p.Err(), strings.Join(p.Log(), "\n"))
	case <-timer.C:
		in.tb.Fatalf("relayd does not listen:\n%s", strings.Join(p.Log(), "\n"))
	}
	return p
}

// watch reads the log until the process is gone.
func (p *Process) watch(out io.Reader) {
	lines := bufio.NewReader(out)
	for {
		line, err := lines.ReadString('\n')
		if line != "" {
			p.note(strings.TrimSpace(line))
		}
		if err != nil {
			break
		}
	}
	err := p.cmd.Wait()
	p.mu.Lock()
	p.err = err
	p.mu.Unlock()
	close(p.ended)
}

func (p *Process) note(line string) {
	var said struct{ Msg, Listener, Addr string }
	heard := json.Unmarshal([]byte(line), &said) == nil && said.Msg == "listening" && said.Listener == Listener
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lines = append(p.lines, line)
	if heard && p.addr == "" {
		p.addr = said.Addr
		close(p.ready)
	}
}

// Ready is closed when the program listens.
func (p *Process) Ready() <-chan struct{} { return p.ready }

// Ended is closed when the program is gone.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// Addr is where Listener listens, once the program is ready.
func (p *Process) Addr() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.addr
}

// Err is how the program ended, after Ended: nil for status 0.
func (p *Process) Err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// Pid is the id of the process.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Log gives the lines that the program wrote so far.
func (p *Process) Log() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.lines)
}

// Count is how many lines of the log hold the text.
func (p *Process) Count(text string) int {
	n := 0
	for _, line := range p.Log() {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}

// Strike ends the program as kill -9 does, and does not wait.
func (p *Process) Strike() { _ = p.cmd.Process.Signal(syscall.SIGKILL) } // it may be gone already

// Kill ends the program as kill -9 does, and waits until it is gone.
func (p *Process) Kill() {
	p.Strike()
	<-p.ended
}

// Stop asks the program to end, as an operator does, and waits until it is gone.
func (p *Process) Stop() error {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may be gone already
	p.AwaitEnd()
	return p.Err()
}

// AwaitEnd waits until the program is gone by itself.
func (p *Process) AwaitEnd() {
	p.tb.Helper()
	timer := time.NewTimer(Patience)
	defer timer.Stop()
	select {
	case <-p.ended:
	case <-timer.C:
		p.Kill()
		p.tb.Fatal("relayd does not end")
	}
}

func tail(lines []string, n int) []string { return lines[max(0, len(lines)-n):] }
