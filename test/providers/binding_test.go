package providers

import (
	"net/url"
	"regexp"
	"testing"

	"github.com/relayd/relayd/internal/api"
	"github.com/relayd/relayd/internal/simulator"
)

var codeIn = regexp.MustCompile(`\b[0-9A-Z]{4}-[0-9A-Z]{4}\b`)

// adminConsents lets the tenant's administrator consent for everybody, on the page to
// which relayd leads.
func (s *scene) adminConsents(app string) {
	s.t.Helper()
	leads := call[api.AdminConsent](s, "POST", "/apps/"+app+"/admin-consent", nil)
	resp, err := s.provider.HTTPClient().PostForm(leads.Address, url.Values{"decision": {"allow"}})
	if err != nil {
		s.t.Fatal(err)
	}
	resp.Body.Close()
	b := s.browser()
	b.open(resp.Header.Get("Location"))
	b.says("Thank you")
	if a := call[api.App](s, "GET", "/apps/"+app, nil); a.ConsentedAt == nil {
		s.t.Error("the consent is not noted")
	}
}

// person --browser--> relayd --client credentials--> office365
//
// The application's secret opens every mailbox of the company, so a sign-in proves
// nothing. Until a code that was mailed to the mailbox is typed, the account cannot
// even be verified.
func TestCodeBindsTheAddress(t *testing.T) {
	t.Parallel()
	s := newScene(t, simulator.Office365(), nil)
	s.adminConsents(s.prepareApp("office365", "microsoft", "app_only", "app"))
	account := s.person(jane, "")
	status, field := s.refused("POST", "/accounts/"+account+"/verification", nil)
	if status != 422 || field != "body.binding" {
		t.Errorf("an address that nobody bound: %d, field %q", status, field)
	}
	_, early := s.send(jane) // nobody has proved the account: it goes directly
	s.drained()
	if len(s.sent()) != 0 {
		t.Error("something went through an account that nobody bound")
	}
	made, _ := secretCall[api.Link](s, "POST", "/accounts/"+account+"/codes", nil)
	s.hideLink(made.Address)
	s.soon("the mail with the code", func() bool { return len(s.mailTo(jane)) == 1 })
	code := codeIn.FindString(s.mailTo(jane)[0])
	s.hide(code, code[:4]+code[5:])
	b := s.browser()
	b.open(made.Address)
	b.press("Go on", "code", "AAAA-AAAA")
	b.says("The code")
	b.press("Go on", "code", code)
	b.says("is yours")
	if v := s.ended(account); v.State != "done" {
		t.Fatalf("the verification ended with %s: %s %s", v.State, v.Field, v.Message)
	}
	if a := s.account(account); a.Binding == nil || a.Binding.Kind != "code" || a.State != "verified" {
		t.Errorf("the account is %s, bound by %+v", a.State, a.Binding)
	}
	s.delivered(jane, "smtp", "Sent Items")
	if got := s.arrivals(jane); len(got) != 2 || got[0] != early {
		t.Errorf("what arrived: %q", got)
	}
}
