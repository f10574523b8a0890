// Package maillog writes what happens to mail, one method for each event, so that
// an event always reads the same and an operator who searches for one id reads a
// whole life.
//
// Every line has an event name that never changes (slog's msg) and fields whose
// names are the constants of this package. A line about a message carries
// "message"; one about an account carries "account". Text that came from outside
// goes through relay.Printable. No method takes a secret (promise G8).
//
//	log.go         the Log and the field names
//	connection.go  clients: connections, sign-ins, what was refused
//	message.go     messages: from accepted to done
//	account.go     accounts: verified, parked, restored
//	told.go        who was told of it: notices and webhooks
//	program.go     the program itself, and what its administrators did
package maillog

import (
	"context"
	"log/slog"
	"net/netip"
	"time"

	"github.com/relayd/relayd/relay"
)

// The field names. They are part of the interface to the operator: a change is
// noted in CHANGELOG.md.
const (
	FieldMessage   = "message"   // id of a message
	FieldAccount   = "account"   // id of an account
	FieldAddress   = "address"   // mail address of an account
	FieldSubmitter = "submitter" // id of a submitter
	FieldLogin     = "login"     // user name of AUTH, as the client gave it
	FieldClient    = "client"    // address and port of a client
	FieldHello     = "hello"     // its EHLO name
	FieldListener  = "listener"
	FieldTLS       = "tls"
	FieldFrom      = "from"        // header From
	FieldSender    = "return_path" // MAIL FROM
	FieldRecipient = "to"
	FieldHeaderID  = "message_id" // the Message-ID field
	FieldSize      = "size"       // octets
	FieldCount     = "recipients"
	FieldRoute     = "route"
	FieldRule      = "rule" // the stable name of the rule that decided
	FieldOutcome   = "outcome"
	FieldPeer      = "peer"
	FieldReply     = "reply" // what the peer or relayd said
	FieldReason    = "reason"
	FieldBy        = "by" // who asked for it
	FieldFolder    = "folder"
	FieldCopy      = "sent_copy"
	FieldReport    = "report" // id of a DSN or notice
	FieldPause     = "pause_ms"
	FieldTook      = "took_ms"
	FieldError     = "error"

	FieldOrganisation = "organisation" // id of an organisation
	FieldWebhook      = "webhook"      // id of a webhook
	FieldEvent        = "event"        // type of what a webhook was told
	FieldAttempt      = "attempt"      // which one it was; the first is 1
)

// Log writes mail events. Its methods may be called concurrently.
type Log struct {
	out *slog.Logger
	now func() time.Time
}

// New makes a Log on out; nil discards everything.
func New(out *slog.Logger) *Log {
	if out == nil {
		out = slog.New(slog.DiscardHandler)
	}
	return &Log{out: out, now: time.Now}
}

func (l *Log) write(level slog.Level, event string, fields ...slog.Attr) {
	// An event is not bound to the life of a request: it is written even when the
	// context that led to it is over.
	l.out.LogAttrs(context.Background(), level, event, fields...)
}

func text(key, value string) slog.Attr { return slog.String(key, relay.Printable(value)) }

func id(m *relay.Message) slog.Attr { return slog.String(FieldMessage, m.ID.String()) }

func took(d time.Duration) slog.Attr { return millis(FieldTook, d) }

func millis(key string, d time.Duration) slog.Attr {
	return slog.Float64(key, float64(d.Microseconds())/1000)
}

func from(a netip.AddrPort) slog.Attr { return slog.String(FieldClient, a.String()) }

// mailbox writes an address; the null reverse-path as <>.
func mailbox(key string, a relay.Address) slog.Attr {
	if a.IsZero() {
		return slog.String(key, "<>")
	}
	return text(key, a.String())
}

func failure(err error) slog.Attr {
	if err == nil {
		return slog.String(FieldError, "")
	}
	return text(FieldError, err.Error())
}
