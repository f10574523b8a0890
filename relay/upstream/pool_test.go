package upstream_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/relayd/relayd/internal/smtpwire"
	"github.com/relayd/relayd/internal/smtpwire/smtpwiretest"
	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/relay/upstream"
)

// TestReuse: the second message finds the connection of the first, and the limit
// on messages makes a new one.
func TestReuse(t *testing.T) {
	t.Parallel()
	w := janes(t, func(o *upstream.Options) { o.MaxMessages = 2 },
		signIn+accepted+accepted+bye, signIn+accepted+bye)
	for range 3 {
		w.check(t, delivery(1), "delivered")
	}
	if made, reused := w.meter.counts(); made != 2 || reused != 1 {
		t.Errorf("%d made, %d reused", made, reused)
	}
}

// TestDiedWhileIdle: a connection that ended while nobody used it is replaced once,
// and the message is not counted as tried.
func TestDiedWhileIdle(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]string{
		"closed":               "",
		"421 at once":          "S: 421 4.4.2 idle too long",
		"421 instead of MAIL":  "C~ MAIL\nC~ RCPT\nC: DATA\nS: 421 4.4.2 enough",
		"closed behind MAIL":   "C~ MAIL\nC~ RCPT\nC: DATA",
		"broken by a firewall": "reset",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := janes(t, nil, signIn+accepted+end, signIn+accepted+bye)
			w.check(t, delivery(1), "delivered")
			w.check(t, delivery(1), "delivered")
		})
	}
}

// TestDiedIdleOnlyOnce: if the new connection ends as well, that is an answer.
func TestDiedIdleOnlyOnce(t *testing.T) {
	t.Parallel()
	w := janes(t, nil, signIn+accepted, signIn+"C~ MAIL\nC~ RCPT\nC: DATA")
	w.check(t, delivery(1), "delivered")
	w.check(t, delivery(1), "deferred connection.lost")
}

// TestNotSentTwice: what a reused connection may have taken is never sent again by
// itself, and a loss behind the answer to MAIL counts.
func TestNotSentTwice(t *testing.T) {
	t.Parallel()
	flight := envelope("r1@b.example")
	for name, c := range map[string]struct{ end, want string }{
		"behind the dot": {flight + "S: 250 ok\nS: 250 ok\nS: 354 go\n" + content, "unknown outcome.unknown"},
		"behind MAIL":    {flight + "S: 250 ok", "deferred connection.lost"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := janes(t, nil, signIn+accepted+c.end)
			w.check(t, delivery(1), "delivered")
			w.check(t, delivery(1), c.want)
		})
	}
}

// TestOldCredentials: a connection that is signed in with other credentials is
// never used again.
func TestOldCredentials(t *testing.T) {
	t.Parallel()
	renewed := strings.Replace(signIn, "AGphbmVAYS5leGFtcGxlAHNlY3JldA==",
		base64.StdEncoding.EncodeToString([]byte("\x00jane@a.example\x00changed")), 1)
	w := janes(t, nil, signIn+accepted+bye, renewed+accepted+bye)
	w.check(t, delivery(1), "delivered")
	w.accounts.change("jane", func(c *relay.Credentials) { c.Account.Version++; c.Password = "changed" })
	w.check(t, delivery(1), "delivered")
}

// TestTwoAccountsAtOneHost: connections belong to accounts, not to hosts.
func TestTwoAccountsAtOneHost(t *testing.T) {
	t.Parallel()
	joes := strings.NewReplacer("AGphbmVAYS5leGFtcGxlAHNlY3JldA==",
		base64.StdEncoding.EncodeToString([]byte("\x00joe@a.example\x00secret")), "<jane@", "<joe@")
	s := smtpwiretest.Serve(t, nil, signIn+accepted+bye, joes.Replace(signIn+accepted)+bye)
	w := newWorld(t, nil, account("jane", s), account("joe", s))
	w.check(t, delivery(1), "delivered")
	del := deliveryOf("joe", 1)
	w.check(t, del, "delivered")
}

// TestMaxTotal: a full pool makes room by the connection that lay idle longest.
func TestMaxTotal(t *testing.T) {
	t.Parallel()
	joes := strings.NewReplacer("AGphbmVAYS5leGFtcGxlAHNlY3JldA==",
		base64.StdEncoding.EncodeToString([]byte("\x00joe@a.example\x00secret")), "<jane@", "<joe@")
	s := smtpwiretest.Serve(t, nil, signIn+accepted+bye, joes.Replace(signIn+accepted)+bye)
	w := newWorld(t, func(o *upstream.Options) { o.MaxTotal = 1 }, account("jane", s), account("joe", s))
	w.check(t, delivery(1), "delivered")
	del := deliveryOf("joe", 1)
	w.check(t, del, "delivered")
}

// TestMaxPerAccount: another delivery waits for the one connection that the account
// may have, and a context ends the wait.
func TestMaxPerAccount(t *testing.T) {
	t.Parallel()
	s := smtpwiretest.Serve(t, nil, signIn+envelope("r1@b.example")+"pause\nS: 250 ok\nS: 250 ok\nS: 354 go\n"+
		content+"S: 250 ok\n"+accepted+bye)
	w := newWorld(t, func(o *upstream.Options) { o.MaxPerAccount = 1 }, account("jane", s))
	var both sync.WaitGroup
	both.Go(func() { w.check(t, delivery(1), "delivered") })
	until(t, func() bool { made, _ := w.meter.counts(); return made == 1 })
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(30*time.Millisecond, cancel)
	del := delivery(1)
	if got := summary(t, del, w.Deliver(ctx, del)); got != "deferred local.broken_off | aborted local.broken_off" {
		t.Error(got)
	}
	both.Go(func() { w.check(t, delivery(1), "delivered") })
	s.Resume()
	both.Wait()
	if made, reused := w.meter.counts(); made != 1 || reused != 1 {
		t.Errorf("%d made, %d reused", made, reused)
	}
}

