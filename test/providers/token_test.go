package providers

import (
	"testing"
	"time"

	"github.com/relayd/relayd/internal/simulator"
)

// app --SMTP--> relayd --SMTP, IMAP--> office365
//
// The provider ends access tokens before their time: before a message is sent, and
// before its copy is looked for. Each time one new token is fetched, and the account
// stays as it is.
func TestTokenEndsEarly(t *testing.T) {
	t.Parallel()
	s := newScene(t, simulator.Office365(), nil)
	s.prepareConsent("office365", "microsoft")
	account := s.person(jane, "")
	s.connect(account, jane)
	asked := s.provider.OAuth().TokenRequests()
	s.provider.ExpireTokens(jane)
	id, first := s.send(jane)
	s.soon("the first message", func() bool { return len(s.sent()) == 1 })
	if n := s.provider.OAuth().TokenRequests() - asked; n != 1 {
		t.Errorf("%d tokens were fetched for the message, want 1", n)
	}
	s.provider.ExpireTokens(jane) // its copy is still to be looked for
	if m := s.settled(id); m.Copy.Status != "filed by provider" {
		t.Errorf("the copy is %s: %s", m.Copy.Status, m.Copy.Reason)
	}
	if n := s.provider.OAuth().TokenRequests() - asked; n != 2 {
		t.Errorf("%d tokens were fetched, want 2", n)
	}
	_, second := s.send(jane)
	s.soon("the second message", func() bool { return len(s.sent()) == 2 })
	if a := s.account(account); a.State != "verified" || s.p.Count("account parked")+s.p.Count("account degraded") > 0 {
		t.Errorf("the account is %s: %s", a.State, a.StateReason)
	}
	s.same("what arrived", s.arrivals(jane), []string{first, second})
}

// app --SMTP--> relayd, killed --SMTP--> office365, which takes old refresh tokens no more
//
// Each start fetches a new access token, and with it a new refresh token. relayd dies
// as soon as the access token was used: by then the refresh token must be safe.
func TestRefreshTokensSurviveKill(t *testing.T) {
	t.Parallel()
	s := newScene(t, simulator.Office365(), nil)
	s.prepareConsent("office365", "microsoft")
	account := s.person(jane, "")
	s.connect(account, jane)
	s.provider.ConfigureOAuth(func(b *simulator.OAuthBehaviour) { b.RefuseOld = true })
	const rounds = 6
	for round := range rounds {
		s.restart() // it knows no access token any more
		s.provider.Inject(simulator.Fault{At: simulator.AtMail, Times: 1, Hangup: true})
		asked := s.provider.OAuth().TokenRequests()
		s.send(jane)
		s.soon("a token", func() bool { return s.provider.OAuth().TokenRequests() > asked })
		s.wait(time.Duration(20*round) * time.Millisecond)
		s.soon("the use of the token", func() bool { return len(s.provider.Faults()) == 0 })
		s.p.Kill()
		s.provider.ClearFaults()
		s.start()
	}
	s.drained()
	if a := s.account(account); a.State != "verified" {
		t.Errorf("the account is %s: %s", a.State, a.StateReason)
	}
	if n := len(s.arrivals(jane)); n != rounds {
		t.Errorf("%d messages arrived, want %d", n, rounds)
	}
}
