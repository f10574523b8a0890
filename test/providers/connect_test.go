package providers

import (
	"testing"

	"github.com/relayd/relayd/internal/simulator"
)

// delivered sends a letter of somebody and shows that it went through the account, by
// a way, once, and that Sent holds one copy.
func (s *scene) delivered(from, way, folder string) {
	s.t.Helper()
	before := len(s.sent())
	id, headerID := s.send(from)
	m := s.settled(id)
	if r := m.Recipients[0]; r.Outcome != "delivered" || m.Route.Kind != "account" {
		s.t.Errorf("%s went by %s: %s %s", headerID, m.Route.Kind, r.Outcome, r.Reply)
	}
	out := s.sent()[before:]
	if len(out) != 1 || out[0].User != from || out[0].From != from || out[0].Via != way || !out[0].TLS {
		s.t.Errorf("the provider took %+v, want one message of %s by %s", out, from, way)
	}
	n := 0
	for _, id := range s.copies(from, folder) {
		if id == headerID {
			n++
		}
	}
	if n != 1 {
		s.t.Errorf("%s holds %d copies of %s, want 1 (%s: %s)", folder, n, headerID, m.Copy.Status, m.Copy.Reason)
	}
}

// person --API--> relayd --SMTP, IMAP--> provider
//
// The administrator has prepared the domain. A person gives an address and a
// password, and nothing else.
func TestAddressAndPassword(t *testing.T) {
	t.Parallel()
	for name, how := range map[string]struct {
		personality simulator.Personality
		starter     map[string]any
		folder      string
	}{
		"plain":     {simulator.Plain(), nil, "Sent"},
		"localised": {simulator.Localised(), nil, "Gesendete Elemente"},
		"gmail":     {simulator.Gmail(), map[string]any{"provider": "gmail", "preset": "gmail"}, "[Gmail]/Sent Mail"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, how.personality, nil)
			s.prepare(how.starter)
			account := s.person(jane, oldPassword)
			s.mustVerify(account)
			if a := s.account(account); a.State != "verified" || a.Card.SentFolder != how.folder || a.Card.FilesSent != how.personality.FilesSent {
				t.Errorf("the account is %s, its card %+v", a.State, a.Card)
			}
			s.delivered(jane, "smtp", how.folder)
			s.tidy(jane, how.folder)
		})
	}
}

// tidy shows that nothing is left of the mail by which an account was proved.
func (s *scene) tidy(address string, folders ...string) {
	s.t.Helper()
	for _, folder := range append(folders, "INBOX") {
		found, err := s.provider.Messages(s.t.Context(), address, folder)
		if err != nil {
			s.t.Fatal(err)
		}
		for i := range found {
			if isTrial(found[i].Content) {
				s.t.Errorf("%s: a trial mail is left in %s", address, folder)
			}
		}
	}
}

// person --browser--> relayd --SMTP, IMAP--> provider
//
// The administrator has registered an application and prepared the domain. A person
// presses Connect, allows it at the provider, and is done.
func TestOneClick(t *testing.T) {
	t.Parallel()
	for name, how := range map[string]struct {
		personality simulator.Personality
		vendor      string
		folder      string
	}{
		"gmail":     {simulator.Gmail(), "google", "[Gmail]/Sent Mail"},
		"office365": {simulator.Office365(), "microsoft", "Sent Items"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, how.personality, nil)
			s.prepareConsent(name, how.vendor)
			account := s.person(jane, "")
			s.connect(account, jane)
			s.delivered(jane, "smtp", how.folder)
			s.tidy(jane, how.folder)
			// Somebody who allows it for another mailbox connects nothing.
			b := s.browser()
			b.consent(s.link(s.person(john, ""), "connect"), jane)
			b.says("choose that account at the provider")
		})
	}
}
