package smtpwire

import (
	"bytes"
	"context"
	"encoding/base64"
	"slices"
	"strings"

	"github.com/relayd/relayd/internal/bearer"
	"github.com/relayd/relayd/relay"
)

const (
	// maxCommand is the longest command line, CR LF included (RFC 5321 §4.5.3.1.4).
	maxCommand = 512
	// maxChallenges is more than any mechanism needs.
	maxChallenges = 10
)

// Auth signs in by the first of the mechanisms that the server offers (RFC 4954).
// In clear it refuses, unless ClientOptions.AllowClearAuth is set. A refusal by
// the server leaves the connection usable.
func (c *Client) Auth(ctx context.Context, mechanisms ...ClientMechanism) error {
	release, err := c.begin(ctx, relay.AtAuth)
	if err != nil {
		return err
	}
	defer release()
	if c.TLS() == nil && !c.opts.AllowClearAuth {
		return c.breakWith(&ClientError{
			Where: relay.AtTLS,
			Reply: relay.Local("starttls missing", "and a sign-in in clear is not allowed"),
		})
	}
	for _, m := range mechanisms {
		name, initial, err := m.Start()
		if err != nil {
			return &ClientError{Where: relay.AtAuth, Reply: relay.Local("no mechanism", err.Error()), Err: err}
		}
		if slices.Contains(c.ext.Auth, name) {
			return c.exchange(m, name, initial)
		}
	}
	detail := "the server offers none"
	if len(c.ext.Auth) > 0 {
		detail = "in common; the server offers " + strings.Join(c.ext.Auth, " ")
	}
	return &ClientError{Where: relay.AtAuth, Reply: relay.Local("no mechanism", detail)}
}

// exchange is one AUTH command with its challenges.
func (c *Client) exchange(m ClientMechanism, name string, initial []byte) error {
	var sent []string // what no error may repeat
	line := "AUTH " + name
	if initial != nil {
		response := encodeResponse(initial)
		sent = append(sent, response)
		if len(line)+len(" ")+len(response)+len("\r\n") <= maxCommand {
			line, initial = line+" "+response, nil
		}
	}
	reply, err := c.command(relay.AtAuth, c.opts.Timeouts.Command, line)
	for range maxChallenges {
		if err != nil {
			return err
		}
		if reply.Code != 334 {
			return c.signedIn(reply, sent)
		}
		var response []byte
		if response, err = answerChallenge(m, reply, initial); err != nil {
			return c.cancelAuth(err)
		}
		initial = nil
		sent = append(sent, base64.StdEncoding.EncodeToString(response))
		reply, err = c.command(relay.AtAuth, c.opts.Timeouts.Command, sent[len(sent)-1])
	}
	return c.breakWith(protocol(relay.AtAuth, "challenges without end"))
}

// encodeResponse writes an initial response; RFC 4954 §4: an empty one is "=".
func encodeResponse(p []byte) string {
	if len(p) == 0 {
		return "="
	}
	return base64.StdEncoding.EncodeToString(p)
}

// answerChallenge answers a 334. An initial response that was too long for the
// command line answers the first one.
func answerChallenge(m ClientMechanism, reply Reply, initial []byte) ([]byte, error) {
	text := strings.Join(reply.Lines, "")
	challenge, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	if initial != nil {
		return initial, nil
	}
	if err != nil {
		// Only LOGIN is known to be asked in plain words, and it does not read them.
		challenge = []byte(text)
	}
	return m.Next(challenge)
}

// cancelAuth ends an exchange in order (RFC 4954 §4), so that the server does not
// read our next command as a response.
func (c *Client) cancelAuth(cause error) error {
	if _, err := c.command(relay.AtAuth, c.opts.Timeouts.Command, "*"); err != nil {
		return err
	}
	e := protocol(relay.AtAuth, cause.Error())
	e.Err = cause
	return c.breakWith(e)
}

// signedIn judges the final answer of an exchange.
func (c *Client) signedIn(reply Reply, sent []string) error {
	if reply.Code == 235 { // RFC 4954 §4
		return nil
	}
	if reply.Code < 400 {
		return c.breakWith(refused(relay.AtAuth, scrub(reply, sent)))
	}
	return refused(relay.AtAuth, scrub(reply, sent))
}

// scrub keeps a server that repeats our secret from having it written into logs
// and pages.
func scrub(reply Reply, sent []string) Reply {
	all := strings.Join(reply.Lines, " ")
	for i, response := range sent {
		if bearer.Repeats(all, response) || bearer.Repeats(all, secretOf(response, i)) {
			reply.Lines = []string{"(the server's words repeat what was sent, so they are not shown)"}
			return reply
		}
	}
	return reply
}

// secretOf finds the secret in the response at position i of an exchange: in OAUTHBEARER
// and XOAUTH2 it is the token, in PLAIN what stands behind the last NUL, and in LOGIN
// the whole second response.
func secretOf(response string, i int) string {
	plain, err := base64.StdEncoding.DecodeString(response)
	if err != nil {
		return "" // "=", the empty response
	}
	if _, token, found := bytes.Cut(plain, []byte("\x01auth=Bearer ")); found {
		token, _, _ = bytes.Cut(token, []byte{1})
		return string(token)
	}
	if nul := bytes.LastIndexByte(plain, 0); nul >= 0 || i > 0 {
		return string(plain[nul+1:])
	}
	return ""
}