// until waits for what another goroutine is about to do.
func until(t *testing.T, done func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for limit := time.After(10 * time.Second); !done(); {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatal("it did not happen")
		}
	}
}

// TestCloseAccountBeforeDot: what has not sent its dot is broken off and counts for
// nothing; idle connections go as well.
func TestCloseAccountBeforeDot(t *testing.T) {
	t.Parallel()
	s := smtpwiretest.Serve(t, nil, signIn+accepted+bye, signIn+envelope("r1@b.example")+"reached\nsilence")
	w := newWorld(t, nil, account("jane", s))
	w.check(t, delivery(1), "delivered")
	w.CloseAccount("jane")
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.check(t, delivery(1), "deferred local.broken_off | aborted local.broken_off")
	}()
	s.Reached()
	w.CloseAccount("jane")
	<-done
}

// TestCloseAccountAfterDot: what has sent its dot gets its answer; a second
// transaction of the same attempt does not begin.
func TestCloseAccountAfterDot(t *testing.T) {
	t.Parallel()
	s := smtpwiretest.Serve(t, nil, signIn+envelope("r1@b.example")+
		"S: 250 ok\nS: 250 ok\nS: 354 go\n"+content+"pause\nS: 250 ok"+bye)
	w := newWorld(t, func(o *upstream.Options) { o.MaxRecipients = 1 }, account("jane", s))
	del := delivery(2)
	del.BeforeDot = func(context.Context, []int) error {
		w.CloseAccount("jane")
		s.Resume()
		return nil
	}
	w.check(t, del, "delivered | deferred local.broken_off | aborted local.broken_off")
	if n := w.Idle(); n != 0 {
		t.Errorf("%d connections of the closed account are kept", n)
	}
}

// TestContextBeforeAndAfterDot: an ended context breaks off what has not sent its
// dot, and waits a while for the answer of what has.
func TestContextBeforeAndAfterDot(t *testing.T) {
	t.Parallel()
	begun := signIn + envelope("r1@b.example") + "S: 250 ok\nS: 250 ok\nS: 354 go\n"
	for name, c := range map[string]struct {
		script string
		late   bool // the context ends behind BeforeDot's yes
		grace  time.Duration
		want   string
	}{
		"before":              {begun + "end", false, time.Minute, "deferred local.broken_off | aborted local.broken_off"},
		"after":               {begun + content + "pause\nS: 250 ok" + bye, true, time.Minute, "delivered"},
		"after, for too long": {begun + content + "silence", true, 20 * time.Millisecond, "unknown outcome.unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := smtpwiretest.Serve(t, nil, c.script)
			w := newWorld(t, func(o *upstream.Options) { o.AnswerGrace = c.grace }, account("jane", s))
			ctx, cancel := context.WithCancel(t.Context())
			del := delivery(1)
			del.BeforeDot = func(recording context.Context, _ []int) error {
				cancel()
				if c.late {
					s.Resume()
					return nil
				}
				return errNo
			}
			if got := summary(t, del, w.Deliver(ctx, del)); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// TestAttemptTimeout: a server that is always just in time does not hold us for
// ever, and that is its own trouble.
func TestAttemptTimeout(t *testing.T) {
	t.Parallel()
	w := janes(t, func(o *upstream.Options) { o.AttemptTimeout = 200 * time.Millisecond }, signIn+"silence")
	a := w.check(t, delivery(1), "deferred connection.lost")
	if got := a.Results[0].Reply.Text; !strings.HasPrefix(got, "local: timeout") {
		t.Error(got)
	}
}

// TestSilentServer: the answer to the dot has its own deadline (U6).
func TestSilentServer(t *testing.T) {
	t.Parallel()
	w := janes(t, func(o *upstream.Options) { o.Timeouts = smtpwire.ClientTimeouts{DataEnd: 50 * time.Millisecond} },
		signIn+envelope("r1@b.example")+"S: 250 ok\nS: 250 ok\nS: 354 go\n"+content+"silence")
	a := w.check(t, delivery(1), "unknown outcome.unknown")
	if got := a.Results[0].Reply.Text; got != "local: timeout after the final dot" {
		t.Error(got)
	}
}

// TestRunClosesIdle: what nobody uses is closed in order, and Run ends when its
// context does.
func TestRunClosesIdle(t *testing.T) {
	t.Parallel()
	w := janes(t, func(o *upstream.Options) { o.IdleTimeout = 20 * time.Millisecond }, signIn+accepted+bye, signIn+accepted+bye)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	w.check(t, delivery(1), "delivered")
	until(t, func() bool { return w.Idle() == 0 })
	w.check(t, delivery(1), "delivered")
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	w.check(t, delivery(1), "deferred local.broken_off | aborted local.broken_off")
}

// TestManyAtOnce: many messages of many accounts share the pool without a mix-up;
// it is for the race detector. Each server knows its account's address only.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	const people, messages = 4, 12
	var list []*relay.Credentials
	for i := range people {
		name := fmt.Sprintf("p%d", i)
		list = append(list, account(name, loop(t, name)))
	}
	w := newWorld(t, func(o *upstream.Options) { o.MaxTotal, o.MaxMessages = 5, 3 }, list...)
	var all sync.WaitGroup
	for i := range people * messages {
		all.Go(func() {
			del := deliveryOf(fmt.Sprintf("p%d", i%people), 1)
			w.check(t, del, "delivered")
		})
	}
	all.Wait()
	if made, reused := w.meter.counts(); made+reused < people*messages || made > people*messages {
		t.Errorf("%d made, %d reused", made, reused)
	}
}
