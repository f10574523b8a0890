package smtpwire

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/relayd/relayd/relay"
)

// errCancelled means that the client broke an exchange off with "*".
var errCancelled = errors.New("the client cancelled")

// auth obeys AUTH (RFC 4954 §4). It exists only in phaseLogin, that is under TLS
// and before a sign-in, and outside a transaction.
func (c *ServerConn) auth(ctx context.Context, args string) verdict {
	if !c.extended {
		return outOfOrder("Send EHLO first")
	}
	name, initial, hasInitial := strings.Cut(args, " ")
	name = strings.ToUpper(name)
	if name == "" {
		return deny(501, relay.Enhanced{5, 5, 4}, "AUTH needs a mechanism")
	}
	if !slices.Contains(c.opts.Mechanisms, name) {
		return c.authFailed(deny(504, relay.Enhanced{5, 5, 4}, "The mechanism is not supported"))
	}
	mechanism, err := c.session.Auth(ctx, name)
	if err != nil {
		return c.authFailed(ofError(err))
	}
	var response []byte
	if hasInitial {
		if response, err = decodeInitial(initial); err != nil {
			return c.authFailed(malformed(err))
		}
	}
	if err := c.exchange(mechanism, response); err != nil {
		return c.authFailed(c.authAnswer(err))
	}
	c.phase = phaseReady
	return ok(235, relay.Enhanced{2, 7, 0}, "Authentication succeeded")
}

// exchange leads challenges and responses to their end.
func (c *ServerConn) exchange(m ServerMechanism, response []byte) error {
	for {
		challenge, done, err := m.Next(response)
		if err != nil || done {
			return err
		}
		c.say(relay.Enhanced{}, 334, base64.StdEncoding.EncodeToString(challenge))
		if response, err = c.readResponse(); err != nil {
			return err
		}
	}
}

// streamError is a failure of the connection inside an exchange.
type streamError struct {
	err error
}

func (e *streamError) Error() string { return e.err.Error() }
func (e *streamError) Unwrap() error { return e.err }

// errMalformed means that a response is not what the mechanism or base64 allows.
var errMalformed = errors.New("malformed response")

func (c *ServerConn) readResponse() ([]byte, error) {
	line, err := c.readCommand(maxAuthLine)
	switch {
	case err != nil:
		return nil, &streamError{err}
	case string(line) == "*":
		return nil, errCancelled
	}
	return decodeBase64(string(line))
}

// decodeInitial reads the initial response; "=" is an empty one (RFC 4954 §4).
func decodeInitial(s string) ([]byte, error) {
	if s == "=" {
		return []byte{}, nil
	}
	return decodeBase64(s)
}

func decodeBase64(s string) ([]byte, error) {
	p, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		// The text of err would show a part of a secret's encoding.
		return nil, fmt.Errorf("%w: not base64", errMalformed)
	}
	if p == nil {
		p = []byte{}
	}
	return p, nil
}

// authAnswer is what an exchange that failed is answered with. An error of a
// mechanism that is not ours to answer means that the response was malformed:
// 501, not 454, which makes clients try the same again (attack row P14).
func (c *ServerConn) authAnswer(err error) verdict {
	var stream *streamError
	var public *relay.Error
	switch {
	case errors.As(err, &stream):
		return c.brokenExchange(stream)
	case errors.Is(err, errCancelled):
		return deny(501, relay.Enhanced{5, 7, 0}, "Authentication cancelled")
	case errors.As(err, &public), errors.Is(err, ErrHangUp):
		return ofError(err)
	}
	return malformed(err)
}

// brokenExchange answers what cannot go on: a line out of form or no line at all.
func (c *ServerConn) brokenExchange(stream *streamError) verdict {
	if isOutOfForm(stream.err) {
		return ending(501, relay.Enhanced{5, 5, 2}, "Malformed authentication response", stream.err)
	}
	v, _ := c.readFailed(stream.err)
	return v
}

func malformed(error) verdict {
	return deny(501, relay.Enhanced{5, 5, 2}, "Malformed authentication response")
}

// authFailed holds the connection to its limit of failed sign-ins, whatever the
// reason of each.
func (c *ServerConn) authFailed(v verdict) verdict {
	if c.authFailures++; c.authFailures < c.opts.MaxAuthFailures || v.end {
		return v
	}
	// The reason of the last failure is still told; then the connection ends.
	c.wire.write(v.reply) //nolint:errcheck // the next flush fails as well
	return ending(421, relay.Enhanced{4, 7, 0}, "Too many failed attempts", errors.New("too many failed attempts to sign in"))
}

// authAgain answers AUTH where it may not come.
func (c *ServerConn) authAgain() verdict {
	switch {
	case c.opts.Mode == ModePlain:
		return deny(502, relay.Enhanced{5, 5, 1}, "AUTH is not available here")
	case c.tx.open:
		return outOfOrder("AUTH may not come inside a transaction")
	}
	return outOfOrder("Already authenticated")
}
