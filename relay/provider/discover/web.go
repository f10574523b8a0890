package discover

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/relayd/relayd/internal/mailaddr"
)

// The limits of one question by https.
const (
	maxRedirects = 3
	maxBody      = 64 << 10
	maxHeader    = 16 << 10
	maxAddress   = 2048 // octets of a URL
)

// newClient makes the one HTTP client. It keeps nothing between two requests, neither
// connections nor cookies, follows no redirect by itself, unpacks nothing, and obeys
// no proxy of the environment.
func newClient(o *Options) *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			DialContext:            o.Dialer.DialContext,
			TLSClientConfig:        &tls.Config{RootCAs: o.Roots, MinVersion: tls.VersionTLS12},
			DisableKeepAlives:      true,
			DisableCompression:     true,
			MaxResponseHeaderBytes: maxHeader,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// request is one question by https. It never has a user name, a password or a cookie.
type request struct {
	url  string
	body string // XML to POST; empty: GET
	left *int   // redirects that may still be followed; nil: maxRedirects
}

// page is an answer.
type page struct {
	status int
	header http.Header
	body   []byte
	from   string // the host that answered, if it is another than was asked
}

// fetch asks and follows redirects: by https alone, at most maxRedirects, each through
// the Dialer. Its errors are failures.
func (d *Discoverer) fetch(ctx context.Context, r request) (page, error) {
	at, err := url.Parse(r.url)
	if err != nil {
		return page{}, errMalformed
	}
	first, left := at.Hostname(), maxRedirects
	if r.left == nil {
		r.left = &left
	}
	for {
		if err := checkTarget(at); err != nil {
			return page{}, err
		}
		answer, next, err := d.hop(ctx, r, at)
		if err != nil {
			return page{}, err
		}
		if next == nil {
			if at.Hostname() != first {
				answer.from = at.Hostname()
			}
			return answer, nil
		}
		if *r.left--; *r.left < 0 {
			return page{}, errRedirects
		}
		at = next
	}
}

// checkTarget decides whether a URL may be asked at all; its address is the Dialer's
// matter.
func checkTarget(u *url.URL) error {
	host := u.Hostname()
	switch {
	case u.Scheme != "https":
		return errInsecure
	case u.User != nil, u.Port() != "" && u.Port() != "443", len(u.String()) > maxAddress:
		return errLeads // a user name in it would be sent as a sign-in
	}
	if name, err := mailaddr.ParseDomain(host); err != nil || name != strings.ToLower(host) {
		return errLeads // no name, so no certificate that says whose it is
	}
	for _, label := range []string{"autodiscover.", "autoconfig."} {
		if parent, ok := strings.CutPrefix(strings.ToLower(host), label); ok && !ownable(parent) {
			return errLeads
		}
	}
	return nil
}

// hop asks one address. next is where it leads to.
func (d *Discoverer) hop(ctx context.Context, r request, at *url.URL) (answer page, next *url.URL, err error) {
	method := http.MethodGet
	if r.body != "" {
		method = http.MethodPost
	}
	req, err := http.NewRequestWithContext(ctx, method, at.String(), strings.NewReader(r.body))
	if err != nil {
		return page{}, nil, errMalformed
	}
	req.Header.Set("User-Agent", "relayd")
	if r.body != "" {
		req.Header.Set("Content-Type", "text/xml; charset=utf-8")
	}
	res, err := d.web.Do(req)
	if err != nil {
		return page{}, nil, unreached(err)
	}
	defer res.Body.Close() //nolint:errcheck // it was read as far as it is wanted
	if res.StatusCode >= 300 && res.StatusCode < 400 {
		to, err := res.Location()
		if err != nil {
			return page{}, nil, errLeads
		}
		to.Fragment = ""
		return page{}, to, nil
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxBody+1))
	switch {
	case err != nil:
		return page{}, nil, errNoAnswer
	case len(body) > maxBody:
		return page{}, nil, errTooBig
	}
	return page{status: res.StatusCode, header: res.Header, body: body}, nil, nil
}

// unreached tells a certificate that is not valid from everything else.
func unreached(err error) error {
	var verification *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	var name x509.HostnameError
	if errors.As(err, &verification) || errors.As(err, &authority) || errors.As(err, &name) {
		return errCertificate
	}
	return errNoAnswer
}

// document is fetch for an answer that must be a document.
func (d *Discoverer) document(ctx context.Context, r request) (page, error) {
	answer, err := d.fetch(ctx, r)
	if err != nil {
		return page{}, err
	}
	switch {
	case answer.status == http.StatusUnauthorized || answer.status == http.StatusForbidden:
		return page{}, errSignIn
	case answer.status != http.StatusOK || len(bytes.TrimSpace(answer.body)) == 0:
		return page{}, errNothing
	}
	return answer, nil
}
