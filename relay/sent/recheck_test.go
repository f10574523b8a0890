package sent_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/relayd/relayd/internal/mailbox"
	"github.com/relayd/relayd/internal/simulator"
	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/relay/sent"
)

// unsure is a provider of which nobody knows for certain whether it files sent mail.
func unsure(o *sent.Options) { o.MayFile = func(*relay.Account) bool { return true } }

// box is Jane's mailbox as another program sees it: the provider, or she herself.
func (w *world) box() *mailbox.Mailbox {
	w.t.Helper()
	account, err := w.accounts.Get(w.t.Context(), "jane")
	if err != nil {
		w.t.Fatal(err)
	}
	m, err := mailbox.Open(w.t.Context(), mailbox.Options{Dialer: w.dialer, Server: account.IMAP, Login: account.Address.String(),
		Password: "secret", Roots: w.options.Roots})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { m.Close(w.t.Context()) })
	return m
}

func put(t *testing.T, m *mailbox.Mailbox, folder, text string, at time.Time) mailbox.Place {
	t.Helper()
	place, err := m.Put(t.Context(), folder, mailbox.Upload{Size: int64(len(text)), Content: strings.NewReader(text), Date: at})
	if err != nil {
		t.Fatal(err)
	}
	return place
}

// asSent is the message as it went to the provider: with the trace field.
func asSent(f *relay.Filing) string { return string(f.Body.(content)) }

// without is the message without a field that ends with its first line end, or with the
// first line that is not folded.
func without(text, field string) string {
	_, rest, _ := strings.Cut(text, field)
	for {
		line, after, _ := strings.Cut(rest, "\r\n")
		rest = after
		if line == "" && !strings.HasPrefix(rest, "\t") || !strings.HasPrefix(rest, "\t") {
			return rest
		}
	}
}

// filedAs is the filing of a message that relayd has filed.
func filedAs(f *relay.Filing, filed relay.Filed) *relay.Filing {
	again := *f
	again.Filed = &relay.Copy{Status: relay.CopyFiled, Account: f.Account, Folder: filed.Folder, UID: filed.UID, Validity: filed.Validity, Since: f.Sent}
	return &again
}

// The provider files only after relayd did: ours is taken out, the provider's stays,
// and the account's card learns of it.
func TestLateCopyOfTheProviderReplacesOurs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Personality{}, unsure)
	f := message(1, time.Now().Add(-20*time.Minute))
	other := w.file(message(2, time.Now()))
	filed := w.file(f)
	if filed.Status != relay.CopyFiled || filed.UID == 0 || filed.Validity == 0 || filed.Recheck != sent.DefaultRecheck {
		t.Fatalf("filed %+v", filed)
	}
	late := put(t, w.box(), "Sent", asSent(f), time.Now())
	for try := range 2 { // the second as after a crash before the first was recorded
		again := w.file(filedAs(f, filed))
		if again.Status != relay.CopyByProvider || again.UID != late.UID || again.Rule != sent.RuleLate || again.Recheck != 0 || again.Reason == "" {
			t.Errorf("recheck %d: %+v", try, again)
		}
		w.restart()
	}
	if left := w.inSent("Sent"); len(left) != 2 || left[0].UID != other.UID || left[1].UID != late.UID {
		t.Errorf("left %+v", left)
	}
	if heard := strings.Join(w.accounts.heard(), ","); heard != "learn jane true" {
		t.Errorf("heard %q", heard)
	}
}

