package sent_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/relayd/relayd/internal/simulator"
	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/relay/sent"
)

func TestFile(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Personality{SentFolder: "Gesendet"})
	sentAt := time.Now().Add(-time.Hour).Truncate(time.Second)
	f := message(1, sentAt)
	filed := w.file(f)
	stored := w.inSent("Gesendet")
	if filed.Status != relay.CopyFiled || filed.Folder != "Gesendet" || len(stored) != 1 || filed.UID != stored[0].UID || filed.Rule != sent.RuleFiled {
		t.Fatalf("filed %+v, stored %+v", filed, stored)
	}
	if string(stored[0].Content) != filedContent(f) || !stored[0].Seen || !stored[0].Date.Equal(sentAt) {
		t.Errorf("stored %q, seen %v, date %v", stored[0].Content, stored[0].Seen, stored[0].Date)
	}
	again := w.file(f)
	if again.Status != relay.CopyFiled || again.UID != filed.UID || again.Rule != sent.RuleThere || len(w.inSent("Gesendet")) != 1 {
		t.Errorf("the second time: %+v", again)
	}
}

// Wherever a filing is broken off, there is exactly one copy at the end.
func TestExactlyOneCopy(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		fault simulator.Fault
	}{
		{"no connection", simulator.Fault{At: simulator.AtIMAPDial, Reply: "NO [UNAVAILABLE] later"}},
		{"sign-in broken off", simulator.Fault{At: simulator.AtLogin, Hangup: true}},
		{"list broken off", simulator.Fault{At: simulator.AtList, Hangup: true}},
		{"search broken off", simulator.Fault{At: simulator.AtSearch, Hangup: true}},
		{"append broken off before it is stored", simulator.Fault{At: simulator.AtAppend, Hangup: true}},
		{"append broken off after it is stored", simulator.Fault{At: simulator.AfterAppend, Hangup: true}},
		{"append refused after it is stored", simulator.Fault{At: simulator.AfterAppend, Reply: "NO [UNAVAILABLE] later"}},
		{"append refused", simulator.Fault{At: simulator.AtAppend, Reply: "NO later"}},
	} {
		for _, crash := range []bool{false, true} {
			t.Run(test.name+map[bool]string{true: ", then a crash"}[crash], func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, simulator.Personality{})
				f := message(1, time.Now())
				fault := test.fault
				fault.Times = 2
				w.provider.Inject(fault)
				for try := 1; ; try++ {
					filed := w.file(f)
					if filed.Status == relay.CopyFiled {
						break
					}
					if filed.Status != relay.CopyPending || filed.Reason == "" || try > 5 {
						t.Fatalf("try %d: %+v", try, filed)
					}
					if crash {
						w.restart()
					}
				}
				if stored := w.inSent("Sent"); len(stored) != 1 || string(stored[0].Content) != filedContent(f) {
					t.Errorf("%d copies", len(stored))
				}
			})
		}
	}
}

// The same where SEARCH never works: the newest messages are looked at instead.
func TestExactlyOneCopyWithoutSearch(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Personality{NoUIDPlus: true})
	w.provider.Inject(simulator.Fault{At: simulator.AtSearch, Reply: "NO [SERVERBUG] SEARCH Server error"})
	w.provider.Inject(simulator.Fault{At: simulator.AfterAppend, Hangup: true, Times: 1})
	f := message(1, time.Now())
	if filed := w.file(f); filed.Status != relay.CopyPending {
		t.Fatalf("first: %+v", filed)
	}
	if filed := w.file(f); filed.Status != relay.CopyFiled || filed.UID == 0 {
		t.Errorf("second: %+v", filed)
	}
	if n := len(w.inSent("Sent")); n != 1 {
		t.Errorf("%d copies", n)
	}
}

