package smtpwire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/relayd/relayd/relay"
)

// TestHalfAMessageIsNoMessage cuts the connection in every place of a content:
// whatever the session returns, there is no 250 and no acknowledgement.
func TestHalfAMessageIsNoMessage(t *testing.T) {
	t.Parallel()
	ignoresErrors := func(content io.Reader) error {
		io.Copy(io.Discard, content) //nolint:errcheck // that is what is tested
		return nil
	}
	for _, tt := range []struct{ name, dialog string }{
		{"DATA", "C: DATA\nS: 354\nR: \"From: a@b\\r\\n\\r\\nhalf\"\nSHUT\nEND\n"},
		{"DATA in the end", "C: DATA\nS: 354\nR: \"From: a@b\\r\\n.\\r\"\nSHUT\nEND\n"},
		{"BDAT LAST", "R: \"BDAT 1000 LAST\\r\\nhalf\"\nSHUT\nEND\n"},
		{"BDAT without LAST", "R: \"BDAT 4\\r\\nhalf\"\nS: 250 2.0.0\nSHUT\nEND\n"},
		{"BDAT between commands", "R: \"BDAT 4\\r\\nhalfBDA\"\nS: 250 2.0.0\nSHUT\nEND\n"},
	} {
		for name, data := range map[string]func(io.Reader) error{"a good session": nil, "one that drops errors": ignoresErrors} {
			t.Run(tt.name+" with "+name, func(t *testing.T) {
				t.Parallel()
				s := serve(t, ServerOptions{Mode: ModePlain})
				s.session.data = data
				s.Run(greeted + addressed + tt.dialog)
				if err := s.wait(t); !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Errorf("Serve = %v; want io.ErrUnexpectedEOF", err)
				}
				if got := s.session.noted(); strings.Contains(got, "taken") || strings.Contains(got, "ack") {
					t.Errorf("the session was asked: %s", got)
				}
			})
		}
	}
}

// TestHalfAMessageUnderTLS is the same with a proper end of TLS in mid-chunk,
// which looks like a clean end of the stream.
func TestHalfAMessageUnderTLS(t *testing.T) {
	t.Parallel()
	for _, dialog := range []string{"R: \"BDAT 1000 LAST\\r\\nhalf\"\nSHUT\nEND\n", "C: DATA\nS: 354\nC: half\nSHUT\nEND\n"} {
		s := serve(t, ServerOptions{})
		s.Run(signedIn + addressed + dialog)
		if err := s.wait(t); !errors.Is(err, io.ErrUnexpectedEOF) || strings.Contains(s.session.noted(), "taken") {
			t.Errorf("Serve = %v; the session was asked: %s", err, s.session.noted())
		}
	}
}

func TestTheSessionDecidesAboutTheAnswer(t *testing.T) {
	t.Parallel()
	body := "C: DATA\nS: 354\nR: \"From: a@b\\r\\n\\r\\n" + strings.Repeat("MAIL FROM:<x@y.example>\\r\\n", 1000) + ".\\r\\n\"\n"
	tests := []struct {
		name   string
		data   func(io.Reader) error
		dialog string
	}{
		{"plain error", func(io.Reader) error { return errors.New("/var/spool is gone") }, "S: 451 4.3.0\nS- spool\n" + quits},
		{"full", func(r io.Reader) error {
			return fmt.Errorf("spool: %w", relay.Refuse(452, relay.Enhanced{4, 3, 1}, "No room"))
		}, "S: 452 4.3.1\nC: DATA\nS: 503\n" + quits},
		{"refusal after a part", func(r io.Reader) error {
			io.ReadFull(r, make([]byte, 5)) //nolint:errcheck // a part
			return relay.Refuse(550, relay.Enhanced{5, 7, 1}, "Not yours")
		}, "S: 550 5.7.1\n" + quits},
		{"refusal that closes", func(r io.Reader) error {
			return &relay.Error{Code: 554, Enhanced: relay.Enhanced{5, 6, 0}, Public: "Bad", Close: true}
		}, "S: 554 5.6.0\nEND\n"},
		{"G2 unknown", func(r io.Reader) error {
			io.Copy(io.Discard, r) //nolint:errcheck // whole
			return fmt.Errorf("spool: %w", ErrHangUp)
		}, "END\n"},
		{"taken without reading", func(io.Reader) error { return nil }, "S: 451 4.3.0\n"},
		{"panic", func(io.Reader) error { panic("in Data") }, "S: 421 4.3.0\nEND\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, ServerOptions{Mode: ModePlain})
			s.session.data = tt.data
			s.Run(greeted + addressed + body + tt.dialog)
			s.Conn().Close()
			s.wait(t) //nolint:errcheck // how it ended is in the dialog
			if got := s.session.noted(); strings.Contains(got, "x@y") || !strings.HasSuffix(got, "close") {
				t.Errorf("the session was asked: %s", got)
			}
			if tt.name == "panic" && !strings.Contains(s.log.String(), "in Data") {
				t.Error("the panic is not in the log")
			}
		})
	}
}

