package account_test

import (
	"slices"
	"testing"
	"time"

	"github.com/relayd/relayd/internal/simulator"
	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/relay/account"
)

// German folders that nobody marked are found by their names; the trial copy lies in
// the right one and is gone again.
func TestLocalisedProvider(t *testing.T) {
	t.Parallel()
	w, _ := simulated(t, simulator.Localised())
	w.save(w.record(), password)
	a := w.mustVerify()
	if card := &a.Card; card.SentFolder != "Gesendete Elemente" || card.FilesSent || !card.Appends || !card.UIDPlus || !card.KeepsFrom || !card.KeepsHeaderID {
		t.Errorf("card %+v", card)
	}
	w.empty("INBOX", "Gesendete Elemente", "Entwürfe", "Gelöschte Elemente", "Junk-E-Mail")
	// The folder that the user names goes before.
	b := w.record()
	b.Revision, b.SentFolder = a.Revision, "entwürfe"
	w.save(b, "")
	if card := w.mustVerify().Card; card.SentFolder != "Entwürfe" {
		t.Errorf("the user's choice: %q", card.SentFolder)
	}
}

// A provider that files late is told from one that does not file only while its copy is
// waited for.
func TestProviderThatFilesLate(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name            string
		delay, patience time.Duration
		twice           bool
		filesSent       bool
	}{
		{"longer than the patience", time.Hour, 20 * time.Millisecond, false, false},
		{"within the patience", 100 * time.Millisecond, 20 * time.Second, false, true},
		{"within it, and twice", 100 * time.Millisecond, 20 * time.Second, true, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := simulator.Zoho()
			p.SentDelay, p.FilesTwice = test.delay, test.twice
			w, _ := simulated(t, p, func(o *account.Options) { o.SentPatience = test.patience })
			w.save(w.record(), password)
			card := w.mustVerify().Card
			if card.FilesSent != test.filesSent || card.Appends == test.filesSent || card.SentFolder != "Sent" || !slices.Equal(card.Ways, []relay.Way{relay.WaySMTP}) {
				t.Errorf("card %+v", card)
			}
			w.empty("INBOX", "Sent")
		})
	}
}

// A copy that comes when the verification has ended is removed as well, and teaches
// that the provider files.
func TestProviderThatFilesAfterTheVerification(t *testing.T) {
	t.Parallel()
	p := simulator.Zoho()
	p.SentDelay, p.FilesTwice = 300*time.Millisecond, false
	w, _ := simulated(t, p, func(o *account.Options) {
		o.SentPatience, o.LateAfter, o.MayFile = time.Millisecond, 2*time.Second, func(*relay.Account) bool { return true }
	})
	w.save(w.record(), password)
	if w.mustVerify().Card.FilesSent {
		t.Fatal("the copy came before the verification ended")
	}
	w.diary.await(t, "used a1 to clean")
	tick, timeout := time.NewTicker(20*time.Millisecond), time.After(20*time.Second)
	defer tick.Stop()
	for !w.stored().Card.FilesSent {
		select {
		case <-tick.C:
		case <-timeout:
			t.Fatalf("nothing was learned: %+v", w.stored().Card)
		}
	}
	w.empty("INBOX", "Sent")
}

func TestZohoRefusals(t *testing.T) {
	t.Parallel()
	w, _ := simulated(t, simulator.Zoho())
	w.save(w.record(), "wrong")
	w.mustFail("password", "535 Authentication Failed")
	w, _ = simulated(t, simulator.Zoho())
	a := w.record()
	a.Address.Local = "boss"
	w.save(a, password)
	w.mustFail("address", "553 Relaying disallowed as boss@acme.example", "add the address there as an alias")
	if n := len(w.provider.Outbox()); n != 0 {
		t.Errorf("%d mails were sent", n)
	}
}
