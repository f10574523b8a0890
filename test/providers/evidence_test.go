package providers

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/relayd/relayd/internal/api"
)

// evidence is everything that relayd showed to anybody, and what nobody may read
// there (promise G8).
type evidence struct {
	logs []func() []string // of every process that ran

	mu      sync.Mutex
	shown   map[string]string // answers of the API by their text, with what was asked
	pages   map[string]string // the same of pages
	secrets []string
	links   []string // tokens of links: a page has its own
}

// hide names secrets.
func (e *evidence) hide(secrets ...string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.secrets = append(e.secrets, secrets...)
}

// hideLink names the token of a link.
func (e *evidence) hideLink(address string) {
	_, token, _ := strings.Cut(address, "/link/")
	e.mu.Lock()
	defer e.mu.Unlock()
	e.links = append(e.links, token)
}

// show notes an answer of the API.
func (e *evidence) show(asked string, answer []byte) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.shown == nil {
		e.shown = map[string]string{}
	}
	e.shown[string(answer)] = asked
}

// showPage notes a page.
func (e *evidence) showPage(path string, page []byte) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.pages == nil {
		e.pages = map[string]string{}
	}
	e.pages[string(page)] = path
}

// askEverything asks the API for all that there is, as somebody would who looks for
// secrets.
func (s *scene) askEverything() {
	s.t.Helper()
	for _, path := range []string{
		"/organisations", "/users", "/accounts", "/apps", "/starters", "/webhooks", "/submitters", "/tokens", "/queue", "/calendar", "/domain-claims",
	} {
		_, answer := s.ask("GET", api.Prefix+path, nil)
		s.show(path, answer)
	}
	_, metrics := s.ask("GET", "/metrics", nil)
	s.show("metrics", metrics)
	for _, m := range call[api.List[api.Message]](s, "GET", "/messages?limit=100", nil).Items {
		s.message(m.ID)
	}
	s.hide(s.provider.OAuth().Given()...)
}

// forms are the ways in which a secret may be written down. Base64 looks different
// by where in the encoded text the secret begins.
func forms(secret string) []string {
	all := []string{secret, hex.EncodeToString([]byte(secret)), url.QueryEscape(secret)}
	for before := range 3 {
		text := append(make([]byte, before), secret...)
		cut := base64.StdEncoding.EncodeToString(text[:len(text)/3*3])[(before*8+5)/6:]
		all = append(all, cut, strings.NewReplacer("+", "-", "/", "_").Replace(cut))
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// search fails the test if a secret stands in a log line, an answer or a page.
func (e *evidence) search(t *testing.T) {
	t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	var log strings.Builder
	for _, lines := range e.logs {
		for _, line := range lines() {
			fmt.Fprintln(&log, line)
		}
	}
	if !t.Failed() && (log.Len() == 0 || len(e.shown) < 10 || len(e.secrets) < 3) {
		t.Errorf("no evidence: %d octets of log, %d answers, %d secrets", log.Len(), len(e.shown), len(e.secrets))
	}
	found := func(where, text string, secrets []string) {
		for _, secret := range secrets {
			for _, form := range forms(secret) {
				if at := strings.Index(text, form); at >= 0 {
					t.Errorf("a secret stands in %s: …%s…", where, text[max(0, at-200):min(len(text), at+len(form)+40)])
				}
			}
		}
	}
	found("the log", log.String(), slices.Concat(e.secrets, e.links))
	for answer, asked := range e.shown {
		found("the answer to "+asked, answer, slices.Concat(e.secrets, e.links))
	}
	for page, path := range e.pages {
		found("the page "+path, page, e.secrets)
	}
}

// The search itself must find what it looks for.
func TestSecretsAreFound(t *testing.T) {
	t.Parallel()
	const secret = "Canary-Sings-7f3a"
	for name, text := range map[string]string{
		"plain": "password=" + secret, "hex": hex.EncodeToString([]byte("x" + secret)), "PLAIN": base64.StdEncoding.EncodeToString([]byte("\x00jane\x00" + secret)),
	} {
		if !slices.ContainsFunc(forms(secret), func(form string) bool { return strings.Contains(text, form) }) {
			t.Errorf("%s is not found", name)
		}
	}
}
