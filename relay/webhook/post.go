package webhook

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"github.com/relayd/relayd/internal/netguard"
	"github.com/relayd/relayd/relay"
)

// What is read of an answer, in octets.
const (
	maxHeader = 32 << 10
	maxAnswer = 4 << 10 // of which relay.MaxReplyText characters are kept
)

// Why no answer came, in plain words. The details would tell whoever typed the
// address about our network.
var (
	errNotAllowed  = errors.New("relayd must not connect to this address")
	errPlain       = errors.New("https is needed for this address")
	errTimeout     = errors.New("no answer came in time")
	errCertificate = errors.New("the certificate is not valid for this address")
	errTLS         = errors.New("an encrypted connection could not be made")
	errName        = errors.New("the host name could not be found")
	errConnection  = errors.New("the connection could not be made, or broke")
)

// result is what came of one call.
type result struct {
	status int    // 0 if no answer came
	answer string // the first words of it
	err    error  // nil: the event was taken
}

// words says it for a person.
func (r result) words() string {
	switch {
	case r.err == nil:
		return fmt.Sprintf("answered %d", r.status)
	case r.answer == "":
		return r.err.Error()
	}
	return relay.Printable(r.err.Error() + ": " + r.answer)
}

// transport makes HTTP calls over one kind of connection: HTTP/1.1, one request on
// each connection, no proxy.
func (s *Service) transport(dial func(ctx context.Context, network, address string) (net.Conn, error)) http.RoundTripper {
	return &http.Transport{
		DialContext:            dial,
		TLSClientConfig:        &tls.Config{RootCAs: s.o.Roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    s.o.Timeout,
		DisableKeepAlives:      true,
		DisableCompression:     true, // what is read is what was sent: no bombs
		MaxResponseHeaderBytes: maxHeader,
	}
}

// dial bounds the time, since a transport lets a dial outlive its request.
func (s *Service) dial(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, s.o.Timeout)
	defer cancel()
	return s.o.Dialer.DialContext(ctx, network, address)
}

// dialPlain is for http: it decides by the address that was reached, before the first
// octet is sent.
func (s *Service) dialPlain(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := s.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	to, err := netip.ParseAddrPort(conn.RemoteAddr().String())
	if err != nil || s.o.PlainAllowed == nil || !s.o.PlainAllowed(to.Addr().Unmap()) {
		conn.Close()
		return nil, errPlain
	}
	return conn, nil
}

// call makes one signed call.
func (s *Service) call(ctx context.Context, w *relay.Webhook, id string, text []byte) result {
	if err := CheckURL(w.URL); err != nil {
		return result{err: err}
	}
	key, err := s.unseal(w)
	if err != nil {
		return result{err: err}
	}
	ctx, cancel := context.WithTimeout(ctx, s.o.Timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, w.URL, bytes.NewReader(text))
	if err != nil {
		return result{err: errConnection} // the text of err repeats the address
	}
	now := time.Now()
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "relayd")
	request.Header.Set("Webhook-Id", id)
	request.Header.Set("Webhook-Timestamp", strconv.FormatInt(now.Unix(), 10))
	request.Header.Set("Webhook-Signature", sign(key, id, now, text))
	transport := s.secure
	if request.URL.Scheme == "http" {
		transport = s.plain
	}
	client := http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	response, err := client.Do(request)
	if err != nil {
		return result{err: explain(err)}
	}
	defer response.Body.Close()
	return judge(response)
}

// judge reads as much of an answer as counts. The status decides; the words are for
// people, and are not waited for when there is no need of them.
func judge(response *http.Response) result {
	r := result{status: response.StatusCode}
	switch {
	case r.status >= 200 && r.status <= 299:
		return r
	case r.status >= 300 && r.status <= 399:
		r.err = fmt.Errorf("answered %d, a redirect, and none is followed", r.status)
		return r
	}
	r.err = fmt.Errorf("answered %d", r.status)
	words, _ := io.ReadAll(io.LimitReader(response.Body, maxAnswer)) // what came before it broke is enough
	r.answer = relay.Printable(string(words))
	return r
}

// explain puts a failure without an answer into plain words. Neither the address nor
// what the network said is repeated.
func explain(err error) error {
	var (
		timeout net.Error
		dns     *net.DNSError
		verify  *tls.CertificateVerificationError
		record  tls.RecordHeaderError
		alert   tls.AlertError
	)
	switch {
	case errors.Is(err, errPlain):
		return errPlain
	case errors.Is(err, netguard.ErrRefused):
		return errNotAllowed
	case errors.As(err, &verify):
		return errCertificate
	case errors.As(err, &record), errors.As(err, &alert), errors.Is(err, http.ErrSchemeMismatch):
		return errTLS
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return errTimeout
	case errors.As(err, &dns):
		return errName
	}
	return errConnection
}