func TestVerdicts(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		fault  simulator.Fault
		change func(*relay.Account)
		status relay.CopyStatus
		rule   string
		kind   relay.TroubleKind // 0: no trouble
		health string
	}{
		{"wrong password", simulator.Fault{At: simulator.AtLogin, Reply: "NO [AUTHENTICATIONFAILED] no"}, nil,
			relay.CopyPending, "copy.login", relay.TroublePark, "degrade jane copy.login"},
		{"over quota for days", simulator.Fault{At: simulator.AtAppend, Reply: "NO [OVERQUOTA] full"}, nil,
			relay.CopyPending, "copy.full", relay.TroublePark, "degrade jane copy.full"},
		{"server busy", simulator.Fault{At: simulator.AtAppend, Reply: "NO [UNAVAILABLE] busy"}, nil,
			relay.CopyPending, "copy.busy", relay.TroubleSlow, ""},
		{"too large", simulator.Fault{At: simulator.AtAppend, Reply: "NO [TOOBIG] no"}, nil,
			relay.CopyImpossible, "copy.too_big", 0, ""},
		{"no permission", simulator.Fault{At: simulator.AtAppend, Reply: "NO [NOPERM] no"}, nil,
			relay.CopyImpossible, sent.RuleNoRight, 0, ""},
		{"no IMAP server", simulator.Fault{}, func(a *relay.Account) { a.IMAP = relay.Server{} },
			relay.CopyImpossible, sent.RuleNoIMAP, 0, ""},
		{"parked, its time has not come", simulator.Fault{}, func(a *relay.Account) {
			a.State, a.RetryAt = relay.AccountParked, time.Now().Add(time.Hour)
		}, relay.CopyPending, sent.RuleParked, 0, ""},
		{"parked until a person proves its new servers", simulator.Fault{}, func(a *relay.Account) { a.State = relay.AccountParked },
			relay.CopyPending, sent.RuleParked, 0, ""},
		{"parked, its own try is due", simulator.Fault{}, func(a *relay.Account) {
			a.State, a.RetryAt = relay.AccountParked, time.Now().Add(-time.Minute)
		}, relay.CopyPending, sent.RuleParked, 0, ""},
		{"now the account of another address", simulator.Fault{}, func(a *relay.Account) { a.Address.Local = "john" },
			relay.CopyImpossible, sent.RuleOtherAddress, 0, ""},
		{"a chosen folder that is not there", simulator.Fault{}, func(a *relay.Account) { a.SentFolder = "Nowhere" },
			relay.CopyPending, sent.RuleNoFolder, relay.TroublePark, "degrade jane " + sent.RuleNoFolder},
		{"filed in a degraded account", simulator.Fault{}, func(a *relay.Account) { a.State = relay.AccountDegraded },
			relay.CopyFiled, sent.RuleFiled, 0, "recover jane"},
		{"the account is gone", simulator.Fault{}, func(a *relay.Account) { a.ID = "" },
			relay.CopyImpossible, sent.RuleNoAccount, 0, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, simulator.Personality{})
			if test.fault.At != "" {
				w.provider.Inject(test.fault)
			}
			if test.change != nil {
				w.accounts.change("jane", test.change)
			}
			f := message(1, time.Now())
			if test.rule == sent.RuleNoAccount {
				f.Account = "nobody"
			}
			filed := w.file(f)
			if filed.Status != test.status || filed.Rule != test.rule || (filed.Status != relay.CopyFiled) != (filed.Reason != "") {
				t.Errorf("filed %+v", filed)
			}
			if kind := (filed.Trouble != nil); kind != (test.kind != 0) || (kind && filed.Trouble.Kind != test.kind) {
				t.Errorf("trouble %+v", filed.Trouble)
			}
			if heard := strings.Join(w.accounts.heard(), ","); heard != test.health {
				t.Errorf("health: %q, want %q", heard, test.health)
			}
		})
	}
}

func TestProviderThatFilesItself(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Personality{})
	w.accounts.change("jane", func(a *relay.Account) { a.Card.FilesSent, a.Card.KeepsHeaderID = true, true })
	just := w.file(message(1, time.Now()))
	if just.Status != relay.CopyPending || just.Rule != sent.RuleWaits || just.Pause > sent.DefaultProviderFirst || just.Pause <= 0 {
		t.Errorf("at once: %+v", just)
	}
	if dials, _, _ := w.dialer.counts(); dials != 0 {
		t.Error("it looked before the provider had time")
	}
	later := w.file(message(1, time.Now().Add(-20*time.Second)))
	if later.Status != relay.CopyPending || later.Rule != sent.RuleWaits || len(w.inSent("Sent")) != 0 {
		t.Errorf("after 20 seconds: %+v", later)
	}
	if filed := w.file(message(1, time.Now().Add(-2*time.Minute))); filed.Status != relay.CopyFiled || len(w.inSent("Sent")) != 1 {
		t.Errorf("after 2 minutes: %+v", filed)
	}
	if filed := w.file(message(1, time.Now().Add(-20*time.Second))); filed.Status != relay.CopyByProvider || len(w.inSent("Sent")) != 1 {
		t.Errorf("once it is there: %+v", filed)
	}
}

func TestFolderIsMadeOnlyWhereThatIsWanted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Personality{SentFolder: "-"})
	if filed := w.file(message(1, time.Now())); filed.Status != relay.CopyFiled || filed.Folder != "Sent" {
		t.Errorf("filed %+v", filed)
	}
	w = newWorld(t, simulator.Personality{SentFolder: "-"}, func(o *sent.Options) { o.NeverCreate = true })
	if filed := w.file(message(1, time.Now())); filed.Status != relay.CopyPending || filed.Rule != sent.RuleNoFolder {
		t.Errorf("never create: %+v", filed)
	}
}

