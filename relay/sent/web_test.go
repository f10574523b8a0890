package sent_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/relayd/relayd/internal/mailbox"
	"github.com/relayd/relayd/internal/simulator"
	"github.com/relayd/relayd/internal/webmail"
	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/relay/sent"
)

// api is an HTTP API that files what it sends.
type api struct {
	mu       sync.Mutex
	sent     map[string][]webmail.Item // by Message-ID
	fails    error
	asked    []relay.Way
	resource []relay.Resource
	open     int                     // clients
	good     func(relay.Secret) bool // whether fails concerns no such token; nil: it concerns all
}

func (a *api) Open(c *relay.Credentials, way relay.Way) (webmail.Client, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked, a.resource = append(a.asked, way), append(a.resource, c.Resource)
	a.open++
	return &apiClient{api: a, token: c.Token}, nil
}

func (a *api) accept(headerID string, at time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.sent == nil {
		a.sent = map[string][]webmail.Item{}
	}
	a.sent[headerID] = append(a.sent[headerID], webmail.Item{HeaderID: headerID, Arrived: at})
}

// apiClient can only look, so whatever else is asked of it is a panic.
type apiClient struct {
	webmail.Client
	api   *api
	token relay.Secret
}

func (c *apiClient) Find(_ context.Context, folder webmail.Folder, headerID string) ([]webmail.Item, error) {
	c.api.mu.Lock()
	defer c.api.mu.Unlock()
	if fails := c.api.fails; (fails != nil && (c.api.good == nil || !c.api.good(c.token))) || folder != webmail.FolderSent {
		return nil, fails
	}
	return c.api.sent[headerID], nil
}

func (c *apiClient) Close() error {
	c.api.mu.Lock()
	defer c.api.mu.Unlock()
	c.api.open--
	return nil
}

// webWorld is a provider whose mailbox Jane's account reaches by an API, and by IMAP as
// well if wanted.
func webWorld(t *testing.T, way relay.Way, withIMAP bool) (*world, *api) {
	t.Helper()
	web := &api{}
	w := newWorld(t, simulator.Personality{}, func(o *sent.Options) { o.Web = web })
	t.Cleanup(func() {
		if web.open != 0 {
			t.Errorf("%d clients were not closed", web.open)
		}
	})
	w.accounts.change("jane", func(a *relay.Account) {
		a.Ways, a.Card.Ways = []relay.Way{way}, []relay.Way{way}
		if !withIMAP {
			a.IMAP = relay.Server{}
		}
	})
	return w, web
}

