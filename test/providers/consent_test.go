package providers

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/relayd/relayd/internal/api"
	"github.com/relayd/relayd/internal/simulator"
)

// hook is a program that hears of events. It lives on the provider's HTTPS server.
type hook struct {
	mu     sync.Mutex
	secret string
	calls  map[string][]string // by type, the ids
	wrong  []string            // what is wrong with calls
}

// onHTTPS puts the hook into a world.
func (h *hook) onHTTPS() setting {
	return func(o *simulator.Options, _ map[string]string) { o.HTTP = map[string]http.Handler{"POST /hook": h} }
}

// register makes the webhook at relayd.
func (h *hook) register(s *scene) {
	s.t.Helper()
	made, _ := secretCall[api.WebhookSecret](s, "POST", "/webhooks", map[string]any{"organisation": s.org, "url": s.provider.HTTPSURL() + "/hook"})
	s.hide(made.Secret, strings.TrimPrefix(made.Secret, "whsec_"))
	h.mu.Lock()
	defer h.mu.Unlock()
	h.secret = made.Secret
}

// ServeHTTP takes a call, after a look at its signature.
func (h *hook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	h.mu.Lock()
	defer h.mu.Unlock()
	id := r.Header.Get("Webhook-Id")
	var event struct {
		Type string
		Data struct{ Account, Address, State string }
	}
	switch {
	case err != nil || json.Unmarshal(body, &event) != nil:
		h.wrong = append(h.wrong, "a body that cannot be read: "+string(body))
	case !h.signed(id, r.Header.Get("Webhook-Timestamp"), body, r.Header.Get("Webhook-Signature")):
		h.wrong = append(h.wrong, "the signature of "+event.Type)
	case event.Data.Address != jane:
		h.wrong = append(h.wrong, "an event about "+event.Data.Address)
	default:
		if h.calls == nil {
			h.calls = map[string][]string{}
		}
		h.calls[event.Type] = append(h.calls[event.Type], id)
		w.WriteHeader(http.StatusNoContent)
		return
	}
	w.WriteHeader(http.StatusBadRequest)
}

// signed checks a call as its specification says: standardwebhooks.com.
func (h *hook) signed(id, at string, body []byte, signature string) bool {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(h.secret, "whsec_"))
	if err != nil {
		return false
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + at + "."))
	mac.Write(body)
	return hmac.Equal([]byte(signature), []byte("v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil))))
}

// heard is how many different events of a type came.
func (h *hook) heard(kind string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	ids := map[string]bool{}
	for _, id := range h.calls[kind] {
		ids[id] = true
	}
	return len(ids)
}

// letters gives the mail of relayd's own that came for somebody.
func (s *scene) mailTo(address string) (texts []string) {
	for _, m := range s.mx.Received() {
		if len(m.To) == 1 && m.To[0] == address && m.From == "" {
			texts = append(texts, string(m.Content))
		}
	}
	return texts
}

var linkIn = regexp.MustCompile(`https://localhost:\d+/link/[0-9A-Za-z._-]+`)

// linkOf reads the link out of a mail, whose lines may be folded.
func (s *scene) linkOf(text string) string {
	s.t.Helper()
	link := linkIn.FindString(strings.NewReplacer("=\r\n", "", "=3D", "=").Replace(text))
	if link == "" {
		s.t.Fatalf("there is no link in:\n%s", text)
	}
	s.hideLink(link)
	return link
}

// app --SMTP--> relayd, killed --SMTP--> office365
// owner, administrator <--mail-- relayd --HTTPS--> webhook
//
// The person takes the consent back at the provider. Mail is held, and nobody gets a
// report. The owner is told once, with a link, and the administrators later; programs
// hear of it. Who follows the link and consents again gets the waiting mail out, in
// its order. A kill in between doubles nothing and loses nothing.
func TestConsentIsTakenBack(t *testing.T) {
	t.Parallel()
	hook := &hook{}
	s := newScene(t, simulator.Office365(), map[string]any{"fall_back": "direct", "tell_after": "1s"}, hook.onHTTPS(),
		with("queue", "{per_account: 1}")) // side by side, what left first need not arrive first
	s.prepareConsent("office365", "microsoft")
	account := s.person(jane, "")
	s.connect(account, jane)
	hook.register(s)
	id, first := s.send(jane)
	s.settled(id)

	s.provider.RevokeConsent(jane)
	want := []string{first}
	for range 3 {
		_, headerID := s.send(jane)
		want = append(want, headerID)
	}
	s.becomes(account, "parked")
	s.restart()
	s.soon("three held messages", func() bool {
		held := call[api.List[api.Message]](s, "GET", "/messages?held=true", nil)
		return len(held.Items) == 3
	})
	s.soon("the mail to the owner", func() bool { return len(s.mailTo(jane)) == 1 })
	s.wait(time.Second) // tell_after
	s.restart()         // relayd looks at all accounts when it starts
	s.soon("the mail to the administrator", func() bool { return len(s.mailTo(boss)) == 1 })
	s.soon("account.parked", func() bool { return hook.heard("account.parked") == 1 })

	link := s.linkOf(s.mailTo(jane)[0])
	b := s.browser()
	b.open(link)
	b.says("Your mailbox needs attention")
	b.consent(link, jane)
	b.works()
	s.soon("all mail", func() bool { return len(s.sent()) == len(want) })
	s.restart()
	s.drained()
	s.soon("account.restored", func() bool { return hook.heard("account.restored") == 1 })
	s.same("what arrived", s.arrivals(jane), want)
	if n := len(s.copies(jane, "Sent Items")); n != len(want) {
		t.Errorf("Sent holds %d copies, want %d", n, len(want))
	}
	if owner, administrator := len(s.mailTo(jane)), len(s.mailTo(boss)); owner != 1 || administrator != 1 {
		t.Errorf("%d mails to the owner and %d to the administrator, want one each", owner, administrator)
	}
	if parked, restored := hook.heard("account.parked"), hook.heard("account.restored"); parked != 1 || restored != 1 || len(hook.wrong) > 0 {
		t.Errorf("events: %d parked, %d restored; wrong: %q", parked, restored, hook.wrong)
	}
	b.open(link)
	b.says("This link does not work")
}