func TestOneSessionServesManyFilings(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Personality{})
	var filings sync.WaitGroup
	for n := range 8 {
		filings.Go(func() {
			if filed := w.file(message(n, time.Now())); filed.Status != relay.CopyFiled {
				t.Errorf("message %d: %+v", n, filed)
			}
		})
	}
	filings.Wait()
	if dials, most, _ := w.dialer.counts(); dials != 1 || most != 1 {
		t.Errorf("%d connections, %d at one time", dials, most)
	}
	if n := len(w.inSent("Sent")); n != 8 {
		t.Errorf("%d copies", n)
	}
}

func TestIdleSessionThatTheServerEnded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Personality{})
	w.file(message(1, time.Now()))
	w.dialer.cut()
	if filed := w.file(message(2, time.Now())); filed.Status != relay.CopyFiled {
		t.Errorf("filed %+v", filed)
	}
	if n := len(w.inSent("Sent")); n != 2 {
		t.Errorf("%d copies", n)
	}
}

func TestNewCredentialsEndOldSessions(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Personality{})
	w.file(message(1, time.Now()))
	w.accounts.change("jane", func(a *relay.Account) { a.Version++ })
	w.file(message(2, time.Now()))
	if dials, _, _ := w.dialer.counts(); dials != 2 {
		t.Errorf("%d connections: a session outlived its credentials", dials)
	}
}

func TestIdleSessionsEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Personality{}, func(o *sent.Options) { o.IdleTime = time.Millisecond })
	w.file(message(1, time.Now()))
	for deadline := time.Now().Add(5 * time.Second); ; {
		if _, _, open := w.dialer.counts(); open == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the session is still open")
		}
		<-time.After(5 * time.Millisecond)
	}
	if filed := w.file(message(2, time.Now())); filed.Status != relay.CopyFiled {
		t.Errorf("after that: %+v", filed)
	}
}

func TestNoMoreIdleSessionsThanAllowed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Personality{}, func(o *sent.Options) { o.Idle = 1 })
	w.account("john", "john@acme.example")
	w.file(message(1, time.Now()))
	f := message(2, time.Now())
	f.Account, f.Message.From.Local = "john", "john"
	w.file(f)
	w.filer.Close()
	if dials, _, open := w.dialer.counts(); dials != 2 || open != 0 {
		t.Errorf("%d connections, %d open at the end", dials, open)
	}
	if filed := w.file(f); filed.Status != relay.CopyPending || filed.Rule != sent.RuleInterrupted {
		t.Errorf("after Close: %+v", filed)
	}
}

func TestWaitingForATurnEndsWithTheContext(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Personality{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if filed := w.filer.File(ctx, message(1, time.Now())); filed.Status != relay.CopyPending || filed.Rule != sent.RuleInterrupted || filed.Trouble != nil {
		t.Errorf("filed %+v", filed)
	}
}

func TestFolderThatHasGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Personality{HideSpecialUse: true, Folders: []string{"Gesendet"}})
	w.file(message(1, time.Now()))
	w.provider.Inject(simulator.Fault{At: simulator.AtAppend, Times: 1, Reply: "NO [TRYCREATE] no such folder"})
	if filed := w.file(message(2, time.Now())); filed.Status != relay.CopyFiled {
		t.Errorf("filed %+v", filed)
	}
}

func TestFind(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Personality{})
	f := message(1, time.Now())
	w.file(f)
	for _, test := range []struct {
		name, account, id string
		filesSent         bool
		accepted          time.Duration // after the copy came
		want              relay.Found
	}{
		{"there", "jane", f.Message.HeaderID, true, 0, relay.FoundYes},
		{"there, by a clock that is behind", "jane", f.Message.HeaderID, true, 5 * time.Minute, relay.FoundYes},
		{"the Message-ID of an older message", "jane", f.Message.HeaderID, true, time.Hour, relay.FoundNo},
		{"not there", "jane", "<other@acme.example>", true, 0, relay.FoundNo},
		{"a provider that files nothing", "jane", f.Message.HeaderID, false, 0, relay.FoundUnsearchable},
		{"no such account", "nobody", f.Message.HeaderID, true, 0, relay.FoundUnsearchable},
		{"no Message-ID", "jane", "", true, 0, relay.FoundUnsearchable},
	} {
		w.accounts.change("jane", func(a *relay.Account) { a.Card.FilesSent = test.filesSent })
		m := *f.Message
		m.HeaderID, m.Accepted = test.id, m.Accepted.Add(test.accepted)
		found, err := w.filer.Find(t.Context(), test.account, &m)
		if found != test.want || err != nil {
			t.Errorf("%s: %v, %v; want %v", test.name, found, err, test.want)
		}
	}
	w.accounts.change("jane", func(a *relay.Account) { a.Card.FilesSent = true })
	w.provider.Inject(simulator.Fault{At: simulator.AtSearch, Hangup: true, Times: 2})
	if found, err := w.filer.Find(t.Context(), "jane", f.Message); err == nil || found != relay.FoundUnsearchable {
		t.Errorf("a mailbox that breaks off: %v, %v", found, err)
	}
}

