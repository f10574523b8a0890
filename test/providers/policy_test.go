package providers

import (
	"strings"
	"testing"
	"time"

	"github.com/relayd/relayd/internal/api"
	"github.com/relayd/relayd/internal/simulator"
)

// app --SMTP--> relayd --direct--> world
//
// Nobody mends an account. What the organisation wants then happens to its mail after
// its time, and not before: it goes directly, or back to its sender.
func TestNobodyMendsTheAccount(t *testing.T) {
	t.Parallel()
	for _, broken := range []string{"direct", "return"} {
		t.Run(broken, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, simulator.Plain(), map[string]any{"fall_back": "direct", "broken": broken, "broken_after": "2s"})
			s.prepare(nil)
			account := s.person(jane, oldPassword)
			s.mustVerify(account)
			if err := s.provider.SetPassword(jane, newPassword); err != nil {
				t.Fatal(err)
			}
			id, headerID := s.send(jane)
			s.becomes(account, "parked")
			parked := time.Now()
			m := s.settled(id)
			if waited := time.Since(parked); waited < time.Second || waited > 20*time.Second {
				t.Errorf("the policy came into force after %v, want 2s", waited)
			}
			if len(s.sent()) != 0 {
				t.Error("it went through the account")
			}
			outcome := m.Recipients[0].Outcome
			if broken == "direct" {
				s.same("what arrived", s.arrivals(jane), []string{headerID})
				if outcome != "delivered" {
					t.Errorf("the outcome is %s", outcome)
				}
				return
			}
			s.same("what arrived", s.arrivals(jane), nil)
			s.soon("the report", func() bool {
				for _, text := range s.mailTo(jane) {
					if strings.Contains(text, "multipart/report") && strings.Contains(text, "5.4.7") {
						return true
					}
				}
				return false
			})
			if outcome != "failed" {
				t.Errorf("the outcome is %s", outcome)
			}
			if held := call[api.List[api.Message]](s, "GET", "/messages?held=true", nil); len(held.Items) != 0 {
				t.Errorf("still held: %+v", held.Items)
			}
		})
	}
}
