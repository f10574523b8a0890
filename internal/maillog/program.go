package maillog

import (
	"log/slog"
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

// NoToken tells how to get the first token of the API.
func (l *Log) NoToken() {
	l.write(slog.LevelInfo, "no token yet",
		slog.String("remedy", "the API at an address asks for one; make it on this machine with: relayd token create NAME"))
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

// DialRefused tells that netguard kept the program from connecting somewhere.
func (l *Log) DialRefused(asked, reason string) {
	l.write(slog.LevelWarn, "dial refused", text(FieldPeer, asked), text(FieldReason, reason))
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
