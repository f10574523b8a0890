package providers

import (
	"testing"

	"github.com/relayd/relayd/internal/simulator"
)

// app --SMTP--> relayd --SMTP, IMAP--> office365
//
// The provider ends an access token before its time: before a message is sent, before
// its copy is looked for, before the account is proved again. One new token is fetched,
// and the account stays as it is.
func TestTokenEndsEarly(t *testing.T) {
	t.Parallel()
	for name, how := range map[string]struct {
		fetched int
		end     func(s *scene, account string)
	}{
		"before a message": {1, func(s *scene, _ string) {
			s.provider.ExpireTokens(jane)
			s.delivered(jane, "smtp", "Sent Items")
		}},
		"before a copy": {1, func(s *scene, _ string) {
			id, _ := s.send(jane)
			s.soon("the message", func() bool { return len(s.sent()) == 1 })
			s.provider.ExpireTokens(jane)
			if m := s.settled(id); m.Copy.Status != "filed by provider" {
				s.t.Errorf("the copy is %s: %s", m.Copy.Status, m.Copy.Reason)
			}
		}},
		"before a verification": {2, func(s *scene, account string) {
			s.provider.ExpireTokens(jane)
			s.mustVerify(account)
		}}, // one for mail, one for Graph
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, simulator.Office365(), nil)
			s.prepareConsent("office365", "microsoft")
			account := s.person(jane, "")
			s.connect(account, jane)
			asked := s.provider.OAuth().TokenRequests()
			how.end(s, account)
			n := s.provider.OAuth().TokenRequests() - asked
			if n != how.fetched {
				t.Errorf("%d tokens were fetched, want %d", n, how.fetched)
			}
			if a := s.account(account); a.State != "verified" || s.p.Count("account parked")+s.p.Count("account degraded") > 0 {
				t.Errorf("the account is %s: %s", a.State, a.StateReason)
			}
		})
	}
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
	for range rounds {
		s.restart() // it knows no access token any more
		s.provider.Inject(simulator.Fault{At: simulator.AtAuth, Times: 1, Hangup: true})
		asked := s.provider.OAuth().TokenRequests()
		s.send(jane)
		s.soon("the use of a token", func() bool { return len(s.provider.Faults()) == 0 })
		if s.provider.OAuth().TokenRequests() == asked {
			t.Error("no new token was fetched: nothing is put to the test")
		}
		s.restart()
	}
	s.drained()
	if a := s.account(account); a.State != "verified" {
		t.Errorf("the account is %s: %s", a.State, a.StateReason)
	}
	if n := len(s.arrivals(jane)); n != rounds {
		t.Errorf("%d messages arrived, want %d", n, rounds)
	}
}
