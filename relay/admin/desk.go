package admin

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/relayd/relayd/internal/api"
	"github.com/relayd/relayd/store"
)

// desk is what the resources share.
type desk struct {
	dir     store.Directory
	log     *slog.Logger
	now     func() time.Time
	maxBody int64
}

// readsOnly marks, in an operation's metadata, a POST that changes nothing and so
// needs no line in the audit log.
const readsOnly = "reads-only"

// bearer names the security scheme in the OpenAPI document.
const bearer = "bearer"

func list[I, O any](d *desk, a huma.API, kind, path, summary string, h func(context.Context, *I) (*O, error)) {
	operate(d, a, huma.Operation{OperationID: "list-" + kind + "s", Method: http.MethodGet, Path: path, Summary: summary}, h)
}

func create[I, O any](d *desk, a huma.API, kind, path, summary string, h func(context.Context, *I) (*O, error)) {
	operate(d, a, huma.Operation{
		OperationID: "create-" + kind, Method: http.MethodPost, Path: path, Summary: summary,
		DefaultStatus: http.StatusCreated,
	}, h)
}

func get[I, O any](d *desk, a huma.API, kind, path, summary string, h func(context.Context, *I) (*O, error)) {
	operate(d, a, huma.Operation{OperationID: "get-" + kind, Method: http.MethodGet, Path: path, Summary: summary}, h)
}

func put[I, O any](d *desk, a huma.API, kind, path, summary string, h func(context.Context, *I) (*O, error)) {
	operate(d, a, huma.Operation{OperationID: "update-" + kind, Method: http.MethodPut, Path: path, Summary: summary}, h)
}

func remove[I, O any](d *desk, a huma.API, kind, path, summary string, h func(context.Context, *I) (*O, error)) {
	operate(d, a, huma.Operation{
		OperationID: "delete-" + kind, Method: http.MethodDelete, Path: path, Summary: summary,
		DefaultStatus: http.StatusNoContent,
	}, h)
}

// act registers a POST that makes something happen to a record.
func act[I, O any](d *desk, a huma.API, id, path, summary string, h func(context.Context, *I) (*O, error)) {
	operate(d, a, huma.Operation{OperationID: id, Method: http.MethodPost, Path: path, Summary: summary}, h)
}

// operate registers an operation under the API's prefix and turns what its
// handler meets into an answer.
func operate[I, O any](d *desk, a huma.API, op huma.Operation, h func(context.Context, *I) (*O, error)) {
	op.Path = api.Prefix + op.Path
	op.Security = []map[string][]string{{bearer: {}}}
	op.MaxBodyBytes = d.maxBody
	huma.Register(a, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := h(ctx, in)
		if err != nil {
			return nil, translate(ctx, d.log, op.OperationID, err)
		}
		return out, nil
	})
}
