package webmail

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/Azure/go-ntlmssp"

	"github.com/relayd/relayd/relay"
)

// The schemes of a sign-in to Exchange, best first. Exchange takes NTLM's messages
// under the name Negotiate as well (RFC 4559).
const (
	schemeNTLM      = "NTLM"
	schemeNegotiate = "Negotiate"
	schemeBasic     = "Basic" // RFC 7617: the password itself, so only over TLS
)

// The handshake is made here and not by the library's RoundTripper. That one sends
// the whole body with each of the three messages, and it hides what happened to the
// last of them behind the first answer: a message that was sent and whose answer was
// lost would look like a wrong password.

// deliver carries one request to the server. NTLM signs in the connection (MS-NLMP,
// MS-NTHT): as long as it lives, requests need nothing more.
func (e *ewsClient) deliver(ctx context.Context, build func() *request) (*answer, error) {
	if !e.signedIn() || e.eachTime {
		return e.handshake(ctx, build)
	}
	q := build()
	if e.scheme == schemeBasic {
		e.basic(q)
		return e.link.do(ctx, q)
	}
	e.link.pin(true)
	a, err := e.link.do(ctx, q)
	e.link.pin(false)
	switch {
	case errors.Is(err, errMoved): // the connection was closed meanwhile: nothing was sent
		return e.handshake(ctx, build)
	case err == nil && a.status == http.StatusUnauthorized:
		// The server wants a sign-in with every request. From now on it gets that at
		// once, and no message twice.
		e.eachTime = true
		return e.handshake(ctx, build)
	}
	return a, err
}

func (e *ewsClient) signedIn() bool {
	return e.signedOn != 0 && (e.scheme == schemeBasic || e.signedOn == e.link.current())
}

// handshake signs in with the request itself. Only the last message carries its body.
func (e *ewsClient) handshake(ctx context.Context, build func() *request) (*answer, error) {
	e.signedOn = 0
	if e.scheme == "" {
		if err := e.learn(ctx); err != nil {
			return nil, err
		}
	}
	q := build()
	if e.scheme == schemeBasic {
		e.basic(q)
	} else {
		authenticate, err := e.challenge(ctx)
		if err != nil {
			return nil, err
		}
		q.header.Set("Authorization", e.scheme+" "+base64.StdEncoding.EncodeToString(authenticate))
		e.link.pin(true)
		defer e.link.pin(false)
	}
	a, err := e.link.do(ctx, q)
	switch {
	case errors.Is(err, errMoved):
		return nil, failureAs(relay.WayEWS, relay.AtAuth, kindLost, fmt.Errorf("during the sign-in: %w", err))
	case err == nil && a.status == http.StatusUnauthorized:
		e.scheme = "" // what the server takes may have changed
		e.link.drop() // where it took the sign-in and refuses all the same, it would ask no more here
	case err == nil:
		e.signedOn = e.link.current()
	}
	return a, err
}

// learn asks which schemes the server takes, by a request without anything.
func (e *ewsClient) learn(ctx context.Context) error {
	a, q, err := e.knock(ctx, "")
	if err != nil {
		return err
	}
	if a.status != http.StatusUnauthorized {
		return e.noChallenge(q, a)
	}
	offered := schemesOf(a.header)
	switch {
	case offered[strings.ToLower(schemeNTLM)]:
		e.scheme = schemeNTLM
	case offered[strings.ToLower(schemeNegotiate)]:
		e.scheme = schemeNegotiate
	case offered[strings.ToLower(schemeBasic)] && e.link.base.Scheme != "https":
		return failureAs(relay.WayEWS, relay.AtAuth, kindNoMechanism, errors.New("the server takes Basic only, which needs https"))
	case offered[strings.ToLower(schemeBasic)] && strings.Contains(e.login, ":"): // RFC 7617 §2
		return failureAs(relay.WayEWS, relay.AtAuth, kindNoMechanism, errors.New("a login with a colon cannot be sent by Basic"))
	case offered[strings.ToLower(schemeBasic)]:
		e.scheme = schemeBasic
	default:
		return failureAs(relay.WayEWS, relay.AtAuth, kindNoMechanism, errors.New("the server takes neither NTLM nor Basic"))
	}
	return nil
}

// challenge sends NTLM's first message and answers the server's.
func (e *ewsClient) challenge(ctx context.Context) ([]byte, error) {
	negotiate, err := ntlmssp.NewNegotiateMessage("", "")
	if err != nil {
		return nil, failureAs(relay.WayEWS, relay.AtAuth, kindNoMechanism, err)
	}
	a, q, err := e.knock(ctx, e.scheme+" "+base64.StdEncoding.EncodeToString(negotiate))
	if err != nil {
		return nil, err
	}
	if a.status != http.StatusUnauthorized {
		return nil, e.noChallenge(q, a)
	}
	for _, value := range a.header.Values("Www-Authenticate") {
		scheme, token, _ := strings.Cut(strings.TrimSpace(value), " ")
		if !strings.EqualFold(scheme, e.scheme) || token == "" {
			continue
		}
		challenge, err := base64.StdEncoding.DecodeString(strings.TrimSpace(token))
		if err != nil || !strings.HasPrefix(string(challenge), "NTLMSSP\x00\x02") {
			break
		}
		authenticate, err := ntlmssp.NewAuthenticateMessage(challenge, e.login, e.password.Reveal(), nil)
		if err != nil {
			return nil, failureAs(relay.WayEWS, relay.AtAuth, kindNoMechanism, err)
		}
		return authenticate, nil
	}
	e.scheme = ""
	return nil, failureAs(relay.WayEWS, relay.AtAuth, kindProtocol, fmt.Errorf("%w: it holds no NTLM challenge", ErrAnswer))
}

// knock sends a request without a body.
func (e *ewsClient) knock(ctx context.Context, authorization string) (*answer, *request, error) {
	q := e.request(0)
	q.where = relay.AtAuth
	if authorization != "" {
		q.header.Set("Authorization", authorization)
	}
	a, err := e.link.do(ctx, q)
	return a, q, err
}

// noChallenge makes the Error for a server that does not ask who we are.
func (e *ewsClient) noChallenge(q *request, a *answer) error {
	if a.status < 300 || a.status == http.StatusBadRequest {
		return failureAs(relay.WayEWS, relay.AtAuth, kindNoMechanism,
			fmt.Errorf("the server asks for no sign-in (HTTP %d): a wrong password could not be told from a right one", a.status))
	}
	return (&ewsReply{client: e, request: q, answer: a}).refusal(words{})
}

func (e *ewsClient) basic(q *request) {
	q.header.Set("Authorization", "Basic "+e.basicToken())
}

func (e *ewsClient) basicToken() string {
	return base64.StdEncoding.EncodeToString([]byte(e.login + ":" + e.password.Reveal()))
}

// schemesOf gives the names of the offered schemes in lower case. Servers name them in
// one field each, or all in one (RFC 9110 §11.6.1).
func schemesOf(h http.Header) map[string]bool {
	offered := map[string]bool{}
	for _, value := range h.Values("Www-Authenticate") {
		for part := range strings.SplitSeq(value, ",") {
			name, _, _ := strings.Cut(strings.TrimSpace(part), " ")
			offered[strings.ToLower(name)] = true
		}
	}
	return offered
}
