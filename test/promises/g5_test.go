package promises

import (
	"fmt"
	"testing"
	"time"

	"github.com/relayd/relayd/internal/simulator"
	"github.com/relayd/relayd/test/programtest"
)

// session --SMTP--> relayd, killed again and again --SMTP, IMAP--> provider
//
// Some copies are put into Sent and their answer is lost, some are refused, and
// relayd dies in between. In the end Sent holds one copy of each message, and what
// went wrong with copies sent nothing again.
func TestG5KilledRelaydFilesEachCopyOnce(t *testing.T) {
	t.Parallel()
	provider, accounts := startProvider(t, simulator.Personality{}, "jane", "mary")
	in := programtest.New(t, programtest.Options{Binary: binary, Accounts: accounts, Config: map[string]string{"sent": oftenRetried}})
	// Everything is delivered before the first copy can be filed.
	provider.Inject(simulator.Fault{At: simulator.AtLogin, Hangup: true})
	p := in.Start()
	const letters = 24
	for i := range letters {
		from := accounts[i%len(accounts)].Address()
		submit(t, p, programtest.NewLetter(fmt.Sprint("copied", i), from, "bob@world.example", uint64(i), 1500)) //nolint:gosec // a small number
	}
	soon(t, func() bool { return len(provider.Outbox()) == letters })
	soon(t, func() bool { return p.Count(`"outcome":"delivered"`) == letters })
	provider.ClearFaults()
	provider.Inject(simulator.Fault{At: simulator.AfterAppend, Times: 8, Hangup: true})
	provider.Inject(simulator.Fault{At: simulator.AtAppend, Times: 4, Reply: "NO [UNAVAILABLE] later"})
	interrupted := 0
	for range 4 {
		wait(t, 400*time.Millisecond)
		p.Kill()
		interrupted += p.Count(`"sent_copy":"pending"`)
		p = in.Start()
	}
	drained(t, in)
	if interrupted == 0 {
		t.Error("no copy went wrong: the promise was not put to the test")
	}
	if n := len(provider.Outbox()); n != letters {
		t.Errorf("%d messages were sent, want %d: a copy caused a resend", n, letters)
	}
	for i := range accounts {
		oneCopyEach(t, provider, accounts[i].Address().String(), letters/len(accounts))
	}
}

func oneCopyEach(t *testing.T, provider *simulator.Simulator, address string, want int) {
	t.Helper()
	filed, err := provider.Messages(t.Context(), address, "Sent")
	if err != nil {
		t.Fatal(err)
	}
	copies := map[string]int{}
	for i := range filed {
		copies[headerID(t, filed[i].Content)]++
		if !filed[i].Seen {
			t.Errorf("%s: a copy in Sent is not marked as read", address)
		}
	}
	if len(copies) != want || len(filed) != want {
		t.Errorf("Sent of %s holds %d copies of %d messages, want one of each of %d", address, len(filed), len(copies), want)
	}
}