// TestRefusedChunks sends chunks behind one that failed: each is swallowed.
func TestRefusedChunks(t *testing.T) {
	t.Parallel()
	s := serve(t, ServerOptions{Mode: ModePlain})
	s.session.data = func(io.Reader) error { return relay.Refuse(452, relay.Enhanced{4, 3, 1}, "No room") }
	s.Run(greeted + addressed + "R: \"BDAT 6\\r\\nNOOP\\r\\nBDAT 6\\r\\nNOOP\\r\\nBDAT 6 LAST\\r\\nNOOP\\r\\n\"\nS: 452 4.3.1\nS: 503 5.5.1\nS: 503 5.5.1\n" + quits)
}

func TestAcknowledged(t *testing.T) {
	t.Parallel()
	message := addressed + "C: DATA\nS: 354\nR: \"x\\r\\n.\\r\\n\"\n"
	tests := []struct {
		name, dialog string
		want         bool
	}{
		{"next command", message + queuedAs + "\nC: NOOP\nS: 250\n", true},
		{"QUIT", message + queuedAs + "\n" + quits, true},
		{"the connection just ends", message + queuedAs + "\nSHUT\nEND\n", false},
		{"half a command", message + queuedAs + "\nR: \"NOO\"\nSHUT\nEND\n", false},
		{"a command that was sent before the answer", addressed + "C: DATA\nS: 354\nR: \"x\\r\\n.\\r\\nNOOP\\r\\n\"\n" + queuedAs + "\nS: 250\nSHUT\nEND\n", false},
		{"that one, and another after it", addressed + "C: DATA\nS: 354\nR: \"x\\r\\n.\\r\\nNOOP\\r\\n\"\n" + queuedAs + "\nS: 250\nC: NOOP\nS: 250\n", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, ServerOptions{Mode: ModePlain})
			s.Run(greeted + tt.dialog)
			s.Conn().Close()
			s.wait(t) //nolint:errcheck // how it ended is in the dialog
			if got := strings.Count(s.session.noted(), "acknowledged"); (got == 1) != tt.want || got > 1 {
				t.Errorf("acknowledged %d times; the session was asked: %s", got, s.session.noted())
			}
		})
	}
}

func TestDrain(t *testing.T) {
	t.Parallel()
	t.Run("idle", func(t *testing.T) {
		t.Parallel()
		s := serve(t, ServerOptions{})
		s.Run(secured)
		s.conn.Drain()
		s.Run("S: 421 4.3.2\nEND\n")
		if err := s.wait(t); err != nil {
			t.Errorf("Serve = %v", err)
		}
	})
	t.Run("in a transaction", func(t *testing.T) {
		t.Parallel()
		s := serve(t, ServerOptions{Mode: ModePlain})
		s.Run(greeted + addressed + "C: DATA\nS: 354\nC: half\n")
		s.conn.Drain()
		s.Run("C: .\n" + queuedAs + "\nS: 421 4.3.2\nEND\n")
		if err := s.wait(t); err != nil || !strings.Contains(s.session.noted(), "taken") {
			t.Errorf("Serve = %v; the session was asked: %s", err, s.session.noted())
		}
	})
	t.Run("between chunks", func(t *testing.T) {
		t.Parallel()
		s := serve(t, ServerOptions{Mode: ModePlain})
		s.Run(greeted + addressed + "R: \"BDAT 2\\r\\nab\"\nS: 250\n")
		s.conn.Drain()
		s.Run("R: \"BDAT 2 LAST\\r\\ncd\"\n" + queuedAs + "\nS: 421 4.3.2\nEND\n")
	})
}

