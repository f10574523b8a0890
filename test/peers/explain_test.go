package peers

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// Whom the rules send where:
//
//	relayd explain --> relayd, with accounts of every state
//
// testdata/explain.txt has the commands and what they print. Accounts of another
// organisation, and such as are being verified again, cannot be made by commands;
// relay/route has tables of them.
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
	r.doWith("x\n", append([]string{"account", "create", "new@acme.example", "--password-stdin"}, home.settings(jane)...)...)
	mary.password = "another"
	home.changePassword(mary)
	r.await(r.submit(mary.address(), []string{"bob@b.example"}, mail(mary.address(), "bob@b.example", "parks mary")), held)
	r.checkExplanations("testdata/explain.txt")

	r.stop()
	r.configure(set("direct.enabled", "false"))
	r.start()
	r.checkExplanations("testdata/explain-no-direct.txt")
	if _, errs, code := r.command("", "explain", "--submitter", "unknown", "--from", "jane@acme.example"); code != 1 || !strings.Contains(errs, "unknown") {
		t.Errorf("an unknown submitter: %d, %s", code, errs)
	}
}

// checkExplanations runs the commands of a file and compares what they print. What
// changes from run to run, the ids, is cut down to what they are of.
func (r *relayd) checkExplanations(file string) {
	r.t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		r.t.Fatal(err)
	}
	ids := regexp.MustCompile(`\b(acc_|usr_)[0-9a-z]{26}\b`)
	for _, section := range strings.Split(string(data), "$ relayd ")[1:] {
		command, want, _ := strings.Cut(section, "\n")
		got := ids.ReplaceAllString(r.do(strings.Fields(command)...), "$1")
		if strings.TrimSpace(got) != strings.TrimSpace(want) {
			r.t.Errorf("relayd %s\n%s\nwant\n%s", command, got, want)
		}
	}
}
