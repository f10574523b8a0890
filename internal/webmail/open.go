package webmail

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/relayd/relayd/relay"
)

// Dialer makes connections; in the program it is the guarded one.
type Dialer interface {
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
}

// Options say how services are reached, and how long and how much they may answer.
type Options struct {
	Dialer       Dialer
	Roots        *x509.CertPool        // authorities to trust; nil means the system's
	PlainAllowed func(netip.Addr) bool // where http:// is permitted; nil means nowhere

	ConnectTimeout time.Duration // dial and TLS together; 0 means DefaultConnectTimeout
	CallTimeout    time.Duration // one request that sends no message; 0 means DefaultCallTimeout
	SendTimeout    time.Duration // the answer to a message, beside its upload; 0 means DefaultSendTimeout
	UploadRate     int64         // octets each second that an upload may count on; 0 means DefaultUploadRate
	ErrorLimit     int64         // octets of an answer that needs to say little; 0 means DefaultErrorLimit
	ListLimit      int64         // octets of the answer to a search; 0 means DefaultListLimit

	GraphBase   string            // empty means DefaultGraphBase; App.Endpoints.Graph goes before it
	GraphClouds map[string]string // bases of the national clouds, by App.Cloud; nil means DefaultGraphClouds
	GmailBase   string            // empty means DefaultGmailBase; App.Endpoints.Gmail goes before it
}

// The defaults of Options. An idle connection is given up before servers commonly
// close theirs (IIS: two minutes), so that a message rarely meets a dead one.
const (
	DefaultConnectTimeout = 30 * time.Second
	DefaultCallTimeout    = time.Minute
	DefaultSendTimeout    = 5 * time.Minute
	DefaultUploadRate     = 16 << 10
	DefaultErrorLimit     = 64 << 10
	DefaultListLimit      = 1 << 20

	DefaultGraphBase = "https://graph.microsoft.com/v1.0"
	DefaultGmailBase = "https://gmail.googleapis.com"
)

// DefaultGraphClouds gives the bases of Graph in the national clouds.
func DefaultGraphClouds() map[string]string {
	return map[string]string{
		"gcc-high": "https://graph.microsoft.us/v1.0",
		"dod":      "https://dod-graph.microsoft.us/v1.0",
		"china":    "https://microsoftgraph.chinacloudapi.cn/v1.0",
	}
}

// Opener makes clients. It may be used concurrently.
type Opener struct{ options Options }

// New makes an Opener.
func New(o Options) *Opener {
	for _, d := range []struct {
		value *time.Duration
		base  time.Duration
	}{{&o.ConnectTimeout, DefaultConnectTimeout}, {&o.CallTimeout, DefaultCallTimeout}, {&o.SendTimeout, DefaultSendTimeout}} {
		if *d.value <= 0 {
			*d.value = d.base
		}
	}
	for _, n := range []struct {
		value *int64
		base  int64
	}{{&o.UploadRate, DefaultUploadRate}, {&o.ErrorLimit, DefaultErrorLimit}, {&o.ListLimit, DefaultListLimit}} {
		if *n.value <= 0 {
			*n.value = n.base
		}
	}
	if o.GraphBase == "" {
		o.GraphBase = DefaultGraphBase
	}
	if o.GmailBase == "" {
		o.GmailBase = DefaultGmailBase
	}
	if o.GraphClouds == nil {
		o.GraphClouds = DefaultGraphClouds()
	}
	return &Opener{options: o}
}

// The reasons for which Open makes no client. They are faults of the account's
// settings, or of the caller.
var (
	// ErrWay means that the way is no HTTP API.
	ErrWay = errors.New("this way of sending is no HTTP API")
	// ErrURL means that an address is missing or none that may be used.
	ErrURL = errors.New("the service's address cannot be used")
	// ErrSignIn means that the credentials are not of the kind that the way needs.
	ErrSignIn = errors.New("the way needs another kind of sign-in")
	// ErrBadValue means that a name, password, token or text to search for is empty or
	// has characters that cannot be sent.
	ErrBadValue = errors.New("a value is empty or has characters that cannot be sent")
)

// Open makes the client of one way. It connects nothing yet.
func (o *Opener) Open(c *relay.Credentials, way relay.Way) (Client, error) {
	client, err := o.open(c, way)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", way, err)
	}
	return client, nil
}

func (o *Opener) open(c *relay.Credentials, way relay.Way) (Client, error) {
	switch way {
	case relay.WayEWS:
		return o.openEWS(c)
	case relay.WayGraph:
		base, err := o.graphBase(c.App)
		if err != nil {
			return nil, err
		}
		r, err := o.openREST(c, way, base)
		if err != nil {
			return nil, err
		}
		return &graphClient{rest: r, user: graphUser(&c.Account)}, nil
	case relay.WayGmailAPI:
		base := o.options.GmailBase
		if c.App != nil && c.App.Endpoints.Gmail != "" {
			base = c.App.Endpoints.Gmail
		}
		r, err := o.openREST(c, way, base)
		if err != nil {
			return nil, err
		}
		return &gmailClient{rest: r}, nil
	}
	return nil, ErrWay
}

func (o *Opener) graphBase(app *relay.App) (string, error) {
	switch {
	case app != nil && app.Endpoints.Graph != "":
		return app.Endpoints.Graph, nil
	case app != nil && app.Cloud != "":
		base, ok := o.options.GraphClouds[app.Cloud]
		if !ok {
			return "", fmt.Errorf("%w: Graph of the cloud %q is not known", ErrURL, relay.Printable(app.Cloud))
		}
		return base, nil
	}
	return o.options.GraphBase, nil
}

// parseBase reads a service's address. What could make a reader believe in another
// host than the one that is connected to is refused.
func parseBase(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	switch {
	case err != nil: // its text repeats the address, which may hold a password
		return nil, ErrURL
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, fmt.Errorf("%w: it must begin with https://", ErrURL)
	case u.Hostname() == "" || u.Opaque != "":
		return nil, fmt.Errorf("%w: it has no host", ErrURL)
	case u.User != nil:
		return nil, fmt.Errorf("%w: it must hold no user name", ErrURL)
	case u.Fragment != "" || u.RawQuery != "" || u.ForceQuery:
		return nil, fmt.Errorf("%w: it must end with its path", ErrURL)
	}
	return u, nil
}

// sendable reports whether s is not empty and has no control characters: they would
// end what they stand in, or cannot be written in XML.
func sendable(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f || r == 0xfffd || r == 0xfffe || r == 0xffff })
}

// isToken reports whether s may stand behind "Bearer" (RFC 6750 §2.1, and the few
// more characters that vendors use).
func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '"' || r == ',' })
}