func TestCopyThatAnAPIFiled(t *testing.T) {
	t.Parallel()
	const young, late = 20 * time.Second, 2 * time.Minute
	for _, test := range []struct {
		name     string
		way      relay.Way
		withIMAP bool
		mode     relay.CopyMode
		age      time.Duration
		there    bool
		fails    error
		status   relay.CopyStatus
		rule     string
		dials    int
	}{
		{"at once", relay.WayGraph, false, "", 0, true, nil, relay.CopyPending, sent.RuleWaits, 0},
		{"found by Graph", relay.WayGraph, false, "", young, true, nil, relay.CopyByProvider, sent.RuleThere, 0},
		{"found by EWS", relay.WayEWS, false, "", young, true, nil, relay.CopyByProvider, sent.RuleThere, 0},
		{"found by IMAP", relay.WayGraph, true, "", young, true, nil, relay.CopyByProvider, sent.RuleThere, 1},
		{"not found yet", relay.WayGraph, false, "", young, false, nil, relay.CopyPending, sent.RuleWaits, 0},
		{"never found", relay.WayGraph, false, "", late, false, nil, relay.CopyByProvider, sent.RuleAPI, 0},
		{"never found, by IMAP", relay.WayGraph, true, "", late, false, nil, relay.CopyByProvider, sent.RuleAPI, 1},
		{"may send and not read", relay.WayGmailAPI, false, "", young, true, &webmail.Error{Cause: webmail.ErrNotPermitted}, relay.CopyByProvider, sent.RuleAPI, 0},
		{"does not answer now", relay.WayEWS, false, "", young, true, errors.New("timeout"), relay.CopyPending, sent.RuleWaits, 0},
		{"never answers", relay.WayEWS, false, "", late, true, errors.New("timeout"), relay.CopyByProvider, sent.RuleAPI, 0},
		{"switched off", relay.WayEWS, false, relay.CopyNever, young, true, nil, relay.CopyByProvider, sent.RuleAPI, 0},
		{"wanted in any case", relay.WayGraph, true, relay.CopyAlways, late, false, nil, relay.CopyFiled, sent.RuleFiled, 1},
		{"wanted in any case, no IMAP", relay.WayGraph, false, relay.CopyAlways, late, false, nil, relay.CopyByProvider, sent.RuleAPI, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w, web := webWorld(t, test.way, test.withIMAP)
			w.accounts.change("jane", func(a *relay.Account) { a.CopyMode = test.mode })
			f := message(1, time.Now().Add(-test.age))
			f.Way = test.way
			if test.there {
				web.accept(f.Message.HeaderID, time.Now())
				put(t, newestBox(w), "Sent", asSent(f), time.Now())
			}
			web.fails = test.fails
			before, _, _ := w.dialer.counts()
			filed := w.file(f)
			if filed.Status != test.status || filed.Rule != test.rule || (filed.Rule == sent.RuleThere) == (filed.Folder == "") && filed.Status == relay.CopyByProvider {
				t.Errorf("filed %+v", filed)
			}
			if dials, _, _ := w.dialer.counts(); dials-before != test.dials {
				t.Errorf("%d connections by IMAP, want %d", dials-before, test.dials)
			}
			for i := range web.asked {
				if web.asked[i] != test.way || web.resource[i] != test.way.Resource() {
					t.Errorf("asked by %s with a token for %q", web.asked[i], web.resource[i])
				}
			}
		})
	}
}

// newestBox opens the mailbox by IMAP whatever the account says.
func newestBox(w *world) *mailbox.Mailbox {
	other := *w
	other.accounts = &accounts{list: map[string]relay.Account{}}
	other.account("jane", jane)
	return other.box()
}

// An account that sends by SMTP and has no IMAP server, but an API to look by.
func TestMailboxWithoutIMAPIsSearchedByItsAPI(t *testing.T) {
	t.Parallel()
	w, web := webWorld(t, relay.WayEWS, false)
	f := message(1, time.Now().Add(-2*time.Minute))
	f.Way = relay.WaySMTP
	if filed := w.file(f); filed.Status != relay.CopyImpossible || filed.Rule != sent.RuleNoIMAP {
		t.Errorf("not there: %+v", filed)
	}
	web.accept(f.Message.HeaderID, time.Now())
	if filed := w.file(f); filed.Status != relay.CopyByProvider {
		t.Errorf("there: %+v", filed)
	}
}

// Without IMAP and without anything that could look, an API has filed it all the same.
func TestAPIWithoutAnybodyToLook(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Personality{})
	w.accounts.change("jane", func(a *relay.Account) { a.IMAP = relay.Server{} })
	f := message(1, time.Now().Add(-time.Minute))
	f.Way = relay.WayGmailAPI
	if filed := w.file(f); filed.Status != relay.CopyByProvider || filed.Rule != sent.RuleAPI || filed.Reason == "" {
		t.Errorf("filed %+v", filed)
	}
}

