package peers

import (
	"regexp"
	"strings"
	"testing"
	"time"
)

// What a person does with messages that wait, while the world's MX is down and then
// is not:
//
//	relayd queue --> relayd --25--x Postfix of the world
func TestQueueCommands(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.startDNS()
	r := w.startRelayd(set("queue.retry", "[1h]"))
	r.organisation("Acme", "acme.example")
	r.submitter(crm, "--organisation", "Acme", "--whole-organisation")
	ids := map[string]string{}
	for _, subject := range []string{"retried", "held", "cancelled"} {
		ids[subject] = r.submit("jane@acme.example", []string{"bob@b.example", "nobody@b.example"}, mail("jane@acme.example", "bob@b.example", subject))
		m := r.await(ids[subject], deferred)
		if !strings.Contains(m.Recipients[0].Reply, "refused") || m.Recipients[0].Attempts != 1 || time.Until(*m.Recipients[0].Next) < 50*time.Minute {
			t.Errorf("%s: %+v", subject, m.Recipients[0])
		}
	}
	r.do("queue", "hold", ids["held"], "--reason", "the chief wants to read it")
	if out := r.do("queue", "list", "--held"); !strings.Contains(out, ids["held"]) || !strings.Contains(out, "the chief wants to read it") || strings.Contains(out, ids["retried"]) {
		t.Errorf("queue list --held says\n%s", out)
	}
	for _, wrong := range [][]string{{"hold", ids["held"]}, {"retry", ids["held"]}, {"release", ids["retried"]}, {"show", "06h00eqnkag4yqj1nvvqsmc4fg"}} {
		if _, errs, code := r.command("", append([]string{"queue"}, wrong...)...); code != 1 || errs == "" {
			t.Errorf("queue %v ended with %d: %s", wrong, code, errs)
		}
	}
	if out := r.do("queue", "cancel", ids["cancelled"]); !strings.Contains(out, ids["cancelled"]+"  done") {
		t.Errorf("queue cancel says %s", out)
	}

	mx := w.startExchanger()
	r.do("queue", "retry", ids["retried"])
	r.await(ids["retried"], done)
	mx.about("bob@b.example", "retried")
	r.do("queue", "release", ids["held"])
	r.await(ids["held"], done)
	mx.about("bob@b.example", "held")
	if n := len(mx.mail("bob@b.example")); n != 2 {
		t.Errorf("bob got %d messages, want 2", n)
	}
	if m := r.message(ids["cancelled"]); outcomes(m) != "bob@b.example cancelled, nobody@b.example cancelled" || count(m, "report") != 0 {
		t.Errorf("%s, timeline %+v", outcomes(m), m.Timeline)
	}
	r.checkStory(ids["held"])
	if out := r.do("queue", "list"); strings.Contains(out, "bob@b.example") {
		t.Errorf("what is done still waits:\n%s", out)
	}
	if out := r.do("queue", "list", "--all", "--rcpt", "bob@b.example"); strings.Count(out, "bob@b.example") != 3 {
		t.Errorf("queue list --all --rcpt says\n%s", out)
	}
}

// checkStory checks what queue show tells of a message with several attempts.
func (r *relayd) checkStory(id string) {
	r.t.Helper()
	story := regexp.MustCompile(`(?s)` + strings.Join([]string{
		`Status: +done`, `From: +jane@acme\.example`, `Route: +direct`,
		`bob@b\.example +delivered`, `250 2\.0\.0 Ok:( \d+ bytes)? queued as`, `nobody@b\.example +failed`, `550 5\.1\.1 .*User unknown`,
		`accepted`, `attempt  route direct`, `bob@b\.example deferred local: refused`, `nobody@b\.example deferred local: refused`,
		`held  by \S+  route hold: the chief wants to read it\n`, `released  by `,
		`attempt  route direct.*mx\.b\.example \[` + regexp.QuoteMeta(r.w.at(hostMX)) + `:25\]`,
		`bob@b\.example delivered 250 2\.0\.0 Ok:( \d+ bytes)? queued as`, `nobody@b\.example failed 550 5\.1\.1`, `report  failure `,
	}, `.*`))
	if out := r.do("queue", "show", id); !story.MatchString(out) {
		r.t.Errorf("queue show does not tell the whole story:\n%s", out)
	}
	if m := r.message(id); count(m, "attempt") != 2 || count(m, "held") != 1 || count(m, "released") != 1 {
		r.t.Errorf("the timeline is %+v", m.Timeline)
	}
}
