package webhook_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/relayd/relayd/internal/netguard"
	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/relay/webhook"
	"github.com/relayd/relayd/store"
)

func TestEventIsCalled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		all := w.listen(t, "all", status(204))
		operator := w.listen(t, "operator", status(200), func(h *relay.Webhook) { h.Organisation = "" })
		some := w.listen(t, "some", status(200), func(h *relay.Webhook) { h.Events = []relay.AccountEventKind{relay.AccountEventParked} })
		for _, not := range []func(*relay.Webhook){
			func(h *relay.Webhook) { h.Organisation = "o2" },
			func(h *relay.Webhook) { h.Events = []relay.AccountEventKind{relay.AccountEventRestored} },
			func(h *relay.Webhook) { h.Disabled = true },
		} {
			w.listen(t, fmt.Sprint(len(w.endpoints)), status(200), not)
		}
		s := webhook.New(w.options)
		defer run(t, s)()
		if err := s.Emit(t.Context(), event(1)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		for _, e := range w.endpoints {
			if n, wanted := len(e.got()), e == all || e == operator || e == some; (n == 1) != wanted || n > 1 {
				t.Errorf("port %s got %d calls", e.port, n)
			}
		}
		c := all.got()[0]
		signed(t, w.secret, c)
		want := `{"type":"account.parked","timestamp":"2026-11-21T09:30:01Z","data":{"account":"a1","organisation":"o1",` +
			`"address":"jane@acme.example","state":"parked","rule":"auth.password_wrong","reason":"The password is wrong.","by":"boss"}}`
		if c.text != want {
			t.Errorf("the body is\n%s, want\n%s", c.text, want)
		}
		if c.id == operator.got()[0].id || !strings.HasPrefix(c.id, "msg_") {
			t.Errorf("the id is %s", c.id)
		}
		if left := w.calls.all(); len(left) != 0 {
			t.Errorf("%d calls are left", len(left))
		}
	})
}

// The pauses are those of the package, and then it is enough.
func TestRetries(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		e := w.listen(t, "w1", func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "we\x1b[2J are\r\nbroken "+strings.Repeat("x", 100_000), http.StatusInternalServerError)
		})
		s := webhook.New(w.options)
		defer run(t, s)()
		if err := s.Emit(t.Context(), event(1)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if kept := w.calls.all(); len(kept) != 1 || kept[0].Attempts != 1 || !strings.HasPrefix(kept[0].Answer, "answered 500: we [2J are broken xx") || len(kept[0].Answer) > relay.MaxReplyText {
			t.Errorf("kept %+v", kept)
		}
		time.Sleep(100 * time.Hour)
		calls := e.got()
		if len(calls) != 10 {
			t.Fatalf("%d attempts", len(calls))
		}
		for i, pause := range []time.Duration{
			5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour,
			10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour,
		} {
			if got := calls[i+1].at.Sub(calls[i].at); got != pause {
				t.Errorf("pause %d is %v, want %v", i, got, pause)
			}
			if calls[i+1].id != calls[0].id || calls[i+1].text != calls[0].text {
				t.Errorf("attempt %d is another one", i+1)
			}
			signed(t, w.secret, calls[i+1])
		}
		if n := w.observer.heard("given up w1 account.parked 10"); len(n) != 1 || len(w.calls.all()) != 0 {
			t.Errorf("the end: %v", w.observer.lines)
		}
	})
}

