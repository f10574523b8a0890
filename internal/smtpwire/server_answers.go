package smtpwire

import (
	"errors"

	"github.com/relayd/relayd/relay"
)

// ok answers a command that was obeyed.
func ok(code int, e relay.Enhanced, text string) verdict {
	return verdict{reply: NewReply(code, e, text)}
}

// deny answers a command that is refused; nothing changed.
func deny(code int, e relay.Enhanced, text string) verdict {
	return verdict{reply: NewReply(code, e, text)}
}

// ending answers for the last time; why is for logs.
func ending(code int, e relay.Enhanced, text string, why error) verdict {
	return verdict{reply: NewReply(code, e, text), end: true, why: why}
}

// outOfOrder is the answer to a command that the state does not allow.
func outOfOrder(text string) verdict { return deny(503, relay.Enhanced{5, 5, 1}, text) }

// noArgument is the answer to an argument where none belongs.
func noArgument(verb string) verdict {
	return deny(501, relay.Enhanced{5, 5, 4}, verb+" takes no argument")
}

// ofError makes the answer to an error of the Session or of a parser. Only what a
// *relay.Error says is public.
func ofError(err error) verdict {
	if errors.Is(err, ErrHangUp) {
		return verdict{silent: true, end: true, why: err}
	}
	var e *relay.Error
	if !errors.As(err, &e) {
		e = relay.Fault(err)
	}
	v := deny(e.Code, e.Enhanced, e.Public)
	// RFC 5321 §3.8: 421 says that the connection ends.
	if e.Close || e.Code == 421 {
		v.end, v.why = true, err
	}
	return v
}

// unauthenticated is RFC 4954 §6.
func unauthenticated() verdict {
	return deny(530, relay.Enhanced{5, 7, 0}, "Authentication required")
}

// needsTLS is RFC 3207 §4.
func needsTLS() verdict {
	return deny(530, relay.Enhanced{5, 7, 0}, "Must issue a STARTTLS command first")
}
