package admin

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/relayd/relayd/internal/api"
)

// health answers supervisors and load balancers. It needs no token and tells
// names only: the reasons are in the log.
type health struct {
	*desk
	checks []Check
}

func (h health) register(a huma.API) {
	huma.Register(a, huma.Operation{
		OperationID: "health", Method: http.MethodGet, Path: "/healthz",
		Summary: "Tell that the program runs", DefaultStatus: http.StatusNoContent,
		Errors: []int{http.StatusMisdirectedRequest},
	}, func(context.Context, *struct{}) (*struct{}, error) { return nil, nil })
	huma.Register(a, huma.Operation{
		OperationID: "readiness", Method: http.MethodGet, Path: "/readyz",
		Summary: "Tell whether everything works that relayd needs; 503 if not",
		Errors:  []int{http.StatusMisdirectedRequest},
		Responses: map[string]*huma.Response{"503": {
			Description: "Something does not work",
			Content: map[string]*huma.MediaType{"application/json": {
				Schema: &huma.Schema{Ref: "#/components/schemas/Readiness"},
			}},
		}},
	}, h.readiness)
}

type readiness struct {
	Status int
	Body   api.Readiness
}

func (h health) readiness(ctx context.Context, _ *struct{}) (*readiness, error) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	out := &readiness{Status: http.StatusOK, Body: api.Readiness{Ready: true, Checks: []api.ReadinessCheck{}}}
	for _, c := range h.checks {
		err := c.Check(ctx)
		if err != nil {
			h.log.WarnContext(ctx, "not ready", "check", c.Name, "error", err)
			out.Status, out.Body.Ready = http.StatusServiceUnavailable, false
		}
		out.Body.Checks = append(out.Body.Checks, api.ReadinessCheck{Name: c.Name, OK: err == nil})
	}
	return out, nil
}
