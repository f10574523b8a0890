package providers

import (
	"crypto/tls"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"

	"github.com/relayd/relayd/test/programtest"
)

// browser is a person's browser without scripts. It knows forms, buttons, redirects,
// cookies, and pages that load again by themselves.
type browser struct {
	s      *scene
	client *http.Client
	at     *url.URL
	status int
	page   string
}

func (s *scene) browser() *browser {
	s.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	transport := &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: s.roots, MinVersion: tls.VersionTLS12}}
	return &browser{s: s, client: &http.Client{Jar: jar, Transport: transport, Timeout: programtest.Patience}}
}

// open opens a page.
func (b *browser) open(address string) {
	b.s.t.Helper()
	resp, err := b.client.Get(address)
	b.read(resp, err)
}

func (b *browser) read(resp *http.Response, err error) {
	b.s.t.Helper()
	if err != nil {
		b.s.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		b.s.t.Fatal(err)
	}
	b.at, b.status, b.page = resp.Request.URL, resp.StatusCode, string(text)
	b.s.showPage(b.at.Path, text)
}

var (
	formOf  = regexp.MustCompile(`(?s)<form method="post" action="([^"]+)"[^>]*>(.*?)</form>`)
	refresh = regexp.MustCompile(`<meta http-equiv="refresh" content="\d+;url=([^"]+)">`)
)

// press presses the button with this text, after the fields beside it were filled in:
// name, value, name, value.
func (b *browser) press(button string, fields ...string) {
	b.s.t.Helper()
	for _, form := range formOf.FindAllStringSubmatch(b.page, -1) {
		if !strings.Contains(form[2], "<button>"+button+"</button>") {
			continue
		}
		values := url.Values{}
		for i := 0; i+1 < len(fields); i += 2 {
			if !strings.Contains(form[2], `name="`+fields[i]+`"`) {
				b.s.t.Fatalf("beside %q is no field %s:\n%s", button, fields[i], b.page)
			}
			values.Set(fields[i], fields[i+1])
		}
		to, err := b.at.Parse(html.UnescapeString(form[1]))
		if err != nil {
			b.s.t.Fatal(err)
		}
		resp, err := b.client.PostForm(to.String(), values)
		b.read(resp, err)
		return
	}
	b.s.t.Fatalf("%s (%d) has no button %q:\n%s", b.at.Path, b.status, button, b.page)
}

// says fails the test unless the page says something.
func (b *browser) says(text string) {
	b.s.t.Helper()
	if !strings.Contains(html.UnescapeString(b.page), text) {
		b.s.t.Fatalf("%s (%d) does not say %q:\n%s", b.at.Path, b.status, text, b.page)
	}
}

// consent follows a link and consents at the provider with the mailbox of an address.
func (b *browser) consent(link, address string) {
	b.s.t.Helper()
	b.open(link)
	vendor := "Microsoft"
	if !strings.Contains(b.page, vendor) {
		vendor = "Google"
	}
	b.press("Connect with " + vendor)
	leads := refresh.FindStringSubmatch(b.page)
	if leads == nil {
		b.s.t.Fatalf("the page does not lead to the provider:\n%s", b.page)
	}
	back, err := b.s.provider.Approve(html.UnescapeString(leads[1]), address)
	if err != nil {
		b.s.t.Fatal(err)
	}
	b.open(back)
}

// watch watches the page of a verification until it has ended.
func (b *browser) watch() {
	b.s.t.Helper()
	b.s.soon("the end of the page", func() bool {
		if !strings.Contains(b.page, `http-equiv="refresh"`) {
			return true
		}
		b.open(b.at.String())
		return false
	})
}

// works watches the page until the mailbox works.
func (b *browser) works() {
	b.s.t.Helper()
	b.watch()
	b.says("Your mailbox works")
}