func TestEndOfContextBreaksOff(t *testing.T) {
	t.Parallel()
	s := serve(t, ServerOptions{})
	s.Run(greeted)
	s.cancel()
	s.Run("END\n")
	if err := s.wait(t); err == nil {
		t.Error("Serve = nil; want the reason")
	}
}

// slowClient speaks over a pipe in the bubble's time: send writes octets one by
// one, a pause apart.
func slowClient(t *testing.T, o ServerOptions, fast, slow string, pause time.Duration) (lasted time.Duration, said string, err error) {
	t.Helper()
	o.Hostname, o.Mode = "relay.example", ModePlain
	synctest.Test(t, func(t *testing.T) {
		here, there := net.Pipe()
		conn := NewServer(o).Conn(here, relay.Client{}, &fakeSession{})
		start := time.Now()
		heard, written := make(chan string, 1), make(chan struct{})
		go func() {
			b, _ := io.ReadAll(there)
			heard <- string(b)
		}()
		go func() {
			defer close(written)
			io.WriteString(there, "EHLO x\r\n") //nolint:errcheck // seen by its effect
			synctest.Wait()
			io.WriteString(there, fast) //nolint:errcheck // seen by its effect
			for i := range len(slow) {
				<-time.After(pause)
				if _, err := io.WriteString(there, slow[i:i+1]); err != nil {
					return
				}
			}
		}()
		err = conn.Serve(t.Context())
		lasted = time.Since(start)
		said = <-heard
		<-written
	})
	return lasted, said, err
}

// TestR4Slow is attack row R4: time per command, per message, and a least rate.
func TestR4Slow(t *testing.T) {
	t.Parallel()
	const transaction = "MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\n"
	long := strings.Repeat("x", 100000)
	tests := []struct {
		name, fast, slow string
		pause            time.Duration
		opts             ServerOptions
		atMost           time.Duration
	}{
		{"command", "", long, 20 * time.Second, ServerOptions{}, 20*time.Second + DefaultCommand},
		{"content under the rate", transaction + "DATA\r\n", long, 20 * time.Second, ServerOptions{}, DefaultMinRateGrace + time.Second},
		{"content that stops", transaction + "DATA\r\n", "", 0, ServerOptions{MinRateGrace: time.Hour}, DefaultStall},
		{"content without end", transaction + "DATA\r\n", long, time.Minute, ServerOptions{MinRateGrace: 24 * time.Hour}, DefaultMessage},
		{"chunk that trickles", transaction + "BDAT 50000000 LAST\r\n", long, 20 * time.Second, ServerOptions{}, DefaultMinRateGrace + time.Second},
		{"command between chunks", transaction + "BDAT 1\r\nx", long, 20 * time.Second, ServerOptions{}, 20*time.Second + DefaultCommand},
		{"silence", "", "", 0, ServerOptions{}, DefaultIdle},
		{"refused chunk that trickles", "BDAT 50000000 LAST\r\n", long, 20 * time.Second, ServerOptions{}, DefaultMinRateGrace + time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			lasted, said, err := slowClient(t, tt.opts, tt.fast, tt.slow, tt.pause)
			if lasted > tt.atMost || !errors.Is(err, errTimeout) || !strings.Contains(said, "421 4.4.2 ") {
				t.Errorf("lasted %v (at most %v), %v, said %q", lasted, tt.atMost, err, said)
			}
		})
	}
}