// Whatever an endpoint does: plain words, no address of ours, and a try later.
func TestEndpointsThatFail(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		prepare func(*world)
		want    string
	}{
		"400": {handler: status(400), want: "called w1 account.parked 400 #1 answered 400"},
		"429": {handler: status(429), want: "429 #1"},
		"503": {handler: status(503), want: "503 #1"},
		"redirect": {handler: func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://example.com:1001/", http.StatusTemporaryRedirect)
		}, want: "307 #1 answered 307, a redirect, and none is followed"},
		"cut off": {handler: func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, want: "0 #1 the connection could not be made, or broke"},
		"silence": {handler: hang, want: "0 #1 no answer came in time"},
		"a header without end": {handler: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X", strings.Repeat("x", 1<<20))
		}, want: "0 #1 the connection"},
		"slow words": {handler: func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusInternalServerError)
			for r.Context().Err() == nil {
				_, _ = w.Write([]byte("y"))
				_ = http.NewResponseController(w).Flush()
				time.Sleep(time.Second)
			}
		}, want: "500 #1 answered 500"},
		"refused":          {prepare: func(w *world) { w.dialErr = netguard.ErrRefused }, want: "0 #1 relayd must not connect to this address"},
		"no name":          {prepare: func(w *world) { w.dialErr = &net.DNSError{Err: "no such host", Name: "db.internal"} }, want: "0 #1 the host name could not be found"},
		"nobody there":     {prepare: func(w *world) { clear(w.endpoints) }, want: "0 #1 the connection could not be made, or broke"},
		"unknown roots":    {prepare: func(w *world) { w.options.Roots = nil }, want: "0 #1 the certificate is not valid for this address"},
		"another name":     {prepare: func(w *world) { w.address("https://other.example:1000/") }, want: "the certificate is not valid"},
		"no TLS":           {prepare: func(w *world) { w.address("https://example.com:1002/") }, want: "0 #1 an encrypted connection could not be made"},
		"clear text":       {prepare: func(w *world) { w.address("http://example.com:1002/") }, want: "0 #1 https is needed for this address"},
		"a bad address":    {prepare: func(w *world) { w.address("gopher://example.com/") }, want: "0 #1 url: The address looks like"},
		"a foreign secret": {prepare: func(w *world) { w.webhooks.change("w1", func(h *relay.Webhook) { h.Secret = []byte("of another") }) }, want: "0 #1 open the secret of webhook w1"},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.listen(t, "w1", status(200))
			other := w.endpoint(t, status(200), true)
			plain := w.endpoint(t, status(200), false)
			if c.handler != nil {
				w.endpoints["1000"].answers(c.handler)
			}
			if c.prepare != nil {
				c.prepare(w)
			}
			s := webhook.New(w.options)
			stop := run(t, s)
			if err := s.Emit(t.Context(), event(1)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(12 * time.Second) // more than the timeout, less than it and two retries
			stop()
			heard := w.observer.heard("called")
			if len(heard) == 0 || !strings.Contains(heard[0], c.want) {
				t.Errorf("%s: heard %v", name, w.observer.lines)
			}
			text := strings.Join(w.observer.lines, "\n") + fmt.Sprint(w.calls.all())
			for _, hidden := range []string{"10.1.2.3", "db.internal", "canary-url", w.secret.Reveal()} {
				if strings.Contains(text, hidden) {
					t.Errorf("%s: %q shows in\n%s", name, hidden, text)
				}
			}
			if left := w.calls.all(); len(left) != 1 || left[0].Attempts == 0 || left[0].Answer == "" {
				t.Errorf("%s: left %+v", name, left)
			}
			if len(other.got())+len(plain.got()) != 0 {
				t.Errorf("%s: others were called", name)
			}
		})
	}
}

func (w *world) address(url string) {
	w.webhooks.change("w1", func(h *relay.Webhook) { h.URL = url })
}

// What comes with a 2xx does not matter, and is not waited for.
func TestTakenWhateverItSays(t *testing.T) {
	t.Parallel()
	for name, handler := range map[string]http.HandlerFunc{
		"200": status(200), "299": status(299),
		"endless": func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				_, _ = w.Write(make([]byte, 1<<16))
			}
		},
		"slow": func(w http.ResponseWriter, r *http.Request) {
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			e := w.listen(t, "w1", handler)
			s := webhook.New(w.options)
			defer run(t, s)()
			start := time.Now()
			if err := s.Emit(t.Context(), event(1)); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if len(w.calls.all()) != 0 || len(e.got()) != 1 || time.Since(start) != 0 {
				t.Errorf("%s: %v", name, w.observer.lines)
			}
		})
	}
}

// http is for addresses that the operator permits. Elsewhere not one octet is sent.
func TestClearText(t *testing.T) {
	t.Parallel()
	for _, permitted := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			e := w.endpoint(t, status(200), false)
			w.webhook(t, "w1", "http://example.com:"+e.port+"/")
			w.options.PlainAllowed = func(a netip.Addr) bool { return permitted && a == w.remote }
			s := webhook.New(w.options)
			stop := run(t, s)
			if err := s.Emit(t.Context(), event(1)); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			stop()
			if (len(e.got()) == 1) != permitted || (w.sent.Load() > 0) != permitted {
				t.Errorf("permitted %t: %d calls, %d octets", permitted, len(e.got()), w.sent.Load())
			}
		})
	}
}

