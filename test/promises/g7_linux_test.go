package promises

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/relayd/relayd/test/programtest"
)

const (
	clients = 100 // at one time; more than the listener takes
	abused  = 8   // times that each client goes through all abuses
	mib     = 1 << 20
)

// limits are small, so that a short test meets all of them. One listener with so
// many connections may need some memory for each, and nothing for what they send.
func limits() map[string]string {
	return map[string]string{
		"limits": "{connections: 80, connections_per_address: 60, message_size: 1MiB, header_size: 64KiB}",
		"queue":  "{workers: 10}",
	}
}

// mostMemory is how much relayd may take under limits, however hard its clients try:
// the runtime itself, and what 60 connections may hold at one time.
const mostMemory = 96 * mib

// abuses are what clients do that want relayd to grow. Each gets a connection of its
// own and ends when relayd does not listen any more, or when it gets bored.
func abuses() map[string]func(s *programtest.Session) error {
	letter := []byte("DATA\r\nFrom: <jane@acme.example>\r\n")
	return map[string]func(s *programtest.Session) error{
		"a line without end": func(s *programtest.Session) error {
			return pour(s, []byte("NOOP "), bytes.Repeat([]byte("x"), mib), 4)
		},
		"recipients without end": func(s *programtest.Session) error {
			return pour(s, []byte("MAIL FROM:<jane@acme.example>\r\n"), bytes.Repeat([]byte("RCPT TO:<bob@world.example>\r\n"), 1000), 20)
		},
		"a header without end": func(s *programtest.Session) error {
			return pour(s, begin(letter), bytes.Repeat([]byte("X-Field: "+strings.Repeat("y", 900)+"\r\n"), 200), 10)
		},
		"a body without end": func(s *programtest.Session) error {
			return pour(s, begin(append(letter, "\r\n"...)), bytes.Repeat([]byte(strings.Repeat("z", 900)+"\r\n"), 500), 10)
		},
		"a chunk that is larger than memory": func(s *programtest.Session) error {
			return pour(s, begin([]byte("BDAT 99999999999 LAST\r\n")), make([]byte, mib), 4)
		},
		"commands that nobody reads the answers of": func(s *programtest.Session) error {
			return pour(s, nil, bytes.Repeat([]byte("NOOP\r\n"), 10_000), 20)
		},
		"half a message": func(s *programtest.Session) error {
			return pour(s, begin(letter), []byte("Subject: half"), 1)
		},
	}
}

// begin is a transaction up to its content.
func begin(rest []byte) []byte {
	return append([]byte("MAIL FROM:<jane@acme.example>\r\nRCPT TO:<bob@world.example>\r\n"), rest...)
}

func pour(w io.Writer, first, again []byte, times int) error {
	_, err := w.Write(first)
	for range times {
		if err != nil {
			break
		}
		_, err = w.Write(again)
	}
	return err
}

// clients --SMTP--> relayd --SMTP--> sink
//
// A hundred clients abuse relayd in every way at the same time. It stays under a
// fixed size meanwhile, serves an honest one afterwards, and has as many goroutines
// and files as before.
func TestG7AbuseMakesNothingGrow(t *testing.T) {
	t.Parallel()
	sink := programtest.StartSink(t, nil)
	in := programtest.New(t, programtest.Options{
		Binary: binary, Accounts: []programtest.Account{{Local: "jane", SMTP: sink.Addr()}}, Config: limits(),
	})
	p := in.Start()
	submit(t, p, programtest.NewLetter("before", person("jane"), "bob@world.example", 1, 2000))
	soon(t, func() bool { return len(sink.Taken()) == 1 })
	before := in.Usage(p)
	served := abuse(t, p)
	if served == 0 {
		t.Fatal("nobody was served: this was no abuse")
	}
	soon(t, func() bool { return honest(t, p) })
	soon(t, func() bool { return len(sink.Taken()) >= 2 })
	var after programtest.Usage
	soon(t, func() bool {
		after = in.Usage(p)
		return after.Goroutines <= before.Goroutines+5 && after.Files <= before.Files+5
	})
	t.Logf("%d connections were served; goroutines %d, then %d; files %d, then %d; memory %d MiB, at most %d MiB, then %d MiB",
		served, before.Goroutines, after.Goroutines, before.Files, after.Files, before.Memory/mib, after.Peak/mib, after.Memory/mib)
	if after.Peak > mostMemory {
		t.Errorf("relayd took %d MiB, and may take %d", after.Peak/mib, mostMemory/mib)
	}
	for id, n := range arrivals(sink) {
		if n != 1 || (id != "<before@acme.example>" && id != "<honest@acme.example>") {
			t.Errorf("%s arrived %d times", id, n)
		}
	}
}

// abuse gives the number of connections on which something could be abused.
func abuse(t *testing.T, p *programtest.Process) int {
	t.Helper()
	var mu sync.Mutex
	var all sync.WaitGroup
	served := 0
	for range clients {
		all.Go(func() {
			for range abused {
				for _, do := range abuses() {
					s, err := programtest.Dial(t.Context(), p.Addr())
					if err != nil {
						continue // one too many
					}
					_ = do(s) // relayd may hang up at any time
					s.Close()
					mu.Lock()
					served++
					mu.Unlock()
				}
			}
		})
	}
	all.Wait()
	return served
}

// honest reports whether an honest client is served. It may come a little too early.
func honest(t *testing.T, p *programtest.Process) bool {
	t.Helper()
	s, err := programtest.Dial(t.Context(), p.Addr())
	if err != nil {
		return false
	}
	defer s.Close()
	_, err = s.Submit(programtest.NewLetter("honest", person("jane"), "bob@world.example", 2, 2000))
	return err == nil
}

// session --SMTP--> relayd --SMTP--> sink, down
//
// A full queue refuses, and takes again when there is room.
func TestG7QueueHasItsLimits(t *testing.T) {
	t.Parallel()
	sink := programtest.StartSink(t, nil)
	sink.Down.Store(true)
	in := programtest.New(t, programtest.Options{
		Binary: binary, Accounts: []programtest.Account{{Local: "jane", SMTP: sink.Addr()}},
		Config: map[string]string{"spool": "{segment_size: 4MiB, inline_size: 4KiB, min_free_disk: 0B, max_messages: 100}"},
	})
	p := in.Start()
	s := dial(t, p)
	for i := range 100 {
		mustSubmit(t, s, programtest.NewLetter(fmt.Sprint("kept", i), person("jane"), "bob@world.example", 1, 500))
	}
	_, err := s.Submit(programtest.NewLetter("too much", person("jane"), "bob@world.example", 1, 500))
	if err == nil || !strings.Contains(err.Error(), "452 4.3.1 ") {
		t.Errorf("the 101st message: %v, want 452 4.3.1", err)
	}
	sink.Down.Store(false)
	drained(t, in)
	submit(t, p, programtest.NewLetter("more", person("jane"), "bob@world.example", 1, 500))
	soon(t, func() bool { return len(sink.Taken()) == 101 })
}
