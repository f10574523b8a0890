package maillog

import (
	"log/slog"
	"net/netip"
	"time"

	"github.com/relayd/relayd/relay"
)

// ConnectionRefused tells that a client was sent away before it said anything. reason is
// the limit that it met, such as "connections_per_address".
func (l *Log) ConnectionRefused(listener string, client netip.AddrPort, reason string) {
	l.write(slog.LevelWarn, "connection refused",
		text(FieldListener, listener), from(client), text(FieldReason, reason))
}

// ConnectionBroken tells that relayd ended a connection that the client would have gone on
// with, because of a limit, a protocol error or a failed handshake.
func (l *Log) ConnectionBroken(listener string, client netip.AddrPort, reason string) {
	l.write(slog.LevelInfo, "connection broken off",
		text(FieldListener, listener), from(client), text(FieldReason, reason))
}

// SignedIn tells that a submitter proved who it is.
func (l *Log) SignedIn(c relay.Client, submitter, login string) {
	l.write(slog.LevelInfo, "signed in",
		append(client(c), slog.String(FieldSubmitter, submitter), text(FieldLogin, login))...)
}

// SignInFailed tells that somebody could not sign in. reason is for the operator
// only; the client gets the same answer whatever it is.
func (l *Log) SignInFailed(c relay.Client, login, reason string) {
	l.write(slog.LevelWarn, "sign-in failed",
		append(client(c), text(FieldLogin, login), text(FieldReason, reason))...)
}

// Refused tells that a command or a message was answered with an error. submitter is empty
// before the sign-in.
func (l *Log) Refused(c relay.Client, submitter string, returnPath relay.Address, err *relay.Error) {
	level := slog.LevelInfo
	if err.Code < 500 {
		level = slog.LevelWarn // 4yz: the client did nothing wrong
	}
	fields := append(client(c), slog.String(FieldSubmitter, submitter), mailbox(FieldSender, returnPath),
		text(FieldReply, relay.Reply{Code: err.Code, Enhanced: err.Enhanced, Text: err.Public}.String()))
	if err.Cause != nil {
		fields = append(fields, failure(err.Cause))
	}
	l.write(level, "refused", fields...)
}

// Accepted tells that a message is durable and the client was told so. wait is the time from
// the last octet of the content to the answer.
func (l *Log) Accepted(c relay.Client, m *relay.Message, wait time.Duration) {
	l.write(slog.LevelInfo, "accepted", append([]slog.Attr{id(m)}, append(client(c),
		slog.String(FieldSubmitter, m.Submitter),
		mailbox(FieldFrom, m.From),
		mailbox(FieldSender, m.Envelope.ReturnPath),
		text(FieldHeaderID, m.HeaderID),
		slog.Int64(FieldSize, m.Size),
		slog.Int(FieldCount, len(m.Envelope.Recipients)),
		took(wait))...)...)
}

// Repeated tells that a client submitted again what relayd had kept but the client had not
// heard of; it was given the first id (promise G4).
func (l *Log) Repeated(c relay.Client, first relay.ID) {
	l.write(slog.LevelInfo, "repeated submission", append([]slog.Attr{slog.String(FieldMessage, first.String())}, client(c)...)...)
}

func client(c relay.Client) []slog.Attr {
	return []slog.Attr{
		text(FieldListener, c.Listener), from(c.Addr),
		text(FieldHello, c.Hello), slog.String(FieldTLS, c.TLS),
	}
}
