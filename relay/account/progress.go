package account

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/relayd/relayd/relay"
)

// errCancelled ends a verification that a person cancelled.
var errCancelled = errors.New("cancelled")

// maxProgress is how many verifications are remembered; ended ones make room.
const maxProgress = 1000

// progress is one verification, running or ended.
type progress struct {
	cancel context.CancelCauseFunc

	mu     sync.Mutex
	v      relay.Verification
	change chan struct{} // closed and replaced at every change
}

func newProgress(id string, cancel context.CancelCauseFunc, plan []step) *progress {
	p := &progress{cancel: cancel, change: make(chan struct{})}
	p.v = relay.Verification{Account: id, State: relay.VerificationRunning, Started: time.Now(), Steps: waiting(plan)}
	return p
}

func waiting(plan []step) []relay.VerificationStep {
	steps := make([]relay.VerificationStep, 0, len(plan))
	for _, step := range plan {
		steps = append(steps, relay.VerificationStep{Name: step.name, Label: step.label, State: relay.VerificationWaiting})
	}
	return steps
}

// replan shows other steps than planned behind the first one, which found that out.
func (p *progress) replan(plan []step) {
	p.alter(func(v *relay.Verification) { v.Steps = append(v.Steps[:1:1], waiting(plan[1:])...) })
}

// snapshot copies what is known now, and gives the channel of the next change.
func (p *progress) snapshot() (relay.Verification, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	v := p.v
	v.Steps = append([]relay.VerificationStep(nil), p.v.Steps...)
	return v, p.change
}

func (p *progress) alter(change func(*relay.Verification)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(&p.v)
	close(p.change)
	p.change = make(chan struct{})
}

// step sets the state of a step, and what was found in it.
func (p *progress) step(name string, state relay.VerificationState, detail string) {
	p.alter(func(v *relay.Verification) {
		for i := range v.Steps {
			if v.Steps[i].Name == name {
				v.Steps[i].State, v.Steps[i].Detail = state, relay.Printable(detail)
			}
		}
	})
}

// end closes the account of a verification: a step that was at work ends like it.
func (p *progress) end(state relay.VerificationState, field, message string) {
	p.alter(func(v *relay.Verification) {
		v.State, v.Ended, v.Field, v.Message = state, time.Now(), field, message
		for i := range v.Steps {
			if v.Steps[i].State == relay.VerificationRunning {
				v.Steps[i].State = state
			}
		}
	})
}

// Progress is the running verification of an account, or the last one since the
// start of the program.
func (s *Service) Progress(id string) (relay.Verification, bool) {
	p := s.progressOf(id)
	if p == nil {
		return relay.Verification{}, false
	}
	v, _ := p.snapshot()
	return v, true
}

// Watch gives the progress of an account's verification at every change, the
// newest always; the channel is closed when the verification or ctx has ended, or
// at once if there is none.
func (s *Service) Watch(ctx context.Context, id string) <-chan relay.Verification {
	out := make(chan relay.Verification)
	p := s.progressOf(id)
	if p == nil {
		close(out)
		return out
	}
	go func() {
		defer close(out)
		for {
			v, change := p.snapshot()
			select {
			case out <- v:
			case <-ctx.Done():
				return
			}
			if !v.Ended.IsZero() {
				return
			}
			select {
			case <-change:
			case <-ctx.Done():
				return
			}
		}
	}()
	return out
}

// Cancel ends a running verification; without one it does nothing.
func (s *Service) Cancel(id string) {
	if p := s.progressOf(id); p != nil {
		p.cancel(errCancelled)
	}
}

func (s *Service) progressOf(id string) *progress {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.progress[id]
}

// verifying reports whether a verification of the account runs.
func (s *Service) verifying(id string) bool {
	v, known := s.Progress(id)
	return known && v.Ended.IsZero()
}

// remember keeps a new verification, unless one runs. The caller holds s.mu.
func (s *Service) remember(id string, p *progress) bool {
	if old := s.progress[id]; old != nil {
		if v, _ := old.snapshot(); v.Ended.IsZero() {
			return false
		}
	}
	if len(s.progress) >= maxProgress {
		for other, q := range s.progress {
			if v, _ := q.snapshot(); !v.Ended.IsZero() {
				delete(s.progress, other)
			}
		}
	}
	s.progress[id] = p
	return true
}
