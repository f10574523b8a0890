package fault_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/relayd/relayd/internal/simulator/fault"
)

func TestStrike(t *testing.T) {
	t.Parallel()
	var l fault.List
	l.Inject(fault.Fault{At: fault.AtToken, Times: 2, Who: "jane@acme.example", Reply: "400 a: b"})
	l.Inject(fault.Fault{At: fault.AtToken, Reply: "500 c: d"})
	strike := func(at fault.Place, who string) string {
		f, _ := l.Strike(t.Context(), at, "app", who)
		return f.Reply
	}
	for i, test := range []struct {
		at        fault.Place
		who, want string
	}{
		{fault.AtRevoke, "jane@acme.example", ""},
		{fault.AtToken, "JANE@acme.example", "400 a: b"},
		{fault.AtToken, "john@acme.example", "500 c: d"},
		{fault.AtToken, "jane@acme.example", "400 a: b"},
		{fault.AtToken, "jane@acme.example", "500 c: d"},
	} {
		if got := strike(test.at, test.who); got != test.want {
			t.Errorf("%d: %q, want %q", i, got, test.want)
		}
	}
	if n := len(l.All()); n != 1 {
		t.Errorf("%d faults are left", n)
	}
	l.Clear()
	if got := strike(fault.AtToken, ""); got != "" {
		t.Errorf("after Clear: %q", got)
	}
}

func TestDelay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var l fault.List
		l.Inject(fault.Fault{At: fault.AtData, Delay: time.Minute})
		begun := time.Now()
		if _, hit := l.Strike(t.Context(), fault.AtData); hit || time.Since(begun) != time.Minute {
			t.Errorf("hit %v after %v", hit, time.Since(begun))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begun = time.Now()
		l.Strike(ctx, fault.AtData)
		if time.Since(begun) != time.Second {
			t.Errorf("it outlived its context: %v", time.Since(begun))
		}
	})
}
