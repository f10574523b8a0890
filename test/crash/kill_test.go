package crash

import (
	"testing"
	"time"
)

const (
	kills      = 20
	sessions   = 8
	killWithin = 700 * time.Millisecond
)

// sessions --SMTP--> relayd, killed and started again twenty times --SMTP--> sink
//
// A kill comes at any moment, also while relayd reads its journal. Every letter that
// was answered 250 arrives with its body, a second time only after an unknown
// outcome, and one that an application repeated for want of an answer is kept once
// (G1, G4).
func TestKillUnderLoadLosesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "", nil)
	d := w.drive(sessions)
	recognised := 0
	for range kills {
		p := w.launch()
		pause(t.Context(), chance(killWithin))
		p.Kill()
		recognised += p.Count("repeated submission")
	}
	p := w.start()
	d.stop()
	v := w.settle()
	recognised += p.Count("repeated submission")
	t.Logf("%d kills; %d letters acknowledged, %d arrivals, %d duplicates with an unknown outcome; %d submissions repeated without an answer, %d of them recognised",
		kills, v.acked, v.arrived, v.duplicates, d.repeated.Load(), recognised)
	if v.acked < kills {
		t.Errorf("only %d letters were acknowledged: this was no load", v.acked)
	}
	if recognised == 0 {
		t.Error("no repetition was recognised: promise G4 was not put to the test")
	}
	if err := p.Stop(); err != nil {
		t.Errorf("after all that relayd does not end in good order: %v", err)
	}
}

// sessions --SMTP--> relayd, killed and started again --SMTP--> a moody sink
//
// The sink defers some senders and some of a message's recipients, and hangs up before
// and after it took a message. Every recipient of every letter gets it all the same,
// a second time only after an unknown outcome (G3, G4).
func TestTortureMoodyUpstreamUnderKills(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "", nil)
	w.sink.Moody.Store(true)
	d := w.drive(sessions)
	const moodyKills = 4
	for range moodyKills {
		p := w.start()
		pause(t.Context(), chance(killWithin))
		p.Kill()
	}
	w.start()
	d.stop()
	w.await("an empty queue", func() bool {
		waiting, err := w.install.Hurry(t.Context())
		return err == nil && waiting == 0
	})
	v := w.settle()
	t.Logf("%d kills; %d letters acknowledged, %d arrivals, %d duplicates with an unknown outcome", moodyKills, v.acked, v.arrived, v.duplicates)
}
