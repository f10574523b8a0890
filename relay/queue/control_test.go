package queue

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/relayd/relayd/relay"
)

// A mailbox that refuses the sign-in rests for hours; a person who mended it and
// asks for a retry does not wait for that.
func TestRetryEndsTheRestOfTheMailbox(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := newStage(t, throughAccount, answering(relay.Delivered, 250))
		st.filer.filed = []relay.Filed{
			{Status: relay.CopyPending, Reason: "sign-in refused", Trouble: &relay.Trouble{Kind: relay.TroublePark, Pause: 12 * time.Hour}},
			{Status: relay.CopyFiled, Folder: "Sent"},
		}
		st.run(func() {
			id := st.put(message("b.example"))
			st.after(time.Hour)
			if k := st.store.state(id).Copy; k.Status != relay.CopyPending || k.Attempts != 1 {
				t.Fatalf("while the mailbox rests: %+v", k)
			}
			if err := st.c.Retry(context.Background(), id, "ann"); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if k := st.store.state(id).Copy; k.Status != relay.CopyFiled {
				t.Errorf("after the retry: %+v", k)
			}
		})
	})
}
