package admin

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/relayd/relayd/relay"
)

// note is what a handler adds to the audit line of its request.
type note struct {
	target string
}

type noteKey struct{}

// noteTarget names the record that a request made, whose id is not in its path.
func noteTarget(ctx context.Context, id string) {
	if n, ok := ctx.Value(noteKey{}).(*note); ok {
		n.target = id
	}
}

// audit leaves one log line for every change that was asked for, done or not:
// who, what, from where. It holds no values, so no secret can be among them.
func (d *desk) audit(ctx huma.Context, next func(huma.Context)) {
	op := ctx.Operation()
	if op.Method == http.MethodGet || op.Metadata[readsOnly] == true {
		next(ctx)
		return
	}
	n := &note{target: ctx.Param("id")}
	// Deferred, so that a request that panics leaves its line as well.
	defer func() { d.line(ctx, op.OperationID, n.target) }()
	next(huma.WithValue(ctx, noteKey{}, n))
}

func (d *desk) line(ctx huma.Context, operation, target string) {
	level := slog.LevelInfo
	if ctx.Status() >= http.StatusBadRequest || ctx.Status() == 0 {
		level = slog.LevelWarn
	}
	who := callerOf(ctx.Context())
	// Printable, because the target of a refused request is whatever was typed
	// (attacks W13).
	d.log.LogAttrs(ctx.Context(), level, "admin change",
		slog.String("operation", operation), slog.String("target", relay.Printable(target)),
		slog.String("by", who.Name), slog.String("from", who.From), slog.Int("status", ctx.Status()))
}
