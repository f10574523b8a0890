package sent_test

import (
	"testing"
	"time"

	"github.com/relayd/relayd/internal/simulator"
	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/relay/sent"
)

// The owner's choice goes before the card.
func TestCopyModes(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name      string
		mode      relay.CopyMode
		filesSent bool
		there     bool // the provider has filed it
		status    relay.CopyStatus
		rule      string
		copies    int
	}{
		{"auto, a provider that files nothing", relay.CopyAuto, false, false, relay.CopyFiled, sent.RuleFiled, 1},
		{"auto, a provider that files", relay.CopyAuto, true, false, relay.CopyPending, sent.RuleWaits, 0},
		{"auto, a provider that has filed", relay.CopyAuto, true, true, relay.CopyByProvider, sent.RuleThere, 1},
		{"always, a provider that files", relay.CopyAlways, true, false, relay.CopyFiled, sent.RuleFiled, 1},
		{"always, a provider that has filed", relay.CopyAlways, true, true, relay.CopyByProvider, sent.RuleThere, 1},
		{"never", relay.CopyNever, false, false, relay.CopyNone, sent.RuleOff, 0},
		{"never, a provider that has filed", relay.CopyNever, true, true, relay.CopyNone, sent.RuleOff, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, simulator.Personality{})
			w.accounts.change("jane", func(a *relay.Account) {
				a.CopyMode, a.Card.FilesSent, a.Card.KeepsHeaderID = test.mode, test.filesSent, true
			})
			f := message(1, time.Now().Add(-20*time.Second))
			if test.there {
				put(t, w.box(), "Sent", asSent(f), time.Now())
			}
			filed := w.file(f)
			if filed.Status != test.status || filed.Rule != test.rule || filed.Recheck != 0 {
				t.Errorf("filed %+v", filed)
			}
			if n := len(w.inSent("Sent")); n != test.copies {
				t.Errorf("%d copies, want %d", n, test.copies)
			}
		})
	}
}

// A provider that files under a Message-ID of its own: where its answer names it, it is
// found; where it does not, whoever finds nothing must not file a second copy.
func TestProviderThatReplacesTheMessageID(t *testing.T) {
	t.Parallel()
	for _, names := range []bool{true, false} {
		w := newWorld(t, simulator.Personality{})
		w.accounts.change("jane", func(a *relay.Account) { a.Card.FilesSent, a.Card.ReplyNamesID = true, names })
		f := message(1, time.Now().Add(-2*time.Minute))
		f.Reply = relay.Reply{Code: 250, Text: "OK <given@provider.example>"}
		put(t, w.box(), "Sent", "Message-ID: <given@provider.example>\r\n\r\nHello.\r\n", time.Now())
		rule := map[bool]string{true: sent.RuleThere, false: sent.RuleOtherID}[names]
		if filed := w.file(f); filed.Status != relay.CopyByProvider || filed.Rule != rule || filed.Folder != "Sent" {
			t.Errorf("named %v: %+v", names, filed)
		}
		if n := len(w.inSent("Sent")); n != 1 {
			t.Errorf("named %v: %d copies", names, n)
		}
	}
}

// A proved alias sends through the account like the address itself; another does not.
func TestCopyOfMailFromAnAlias(t *testing.T) {
	t.Parallel()
	sales := relay.Address{Local: "sales", Domain: "acme.example"}
	for _, proved := range []bool{true, false} {
		w := newWorld(t, simulator.Personality{})
		alias := relay.Alias{Address: sales}
		if proved {
			alias.ProvedAt = time.Now()
		}
		w.accounts.change("jane", func(a *relay.Account) { a.Aliases = []relay.Alias{alias} })
		f := message(1, time.Now())
		f.Message.From = sales
		want := map[bool]string{true: sent.RuleFiled, false: sent.RuleOtherAddress}[proved]
		if filed := w.file(f); filed.Rule != want {
			t.Errorf("proved %v: %+v", proved, filed)
		}
	}
}

// What a crash left between the APPEND and its record is known again as ours, so that a
// later copy of the provider's can take its place.
func TestCopyThatACrashLeftIsOurs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Personality{}, unsure)
	f := message(1, time.Now().Add(-time.Minute))
	w.provider.Inject(simulator.Fault{At: simulator.AfterAppend, Hangup: true, Times: 1})
	if filed := w.file(f); filed.Status != relay.CopyPending {
		t.Fatalf("first: %+v", filed)
	}
	w.restart()
	filed := w.file(f)
	if filed.Status != relay.CopyFiled || filed.UID == 0 || filed.Validity == 0 || filed.Recheck == 0 {
		t.Errorf("after the crash: %+v", filed)
	}
}