func TestLoginAndHandshakeHaveTheirTime(t *testing.T) {
	t.Parallel()
	for _, mode := range []Mode{ModeStartTLS, ModeImplicit} {
		cfg := testTLS(t)
		synctest.Test(t, func(t *testing.T) {
			here, there := net.Pipe()
			go io.Copy(io.Discard, there) //nolint:errcheck // a client that only listens
			o := ServerOptions{Hostname: "relay.example", Mode: mode, TLS: cfg, Handshake: time.Second, Login: 2 * time.Second}
			start := time.Now()
			err := NewServer(o).Conn(here, relay.Client{}, &fakeSession{}).Serve(context.Background())
			if lasted := time.Since(start); err == nil || lasted > 2*time.Second {
				t.Errorf("%s: lasted %v, %v", mode, lasted, err)
			}
		})
	}
}

// TestChunkBeforeSignIn: a chunk that nobody wants buys no time beyond that for
// signing in.
func TestChunkBeforeSignIn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		here, there := net.Pipe()
		go io.Copy(io.Discard, there) //nolint:errcheck // the answers do not matter
		c := NewServer(ServerOptions{Hostname: "relay.example", Mode: ModePlain, Login: 10 * time.Second}).Conn(here, relay.Client{}, &fakeSession{})
		c.phase = phaseLogin
		gone := make(chan struct{})
		go func() {
			defer close(gone)
			io.WriteString(there, "EHLO x\r\n") //nolint:errcheck // seen by its effect
			synctest.Wait()
			_, err := io.WriteString(there, "BDAT 60000\r\n")
			for err == nil {
				<-time.After(time.Second)
				_, err = io.WriteString(there, strings.Repeat("x", DefaultMinRate))
			}
		}()
		start := time.Now()
		err := c.Serve(t.Context())
		if lasted := time.Since(start); !errors.Is(err, errTimeout) || lasted > 10*time.Second {
			t.Errorf("lasted %v, %v", lasted, err)
		}
		<-gone
	})
}

// TestClientThatDoesNotRead fills the pipe of a client that never reads replies.
func TestClientThatDoesNotRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		here, there := net.Pipe()
		defer there.Close()
		o := ServerOptions{Hostname: "relay.example", Mode: ModePlain}
		start := time.Now()
		err := NewServer(o).Conn(here, relay.Client{}, &fakeSession{}).Serve(context.Background())
		if lasted := time.Since(start); err == nil || lasted != DefaultWrite {
			t.Errorf("lasted %v, %v", lasted, err)
		}
	})
}

func TestImplicitTLS(t *testing.T) {
	t.Parallel()
	s := serve(t, ServerOptions{Mode: ModeImplicit})
	s.Run("TLS\nS: 220 relay.example\nC: EHLO x\nS: 250 \nS+ AUTH PLAIN\nS- STARTTLS\nC: AUTH PLAIN Z29vZA==\nS: 235\n" + addressed + quits)
	if got := s.session.noted(); !strings.Contains(got, "hello x true tls=true") {
		t.Errorf("the session was asked: %s", got)
	}
}

func TestImplicitTLSRefusesClear(t *testing.T) {
	t.Parallel()
	s := serve(t, ServerOptions{Mode: ModeImplicit})
	s.Run("C: EHLO x\n")
	if err := s.wait(t); err == nil || !strings.Contains(err.Error(), "TLS handshake") {
		t.Errorf("Serve = %v", err)
	}
	if got := s.session.noted(); got != "close" {
		t.Errorf("the session was asked: %s", got)
	}
}

// TestIdleConnectionIsSmall keeps the buffer of an idle connection small after a
// large message went through it.
func TestIdleConnectionIsSmall(t *testing.T) {
	t.Parallel()
	s := serve(t, ServerOptions{Mode: ModePlain})
	s.Run(greeted + addressed + "C: DATA\nS: 354\nC: " + strings.Repeat("x", 200000) + "\nC: .\n" + queuedAs + "\n" + quits)
	s.wait(t) //nolint:errcheck // how it ended is in the dialog
	if got := len(s.conn.wire.r.buf); got != lineBuffer {
		t.Errorf("the buffer has %d octets; want %d", got, lineBuffer)
	}
}
