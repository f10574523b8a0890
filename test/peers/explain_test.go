package peers

import (
	"regexp"
	"testing"
)

// ids are what changes from run to run in an explanation.
var ids = regexp.MustCompile(`\b(acc|usr)_[0-9a-z]{26}\b`)

// explanations is what relayd explain says, for every rule.
var explanations = []struct{ from, submitter, want string }{
	{"new@acme.example", crm, ``}, {"mary@acme.example", crm, ``}, {"nobody@acme.example", crm, ``}, {"jane@acme.example", "operator", ``},
	{"ann@beta.example", "beta", ``}, {"shop@beta.example", "beta", ``}, {"ann@beta.example", "operator", ``}, {"boss@b.example", crm, ``}, {"jane@acme.example", "off", ``}, {"jane@acme.example", "beta", ``},
	{"jane@acme.example", crm, `Allowed:  yes
Route:    account acc_: jane@acme.example owns an account that is verified
Rule:     account.verified
User:     usr_
Account:  acc_
Waits in: account:acc_
  1. May crm send as <jane@acme.example>? Yes: Acme owns the domain acme.example, and the submitter may send as the whole organisation.
  2. Is it a report of relayd's own? No.
  3. Is the return path null? No.
  4. Is there no account for the From address? No.
  5. Is it an account of another organisation? No.
  6. Is the account verified? Yes: jane@acme.example owns an account that is verified.
`},
}

// Whom the rules send where:
//
//	relayd explain --> relayd, with accounts of every state
func TestExplain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.startDNS()
	jane, mary := person{"jane", "secret of jane"}, person{"mary", "secret of mary"}
	home := w.startProvider(nil, jane, mary)
	r := w.startRelayd(ports(home.dovecot.IMAPS))
	r.organisation("Acme", "acme.example")
	r.organisation("Beta", "beta.example", "--fall-back", "hold")
	r.submitter(crm, "--organisation", "Acme", "--whole-organisation")
	r.submitter("beta", "--organisation", "Beta", "--whole-organisation")
	r.submitter("operator", "--domain", "acme.example", "--address", "ann@beta.example")
	r.submitter("off", "--organisation", "Acme", "--whole-organisation")
	r.do("submitter", "disable", "off")
	r.connect(jane, home)
	r.connect(mary, home)
	r.do("user", "create", "new@acme.example")
	r.doWith("x\n", append([]string{"account", "create", "shop@beta.example", "--user", jane.address(), "--password-stdin"}, home.settings(jane)...)...)
	r.doWith("x\n", append([]string{"account", "create", "new@acme.example", "--password-stdin"}, home.settings(jane)...)...)
	mary.password = "another"
	home.changePassword(mary)
	r.await(r.submit(mary.address(), []string{"bob@b.example"}, mail(mary.address(), "bob@b.example", "parks mary")), held)
	for _, test := range explanations {
		out := r.do("explain", "--submitter", test.submitter, "--from", test.from, "--rcpt", "bob@b.example")
		if got := ids.ReplaceAllString(out, "${1}_"); got != test.want {
			t.Errorf("%s from %s:\n%s\nwant\n%s", test.submitter, test.from, got, test.want)
		}
	}
}
