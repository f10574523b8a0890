package providers

import (
	"testing"

	"github.com/relayd/relayd/internal/simulator"
)

// app --SMTP--> relayd --SMTP, then Graph, then SMTP--> office365
//
// An administrator of the tenant switches SMTP AUTH off after the account was proved.
// Mail goes on by the next way of the ladder, and nobody has to do anything. When it
// is switched on again, a verification brings the first way back.
func TestTenantSwitchesSMTPOff(t *testing.T) {
	t.Parallel()
	s := newScene(t, simulator.Office365(), nil)
	s.prepareConsent("office365", "microsoft")
	account := s.person(jane, "")
	s.connect(account, jane)
	s.delivered(jane, "smtp", "Sent Items")

	s.provider.SMTPAuthDisabled(true)
	s.delivered(jane, "graph", "Sent Items")
	a := s.account(account)
	if a.State != "verified" || len(a.Down) != 1 || a.Down[0].Way != "smtp" || a.Down[0].Reason == "" {
		t.Errorf("the account is %s (%s), down: %+v", a.State, a.StateReason, a.Down)
	}
	s.delivered(jane, "graph", "Sent Items")

	s.provider.SMTPAuthDisabled(false)
	s.mustVerify(account)
	if a := s.account(account); len(a.Down) != 0 {
		t.Errorf("after the verification is still down: %+v", a.Down)
	}
	s.delivered(jane, "smtp", "Sent Items")
	s.same("what arrived", s.arrivals(jane), []string{"<letter-1@acme.example>", "<letter-2@acme.example>", "<letter-3@acme.example>", "<letter-4@acme.example>"})
}
