package providers

import (
	"slices"
	"testing"
	"time"

	"github.com/relayd/relayd/internal/simulator"
)

// app --SMTP--> relayd --SMTP--> gmail, which hangs up instead of its last answer
//
// Whether it took the message is looked up in Sent. What is there was delivered, and
// what is not is sent again, once.
func TestAnswerIsLost(t *testing.T) {
	t.Parallel()
	for name, how := range map[string]struct {
		at   simulator.Place
		rule string
	}{
		"taken":     {simulator.AfterData, "unknown.found_in_sent"},
		"not taken": {simulator.AtData, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, simulator.Gmail(), nil)
			s.prepare(map[string]any{"provider": "gmail", "preset": "gmail"})
			s.mustVerify(s.person(jane, oldPassword))
			s.provider.Inject(simulator.Fault{At: how.at, Times: 1, Hangup: true})
			id, headerID := s.send(jane)
			s.drained()
			if r := s.message(id).Recipients[0]; r.Outcome != "delivered" || r.Rule != how.rule {
				t.Errorf("the recipient stands at %s by rule %q", r.Outcome, r.Rule)
			}
			s.same("what arrived", s.arrivals(jane), []string{headerID})
			s.same("Sent", s.copies(jane, "[Gmail]/Sent Mail"), []string{headerID})
		})
	}
}

// app --SMTP--> relayd --Graph--> office365, which cuts the connection
//
// The same where mail goes by Graph.
func TestAnswerOfGraphIsLost(t *testing.T) {
	t.Parallel()
	for name, at := range map[string]simulator.Place{"taken": simulator.AfterGraphSend, "not taken": simulator.AtGraphSend} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := byGraph(t)
			s.provider.Inject(simulator.Fault{At: at, Times: 1, Hangup: true})
			_, headerID := s.send(jane)
			s.drained()
			s.same("what arrived", s.arrivals(jane), []string{headerID})
			s.same("Sent", s.copies(jane, "Sent Items"), []string{headerID})
		})
	}
}

// byGraph makes a world in which Jane's account sends by Graph alone.
func byGraph(t *testing.T) *scene {
	t.Helper()
	how := simulator.Office365()
	how.SMTPAuthOff = true
	s := newScene(t, how, nil)
	s.prepareConsent("office365", "microsoft")
	s.connect(s.person(jane, ""), jane)
	return s
}

// killed is how often relayd dies in a test.
const killed = 10

// app --SMTP--> relayd, killed --SMTP or Graph--> a provider that files sent mail
//
// relayd dies between the final dot and its answer, again and again: no message is
// lost, and none is sent twice.
func TestKillAfterTheDot(t *testing.T) {
	t.Parallel()
	for name, how := range map[string]struct {
		scene  func(t *testing.T) *scene
		at     simulator.Place
		folder string
	}{
		"smtp": {func(t *testing.T) *scene {
			t.Helper()
			s := newScene(t, simulator.Gmail(), nil)
			s.prepare(map[string]any{"provider": "gmail", "preset": "gmail"})
			s.mustVerify(s.person(jane, oldPassword))
			return s
		}, simulator.AfterData, "[Gmail]/Sent Mail"},
		"graph": {byGraph, simulator.AfterGraphSend, "Sent Items"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := how.scene(t)
			var want []string
			looked := 0
			for round := range killed {
				// The answer comes late, and relayd does not live to hear it.
				s.provider.Inject(simulator.Fault{At: how.at, Times: 1, Delay: time.Second})
				before := len(s.sent())
				id, headerID := s.send(jane)
				want = append(want, headerID)
				if round%2 == 0 {
					s.soon("the message at the provider", func() bool { return len(s.sent()) > before })
				} else {
					s.wait(time.Duration(round) * time.Millisecond) // somewhere on its way there
				}
				s.p.Kill()
				s.provider.ClearFaults()
				s.start()
				if s.delivers(id) == "unknown.found_in_sent" {
					looked++
				}
			}
			if looked < killed/2 {
				t.Errorf("%d outcomes were looked up, want at least %d: relayd died at other moments", looked, killed/2)
			}
			got := s.arrivals(jane)
			slices.Sort(got)
			slices.Sort(want)
			s.same("what arrived", got, want)
			copies := s.copies(jane, how.folder)
			slices.Sort(copies)
			s.same("Sent", copies, want)
		})
	}
}

// delivers waits until a message is delivered and relayd knows it, and does not wait
// for clocks. It gives the rule that decided. Its copy in Sent may be still to be looked
// for.
func (s *scene) delivers(id string) (rule string) {
	s.t.Helper()
	s.soon("the delivery of "+id, func() bool {
		_, _ = s.in.Hurry(s.t.Context()) // it answers a moment after its start
		r := s.message(id).Recipients[0]
		rule = r.Rule
		return r.Outcome == "delivered"
	})
	return rule
}