func TestGone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		e := w.listen(t, "w1", status(410))
		healthy := w.listen(t, "w2", status(200))
		moved := w.listen(t, "w3", nil)
		moved.answers(func(rw http.ResponseWriter, _ *http.Request) { // it gets another address meanwhile
			w.webhooks.change("w3", func(h *relay.Webhook) { h.URL += "2" })
			rw.WriteHeader(http.StatusGone)
		})
		s := webhook.New(w.options)
		for i := range 5 {
			if err := s.Emit(t.Context(), event(i)); err != nil {
				t.Fatal(err)
			}
		}
		w.webhooks.failing("put", store.ErrFull)
		stop := run(t, s)
		time.Sleep(30 * time.Second)
		if h, _ := w.webhooks.Get(t.Context(), "w1"); h.Disabled || len(w.observer.heard("fault")) == 0 {
			t.Errorf("while nothing can be kept: %+v", h)
		}
		w.webhooks.failing("", nil)
		time.Sleep(2 * time.Minute)
		stop()
		if h, _ := w.webhooks.Get(t.Context(), "w1"); !h.Disabled || len(w.observer.heard("disabled w1")) != 1 {
			t.Errorf("it is not switched off: %v", w.observer.lines)
		}
		if h, _ := w.webhooks.Get(t.Context(), "w3"); h.Disabled {
			t.Error("it has another address and was switched off")
		}
		if n := len(w.observer.heard("dropped w1")); n == 0 || len(healthy.got()) != 5 {
			t.Errorf("%d dropped, %d calls to the other", n, len(healthy.got()))
		}
		before := len(e.got())
		if err := s.Emit(t.Context(), event(9)); err != nil {
			t.Fatal(err)
		}
		for _, c := range w.calls.all() {
			if c.Webhook == "w1" {
				t.Errorf("%s waits for a webhook that is switched off", c.ID)
			}
		}
		if len(e.got()) != before {
			t.Error("it was called again")
		}
	})
}

func TestDeletedWebhook(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		e := w.listen(t, "w1", status(500))
		s := webhook.New(w.options)
		defer run(t, s)()
		if err := s.Emit(t.Context(), event(1)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if err := w.webhooks.Delete(t.Context(), "w1"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		if len(e.got()) != 1 || len(w.calls.all()) != 0 || len(w.observer.heard("dropped w1")) != 1 {
			t.Errorf("%v", w.observer.lines)
		}
	})
}

// A silent webhook, and more of them than there are workers, delay no other beyond
// one timeout; its own calls come one after the other.
func TestSlowEndpointsDelayNoOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.options.Workers = 4
		s := webhook.New(w.options)
		w.listen(t, "slow0", hang)
		var mu sync.Mutex
		now, most := 0, 0
		w.endpoints["1000"].answers(func(_ http.ResponseWriter, r *http.Request) {
			mu.Lock()
			now++
			most = max(most, now)
			mu.Unlock()
			<-r.Context().Done()
			mu.Lock()
			now--
			mu.Unlock()
			panic(http.ErrAbortHandler)
		})
		good := w.listen(t, "good", status(200))
		defer run(t, s)()
		start := time.Now()
		for i := range 50 {
			if err := s.Emit(t.Context(), event(i)); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if n := len(good.got()); n != 50 || time.Since(start) != 0 {
			t.Errorf("beside one slow: %d calls after %v", n, time.Since(start))
		}
		for i := range 7 {
			w.listen(t, fmt.Sprintf("slow%d", i+1), hang)
		}
		for i := range 20 {
			if err := s.Emit(t.Context(), event(100+i)); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(10 * time.Minute)
		begin := time.Now()
		if err := s.Emit(t.Context(), event(1000)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(21 * time.Second)
		last := good.got()[len(good.got())-1]
		if last.body.Data["account"] != "a1000" || last.at.Sub(begin) > 20*time.Second {
			t.Errorf("beside eight slow for four workers: %s after %v", last.body.Data["account"], last.at.Sub(begin))
		}
		mu.Lock()
		defer mu.Unlock()
		if most != 1 {
			t.Errorf("%d calls to one webhook at one time", most)
		}
	})
}

