package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
)

// problem makes an error answer (RFC 9457). The detail is shown to the caller.
func problem(status int, detail string, items ...*huma.ErrorDetail) error {
	return &huma.ErrorModel{Status: status, Title: http.StatusText(status), Detail: detail, Errors: items}
}

// wrong refuses one field of the body, such as "smtp.host".
func wrong(field, format string, args ...any) error {
	return refused(http.StatusUnprocessableEntity, field, fmt.Sprintf(format, args...))
}

// taken refuses a value that must be unique.
func taken(field, format string, args ...any) error {
	return refused(http.StatusConflict, field, fmt.Sprintf(format, args...))
}

func refused(status int, field, message string) error {
	if field == "" {
		return problem(status, message)
	}
	return problem(status, message, &huma.ErrorDetail{Location: "body." + field, Message: message})
}

// answers are what the errors of an engine mean to a caller.
var answers = [...]struct {
	err    error
	status int
	detail string
}{
	{store.ErrNotFound, http.StatusNotFound, "There is no such thing, or it is out of your reach."},
	{store.ErrStale, http.StatusPreconditionFailed, "Somebody else changed it in between. Read it again and repeat your change."},
	{store.ErrExists, http.StatusConflict, "A value that must be unique is taken already."},
	{store.ErrInUse, http.StatusConflict, "It is still in use."},
	{store.ErrFull, http.StatusInsufficientStorage, "There is no room left in the store of relayd."},
	{store.ErrUnknown, http.StatusServiceUnavailable, "The store of relayd failed. It has to be started again."},
	{store.ErrClosed, http.StatusServiceUnavailable, "relayd is stopping."},
	{context.DeadlineExceeded, http.StatusServiceUnavailable, "It took too long. Try again."},
	{context.Canceled, http.StatusServiceUnavailable, "The request was broken off."},
}

// translate turns whatever a handler met into an answer without internal text;
// what the caller cannot know is logged.
func translate(ctx context.Context, log *slog.Logger, operation string, err error) error {
	var ready *huma.ErrorModel
	if errors.As(err, &ready) {
		return ready
	}
	var field *relay.FieldError
	if errors.As(err, &field) {
		return wrong(field.Field, "%s", field.Message)
	}
	var conflict *Conflict
	if errors.As(err, &conflict) {
		return problem(http.StatusConflict, conflict.Message)
	}
	for _, a := range answers {
		if errors.Is(err, a.err) {
			if a.status >= http.StatusInternalServerError {
				log.ErrorContext(ctx, "admin request failed", "operation", operation, "error", err)
			}
			return problem(a.status, a.detail)
		}
	}
	log.ErrorContext(ctx, "admin request failed", "operation", operation, "error", err)
	return problem(http.StatusInternalServerError, "relayd could not do this because of a fault of its own. Its log has the cause.")
}

// withoutValues takes the echo of the input out of an error answer: a password
// that is too long must not come back (promise G8).
func withoutValues(_ huma.Context, _ string, v any) (any, error) {
	model, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	clean := *model
	clean.Errors = make([]*huma.ErrorDetail, 0, len(model.Errors))
	for _, e := range model.Errors {
		if e != nil {
			clean.Errors = append(clean.Errors, &huma.ErrorDetail{Message: e.Message, Location: e.Location})
		}
	}
	return &clean, nil
}

// writeProblem answers outside of an operation, where huma is not at work.
func writeProblem(w http.ResponseWriter, status int, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	// A caller that is gone already needs no answer.
	_ = json.NewEncoder(w).Encode(&huma.ErrorModel{Status: status, Title: http.StatusText(status), Detail: detail})
}
