package relay

import "fmt"

// Error is what a step answers to a client: the reply that the client reads and,
// apart from it, what really happened. Cause never reaches a client.
type Error struct {
	Code     int      // RFC 5321 reply code
	Enhanced Enhanced // RFC 3463
	Public   string   // what the peer may read: one line, no internal text
	Cause    error    // what happened; for logs only; may be nil
	Close    bool     // the connection cannot go on after this answer
}

// Error is for logs: the answer and the cause.
func (e *Error) Error() string {
	if e.Cause == nil {
		return fmt.Sprintf("%d %s %s", e.Code, e.Enhanced, e.Public)
	}
	return fmt.Sprintf("%d %s %s: %v", e.Code, e.Enhanced, e.Public, e.Cause)
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Refuse makes the answer to something that the client must not do or has to do
// in another way.
func Refuse(code int, enhanced Enhanced, format string, args ...any) *Error {
	return &Error{Code: code, Enhanced: enhanced, Public: fmt.Sprintf(format, args...)}
}

// Fault makes the answer to a fault of our own: always temporary and always the
// same words (promise G2).
func Fault(cause error) *Error {
	return &Error{Code: 451, Enhanced: Enhanced{4, 3, 0}, Public: "Local error, please try again later", Cause: cause}
}
