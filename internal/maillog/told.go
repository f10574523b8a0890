package maillog

import (
	"log/slog"

	"github.com/relayd/relayd/relay"
)

// NoticeMade tells that a mail of relayd's own to a person is in the queue. kind is
// "owner", "administrators", "code" or "invitation".
func (l *Log) NoticeMade(kind string, notice relay.ID, organisation, account string) {
	l.write(slog.LevelInfo, "notice made", slog.String(FieldMessage, notice.String()), slog.String("kind", kind),
		slog.String(FieldOrganisation, organisation), slog.String(FieldAccount, account))
}

// WebhookCalled tells of one attempt to tell a webhook something. status is that of
// HTTP, 0 if no answer came; err is nil if the event was taken.
func (l *Log) WebhookCalled(webhook, event string, status, attempt int, err error) {
	fields := []slog.Attr{
		slog.String(FieldWebhook, webhook), text(FieldEvent, event),
		slog.Int("status", status), slog.Int(FieldAttempt, attempt),
	}
	level := slog.LevelInfo
	if err != nil {
		level, fields = slog.LevelWarn, append(fields, failure(err))
	}
	l.write(level, "webhook called", fields...)
}

// WebhookGivenUp tells that an event was not taken in all attempts.
func (l *Log) WebhookGivenUp(webhook, event string, attempts int) {
	l.write(slog.LevelError, "webhook given up", slog.String(FieldWebhook, webhook), text(FieldEvent, event),
		slog.Int("attempts", attempts))
}

// WebhookDisabled tells that a webhook answered 410 and was switched off.
func (l *Log) WebhookDisabled(webhook string) {
	l.write(slog.LevelWarn, "webhook disabled", slog.String(FieldWebhook, webhook))
}

// WebhookDropped tells that an event that waited for a webhook was removed.
func (l *Log) WebhookDropped(webhook, event, reason string) {
	l.write(slog.LevelWarn, "webhook event dropped", slog.String(FieldWebhook, webhook), text(FieldEvent, event),
		text(FieldReason, reason))
}

// WebhookLost tells that an event could not be kept for some webhook or for any.
func (l *Log) WebhookLost(event, account string, err error) {
	l.write(slog.LevelError, "webhook event lost", text(FieldEvent, event), slog.String(FieldAccount, account), failure(err))
}
