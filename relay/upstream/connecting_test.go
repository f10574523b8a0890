package upstream_test

import (
	"context"
	"testing"

	"github.com/relayd/relayd/internal/smtpwire/smtpwiretest"
	"github.com/relayd/relayd/relay/upstream"
)

// TestConnectingIsTold: once for each new connection, with its end before the first
// transaction; not for one that lay idle.
func TestConnectingIsTold(t *testing.T) {
	t.Parallel()
	w := janes(t, func(*upstream.Options) {}, signIn+accepted+accepted+bye)
	var told []string
	for range 2 {
		del := delivery(1)
		del.Connecting = func() func() {
			told = append(told, "begin")
			return func() { told = append(told, "end") }
		}
		del.BeforeDot = func(context.Context, []int) error {
			told = append(told, "dot")
			return nil
		}
		w.check(t, del, "delivered")
	}
	want := []string{"begin", "end", "dot", "dot"}
	if len(told) != len(want) {
		t.Fatalf("told %v, want %v", told, want)
	}
	for i := range want {
		if told[i] != want[i] {
			t.Fatalf("told %v, want %v", told, want)
		}
	}
}

// TestSilentServerIsBrokenOff: whoever hears that a connection is being made may end the
// attempt; nothing was sent, so it counts for nothing.
func TestSilentServerIsBrokenOff(t *testing.T) {
	t.Parallel()
	server := smtpwiretest.Serve(t, nil, "reached\npause\n")
	w := newWorld(t, nil, account("jane", server))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := false
	del := delivery(1)
	del.Connecting = func() func() {
		go func() { // as soon as the server is silent
			server.Reached()
			cancel()
		}()
		return func() { ended = true }
	}
	a := w.Deliver(ctx, del)
	if got := summary(t, del, a); got != "deferred local.broken_off | aborted local.broken_off" || !ended {
		t.Errorf("%s; the end was told: %v", got, ended)
	}
}
