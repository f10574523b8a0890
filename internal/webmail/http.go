package webmail

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/relayd/relayd/relay"
)

// maxPause bounds what a service may ask us to wait.
const maxPause = 24 * time.Hour

// request is one HTTP request.
type request struct {
	method string
	url    string
	header http.Header
	body   io.Reader // nil: none
	size   int64     // octets of body
	limit  int64     // octets of the answer; 0 means Options.ErrorLimit
	where  relay.Where
	send   bool // it carries a message: its outcome may become unknown
}

// answer is what came back. A body that was cut off or is too large has err set; what
// was read of it is there all the same.
type answer struct {
	status int
	header http.Header
	body   []byte
	err    error
	whole  bool // the service has the whole request
}

// do carries out one request, once. It follows no redirect and repeats nothing.
func (l *link) do(ctx context.Context, r *request) (*answer, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, l.allowed(r), errOverdue)
	defer cancel()
	ctx, abort := context.WithCancelCause(ctx)
	defer abort(nil)
	stop := context.AfterFunc(l.life, func() { abort(context.Cause(l.life)) })
	defer stop()

	up := &upload{source: r.body, left: r.size}
	var body io.Reader = http.NoBody
	if r.body != nil {
		body = up
	}
	req, err := http.NewRequestWithContext(ctx, r.method, r.url, body)
	if err != nil {
		return nil, failure(l.way, ErrURL) // err repeats the address
	}
	req.ContentLength = r.size
	req.Header = r.header.Clone()
	req.Header.Set("User-Agent", "relayd")
	response, err := l.transport.RoundTrip(req)
	if err != nil {
		return nil, l.lost(ctx, r, up, err)
	}
	defer response.Body.Close() //nolint:errcheck // what was read counts
	a := &answer{status: response.StatusCode, header: response.Header}
	a.read(ctx, response.Body, l.limit(r))
	// An answer that comes before the request is complete ends it: what the transport
	// has not taken by now stays here.
	_, a.whole, _ = up.seal()
	return a, nil
}

// allowed is the time for a request and its answer.
func (l *link) allowed(r *request) time.Duration {
	upload := time.Duration(r.size/l.options.UploadRate) * time.Second
	if r.send {
		return l.options.SendTimeout + upload
	}
	return l.options.CallTimeout + upload
}

func (l *link) limit(r *request) int64 {
	if r.limit > 0 {
		return r.limit
	}
	return l.options.ErrorLimit
}

// read takes the body, at most limit octets of it.
func (a *answer) read(ctx context.Context, body io.Reader, limit int64) {
	a.body, a.err = io.ReadAll(io.LimitReader(body, limit+1))
	switch {
	case a.err != nil && ctx.Err() != nil:
		a.err = fmt.Errorf("%w: %w", context.Cause(ctx), a.err)
	case int64(len(a.body)) > limit:
		a.body, a.err = a.body[:limit], fmt.Errorf("%w: it has more than %d octets", ErrAnswer, limit)
	}
}

// lost makes the Error for a request without an answer. Where it says what may have
// happened, the upload knows more than the error.
func (l *link) lost(ctx context.Context, r *request, up *upload, err error) error {
	begun, whole, broken := up.seal()
	if errors.Is(err, errMoved) {
		return errMoved
	}
	var known *Error
	if errors.As(err, &known) { // of dial
		return known
	}
	kind := kindOf(err)
	if ctx.Err() != nil {
		kind = kindOf(context.Cause(ctx))
		err = fmt.Errorf("%w: %w", context.Cause(ctx), err)
	}
	e := failureAs(l.way, r.place(), kind, err)
	switch {
	case r.body == nil || !r.send:
	case broken != nil:
		e.Where, e.Reply, e.Cause = relay.AtData, relay.Local(kindLost, "before the message was complete"), broken
	case whole:
		e.Where, e.Reply, e.Unknown = relay.AtAfterDot, relay.Local(kind, "after the message was complete"), true
	case begun:
		e.Where, e.Reply = relay.AtData, relay.Local(kind, "before the message was complete")
	}
	return e
}

// place is where a failure without an answer belongs.
func (r *request) place() relay.Where {
	if r.where != "" {
		return r.where
	}
	return relay.AtConnect
}

// words is what an answer says, as an API tells its errors.
type words struct {
	code    string // "ErrorServerBusy", "rateLimitExceeded"; empty if it names none
	message string
	pause   time.Duration // asked for in the body
	refused bool          // the service itself says that it did not carry the request out
}

// refusal makes the Error for an answer that is no success.
func (l *link) refusal(r *request, a *answer, w words) *Error {
	if a.status >= 300 && a.status < 400 {
		return l.redirected(r, a)
	}
	text := w.message
	switch {
	case w.code != "" && text != "":
		text = w.code + ": " + text
	case w.code != "":
		text = w.code
	case text == "":
		text = http.StatusText(a.status)
	}
	e := &Error{
		Way:        l.way,
		Where:      relay.AtAfterDot,
		Reply:      relay.Reply{Code: a.status, Text: relay.Printable(text)},
		RetryAfter: max(retryAfter(a.header), w.pause),
	}
	// A rate limiter speaks before anything is carried out. A bare 503 may also come
	// from a gateway that lost its backend in the middle.
	limited := a.status == http.StatusServiceUnavailable && (e.RetryAfter > 0 || !r.send)
	unclear := (a.status < 300 || a.status >= 500) && !w.refused && !limited
	switch {
	case a.status == http.StatusUnauthorized:
		e.Where = relay.AtAuth
	case r.send:
		e.Unknown = unclear
	case unclear && a.status >= 500:
		e.Where, e.Reply = relay.AtConnect, relay.Local(kindProtocol, fmt.Sprintf("HTTP %d %s", a.status, text))
	}
	return e
}

// redirected tells where the service wanted to send us, by host only: a path may hold
// what is nobody's business. RFC 9110 §15.4: the request was not carried out.
func (l *link) redirected(r *request, a *answer) *Error {
	to := "nowhere"
	if u, err := url.Parse(a.header.Get("Location")); err == nil && u.Host != "" {
		to = u.Host
	}
	return failureAs(l.way, r.place(), kindProtocol, fmt.Errorf("HTTP %d: %w (to %s)", a.status, ErrRedirect, to))
}

// unclear makes the Error for a success that was not understood, or that lacks what
// proves it.
func (l *link) unclear(r *request, err error) *Error {
	kind := kindProtocol
	if !errors.Is(err, ErrAnswer) {
		kind = kindOf(err)
	}
	e := failureAs(l.way, r.place(), kind, err)
	if r.send {
		e.Where, e.Unknown = relay.AtAfterDot, true
	}
	return e
}

// retryAfter reads Retry-After (RFC 9110 §10.2.3): seconds, or a date, which is
// compared with the server's own clock where it tells it.
func retryAfter(h http.Header) time.Duration {
	value := strings.TrimSpace(h.Get("Retry-After"))
	if seconds, err := strconv.ParseInt(value, 10, 64); err == nil {
		return bounded(seconds, time.Second)
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	now, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		now = time.Now()
	}
	return min(max(at.Sub(now), 0), maxPause)
}

// bounded is n units, from 0 to maxPause.
func bounded(n int64, unit time.Duration) time.Duration {
	if n > int64(maxPause/unit) {
		return maxPause
	}
	return time.Duration(max(n, 0)) * unit
}
