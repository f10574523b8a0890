package oauth

import (
	"errors"
	"time"

	"github.com/relayd/relayd/relay"
)

// remember keeps a failure, so that a dead endpoint is not hammered and a refusal not
// repeated. The caller has Service.mu.
func (h *holder) remember(m *realm, r relay.Resource, told *relay.TokenError, err error, now time.Time) {
	var f *failure
	if !errors.As(err, &f) {
		if !isRemembered(err) && !errors.Is(err, ErrClosed) { // a fault of ours
			h.trouble = &trouble{err: told, until: now.Add(RetryAfter)}
		}
		return
	}
	switch m.judge(f) {
	case missing:
		// The consent of an administrator mends it, which nobody tells us.
		h.refused[r] = &trouble{err: told, until: now.Add(refusedPause)}
	case mailboxRefused, ended:
		// An ended consent is refused by its record; this is for a record that could not
		// be written.
		h.trouble = &trouble{err: told, until: now.Add(refusedPause)}
	case appRefused, domainRefused:
		// The gate remembers.
	case temporary:
		h.failed++
		h.trouble = &trouble{err: told, until: now.Add(max(f.pause, backoff(h.failed)))}
	}
}

// isRemembered reports whether an error was met before, by somebody else's request or
// an earlier one: no request was made.
func isRemembered(err error) bool {
	var remembered *relay.TokenError
	return errors.As(err, &remembered)
}

// backoff is the pause after so many failures one after the other. It is pure.
func backoff(failed int) time.Duration {
	pause := RetryAfter
	for range failed - 1 {
		if pause *= 2; pause >= maxRetryAfter {
			return maxRetryAfter
		}
	}
	return pause
}