// Whatever is in doubt stays where it is, and settled it is.
func TestRecheckKeepsWhatIsInDoubt(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		change func(w *world, f *relay.Filing)
		filed  func(*relay.Copy)
		left   int
		later  bool
		heard  string
	}{
		{name: "nothing else is there", left: 1},
		{name: "nothing else is there though the card says so", left: 1, heard: "learn jane false",
			change: func(w *world, _ *relay.Filing) {
				w.accounts.change("jane", func(a *relay.Account) { a.Card.FilesSent = true })
			}},
		{name: "the numbers began anew", left: 2, change: lateCopy, filed: func(k *relay.Copy) { k.Validity++ }},
		{name: "no UID was told", left: 2, change: lateCopy, filed: func(k *relay.Copy) { k.UID = 0 }},
		{name: "the folder is gone", left: 1, filed: func(k *relay.Copy) { k.Folder = "Gone" }},
		{name: "an older message with the same Message-ID", left: 2, change: func(w *world, f *relay.Filing) {
			put(w.t, w.box(), "Sent", strings.ReplaceAll(asSent(f), f.Message.ID.String(), "elsewhere"), f.Sent.Add(-time.Hour))
		}},
		{name: "the owner wants ours in any case", left: 2, change: func(w *world, f *relay.Filing) {
			lateCopy(w, f)
			w.accounts.change("jane", func(a *relay.Account) { a.CopyMode = relay.CopyAlways })
		}},
		{name: "the account belongs to somebody else now", left: 2, change: func(w *world, f *relay.Filing) {
			lateCopy(w, f)
			w.accounts.change("jane", func(a *relay.Account) { a.Address.Local = "john" })
		}},
		{name: "the account is parked", left: 2, later: true, change: func(w *world, f *relay.Filing) {
			lateCopy(w, f)
			w.accounts.change("jane", func(a *relay.Account) { a.State = relay.AccountParked })
		}},
		{name: "the server does not answer", left: 2, later: true, change: func(w *world, f *relay.Filing) {
			lateCopy(w, f)
			w.provider.Inject(simulator.Fault{At: simulator.AtSearch, Hangup: true, Times: 2})
		}},
		{name: "the server has not answered for a day", left: 2, change: func(w *world, f *relay.Filing) {
			lateCopy(w, f)
			f.Sent = f.Sent.Add(-25 * time.Hour)
			w.provider.Inject(simulator.Fault{At: simulator.AtSearch, Hangup: true, Times: 2})
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, simulator.Personality{}, unsure)
			f := message(1, time.Now().Add(-20*time.Minute))
			again := filedAs(f, w.file(f))
			if test.change != nil {
				test.change(w, again)
			}
			if test.filed != nil {
				test.filed(again.Filed)
			}
			filed := w.file(again)
			if filed.Status != relay.CopyFiled || filed.UID != again.Filed.UID || filed.Folder != again.Filed.Folder || (filed.Recheck > 0) != test.later {
				t.Errorf("recheck %+v", filed)
			}
			w.provider.ClearFaults()
			if n := len(w.inSent("Sent")); n != test.left {
				t.Errorf("%d left, want %d", n, test.left)
			}
			if heard := strings.Join(w.accounts.heard(), ","); heard != test.heard {
				t.Errorf("heard %q, want %q", heard, test.heard)
			}
		})
	}
}

func lateCopy(w *world, f *relay.Filing) { put(w.t, w.box(), "Sent", asSent(f), time.Now()) }

func TestRecheckOfAnAccountThatIsGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Personality{}, unsure)
	f := filedAs(message(1, time.Now()), relay.Filed{Folder: "Sent", UID: 1, Validity: 1})
	f.Account = "nobody"
	if filed := w.file(f); filed.Status != relay.CopyFiled || filed.Recheck != 0 {
		t.Errorf("recheck %+v", filed)
	}
}

// A server without UIDPLUS tells no UID: the copy is known by its size and date.
func TestCopyIsKnownWithoutUIDPlus(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Personality{NoUIDPlus: true}, unsure)
	f := message(1, time.Now())
	filed := w.file(f)
	if stored := w.inSent("Sent"); filed.Status != relay.CopyFiled || filed.UID == 0 || filed.UID != stored[0].UID || filed.Validity == 0 {
		t.Errorf("filed %+v", filed)
	}
}

// lying is one message in Sent, as the property test makes it.
type lying struct {
	ours, providers, traced bool
	uid                     uint32
}

