package queue

import (
	"context"
	"slices"
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

// A person who tries the mail of a resting account again, oldest first, gets it sent in
// that order: the end of the rest lets no other message of it run before.
func TestRetryOfTheOldestOfARestingLaneGoesFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var order []relay.ID
		rests := true
		st := newStage(t, throughAccount, func(ctx context.Context, d *relay.Delivery) relay.Attempt {
			if rests {
				a := answering(relay.Deferred, 421)(ctx, d)
				a.Trouble = &relay.Trouble{Kind: relay.TroubleSlow, Pause: time.Hour}
				return a
			}
			order = append(order, d.Message.ID)
			return answering(relay.Delivered, 250)(ctx, d)
		})
		st.o.PerAccount = 1
		st.run(func() {
			var ids []relay.ID
			for range 5 {
				ids = append(ids, st.put(message("b.example")))
				st.after(time.Millisecond)
			}
			rests = false
			for _, id := range ids {
				_ = st.c.Retry(context.Background(), id, "ann") // it may be sent by now
			}
			synctest.Wait()
			if !slices.Equal(order, ids) {
				t.Errorf("sent in the order %v, want %v", order, ids)
			}
		})
	})
}
