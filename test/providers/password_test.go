package providers

import (
	"testing"

	"github.com/relayd/relayd/internal/simulator"
)

// app --SMTP--> relayd --SMTP--> provider
// owner <--mail-- relayd
//
// The person changes the password at the provider and thinks of nothing else. The
// account is parked, its mail waits; the link in the mail that comes asks for the new
// password, names a wrong one, and takes the right one.
func TestPasswordIsChanged(t *testing.T) {
	t.Parallel()
	s := newScene(t, simulator.Plain(), nil)
	s.prepare(nil)
	account := s.person(jane, oldPassword)
	s.mustVerify(account)
	if err := s.provider.SetPassword(jane, newPassword); err != nil {
		t.Fatal(err)
	}
	_, first := s.send(jane)
	s.becomes(account, "parked")
	_, second := s.send(jane)
	s.soon("the mail to the owner", func() bool { return len(s.mailTo(jane)) == 1 })
	b := s.browser()
	b.open(s.linkOf(s.mailTo(jane)[0]))
	const mistyped = "Canary-Mistyped-81d3"
	s.hide(mistyped)
	link := b.at.String()
	b.press("Save and check", "password", mistyped)
	b.watch()
	b.says("It does not work yet")
	if n := len(s.arrivals(jane)); n != 0 {
		t.Errorf("%d messages left the parked account", n)
	}
	b.open(link)
	b.press("Save and check", "password", newPassword)
	b.works()
	s.drained()
	s.same("what arrived", s.arrivals(jane), []string{first, second})
	s.same("Sent", s.copies(jane, "Sent"), []string{first, second})
}
