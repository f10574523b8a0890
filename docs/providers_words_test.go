package docs_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/relayd/relayd/internal/api"
)

// TestProviderPagesNameRealServers: a server on a page is one of the presets', or the
// reader's own (.example).
func TestProviderPagesNameRealServers(t *testing.T) {
	t.Parallel()
	p, known := presets(t), map[string]bool{}
	all := p.All()
	for _, domain := range []string{"zoho.com", "zoho.eu"} {
		found, _ := p.ByMX("mx." + domain)
		all = append(all, found)
	}
	for _, preset := range all {
		for _, s := range slices.Concat(preset.SMTP, preset.IMAP) {
			known[fmt.Sprintf("%s:%d", s.Host, s.Port)] = true
		}
	}
	written := regexp.MustCompile(`\b([a-z0-9-]+(?:\.[a-z0-9-]+)+):(\d+)\b`)
	inJSON := regexp.MustCompile(`"host":\s*"([^"]+)",\s*"port":\s*(\d+)`)
	seen := 0
	for _, d := range providerPages(t) {
		for _, m := range slices.Concat(written.FindAllStringSubmatch(d.text, -1), inJSON.FindAllStringSubmatch(d.text, -1)) {
			if strings.HasSuffix(m[1], ".example") {
				continue
			}
			seen++
			if !known[m[1]+":"+m[2]] {
				t.Errorf("%s names the server %s:%s, which no preset has", d.path, m[1], m[2])
			}
		}
	}
	if seen < 40 {
		t.Errorf("only %d servers were found", seen)
	}
}

// TestProviderPagesNameRealRules: what looks like the id of a reply rule is one.
func TestProviderPagesNameRealRules(t *testing.T) {
	t.Parallel()
	rules := readSource(t).texts["relay/provider/replies.yaml"]
	id := regexp.MustCompile(`^(token|web|ews|connect|quota|tls|auth|sender|account|recipient|message|connection|outcome|copy|default)\.[a-z0-9_.]+$`)
	seen := 0
	for _, d := range providerPages(t) {
		for _, span := range d.spans() {
			if !id.MatchString(span) {
				continue
			}
			seen++
			if !strings.Contains(rules, "{id: "+span+",") {
				t.Errorf("%s names the rule %s, which is not there", d.path, span)
			}
		}
	}
	if seen < 40 {
		t.Errorf("only %d rules were found", seen)
	}
}

// TestProviderPagesQuoteTheProgram: what a page for people says that relayd says is
// what it says. … stands for what differs.
func TestProviderPagesQuoteTheProgram(t *testing.T) {
	t.Parallel()
	var said strings.Builder
	for _, pattern := range []string{
		"relay/account/*.go", "relay/oauth/*.go", "relay/admin/pages/*.go", "relay/provider/replies.yaml", "cmd/relayd/accounts.go",
	} {
		names, err := fs.Glob(root(), pattern)
		if err != nil || len(names) == 0 {
			t.Fatalf("%s: %v", pattern, err)
		}
		for _, name := range names {
			raw, err := fs.ReadFile(root(), name)
			if err != nil {
				t.Fatal(err)
			}
			said.Write(raw)
		}
	}
	texts := regexp.MustCompile(`"\s*\+\s*"`).ReplaceAllString(said.String(), "") // a text over several lines
	texts = strings.ToLower(regexp.MustCompile(`%[sdqv]`).ReplaceAllString(texts, "…"))
	seen := 0
	for _, d := range providerPages(t) {
		for line := range strings.Lines(d.prose) {
			cell, _, found := strings.Cut(strings.TrimPrefix(line, "|"), "|")
			if !found || !strings.HasPrefix(line, "|") {
				continue
			}
			for _, m := range regexp.MustCompile(`"([^"]+)"`).FindAllStringSubmatch(cell, -1) {
				seen++
				for part := range strings.SplitSeq(m[1], "…") {
					part = strings.Trim(part, " .,:")
					if !strings.Contains(texts, strings.ToLower(part)) {
						t.Errorf("%s: nothing in relayd says %q (%s)", d.path, part, m[1])
					}
				}
			}
		}
	}
	if seen < 40 {
		t.Errorf("only %d quotations were found", seen)
	}
}

// TestProviderPagesCallTheAPI: a call on a page is an operation of docs/api.md, with a
// body that the API knows every name of.
func TestProviderPagesCallTheAPI(t *testing.T) {
	t.Parallel()
	operations := read(t, "docs/api.md").firstColumn()
	files := regexp.MustCompile(`(?ms)^cat >(\w+\.json) <<'(\w+)'$\n(.*?)^\w+$`) //nolint:gocritic // with (?m) each line has its ^
	calls := regexp.MustCompile(`api (GET|POST|PUT|DELETE) '?(/[\w/@.-]+)(?:\?[^ ']*)?'?(?: '([^']*)'| @(\S+))?`)
	seen := 0
	for _, d := range providerPages(t) {
		for _, m := range calls.FindAllStringSubmatch(d.text, -1) {
			seen++
			operation := m[1] + " /api/v1" + pattern(m[2])
			if !slices.Contains(operations, operation) {
				t.Errorf("%s: %s is no operation of docs/api.md", d.path, operation)
			}
			body := m[3]
			for _, file := range files.FindAllStringSubmatch(d.code, -1) {
				if body == "" && file[1] == m[4] {
					body = file[3]
				}
			}
			if err := knows(operation, body); body != "" && err != nil {
				t.Errorf("%s: %s: %v: %s", d.path, operation, err, body)
			}
		}
	}
	if seen < 20 {
		t.Errorf("only %d calls were found", seen)
	}
}

// pattern puts the parameters of docs/api.md in the place of a reader's.
func pattern(p string) string {
	p = regexp.MustCompile(`/DEVICE\b`).ReplaceAllString(p, "/{device}")
	p = regexp.MustCompile(`/[A-Z]{3,}\b`).ReplaceAllString(p, "/{id}")
	return regexp.MustCompile(`/[^/]+@[^/]+`).ReplaceAllString(p, "/{address}")
}

// knows reads a body as the API does.
func knows(operation, body string) error {
	into := map[string]any{
		"POST /api/v1/apps": api.AppInput{}, "POST /api/v1/starters": api.StarterInput{}, "POST /api/v1/accounts": api.AccountInput{},
		"POST /api/v1/domain-claims": api.DomainClaimInput{}, "POST /api/v1/accounts/{id}/aliases": api.AliasInput{},
		"POST /api/v1/accounts/{id}/links": api.LinkInput{}, "POST /api/v1/accounts/{id}/device-consents": api.DeviceInput{},
		"POST /api/v1/discover": api.DiscoverInput{},
	}[operation]
	if into == nil {
		return errors.New("no body is known for it")
	}
	decoder := json.NewDecoder(bytes.NewReader([]byte(body)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(reflect.New(reflect.TypeOf(into)).Interface()); err != nil {
		return err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more than one value")
	}
	return nil
}
