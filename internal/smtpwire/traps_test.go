package smtpwire

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/relayd/relayd/relay"
)

// The tests here show that this server has none of the traps that were measured
// in go-smtp's, where the dialogs do not show it already:
//
//	 1, 3   TestHalfAMessageIsNoMessage       4  TestTheSessionDecidesAboutTheAnswer
//	 2, 5   here                              6  here, and the long lines of TestGroups
//	 7, 8   TestAddresses A4 to A6             9  TestAddresses
//	10      TestSmugglingNeverEndsDATA, P13  11  TestProtocolStates P2
//	12, 13  TestProtocolStates               14  here
//	15      TestExhaustion, B2               16  TestDrain
//	17, 19  here                             18  TestR5Connections of relay/smtpd

// TestTrap2 lets a client fall silent inside a body: what follows is never a
// command.
func TestTrap2(t *testing.T) {
	t.Parallel()
	const body = "half\r\n"
	const rest = "second half\r\n.\r\nMAIL FROM:<smuggled@b.example>\r\nRCPT TO:<c@d.example>\r\n"
	for _, begin := range []string{"DATA\r\n", "BDAT 500 LAST\r\n"} {
		said, session, err := timed(t, ServerOptions{}, []timedWrite{
			{0, "EHLO x\r\n"}, {0, "MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\n" + begin}, {0, body}, {DefaultStall + time.Second, rest},
		})
		if err == nil || !strings.HasSuffix(said, "The message came too slowly\r\n") || strings.Contains(session.noted(), "smuggled") {
			t.Errorf("%q: %v, said %q; the session was asked: %s", begin, err, said, session.noted())
		}
	}
}

// TestTrap5 sends a body slowly but steadily for longer than one read may take.
func TestTrap5(t *testing.T) {
	t.Parallel()
	writes := []timedWrite{{0, "EHLO x\r\n"}, {0, "MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n"}}
	for range 50 {
		writes = append(writes, timedWrite{time.Second, strings.Repeat("x", 600) + "\r\n"})
	}
	writes = append(writes, timedWrite{0, ".\r\n"}, timedWrite{0, "QUIT\r\n"})
	said, _, err := timed(t, ServerOptions{Stall: 2 * time.Second}, writes)
	if err != nil || !strings.Contains(said, "queued as") {
		t.Errorf("%v, said %q", err, said)
	}
}

// TestPauseInsideContent lets an application wait for its own database in the middle
// of a message, as long as RFC 5321 §4.5.3.2.5 gives a block.
func TestPauseInsideContent(t *testing.T) {
	t.Parallel()
	const begin = "MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n"
	said, _, err := timed(t, ServerOptions{}, []timedWrite{
		{0, "EHLO x\r\n"}, {0, begin}, {2 * time.Minute, "From: a@b\r\n\r\n"}, {50 * time.Second, "the report\r\n.\r\n"}, {0, "QUIT\r\n"},
	})
	if err != nil || !strings.Contains(said, "queued as") {
		t.Errorf("%v, said %q", err, said)
	}
}

// timedWrite is something that a client says after a pause.
type timedWrite struct {
	after time.Duration
	text  string
}

// timed leads a conversation in a bubble's own time.
func timed(t *testing.T, o ServerOptions, writes []timedWrite) (said string, session *fakeSession, err error) {
	t.Helper()
	o.Hostname, o.Mode = "relay.example", ModePlain
	session = &fakeSession{}
	synctest.Test(t, func(t *testing.T) {
		here, there := net.Pipe()
		heard, written := make(chan string, 1), make(chan struct{})
		go func() {
			b, _ := io.ReadAll(there)
			heard <- string(b)
		}()
		go func() {
			defer close(written)
			for _, w := range writes {
				<-time.After(w.after)
				synctest.Wait()
				if _, err := io.WriteString(there, w.text); err != nil {
					return
				}
			}
		}()
		err = NewServer(o).Conn(here, relay.Client{}, session).Serve(t.Context())
		said = <-heard
		<-written
	})
	return said, session, err
}

// TestTrap6 signs in with a response that is longer than a command line may be.
func TestTrap6(t *testing.T) {
	t.Parallel()
	long := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", 9000)))
	serve(t, ServerOptions{MaxAuthFailures: 10}).Run(secured +
		"C: AUTH PLAIN " + long + "\nS: 501 5.5.2\nC: AUTH PLAIN\nS: 334\nC: " + long + "\nS: 501 5.5.2\nC: AUTH PLAIN Z29vZA==\nS: 235\n" +
		"C: NOOP " + strings.Repeat("x", 2000) + "\nS: 250\nC: NOOP " + strings.Repeat("x", 3000) + "\nS: 500\nEND\n")
}

