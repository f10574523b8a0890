package simulator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"time"
)

// Options describe a provider.
type Options struct {
	Host        string // loopback address to listen on; empty means 127.0.0.1
	Ports       Ports
	Names       []string // more names for the certificate, beside Host, localhost and mail.example
	Accounts    []Account
	Personality Personality
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
}

// Account is a mailbox with its owner.
type Account struct {
	Address  string // as it stands in mail
	Login    string // user name of both servers; empty means Address
	Password string
}

// Personality is how a provider behaves. The zero value is a plain provider: it
// keeps From and Message-ID, files nothing itself, and announces its folders.
type Personality struct {
	FilesSent      bool     // puts a copy of submitted mail into the Sent folder itself
	SentFolder     string   // its name; empty means "Sent"; "-" means that there is none
	HideSpecialUse bool     // does not announce which folder is for what (RFC 6154)
	NoUIDPlus      bool     // neither tells UIDs nor takes out single messages (RFC 4315)
	Folders        []string // more folders
	AnySender      bool     // takes every MAIL FROM; else only the account's own address
	ReplaceFrom    string   // puts this value into the From field of what is submitted
	ReplaceID      string   // puts this value into the Message-ID field
}

// Mail is one message as it was handed over.
type Mail struct {
	At      time.Time
	User    string   // who had signed in; empty at an MX
	From    string   // MAIL FROM
	To      []string // RCPT TO
	Content []byte   // as it was sent
	TLS     bool
}

// Place is where a Fault strikes.
type Place string

// The places.
const (
	AtAuth       Place = "auth"         // AUTH of submission
	AtMail       Place = "mail"         // MAIL FROM
	AtRcpt       Place = "rcpt"         // RCPT TO
	AtData       Place = "data"         // after the final dot, before anything is stored
	AfterData    Place = "data stored"  // after the message was stored, instead of the answer
	AtLogin      Place = "login"        // sign-in to IMAP
	AtList       Place = "list"         // LIST
	AtSearch     Place = "search"       // SEARCH
	AtAppend     Place = "append"       // APPEND, before anything is stored
	AfterAppend  Place = "append done"  // APPEND, after the message was stored
	AtSMTPDial   Place = "smtp connect" // a new connection to submission
	AtIMAPDial   Place = "imap connect" // a new connection to IMAP
	AtMXDelivery Place = "mx"           // the final dot at an MX
)

// Fault makes something go wrong.
type Fault struct {
	At     Place
	Times  int    // how often; 0 means until it is taken back by ClearFaults
	Who    string // the address or login concerned: sender, recipient or user; empty means any
	Reply  string // the answer, such as "550 5.1.1 No such user" or "NO [OVERQUOTA] Full"
	Hangup bool   // closes the connection instead of answering
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
	if o.Personality.SentFolder == "" {
		o.Personality.SentFolder = "Sent"
	}
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