// However the provider behaves, and wherever a crash breaks off: nobody's message is
// touched but ours, ours goes exactly if the provider's is there, and never is there
// less than one copy where there was one.
func TestRecheckProperty(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 1))
	w := newWorld(t, simulator.Personality{}, unsure)
	w.accounts.change("jane", func(a *relay.Account) { a.Card.ReplyNamesID = true })
	box := w.box()
	validity := put(t, box, "Sent", "Subject: not ours\r\n\r\n", time.Now()).Validity
	for n := range 60 {
		f := message(n, time.Now().Add(-time.Hour))
		assigned := fmt.Sprintf("<%d@provider.example>", n)
		f.Reply = relay.Reply{Code: 250, Text: "OK " + assigned}
		var all []lying
		make := map[string]func(){
			"ours": func() {
				all = append(all, lying{ours: true, uid: put(t, box, "Sent", filedContent(f), f.Sent).UID})
			},
			"provider": func() {
				all = append(all, lying{providers: true, traced: true, uid: put(t, box, "Sent", asSent(f), time.Now()).UID})
			},
			"provider, no trace": func() {
				all = append(all, lying{providers: true, uid: put(t, box, "Sent", without(asSent(f), "Received:"), time.Now()).UID})
			},
			"provider, own id": func() {
				text := strings.ReplaceAll(asSent(f), f.Message.HeaderID, assigned)
				all = append(all, lying{providers: true, traced: true, uid: put(t, box, "Sent", text, time.Now()).UID})
			},
			"another message": func() {
				all = append(all, lying{uid: put(t, box, "Sent", filedContent(message(1000+n, f.Sent)), f.Sent).UID})
			},
			"an old one of the same id": func() {
				all = append(all, lying{uid: put(t, box, "Sent", filedContent(f)+"old\r\n", f.Sent.Add(-48*time.Hour)).UID})
			},
		}
		var did []string
		for _, what := range random.Perm(7)[:1+random.IntN(6)] {
			did = append(did, []string{"ours", "provider", "provider, no trace", "provider, own id", "another message", "an old one of the same id", "ours"}[what])
		}
		if at := slices.Index(did, "ours"); at >= 0 { // relayd files once
			did = append(did[:at+1], slices.DeleteFunc(slices.Clone(did[at+1:]), func(s string) bool { return s == "ours" })...)
		}
		before := uidsOf(w.inSent("Sent"))
		for _, what := range did {
			make[what]()
		}
		ours, gone := uint32(0), false
		for _, m := range all {
			if m.ours {
				ours = m.uid
			}
		}
		for _, m := range all {
			gone = gone || m.providers && (m.traced || m.uid > ours)
		}
		if ours == 0 {
			ours = 1 << 30 // its owner took it away before we looked
			gone = slices.ContainsFunc(all, func(m lying) bool { return m.traced })
		}
		again := filedAs(f, relay.Filed{Folder: "Sent", UID: ours, Validity: validity})
		want := relay.CopyFiled
		if gone {
			want = relay.CopyByProvider
		}
		for range 1 + random.IntN(3) {
			if filed := w.file(again); filed.Status != want {
				t.Fatalf("seed %d: %q: %+v, want %v", seed, did, filed, want)
			}
			if random.IntN(4) == 0 {
				w.restart()
			}
		}
		for _, m := range all {
			if !m.ours || !gone {
				before = append(before, m.uid)
			}
		}
		slices.Sort(before)
		if left := uidsOf(w.inSent("Sent")); !slices.Equal(left, before) {
			t.Fatalf("seed %d: %q: left %v, want %v", seed, did, left, before)
		}
	}
}

func uidsOf(messages []simulator.Message) (uids []uint32) {
	for _, m := range messages {
		uids = append(uids, m.UID)
	}
	slices.Sort(uids)
	return uids
}

// Two messages of one Message-ID that relayd filed beside each other: one of them at
// least stays.
func TestTwoOfOursNeverTakeEachOtherOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Personality{}, unsure)
	box := w.box()
	a, b := message(1, time.Now().Add(-time.Hour)), message(1, time.Now().Add(-time.Minute))
	first, second := put(t, box, "Sent", filedContent(a), a.Sent), put(t, box, "Sent", filedContent(b), b.Sent)
	for _, of := range []struct {
		f     *relay.Filing
		place mailbox.Place
	}{{b, second}, {a, first}} {
		w.file(filedAs(of.f, relay.Filed{Folder: "Sent", UID: of.place.UID, Validity: of.place.Validity}))
	}
	if n := len(w.inSent("Sent")); n == 0 {
		t.Error("both are gone")
	}
}
