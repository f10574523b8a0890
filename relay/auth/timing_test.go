package auth

import (
	"cmp"
	"slices"
	"testing"
	"time"
)

// B3 on the real clock, with a delay far shorter than any real one: the time of an
// answer must not tell a name that exists from one that does not. The machine may
// be noisy, so one quiet round of five is enough and the bounds are wide;
// TestRefusalsAreAlike is the exact test.
func TestTimesAreAlike(t *testing.T) {
	t.Parallel()
	s := newScene(t, Options{FirstDelay: 500 * time.Microsecond, MaxDelay: 500 * time.Microsecond})
	logins := []string{"nobody", "crm", "off", "inner"}
	for range 5 {
		times := samples(t, s, logins, 500)
		alike := true
		for _, other := range logins[1:] {
			share := mannWhitney(times["nobody"], times[other])
			t.Logf("an unknown name is slower than %q in %.0f %% of the pairs", other, 100*share)
			alike = alike && share > 0.35 && share < 0.65
		}
		if alike {
			return
		}
	}
	t.Error("in five rounds the time told which names exist")
}

// samples takes the logins in turn, so that what slows the machine slows all alike.
func samples(t *testing.T, s *scene, logins []string, count int) map[string][]time.Duration {
	t.Helper()
	times := make(map[string][]time.Duration)
	for range count {
		for _, login := range logins {
			took, err := s.try(t, "192.0.2.1", login, wrong)
			if err == nil {
				t.Fatal("a wrong password was taken")
			}
			times[login] = append(times[login], took)
		}
	}
	return times
}

// mannWhitney is U of the Mann-Whitney test as a share of all pairs: how often a
// sample of a is larger than one of b; 0.5 means that they cannot be told apart.
func mannWhitney(a, b []time.Duration) float64 {
	b = slices.Sorted(slices.Values(b))
	u := 0.0
	for _, x := range a {
		below, _ := slices.BinarySearchFunc(b, x, cmp.Compare)
		above, _ := slices.BinarySearchFunc(b, x+1, cmp.Compare)
		u += float64(below) + float64(above-below)/2
	}
	return u / float64(len(a)*len(b))
}
