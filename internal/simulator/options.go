package simulator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/relayd/relayd/internal/simulator/oauthsim"
)

// Options describe a provider.
type Options struct {
	Host        string // loopback address to listen on; empty means 127.0.0.1
	Ports       Ports
	Names       []string // more names for the certificate, beside Host, localhost and mail.example
	Accounts    []Account
	Personality Personality
	// OAuthClients are the applications that may ask for tokens; AddOAuthClient adds more.
	OAuthClients []OAuthClient
	// HTTP are more handlers of the HTTPS server, by the pattern of http.ServeMux;
	// Handle adds more. The server speaks HTTP/1.1 only, so that a handler may tie a
	// sign-in to a connection, which it knows by Request.RemoteAddr.
	HTTP map[string]http.Handler
	// Forward takes mail for addresses that are not the provider's own, after it
	// was put into the outbox. An error is answered 451. It may be nil.
	Forward     func(ctx context.Context, m Mail) error
	MessageSize int64        // largest message; 0 means DefaultMessageSize
	Logger      *slog.Logger // nil logs nothing
}

// DefaultMessageSize is the usual limit of large providers.
const DefaultMessageSize = 25 << 20

// Ports are the ports to listen on; 0 takes a free one.
type Ports struct {
	Submission  int // STARTTLS
	Submissions int // implicit TLS
	IMAP        int // STARTTLS
	IMAPS       int // implicit TLS
	HTTPS       int // OAuth, Graph, the Gmail API, EWS and the simulator's own administration
}

// Account is a mailbox with its owner.
type Account struct {
	Address   string // as it stands in mail
	Login     string // user name of both servers; empty means Address
	Password  string
	Aliases   []string // more addresses that it may send as
	Delegates []string // addresses of other accounts that may open it and send as it: a shared mailbox
}

// OAuthClient is an application that may ask for tokens.
type OAuthClient = oauthsim.Client

// OAuthBehaviour is how the provider treats such applications.
type OAuthBehaviour = oauthsim.Behaviour

// Mail is one message as it was handed over.
type Mail struct {
	At      time.Time
	Via     string   // "smtp", "graph", "gmail", "ews" or the name that a handler gave; empty at an MX
	User    string   // who had signed in; empty at an MX
	From    string   // MAIL FROM
	To      []string // RCPT TO, or the recipients of the header
	Content []byte   // as it was sent on
	TLS     bool
}

func (o *Options) fill() error {
	if o.Host == "" {
		o.Host = "127.0.0.1"
	}
	if o.MessageSize <= 0 {
		o.MessageSize = DefaultMessageSize
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	o.Personality.fill()
	return loopback(o.Host)
}

// loopback refuses every other address: the simulator gives anybody who asks a
// mailbox with a well-known password.
func loopback(host string) error {
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return fmt.Errorf("simulator address %q: %w", host, err)
	}
	if !addr.IsLoopback() {
		return errors.New("the simulator listens on loopback addresses only")
	}
	return nil
}
