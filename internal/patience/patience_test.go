package patience_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/relayd/relayd/internal/patience"
)

var (
	errStop = errors.New("stop")
	limits  = patience.Options{Timeout: time.Hour, Grace: 20 * time.Second}
)

// Each case is what happens to an attempt, and when its context ends.
func TestWhenAnAttemptEnds(t *testing.T) {
	t.Parallel()
	type scene struct {
		*patience.Attempt
		stop func() // ends the caller's context
	}
	for name, c := range map[string]struct {
		play   func(scene)
		after  time.Duration // the context is open until then, and done after it
		broken bool          // for a reason that is not the peer's
	}{
		"the caller stops before the dot":  {func(s scene) { s.stop() }, 0, true},
		"broken off before the dot":        {func(s scene) { s.BreakOff(errStop) }, 0, true},
		"nothing happens":                  {func(scene) {}, time.Hour, false},
		"the caller stops behind the dot":  {func(s scene) { _ = s.Commit(); s.stop() }, 20 * time.Second, true},
		"the timeout comes behind the dot": {func(s scene) { _ = s.Commit() }, -1, false},
		"broken off behind the dot":        {func(s scene) { _ = s.Commit(); s.BreakOff(errStop) }, -1, true},
		"broken off, then answered":        {func(s scene) { _ = s.Commit(); s.BreakOff(errStop); s.Answered() }, 0, true},
		"answered, then broken off":        {func(s scene) { _ = s.Commit(); s.Answered(); s.BreakOff(errStop) }, 0, true},
		"the first reason stands":          {func(s scene) { s.BreakOff(errStop); s.BreakOff(context.DeadlineExceeded) }, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				parent, stop := context.WithCancel(t.Context())
				defer stop()
				a, ctx := patience.Start(parent, limits)
				defer a.End()
				c.play(scene{a, stop})
				synctest.Wait()
				if c.after != 0 {
					if ctx.Err() != nil {
						t.Fatal("it ended at once")
					}
					open := c.after - time.Nanosecond
					if c.after < 0 {
						open = 24 * time.Hour
					}
					time.Sleep(open) // fake time of the bubble
					synctest.Wait()
					if ctx.Err() != nil {
						t.Fatalf("it ended before %v", open)
					}
				}
				if c.after > 0 {
					time.Sleep(time.Nanosecond) // fake time of the bubble
					synctest.Wait()
				}
				if (ctx.Err() != nil) != (c.after >= 0) || a.BrokenOff() != c.broken {
					t.Errorf("context %v, broken off %v", ctx.Err(), a.BrokenOff())
				}
			})
		})
	}
}

func TestNoDotLeavesAfterTheEnd(t *testing.T) {
	t.Parallel()
	a, ctx := patience.Start(t.Context(), limits)
	a.BreakOff(errStop)
	if err := a.Commit(); !errors.Is(err, errStop) || !errors.Is(context.Cause(ctx), errStop) {
		t.Errorf("commit %v, cause %v", err, context.Cause(ctx))
	}
	a.End()
	if ctx.Err() == nil {
		t.Error("the context outlives the attempt")
	}
}