// TestTrap14 knows BY and MT-PRIORITY nowhere.
func TestTrap14(t *testing.T) {
	t.Parallel()
	serve(t, ServerOptions{Mode: ModePlain}).Run(greeted +
		"S- DELIVERBY\nS- MT-PRIORITY\nC: MAIL FROM:<a@b.example> BY=100;N\nS: 555 5.5.4\nC: MAIL FROM:<a@b.example> MT-PRIORITY=1\nS: 555 5.5.4\n" +
		"C: MAIL FROM:<a@b.example>\nS: 250\nC: RCPT TO:<c@d.example> BY=100;N\nS: 555 5.5.4\nC: RCPT TO:<c@d.example> MT-PRIORITY=1\nS: 555 5.5.4\n")
}

// ctxSession keeps the context that it was given.
type ctxSession struct {
	fakeSession
	ctx context.Context
}

func (s *ctxSession) Mail(ctx context.Context, from Sender) error {
	s.ctx = ctx
	return s.fakeSession.Mail(ctx, from)
}

// TestTrap17 ends the context of a session with its connection.
func TestTrap17(t *testing.T) {
	t.Parallel()
	nc := &script{in: strings.NewReader("EHLO x\r\nMAIL FROM:<a@b.example>\r\n"), piece: 1}
	session := &ctxSession{}
	if err := NewServer(ServerOptions{Hostname: "relay.example", Mode: ModePlain}).Conn(nc, relay.Client{}, session).Serve(context.Background()); err != nil {
		t.Fatal(err)
	}
	if session.ctx == nil || session.ctx.Err() == nil {
		t.Error("the context outlives the connection")
	}
}

// writesOf counts how many writes the replies took.
type writesOf struct {
	script
	writes int
}

func (w *writesOf) Write(p []byte) (int, error) {
	w.writes++
	return w.script.Write(p)
}

// TestTrap19 answers a whole group of commands with one write.
func TestTrap19(t *testing.T) {
	t.Parallel()
	nc := &writesOf{}
	nc.piece = 1 << 20
	nc.in = io.MultiReader(strings.NewReader("EHLO x\r\n"),
		strings.NewReader("MAIL FROM:<a@b.example>\r\n"+strings.Repeat("RCPT TO:<c@d.example>\r\n", 50)+"NOOP\r\n"))
	if err := NewServer(ServerOptions{Hostname: "relay.example", Mode: ModePlain}).Conn(nc, relay.Client{}, &fakeSession{}).Serve(context.Background()); err != nil {
		t.Fatal(err)
	}
	if got := bytes.Count(nc.out.Bytes(), []byte("250 2.1.5 ")); got != 50 || nc.writes != 3 {
		t.Errorf("%d recipients were answered, with %d writes; want 3: greeting, EHLO, the group", got, nc.writes)
	}
}

// discardSession takes everything and keeps nothing.
type discardSession struct{ *fakeSession }

func (discardSession) Hello(relay.Client, bool)                    {}
func (discardSession) Mail(context.Context, Sender) error          { return nil }
func (discardSession) Rcpt(context.Context, relay.Recipient) error { return nil }
func (discardSession) Refused(*relay.Error)                        {}
func (discardSession) Acknowledged(relay.ID)                       {}
func (discardSession) Reset()                                      {}
func (discardSession) Close()                                      {}
func (discardSession) Data(_ context.Context, content io.Reader) (relay.ID, error) {
	_, err := io.Copy(io.Discard, content)
	return fakeID, err
}

// BenchmarkServer takes messages over one connection on loopback, one after the
// other, each envelope in one flight.
func BenchmarkServer(b *testing.B) {
	for _, size := range []int{4 << 10, 64 << 10, 1 << 20} {
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			line := strings.Repeat("x", 76) + "\r\n"
			body := strings.Repeat(line, size/len(line)) + ".\r\n"
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				b.Fatal(err)
			}
			defer ln.Close()
			go func() {
				nc, err := ln.Accept()
				if err == nil {
					NewServer(ServerOptions{Hostname: "relay.example", Mode: ModePlain}).Conn(nc, relay.Client{}, discardSession{&fakeSession{}}).Serve(context.Background()) //nolint:errcheck // the client's side tells
				}
			}()
			nc, err := net.Dial("tcp", ln.Addr().String())
			if err != nil {
				b.Fatal(err)
			}
			defer nc.Close()
			r := NewReader(nc, 4096)
			say := func(text string, replies int) {
				if _, err := io.WriteString(nc, text); err != nil {
					b.Fatal(err)
				}
				for range replies {
					if reply, err := ReadReply(r, ReplyLimits{}); err != nil || reply.Code >= 400 {
						b.Fatal(reply, err)
					}
				}
			}
			say("", 1)
			say("EHLO x\r\n", 1)
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				say("MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n", 3)
				say(body, 1)
			}
		})
	}
}