func report(w *world) *relay.Delivery {
	f := message(9, time.Now())
	f.Message.Kind = relay.KindReport
	return &relay.Delivery{Message: f.Message, Body: f.Body, Recipients: []int{0, 2},
		Route: relay.Route{Kind: relay.RouteInbox, Account: "jane"}}
}

func TestDeliverIntoTheInbox(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Personality{})
	d := report(w)
	var told [][]int
	d.BeforeDot = func(_ context.Context, r []int) error { told = append(told, r); return nil }
	for range 2 {
		a := w.filer.Deliver(t.Context(), d)
		if len(a.Results) != 2 || a.Results[0].Outcome != relay.Delivered || a.Results[1].Recipient != 2 || a.Peer.TLS == "" || a.Trouble != nil {
			t.Errorf("attempt %+v", a)
		}
	}
	stored := w.inSent("INBOX")
	if len(stored) != 1 || stored[0].Seen || string(stored[0].Content) != string(d.Body.(content)) {
		t.Errorf("INBOX %+v", stored)
	}
	if len(told) != 1 || !slices.Equal(told[0], d.Recipients) {
		t.Errorf("BeforeDot was called with %v", told)
	}
}

func TestReportIsNotFiledUnlessTheAttemptIsRecorded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Personality{})
	d := report(w)
	d.BeforeDot = func(context.Context, []int) error { return errors.New("disk") }
	a := w.filer.Deliver(t.Context(), d)
	if a.Results[0].Outcome != relay.Deferred || len(w.inSent("INBOX")) != 0 {
		t.Errorf("attempt %+v", a)
	}
}

func TestReportThatCannotBeFiled(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		fault   simulator.Fault
		outcome relay.Outcome
		kind    relay.TroubleKind
	}{
		{"lost after it was stored", simulator.Fault{At: simulator.AfterAppend, Hangup: true}, relay.Deferred, 0},
		{"wrong password", simulator.Fault{At: simulator.AtLogin, Reply: "NO [AUTHENTICATIONFAILED] no"}, relay.Deferred, relay.TroubleSlow},
		{"too large", simulator.Fault{At: simulator.AtAppend, Reply: "NO [TOOBIG] no"}, relay.Failed, 0},
		{"something else", simulator.Fault{At: simulator.AtAppend, Reply: "NO no"}, relay.Deferred, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, simulator.Personality{})
			test.fault.Times = 1
			w.provider.Inject(test.fault)
			d := report(w)
			a := w.filer.Deliver(t.Context(), d)
			if len(a.Results) != 2 || a.Results[0].Outcome != test.outcome || (a.Trouble != nil) != (test.kind != 0) {
				t.Errorf("attempt %+v", a)
			}
			if a.Trouble != nil && a.Trouble.Kind != test.kind {
				t.Errorf("trouble %+v: an INBOX must not park the account", a.Trouble)
			}
			if again := w.filer.Deliver(t.Context(), d); again.Results[0].Outcome != relay.Delivered || len(w.inSent("INBOX")) != 1 {
				t.Errorf("the repetition: %+v, %d in the INBOX", again, len(w.inSent("INBOX")))
			}
		})
	}
}

// G6: an account whose server hangs delays nobody else.
func TestOneSlowAccountDelaysNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Personality{})
	silent, err := net.Listen("tcp", "127.0.0.1:0") // accepts nothing: the handshake hangs
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	w.account("slow", "john@acme.example")
	w.accounts.change("slow", func(a *relay.Account) { a.IMAP.Port = silent.Addr().(*net.TCPAddr).Port })
	ctx, cancel := context.WithCancel(t.Context())
	slow := message(1, time.Now())
	slow.Account, slow.Message.From.Local = "slow", "john"
	ended := make(chan relay.Filed, 1)
	go func() { ended <- w.filer.File(ctx, slow) }()
	if filed := w.file(message(2, time.Now())); filed.Status != relay.CopyFiled {
		t.Errorf("the other account: %+v", filed)
	}
	select {
	case filed := <-ended:
		t.Errorf("the slow account did not hang: %+v", filed)
	default:
	}
	cancel()
	if filed := <-ended; filed.Status != relay.CopyPending || filed.Rule != sent.RuleInterrupted {
		t.Errorf("the slow account at the end: %+v", filed)
	}
}
