package docs_test

import (
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"testing"
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
