package maillog

import (
	"log/slog"

	"github.com/relayd/relayd/relay"
)

// Attempted tells that one attempt ended. It writes one line for each recipient, as those who
// search for an address expect, and one more if the account or the destination is
// in trouble.
func (l *Log) Attempted(m *relay.Message, r relay.Route, a *relay.Attempt) {
	for i := range a.Results {
		l.result(m, r, a, &a.Results[i])
	}
	if a.Trouble != nil {
		l.write(slog.LevelWarn, "trouble", id(m),
			slog.String(FieldRoute, r.Kind.String()), slog.String(FieldAccount, r.Account),
			slog.String(FieldRule, a.Trouble.Rule), text(FieldReply, a.Trouble.Reply.String()),
			millis(FieldPause, a.Trouble.Pause))
	}
}

func (l *Log) result(m *relay.Message, r relay.Route, a *relay.Attempt, res *relay.Result) {
	fields := []slog.Attr{id(m)}
	if res.Recipient >= 0 && res.Recipient < len(m.Envelope.Recipients) {
		fields = append(fields, mailbox(FieldRecipient, m.Envelope.Recipients[res.Recipient].Address))
	}
	fields = append(fields,
		slog.String(FieldOutcome, res.Outcome.String()),
		slog.String(FieldRoute, r.Kind.String()), slog.String(FieldAccount, r.Account),
		text(FieldPeer, a.Peer.String()), slog.String(FieldTLS, a.Peer.TLS),
		text(FieldReply, res.Reply.String()), slog.String(FieldRule, res.Rule),
		took(a.Ended.Sub(a.Started)))
	level := slog.LevelInfo
	if res.Outcome != relay.Delivered {
		level = slog.LevelWarn
	}
	l.write(level, "attempt", fields...)
}

// Held tells that a message waits as a whole.
func (l *Log) Held(m *relay.Message, h *relay.Hold) {
	l.write(slog.LevelWarn, "held", id(m), slog.String(FieldRule, h.Rule), text(FieldReason, h.Reason),
		slog.String(FieldAccount, h.Account), text(FieldBy, h.By))
}

// Released tells that a held message goes on. by is empty if relayd itself released it.
func (l *Log) Released(m *relay.Message, by string) {
	l.write(slog.LevelInfo, "released", id(m), text(FieldBy, by))
}

// Cancelled tells that somebody ended a message.
func (l *Log) Cancelled(m *relay.Message, by string) {
	l.write(slog.LevelWarn, "cancelled", id(m), text(FieldBy, by))
}

// Copied tells that an attempt to file the Sent copy ended.
func (l *Log) Copied(m *relay.Message, c *relay.Copy) {
	level := slog.LevelInfo
	if c.Status == relay.CopyImpossible || c.Status == relay.CopyPending {
		level = slog.LevelWarn
	}
	l.write(level, "sent copy", id(m), slog.String(FieldAccount, c.Account),
		slog.String(FieldCopy, c.Status.String()), text(FieldFolder, c.Folder), text(FieldReason, c.Reason))
}

// Reported tells that a DSN or notice about m was made; it is a message of its own.
func (l *Log) Reported(m *relay.Message, kind relay.ReportKind, report relay.ID) {
	l.write(slog.LevelInfo, "reported", id(m), slog.String(FieldReport, report.String()),
		slog.String("kind", kind.String()))
}

// Done tells that nothing is left to do for a message. It tells how long that took since the
// message was accepted.
func (l *Log) Done(m *relay.Message, s *relay.State) {
	var delivered, failed, cancelled int
	for i := range s.Recipients {
		switch s.Recipients[i].Outcome {
		case relay.Delivered:
			delivered++
		case relay.Failed:
			failed++
		case relay.Cancelled:
			cancelled++
		}
	}
	l.write(slog.LevelInfo, "done", id(m), slog.Int("delivered", delivered), slog.Int("failed", failed),
		slog.Int("cancelled", cancelled), slog.String(FieldCopy, s.Copy.Status.String()),
		took(l.now().Sub(m.Accepted)))
}
