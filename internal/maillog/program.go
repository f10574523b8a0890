package maillog

import (
	"log/slog"
	"net/netip"
	"time"

	"github.com/relayd/relayd/relay"
)

// Started tells that the program runs and every listener is open.
func (l *Log) Started(version, dataDir string) {
	l.write(slog.LevelInfo, "started", slog.String("version", version), slog.String("data_dir", dataDir))
}

// Listening tells that one listener is open. kind is "submission" or "admin".
func (l *Log) Listening(kind, name, addr, mode string) {
	l.write(slog.LevelInfo, "listening", slog.String("kind", kind), text(FieldListener, name),
		slog.String("addr", addr), slog.String("mode", mode))
}

// Replayed tells that the queue was read at the start.
func (l *Log) Replayed(messages, bytes int64, d time.Duration) {
	l.write(slog.LevelInfo, "queue replayed", slog.Int64("messages", messages), slog.Int64("bytes", bytes), took(d))
}

// Reloaded tells that the configuration was read again and is in force.
func (l *Log) Reloaded() { l.write(slog.LevelInfo, "configuration reloaded") }

// ReloadFailed tells that it was read again and is wrong; the old one stays in force.
func (l *Log) ReloadFailed(err error) {
	l.write(slog.LevelError, "configuration not reloaded", failure(err))
}

// CertificateMade tells that no certificate is configured, so relayd signed one itself.
func (l *Log) CertificateMade(path, hostname string, until time.Time) {
	l.write(slog.LevelWarn, "certificate made", slog.String("path", path),
		text("hostname", hostname), slog.Time("until", until))
}

// CertificateEnds tells that the certificate in use is over or soon will be.
func (l *Log) CertificateEnds(path string, until time.Time) {
	l.write(slog.LevelWarn, "certificate ends", slog.String("path", path), slog.Time("until", until))
}

// DialRefused tells that netguard kept the program from connecting somewhere.
func (l *Log) DialRefused(asked, reason string) {
	l.write(slog.LevelWarn, "dial refused", text(FieldPeer, asked), text(FieldReason, reason))
}

// Administered tells that somebody changed something through the API: who, what, which, from
// where. action is "create", "update", "delete" and so on, kind a table's name.
func (l *Log) Administered(by, client, action, kind, record string) {
	l.write(slog.LevelInfo, "administered", text(FieldBy, by), text(FieldClient, client),
		slog.String("action", action), slog.String("kind", kind), text("record", record))
}

// AdminRefused tells that a call of the API had no right to what it asked for.
func (l *Log) AdminRefused(client netip.AddrPort, path, reason string) {
	l.write(slog.LevelWarn, "admin call refused", from(client),
		text("path", path), text(FieldReason, reason))
}

// Fault tells that a step met a fault of our own. It is what an operator wakes up for. The
// zero id means that no message is concerned.
func (l *Log) Fault(step string, m relay.ID, err error) {
	fields := []slog.Attr{slog.String("step", step), failure(err)}
	if !m.IsZero() {
		fields = append([]slog.Attr{slog.String(FieldMessage, m.String())}, fields...)
	}
	l.write(slog.LevelError, "fault", fields...)
}

// Draining tells that the end was asked for; running transactions finish.
func (l *Log) Draining(reason string) {
	l.write(slog.LevelInfo, "draining", text(FieldReason, reason))
}

// Drained tells that everything ended in good order; waiting is what stays in the queue for
// the next start.
func (l *Log) Drained(waiting int64, d time.Duration) {
	l.write(slog.LevelInfo, "drained", slog.Int64("waiting", waiting), took(d))
}