// What waits is bounded; a dead webhook pushes out its own calls, the oldest first.
func TestBound(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.options.MaxWaiting = 20
		w.listen(t, "dead", status(500))
		s := webhook.New(w.options)
		for i := range 15 {
			if err := s.Emit(t.Context(), event(i)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		w.listen(t, "new", status(500))
		for i := range 9 {
			if err := s.Emit(t.Context(), event(100+i)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		left := map[string]int{}
		for _, c := range w.calls.all() {
			left[c.Webhook]++
			if c.Webhook == "dead" && time.Since(c.Created) > 11*time.Second {
				t.Errorf("an old one is left: %v", time.Since(c.Created))
			}
		}
		if left["new"] != 9 || left["dead"] != 11 || len(w.observer.heard("dropped dead account.parked more than 20")) != 13 {
			t.Errorf("left %v\n%v", left, w.observer.heard("dropped"))
		}
		// The bound holds at the start as well.
		w.options.MaxWaiting = 5
		stop := run(t, webhook.New(w.options))
		synctest.Wait()
		stop()
		if n := len(w.calls.all()); n > 5+2 { // two may be under way
			t.Errorf("%d are left after a start", n)
		}
	})
}

func TestSameEventAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		e := w.listen(t, "w1", status(200))
		s := webhook.New(w.options)
		for range 3 {
			if err := s.Emit(t.Context(), event(1)); err != nil {
				t.Fatal(err)
			}
		}
		defer run(t, s)()
		synctest.Wait()
		if err := s.Emit(t.Context(), event(1)); err != nil { // it was taken, and is forgotten
			t.Fatal(err)
		}
		if err := s.Emit(t.Context(), event(2)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		calls := e.got()
		if len(calls) != 3 || calls[0].id != calls[1].id || calls[2].id == calls[0].id {
			t.Errorf("%d calls", len(calls))
		}
	})
}

// The directory can fail at every step.
func TestDirectoryFails(t *testing.T) {
	t.Parallel()
	for _, broken := range []error{store.ErrFull, store.ErrClosed, store.ErrUnknown, store.ErrStale} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			e := w.listen(t, "w1", status(500))
			s := webhook.New(w.options)
			w.webhooks.failing("list", broken)
			if err := s.Emit(t.Context(), event(1)); !errors.Is(err, broken) {
				t.Errorf("webhooks cannot be read: %v", err)
			}
			w.webhooks.failing("", nil)
			w.calls.failing("put", broken)
			if err := s.Emit(t.Context(), event(1)); !errors.Is(err, broken) {
				t.Errorf("calls cannot be kept: %v", err)
			}
			w.calls.failing("", nil)
			if err := s.Emit(t.Context(), event(1)); err != nil {
				t.Fatal(err)
			}
			w.calls.failing("list", broken) // at the start
			stop := run(t, webhook.New(w.options))
			time.Sleep(90 * time.Second)
			if len(e.got()) != 0 || len(w.observer.heard("fault")) == 0 {
				t.Errorf("%v", w.observer.lines)
			}
			w.calls.failing("get", broken) // the call cannot be read
			time.Sleep(time.Minute)
			w.calls.failing("put", broken) // its outcome cannot be kept
			time.Sleep(65 * time.Second)
			if n := len(e.got()); n != 2 || w.calls.all()[0].Attempts != 0 {
				t.Errorf("%d calls, kept %+v", n, w.calls.all())
			}
			e.answers(status(200))
			w.calls.failing("delete", broken) // it was taken and cannot be removed
			time.Sleep(time.Hour)
			if n := len(e.got()); n != 3 || len(w.calls.all()) != 1 {
				t.Errorf("%d calls, %d kept", n, len(w.calls.all()))
			}
			w.calls.failing("", nil)
			time.Sleep(time.Hour)
			stop()
			if n := len(e.got()); n != 3 || len(w.calls.all()) != 0 {
				t.Errorf("in the end %d calls, %d kept", n, len(w.calls.all()))
			}
			for _, line := range w.observer.heard("called") {
				if !strings.Contains(line, "#1") && !strings.Contains(line, "#2") && !strings.Contains(line, "#3") {
					t.Errorf("attempts are counted wrongly: %s", line)
				}
			}
		})
	}
}

// Accounts tell without waiting. What there is no room for is said to be lost, and
// what was taken is kept even at the end.
func TestTell(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		e := w.listen(t, "w1", hang)
		s := webhook.New(w.options)
		for i := range 1030 {
			s.Tell(event(i))
		}
		if n := len(w.observer.heard("lost account.parked a10")); n != 6 {
			t.Errorf("%d events are lost", n)
		}
		stop := run(t, s)
		time.Sleep(time.Second)
		stop()
		if n := len(w.calls.all()); n != 1024 {
			t.Errorf("%d calls are kept", n)
		}
		s = webhook.New(w.options)
		s.Tell(event(5000))
		stop = run(t, s)
		stop() // at once: it is kept all the same
		if n := len(w.calls.all()); n != 1025 {
			t.Errorf("at the end %d calls are kept", n)
		}
		w.calls.failing("put", store.ErrFull)
		s.Tell(event(6000))
		stop = run(t, s)
		time.Sleep(time.Second)
		stop()
		if n := len(w.observer.heard("lost account.parked a6000 keep")); n != 1 {
			t.Errorf("%v", w.observer.heard("lost"))
		}
		if len(e.got()) == 0 {
			t.Error("nothing was called")
		}
	})
}

