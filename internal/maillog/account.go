package maillog

import (
	"log/slog"
	"time"

	"github.com/relayd/relayd/relay"
)

// AccountVerified tells that the loop mail proved an account.
func (l *Log) AccountVerified(a *relay.Account, by string) {
	l.write(slog.LevelInfo, "account verified", append(account(a), text(FieldBy, by),
		text(FieldFolder, a.Card.SentFolder), slog.Bool("files_sent", a.Card.FilesSent))...)
}

// AccountNotVerified tells that a verification failed; field names the setting to mend.
func (l *Log) AccountNotVerified(a *relay.Account, by, field, message string) {
	l.write(slog.LevelWarn, "account not verified", append(account(a), text(FieldBy, by),
		slog.String("field", field), text(FieldReason, message))...)
}

// AccountParked tells that an account needs a person; its mail is held. retry is when one
// sign-in is tried without one.
func (l *Log) AccountParked(a *relay.Account, rule string, retry time.Time) {
	l.write(slog.LevelError, "account parked", append(account(a), slog.String(FieldRule, rule),
		text(FieldReason, a.StateReason), slog.Time("retry_at", retry))...)
}

// AccountDegraded tells that an account sends, but its Sent copies fail.
func (l *Log) AccountDegraded(a *relay.Account) {
	l.write(slog.LevelWarn, "account degraded", append(account(a), text(FieldReason, a.StateReason))...)
}

// AccountRestored tells that a parked or degraded account works again.
func (l *Log) AccountRestored(a *relay.Account, by string) {
	l.write(slog.LevelInfo, "account restored", append(account(a), text(FieldBy, by))...)
}

// AccountStepDown tells that a way of sending does not work at present, and the next
// one of the account's ladder is used.
func (l *Log) AccountStepDown(a *relay.Account, r relay.Rung) {
	l.write(slog.LevelWarn, "account steps down", append(account(a), slog.String("way", string(r.Way)),
		slog.String(FieldRule, r.Rule), text(FieldReason, r.Reason), slog.Time("retry_at", r.RetryAt))...)
}

// AccountQuota tells that the provider takes no more of an account's mail for a while.
func (l *Log) AccountQuota(a *relay.Account, rule string, pause time.Duration) {
	l.write(slog.LevelWarn, "account quota used up", append(account(a), slog.String(FieldRule, rule),
		slog.Int64(FieldPause, pause.Milliseconds()))...)
}

// ConsentObtained tells that a person consented to an account's being used.
func (l *Log) ConsentObtained(g *relay.Grant) {
	l.write(slog.LevelInfo, "consent obtained", slog.String(FieldAccount, g.ID), text(FieldAddress, g.Address), slog.String("app", g.App))
}

// ConsentEnded tells that a vendor takes a consent no more: its account needs its owner.
func (l *Log) ConsentEnded(g *relay.Grant, reply relay.Reply) {
	l.write(slog.LevelError, "consent ended", slog.String(FieldAccount, g.ID), text(FieldAddress, g.Address), slog.String("app", g.App),
		text(FieldReply, reply.String()))
}

// TokenFailed tells that a vendor gave no access token: for one account or, without one,
// for every account of the application.
func (l *Log) TokenFailed(accountID, app string, reply relay.Reply) {
	l.write(slog.LevelWarn, "no access token", slog.String(FieldAccount, accountID), slog.String("app", app), text(FieldReply, reply.String()))
}

// CredentialUsed tells that relayd signed in with a user's password. purpose is "send",
// "file", "verify" or "retry".
func (l *Log) CredentialUsed(a *relay.Account, purpose, server string) {
	l.write(slog.LevelInfo, "credential used", append(account(a),
		slog.String("purpose", purpose), text(FieldPeer, server))...)
}

func account(a *relay.Account) []slog.Attr {
	return []slog.Attr{slog.String(FieldAccount, a.ID), mailbox(FieldAddress, a.Address)}
}
