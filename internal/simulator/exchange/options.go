package exchange

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"
)

// Options describe a server.
type Options struct {
	Mailboxes Mailboxes // nil means a Memory without owners
	// Release is the version that the server says it is; empty means Exchange2019.
	Release Release
	// Versions are the versions that a client may ask for; nil means Release and
	// all before it. Others get ErrorInvalidServerVersion.
	Versions []Release
	// Schemes are the ways to sign in, in the order in which they are offered; nil
	// means NTLM and Basic.
	Schemes []Scheme
	// Domain is the server's Windows domain: the part before the backslash of a
	// login. Empty means EXAMPLE. A mailbox's mail domain is taken as well.
	Domain string
	// BaseURL is what Autodiscover tells, such as "https://mail.example:443"; empty
	// means the host that the request names.
	BaseURL string
	// Impersonators are addresses of owners that may act as any other.
	Impersonators []string
	// Strike gives a fault of the provider around this server: for a place, before or
	// after its work is done, and the names concerned. nil means that there are none
	// beside those of Inject.
	Strike func(ctx context.Context, at Place, after bool, names ...string) (Fault, bool)

	MaxRequest int64        // bytes of a request; 0 means DefaultMaxRequest
	MaxMessage int64        // bytes of a message; 0 means DefaultMaxMessage
	Logger     *slog.Logger // nil logs nothing
}

const (
	// DefaultMaxRequest is what Exchange's web service takes, unless configured
	// otherwise.
	DefaultMaxRequest = 64 << 20
	// DefaultMaxMessage is the organisation's limit of a server that nobody changed.
	DefaultMaxMessage = 10 << 20
)

// Limits of what a client may send.
const (
	maxDepth       = 40    // elements inside elements
	maxNodes       = 50000 // elements of a request
	maxAttributes  = 64    // of an element
	maxTargets     = 1000  // items or folders of a request
	maxToken       = 16 << 10
	maxHeaderBytes = 64 << 10 // a browser's cookies and an NTLM message fit well
	maxRequests    = 1000     // kept for Requests
	maxPage        = 1000     // items of an answer
	readTimeout    = 5 * time.Minute
	idleTimeout    = 5 * time.Minute
	headerTimeout  = 30 * time.Second
)

// Scheme is a way to sign in, as WWW-Authenticate names it.
type Scheme string

// The schemes. Negotiate takes NTLM messages as they are; Kerberos is not spoken.
const (
	NTLM      Scheme = "NTLM"
	Basic     Scheme = "Basic"
	Negotiate Scheme = "Negotiate"
)

// Schemes are all of them.
func Schemes() []Scheme { return []Scheme{NTLM, Basic, Negotiate} }

func (o *Options) fill() error {
	if o.Mailboxes == nil {
		o.Mailboxes = NewMemory()
	}
	if o.Release == "" {
		o.Release = Exchange2019
	}
	if _, ok := buildOf(o.Release); !ok {
		return fmt.Errorf("there is no release %q", o.Release)
	}
	if o.Versions == nil {
		o.Versions = upTo(o.Release)
	}
	if o.Schemes == nil {
		o.Schemes = []Scheme{NTLM, Basic}
	}
	for _, s := range o.Schemes {
		if !slices.Contains(Schemes(), s) {
			return fmt.Errorf("there is no scheme %q", s)
		}
	}
	if o.Domain == "" {
		o.Domain = "EXAMPLE"
	}
	if o.MaxRequest <= 0 {
		o.MaxRequest = DefaultMaxRequest
	}
	if o.MaxMessage <= 0 {
		o.MaxMessage = DefaultMaxMessage
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return nil
}