func TestAccountsTell(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		e := w.listen(t, "w1", status(200))
		s := webhook.New(w.options)
		a := &relay.Account{
			ID: "a1", Organisation: "o1", Address: event(1).Address, State: relay.AccountParked, StateReason: "no", StateRule: "r",
			StateSince: time.Now(), Password: []byte("canary"),
		}
		s.AccountVerified(a, "boss")
		s.AccountNotVerified(a, "boss", "password", "wrong")
		s.AccountParked(a, "auth.password_wrong", time.Time{})
		s.AccountDegraded(a)
		s.AccountRestored(a, "")
		stop := run(t, s)
		synctest.Wait()
		stop()
		var got []string
		for _, c := range e.got() {
			got = append(got, c.body.Type+" "+c.body.Data["rule"]+" "+c.body.Data["reason"]+" "+c.body.Data["by"])
			if strings.Contains(c.text, "canary") {
				t.Errorf("the body is %s", c.text)
			}
		}
		slices.Sort(got)
		if want := []string{"account.degraded r no ", "account.not_verified  wrong boss", "account.parked auth.password_wrong no ", "account.restored   ", "account.verified   boss"}; !slices.Equal(got, want) {
			t.Errorf("told %q", got)
		}
	})
}

// What Tell took is told of as kept when it is durable, and not before.
func TestKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.listen(t, "w1", hang)
		var kept []string
		w.options.Kept = func(_ context.Context, e relay.AccountEvent) {
			kept = append(kept, fmt.Sprintf("%s after %d", e.Account, len(w.calls.all())))
		}
		s := webhook.New(w.options)
		s.Tell(event(1))
		stop := run(t, s)
		synctest.Wait()
		stop()
		w.calls.failing("put", store.ErrFull)
		s.Tell(event(2))
		stop = run(t, s)
		synctest.Wait()
		stop()
		if !slices.Equal(kept, []string{"a1 after 1"}) {
			t.Errorf("kept %q", kept)
		}
	})
}

// The state of an account is told once more where nobody heard of it; where somebody
// did, it is the same event, or none at all.
func TestStateIsToldAgain(t *testing.T) {
	t.Parallel()
	since, before := time.Now(), time.Now().Add(-time.Hour)
	for name, test := range map[string]struct {
		state relay.AccountState
		rule  string
		told  time.Time
		want  string // the event; empty: none
	}{
		"parked, unheard":              {relay.AccountParked, "r", time.Time{}, "account.parked"},
		"parked again":                 {relay.AccountParked, "r", before, "account.parked"},
		"parked, heard":                {relay.AccountParked, "r", since, ""},
		"degraded":                     {relay.AccountDegraded, "r", time.Time{}, "account.degraded"},
		"mended, and they know not":    {relay.AccountVerified, "", before, "account.restored"},
		"mended as far as it sends":    {relay.AccountDegraded, "", before, "account.restored"},
		"works, and always has":        {relay.AccountVerified, "", time.Time{}, ""},
		"degraded since it was proved": {relay.AccountDegraded, "", time.Time{}, ""},
		"never proved":                 {relay.AccountUnverified, "", before, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.webhook(t, "w1", "https://hook.example/")
			s := webhook.New(w.options)
			a := &relay.Account{ID: "a1", Organisation: "o1", Address: event(1).Address, State: test.state, StateRule: test.rule, StateReason: "no", StateSince: since}
			a.Told.Programs = test.told
			if test.state == relay.AccountParked {
				s.AccountParked(a, a.StateRule, time.Time{}) // the event that may be there already
				stop := run(t, s)
				stop()
			}
			for range 2 {
				if told, err := s.TellState(t.Context(), a); told != (test.want != "") || err != nil {
					t.Fatalf("told: %v, %v", told, err)
				}
			}
			var kept []string
			for _, c := range w.calls.all() {
				if _, rest, ok := strings.Cut(string(c.Body), `{"type":"`); ok {
					kind, _, _ := strings.Cut(rest, `"`)
					kept = append(kept, kind)
				}
			}
			want := []string{test.want}
			switch {
			case test.want == "" && test.state == relay.AccountParked:
				want = []string{"account.parked"} // that of the change itself
			case test.want == "":
				want = nil
			}
			if !slices.Equal(kept, want) {
				t.Errorf("kept %q, want %q", kept, want)
			}
		})
	}
}

