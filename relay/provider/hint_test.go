package provider

import (
	"testing"

	"github.com/relayd/relayd/relay"
)

// A report goes to the application: what a person should do about his own mailbox is
// neither its matter nor of use to it.
func TestHintsAreForTheSubmitter(t *testing.T) {
	t.Parallel()
	rules, err := New()
	if err != nil {
		t.Fatal(err)
	}
	kept, left := 0, 0
	for _, places := range rules.byPlace {
		for _, r := range places {
			hint := rules.Hint(r.class.Rule)
			switch {
			case !forSubmitter(r.class.Told):
				left++
				if hint != "" {
					t.Errorf("%s, told to %v, gives the submitter %q", r.class.Rule, r.class.Told, hint)
				}
			case hint != r.class.Hint:
				t.Errorf("%s gives %q, want %q", r.class.Rule, hint, r.class.Hint)
			default:
				kept++
			}
		}
	}
	if kept == 0 || left == 0 {
		t.Errorf("%d hints are for the submitter, %d are not: one kind is missing", kept, left)
	}
	refused := rules.Classify(relay.Answer{Where: relay.AtAuth, Reply: relay.Reply{Code: 535, Text: "no"}})
	if hint := rules.Hint(refused.Rule); refused.Hint == "" || hint != "" {
		t.Errorf("a refused sign-in (%s) gives the submitter %q", refused.Rule, hint)
	}
}

func TestForOwner(t *testing.T) {
	t.Parallel()
	r, err := New()
	if err != nil {
		t.Fatal(err)
	}
	for rule, want := range map[string]bool{
		"auth.password_wrong": true, "token.client_refused": false, "no.such_rule": true,
	} {
		if got := r.ForOwner(rule); got != want {
			t.Errorf("ForOwner(%q) = %v", rule, got)
		}
	}
}
