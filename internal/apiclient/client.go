// Package apiclient calls the JSON API of a relayd: over the Unix socket of the one
// on this machine, which needs no token, or over HTTP with a token.
//
// One call:
//  1. write the body, if there is one, as JSON;
//  2. send it and read at most maxAnswer octets;
//  3. a status of 400 or more becomes an *Error with the problem that was told.
package apiclient

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/relayd/relayd/internal/api"
	"github.com/relayd/relayd/relay"
)

const (
	// DefaultTimeout is how long one call may take where Options leave it open: a
	// little more than the server gives a request.
	DefaultTimeout = 40 * time.Second

	maxAnswer = 16 << 20 // octets; a page of 500 messages with 100 recipients each has less
)

// ErrUnreachable means that nobody answers at the address.
var ErrUnreachable = errors.New("relayd does not answer")

// Options say where relayd is. Either Socket or URL must be set.
type Options struct {
	Socket  string        // path of the Unix socket
	URL     string        // such as "https://relay.example:8025"; wins over Socket
	Token   relay.Secret  // for URL
	Timeout time.Duration // of one call; 0: DefaultTimeout
}

func (o Options) timeout() time.Duration {
	if o.Timeout <= 0 {
		return DefaultTimeout
	}
	return o.Timeout
}

// Client calls one relayd. It may be used concurrently.
type Client struct {
	base  string
	token relay.Secret
	http  *http.Client
}

// New makes a Client. It does not connect yet.
func New(opt Options) (*Client, error) {
	if opt.URL == "" {
		return overSocket(opt)
	}
	u, err := url.Parse(opt.URL)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, fmt.Errorf("%q is no URL of relayd: write it like http://127.0.0.1:8025", opt.URL)
	}
	if opt.Token == "" {
		return nil, errors.New("a token is needed with a URL: set RELAYD_TOKEN to one that `relayd token create` made")
	}
	return &Client{
		base: strings.TrimSuffix(u.Scheme+"://"+u.Host+u.Path, "/"), token: opt.Token,
		http: &http.Client{Timeout: opt.timeout(), CheckRedirect: noRedirect, Transport: &http.Transport{ForceAttemptHTTP2: false}},
	}, nil
}

func overSocket(opt Options) (*Client, error) {
	if opt.Socket == "" {
		return nil, errors.New("neither a socket nor a URL of relayd is known")
	}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", opt.Socket)
	}
	return &Client{
		base: "http://localhost",
		http: &http.Client{Timeout: opt.timeout(), CheckRedirect: noRedirect, Transport: &http.Transport{DialContext: dial}},
	}, nil
}

// noRedirect keeps the token at the host that it was meant for: the API never
// redirects.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// Close ends the idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Error is an error answer of the API.
type Error struct {
	api.Problem
}

// Error is the problem in one sentence, with the field that is wrong.
func (e *Error) Error() string {
	var parts []string
	for _, item := range e.Errors {
		text := item.Message
		if field := e.field(item); field != "" {
			text = field + ": " + text
		}
		parts = append(parts, text)
	}
	switch {
	case len(parts) > 0:
		return strings.Join(parts, "; ")
	case e.Detail != "":
		return e.Detail
	}
	return fmt.Sprintf("relayd answered %d %s", e.Status, e.Title)
}

// Field is the first setting that is wrong, such as "smtp.port"; empty if none is
// named.
func (e *Error) Field() string {
	for _, item := range e.Errors {
		if field := e.field(item); field != "" {
			return field
		}
	}
	return ""
}

func (*Error) field(item api.ProblemItem) string {
	_, field, _ := strings.Cut(item.Location, ".")
	return field
}

// call sends one request. in and out may be nil.
func (c *Client) call(ctx context.Context, method, path string, query url.Values, revision string, in, out any) error {
	req, err := c.request(ctx, method, path, query, in)
	if err != nil {
		return err
	}
	if revision != "" {
		req.Header.Set("If-Match", revision)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return cause
		}
		return fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	defer func() { _ = resp.Body.Close() }() // everything needed was read
	return decode(resp, out, http.StatusOK)
}

func (c *Client) request(ctx context.Context, method, path string, query url.Values, in any) (*http.Request, error) {
	var body io.Reader = http.NoBody
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return nil, fmt.Errorf("write the request: %w", err)
		}
		body = bytes.NewReader(b)
	}
	target := c.base + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		return nil, fmt.Errorf("make the request: %w", err)
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token.Reveal())
	}
	return req, nil
}

// decode reads an answer of a success, or of the status wanted, into out.
func decode(resp *http.Response, out any, wanted int) error {
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("%w: read the answer: %w", ErrUnreachable, err)
	}
	if resp.StatusCode >= http.StatusMultipleChoices && resp.StatusCode != wanted {
		return problemOf(resp, body)
	}
	if out == nil || len(body) == 0 {
		return nil
	}
	if err := json.Unmarshal(body, out); err != nil {
		return fmt.Errorf("what answers is no relayd: %w", err)
	}
	return nil
}

// problemOf reads an error answer. What is no problem document is not shown: it
// did not come from relayd.
func problemOf(resp *http.Response, body []byte) error {
	e := &Error{}
	if !strings.HasPrefix(resp.Header.Get("Content-Type"), "application/problem+json") || json.Unmarshal(body, &e.Problem) != nil {
		e.Problem = api.Problem{Detail: fmt.Sprintf("what answers is no relayd: status %d", resp.StatusCode)}
	}
	e.Status = resp.StatusCode
	return e
}