func TestPing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		e := w.listen(t, "w1", status(200), func(h *relay.Webhook) { h.Disabled = true })
		s := webhook.New(w.options)
		tried, err := s.Test(t.Context(), "w1")
		if err != nil || !tried.Taken || tried.Status != 200 || tried.Message != "The endpoint answered 200: the webhook works. The webhook is switched off, so no events are sent to it." {
			t.Errorf("%+v, %v", tried, err)
		}
		c := e.got()[0]
		signed(t, w.secret, c)
		if c.body.Type != "ping" || c.body.Data["webhook"] != "w1" {
			t.Errorf("the ping is %s", c.text)
		}
		w.webhooks.change("w1", func(h *relay.Webhook) { h.Disabled = false })
		e.answers(status(500))
		if tried, err := s.Test(t.Context(), "w1"); err != nil || tried.Taken || tried.Message != "The ping was not taken: answered 500." {
			t.Errorf("%+v, %v", tried, err)
		}
		if len(w.calls.all()) != 0 {
			t.Error("a ping is kept")
		}
		if _, err := s.Test(t.Context(), "none"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("an unknown webhook: %v", err)
		}
		e.answers(hang)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				if tried, err := s.Test(t.Context(), "w1"); err != nil || tried.Message != "The ping was not taken: no answer came in time." {
					t.Errorf("%+v, %v", tried, err)
				}
			})
		}
		synctest.Wait()
		if _, err := s.Test(t.Context(), "w1"); !errors.Is(err, webhook.ErrBusy) {
			t.Errorf("one more: %v", err)
		}
		wg.Wait()
	})
}

func TestSecrets(t *testing.T) {
	t.Parallel()
	first, second := webhook.NewSecret(), webhook.NewSecret()
	if first == second || !strings.HasPrefix(first.Reveal(), "whsec_") || strings.Contains(fmt.Sprintf("%v %#v", first, first), first.Reveal()) {
		t.Error("the secret is not secret")
	}
	for _, bad := range []relay.Secret{"", "whsec_", "whsec_c2hvcnQ=", "canary", first[6:], first + "\n", "whsec_" + relay.Secret(strings.Repeat("A", 100))} {
		var field *relay.FieldError
		if _, err := webhook.Seal(sealer{}, "w1", bad); !errors.As(err, &field) || field.Field != "secret" || strings.Contains(err.Error(), "canary") {
			t.Errorf("%q: %v", bad.Reveal(), err)
		}
	}
	// Others make them shorter.
	known := relay.Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if _, err := webhook.Seal(sealer{}, "w1", known); err != nil {
		t.Errorf("a secret of others: %v", err)
	}
}

func TestCheckURL(t *testing.T) {
	t.Parallel()
	for _, good := range []string{"https://hooks.example.com/relayd?x=1", "https://example.com:8443", "http://127.0.0.1:8080/", "https://[2001:db8::1]/x"} {
		if err := webhook.CheckURL(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{
		"", "hooks.example.com", "ftp://example.com/", "https:///x", "https:example.com", "https://canary:pw@example.com/", "https://example.com/#x",
		"https://example.com:0/", "https://example.com:99999/", "https://example.com/ x", "https://example.com/\r\nX: y", "https://exa%mple.com",
		"https://" + strings.Repeat("a", 3000), "file:///etc/passwd",
	} {
		var field *relay.FieldError
		if err := webhook.CheckURL(bad); !errors.As(err, &field) || field.Field != "url" || strings.Contains(err.Error(), "canary") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// Whatever an address is, it is refused or safe to call.
func FuzzCheckURL(f *testing.F) {
	for _, seed := range []string{"https://example.com/", "http://[::1]:80/%00", "https://a@b", "//x", "https://\u00e9.example/"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if webhook.CheckURL(text) != nil {
			return
		}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, text, http.NoBody)
		if err != nil || r.URL.Host == "" || r.URL.User != nil {
			t.Errorf("%q passes: %v", text, err)
		}
	})
}

// What a record holds of the secret is sealed.
func TestCanary(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.webhook(t, "w1", "https://example.com/")
	text, err := json.Marshal(w.webhooks.all())
	if err != nil || strings.Contains(string(text), w.secret.Reveal()) {
		t.Errorf("%s, %v", text, err)
	}
}
