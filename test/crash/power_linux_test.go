package crash

import (
	"path/filepath"
	"testing"

	"github.com/relayd/relayd/test/programtest"
)

// cuts is how often the power fails in one run.
const cuts = 3

// sessions --SMTP--> relayd on an ext4 of its own, whose power is cut --SMTP--> sink
//
// The filesystem is shut down without writing its log: what no flush made durable is
// gone, files and names alike. The ledger lies on another disk (promise G1).
func TestCrashPowerCutLosesNothing(t *testing.T) {
	t.Parallel()
	disk := programtest.NewDisk(t, "ext4", 128<<20)
	w := newWorld(t, filepath.Join(disk.Path, "relayd"), nil)
	d := w.drive(sessions)
	for range cuts {
		p := w.start()
		pause(t.Context(), chance(killWithin))
		disk.CutPower()
		pause(t.Context(), chance(killWithin/4))
		p.Kill()
		disk.Restore()
	}
	w.start()
	d.stop()
	v := w.settle()
	t.Logf("%d power cuts; %d letters acknowledged, %d arrivals, %d duplicates with an unknown outcome", cuts, v.acked, v.arrived, v.duplicates)
	if v.acked < cuts {
		t.Errorf("only %d letters were acknowledged: this was no load", v.acked)
	}
}