// Promise G4 for the ways over HTTP: an answer that was lost is looked up by the API.
func TestFindByAPI(t *testing.T) {
	t.Parallel()
	for _, way := range []relay.Way{relay.WayGraph, relay.WayEWS, relay.WayGmailAPI} {
		w, web := webWorld(t, way, false)
		f := message(1, time.Now())
		find := func(when string, want relay.Found, fails bool) {
			t.Helper()
			found, err := w.filer.Find(t.Context(), "jane", f.Message)
			if found != want || (err != nil) != fails {
				t.Errorf("%s, %s: %v, %v; want %v", way, when, found, err, want)
			}
		}
		find("not accepted", relay.FoundNo, false)
		web.accept(f.Message.HeaderID, f.Sent.Add(-time.Hour))
		find("an older message of the same Message-ID", relay.FoundNo, false)
		web.accept(f.Message.HeaderID, time.Now())
		find("accepted", relay.FoundYes, false)
		web.fails = errors.New("503")
		find("out of reach", relay.FoundUnsearchable, true)
		web.fails = fmt.Errorf("gmail.send: %w", webmail.ErrNotPermitted)
		find("may not read", relay.FoundUnsearchable, false)
	}
}

// A crash between dot and result, at every moment and through every API: what was
// accepted is never sent again, what was not is sent once.
func TestCrashBetweenDotAndResultByAPI(t *testing.T) {
	t.Parallel()
	for _, way := range []relay.Way{relay.WayGraph, relay.WayEWS} {
		for _, withIMAP := range []bool{false, true} {
			w, web := webWorld(t, way, withIMAP)
			for n := range 8 {
				f := message(n, time.Now())
				accepted := 0
				send := func() {
					accepted++
					web.accept(f.Message.HeaderID, time.Now())
					put(t, newestBox(w), "Sent", asSent(f), time.Now())
				}
				if n%2 == 0 {
					send() // the crash comes after it was accepted, else before
				}
				for range 3 { // as often as the answer is lost again
					w.restart()
					if found, err := w.filer.Find(t.Context(), "jane", f.Message); err != nil {
						t.Fatal(err)
					} else if found != relay.FoundYes {
						send()
					}
				}
				if accepted != 1 {
					t.Errorf("%s, IMAP %v, message %d: sent %d times", way, withIMAP, n, accepted)
				}
			}
		}
	}
}

// A provider that files nothing still shows in the INBOX what the sender wrote to
// himself.
func TestFindInTheInbox(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Personality{})
	f := message(1, time.Now())
	put(t, w.box(), "INBOX", asSent(f), time.Now())
	for _, test := range []struct {
		name      string
		to        string
		filesSent bool
		want      relay.Found
	}{
		{"to somebody else", "bob", false, relay.FoundUnsearchable},
		{"to himself", "jane", false, relay.FoundYes},
		{"to himself, with a provider that files", "jane", true, relay.FoundYes},
		{"to somebody else, with a provider that files", "bob", true, relay.FoundNo},
	} {
		w.accounts.change("jane", func(a *relay.Account) { a.Card.FilesSent = test.filesSent })
		m := *f.Message
		m.Envelope.Recipients = []relay.Recipient{{Address: relay.Address{Local: "x", Domain: "b.example"}},
			{Address: relay.Address{Local: test.to, Domain: "acme.example"}}}
		if found, err := w.filer.Find(t.Context(), "jane", &m); found != test.want || err != nil {
			t.Errorf("%s: %v, %v; want %v", test.name, found, err, test.want)
		}
	}
	m := *f.Message
	m.HeaderID = "<2@acme.example>"
	m.Envelope.Recipients = []relay.Recipient{{Address: m.From}}
	if found, err := w.filer.Find(t.Context(), "jane", &m); found == relay.FoundYes || err != nil {
		t.Errorf("another Message-ID: %v, %v", found, err)
	}
}

// A token that cannot be had is trouble of the account, and none of the message.
func TestCopyWithoutAToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Personality{})
	w.accounts.token = &relay.TokenError{Reply: relay.Reply{Code: 400, Text: "invalid_grant"}}
	filed := w.file(message(1, time.Now()))
	if filed.Status != relay.CopyPending || filed.Rule != "token.grant" || filed.Trouble == nil || filed.Trouble.Kind != relay.TroublePark {
		t.Errorf("filed %+v", filed)
	}
	if heard := w.accounts.heard(); len(heard) != 1 {
		t.Errorf("heard %q", heard)
	}
}
