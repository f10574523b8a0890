package providers

import (
	"testing"
	"time"

	"github.com/relayd/relayd/internal/simulator"
)

// app --SMTP--> relayd --SMTP, IMAP--> zoho, which files sent mail late
//
// When the account is proved the provider seems to file nothing, so relayd files the
// first copy. Later there are two: relayd takes out its own, and knows better from
// then on.
func TestProviderFilesLate(t *testing.T) {
	t.Parallel()
	how := simulator.Zoho()
	how.SentDelay = 18 * time.Second // a verification waits for 10, and looks rarely
	s := newScene(t, how, nil, with("sent", "{retry: [1s, 1s, 1s, 1s, 1s, 1s, 1s, 1s, 1s, 1s, 1s, 1s], recheck: 22s}"))
	s.prepare(map[string]any{"provider": "imap", "preset": "zoho"})
	account := s.person(jane, oldPassword)
	s.mustVerify(account)
	id, headerID := s.send(jane)
	s.soon("a copy of relayd's own", func() bool { return s.message(id).Copy.Status == "filed" })
	ours := s.message(id).Copy.UID
	s.soon("the second copy", func() bool { return len(s.copies(jane, "Sent")) == 2 })
	m := s.settled(id)
	if m.Copy.Status != "filed by provider" || m.Copy.UID == ours {
		t.Errorf("the copy is %s, uid %d (ours was %d): %s", m.Copy.Status, m.Copy.UID, ours, m.Copy.Reason)
	}
	s.same("Sent", s.copies(jane, "Sent"), []string{headerID})
	if a := s.account(account); !a.Card.FilesSent {
		t.Error("the card has not learned that the provider files sent mail")
	}
}
