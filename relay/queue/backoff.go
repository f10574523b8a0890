package queue

import "time"

// Backoff is a schedule of attempts.
type Backoff struct {
	Steps       []time.Duration // the waits after the first attempts
	Then        time.Duration   // the wait after every later one
	GiveUpAfter time.Duration   // the age at which waiting ends; holds do not count
	Jitter      float64         // each wait is changed by at most this fraction, up or down
}

// DefaultBackoff is the schedule of ordinary mail: 1, 5, 10, 20, 40 minutes, then
// every hour, up to five days (RFC 5321 §4.5.4.1 asks for four to five).
func DefaultBackoff() Backoff {
	return Backoff{
		Steps: []time.Duration{time.Minute, 5 * time.Minute, 10 * time.Minute, 20 * time.Minute, 40 * time.Minute},
		Then:  time.Hour, GiveUpAfter: 5 * 24 * time.Hour, Jitter: 0.1,
	}
}

// DefaultCopyBackoff is the schedule of Sent copies: quick at first, since a
// person may be looking at the folder, then every two hours for a week.
func DefaultCopyBackoff() Backoff {
	return Backoff{
		Steps: []time.Duration{30 * time.Second, 2 * time.Minute, 10 * time.Minute, 30 * time.Minute, time.Hour},
		Then:  2 * time.Hour, GiveUpAfter: 7 * 24 * time.Hour, Jitter: 0.1,
	}
}

// wait is how long to rest after the given number of attempts (at least one).
// random is in [0,1).
func (b Backoff) wait(attempts int, random float64) time.Duration {
	d := b.Then
	if attempts >= 1 && attempts <= len(b.Steps) {
		d = b.Steps[attempts-1]
	}
	return d + time.Duration(float64(d)*b.Jitter*(2*random-1))
}
