package discover

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/relay/provider"
)

// search is one discovery.
type search struct {
	*Discoverer
	address relay.Address
	choice  Choice

	final bool
	found []Suggestion // in the order of trust

	mu    sync.Mutex // steps end at the same time
	trail []Step
}

// inquiry is one question. ask gives suggestions and plain words about them, or an
// error whose text is plain words as well.
type inquiry struct {
	source Source
	asked  string
	ask    func(ctx context.Context) ([]Suggestion, string, error)
}

// run asks in the order of trust until it is satisfied. The error is that of the
// starter configuration.
func (s *search) run(ctx context.Context) error {
	if decided, err := s.operator(ctx); decided || err != nil {
		return err
	}
	if s.presets(); s.satisfied() {
		return nil
	}
	if !ownable(s.address.Domain) {
		s.note(Step{Source: SourceAutoconfig, Asked: "The domain " + s.address.Domain, Came: "Nobody in particular owns it, so it is not asked."})
		return nil
	}
	early, cancel := context.WithCancel(ctx)
	exchanger := s.exchanger(early) // already now, so that its answer does not cost time later
	defer func() {
		cancel()
		<-exchanger.done
	}()
	for _, wave := range []func() []inquiry{
		func() []inquiry { return append(s.files(), s.pacc()) },
		func() []inquiry { return s.ispdb(SourceISPDB, s.address.Domain) },
		func() []inquiry { return append(s.byMX(exchanger.wait()), s.srv()) },
		func() []inquiry { return s.autodiscover(exchanger.wait()) },
		func() []inquiry { return s.guesses(exchanger.wait()) },
	} {
		s.together(ctx, wave()...)
		if s.satisfied() || ctx.Err() != nil {
			break
		}
	}
	return nil
}

// satisfied reports whether a suggestion is whole and of the kind that was chosen.
func (s *search) satisfied() bool {
	return slices.ContainsFunc(s.found, func(f Suggestion) bool { return f.whole && s.fits(f) })
}

// together asks several questions at the same time. Their order, not their speed,
// decides where the answers stand.
func (s *search) together(ctx context.Context, list ...inquiry) {
	answers := make([][]Suggestion, len(list))
	var all sync.WaitGroup
	for i, q := range list {
		number := s.note(Step{Source: q.source, Asked: q.asked})
		all.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, s.opts.StepTimeout)
			defer cancel()
			found, came, err := q.ask(ctx)
			if err != nil {
				found, came = nil, plain(err)
			}
			answers[i] = found
			s.done(number, came, len(found) > 0)
		})
	}
	all.Wait()
	for _, found := range answers {
		s.found = append(s.found, found...)
	}
}

// note takes a step into the trail and gives its number.
func (s *search) note(step Step) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	step.Number = len(s.trail) + 1
	s.trail = append(s.trail, step)
	if s.choice.Progress != nil {
		s.choice.Progress(step)
	}
	return step.Number
}

// done writes the end of a step.
func (s *search) done(number int, came string, found bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	step := &s.trail[number-1]
	step.Came, step.Found = came, found
	if s.choice.Progress != nil {
		s.choice.Progress(*step)
	}
}

// presets looks the domain up in the program's own list. A person who chose a large
// provider by name needs no search either.
func (s *search) presets() {
	preset, match := s.opts.Presets.ByDomain(s.address.Domain)
	step := Step{Source: SourcePreset, Asked: "The list of known providers", Came: s.address.Domain + " is not on it."}
	chosen := presetOf(s.choice.Provider)
	switch {
	case match == provider.MatchDomain && (chosen == "" || preset.Provider == s.choice.Provider):
		s.found = append(s.found, s.ofPreset(preset, SourcePreset, "")...)
		step.Came = s.address.Domain + " belongs to " + preset.Name + "."
	case chosen != "":
		preset, _ = s.opts.Presets.ByID(chosen)
		s.found = append(s.found, s.ofPreset(preset, SourcePreset, "")...)
		step.Came = preset.Name + " was chosen."
	case match == provider.MatchPattern:
		s.found = append(s.found, s.ofPreset(preset, SourcePreset, "The domain only looks like one of "+preset.Name+".")...)
		step.Came = s.address.Domain + " looks like " + preset.Name + "."
	}
	step.Found = len(s.found) > 0
	s.note(step)
}

// failure is why a question has no answer, in plain words of ours. No word of the
// other side is ever among them.
type failure string

func (f failure) Error() string { return string(f) }

// The failures. Whatever keeps a connection from being made is one and the same, so
// that nobody learns from it what our network looks like from inside.
const (
	errNoAnswer    failure = "There is no answer."
	errCertificate failure = "Its certificate is not valid, so it is not believed."
	errNothing     failure = "There is nothing."
	errSignIn      failure = "It wants a sign-in, and none is done while searching."
	errInsecure    failure = "It leads to a page without https, which is not followed."
	errLeads       failure = "It leads to an address that is not followed."
	errRedirects   failure = "It leads on too often."
	errTooBig      failure = "The answer is too large."
	errMalformed   failure = "The answer cannot be read."
	errUnusable    failure = "It names no server that can be used safely."
	errDigest      failure = "The document is not the one that the DNS vouches for."
	errNoMail      failure = "The domain takes no mail."
	errProbe       failure = "No mail server with a valid certificate answers there."
)

// plain gives the words for an error; those of an error from elsewhere are not shown.
func plain(err error) string {
	var f failure
	if errors.As(err, &f) {
		return string(f)
	}
	return string(errNoAnswer)
}
