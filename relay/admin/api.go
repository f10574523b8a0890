package admin

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/relayd/relayd/internal/api"
)

// build makes the handler: the operations, and around them the protection that
// holds for all.
func (s *Server) build() error {
	mux := http.NewServeMux()
	if err := s.operations(mux); err != nil {
		return err
	}
	mux.HandleFunc("GET "+api.DocumentPath, s.serveDocument)
	if s.opt.Metrics != nil {
		mux.HandleFunc("GET /metrics", s.serveMetrics)
	}
	mux.HandleFunc("/", unknown(mux))
	s.handler = s.protect(mux)
	return nil
}

// operations registers every resource and writes the document that describes them.
func (s *Server) operations(mux *http.ServeMux) error {
	d := &desk{dir: s.opt.Directory, log: s.opt.Log, now: s.opt.Now, maxBody: s.opt.MaxBody}
	a := humago.New(mux, s.config())
	a.UseMiddleware(d.audit)

	acc := accounts{desk: d, writer: s.opt.Accounts, verifier: s.opt.Verifier}
	organisations{d}.register(a)
	users{d, s.opt.Accounts, s.opt.Scout}.register(a)
	acc.register(a)
	acc.registerVerification(a)
	acc.registerIdentity(a)
	apps{d, s.opt.Sealer, s.opt.Accounts}.register(a)
	starters{d}.register(a)
	domains{d, s.opt.Ownership}.register(a)
	mending{d, s.opt.Mender}.register(a)
	scouting{d, s.opt.Scout}.register(a)
	webhooks{d, s.opt.Webhooks}.register(a)
	submitters{desk: d, passwords: s.opt.Passwords}.register(a)
	keys{desk: d, maker: s.opt.Keys}.register(a)
	messages{desk: d, queue: s.opt.Queue, conductor: s.opt.Conductor}.register(a)
	explanations{desk: d, explainer: s.opt.Explainer}.register(a)
	tokens{d}.register(a)
	health{desk: d, checks: s.opt.Checks}.register(a)

	document, err := json.Marshal(a.OpenAPI())
	if err != nil {
		return fmt.Errorf("write the OpenAPI document: %w", err)
	}
	s.document = document
	return nil
}

// config describes the API. huma's own pages stay off: they load scripts from
// elsewhere, and its document is written on first use without a lock.
func (s *Server) config() huma.Config {
	c := huma.DefaultConfig("relayd", orUnknown(s.opt.Version))
	c.Info.Description = "Administration of relayd, the mail relay that sends through the sender's own account."
	c.OpenAPIPath, c.DocsPath, c.SchemasPath = "", "", ""
	c.CreateHooks = nil
	c.RejectUnknownQueryParameters = true
	c.Transformers = []huma.Transformer{withoutValues}
	c.Components.SecuritySchemes = map[string]*huma.SecurityScheme{bearer: {
		Type: "http", Scheme: "bearer",
		Description: "A token of `relayd token create`. The Unix socket of relayd needs none.",
	}}
	return c
}

func orUnknown(version string) string {
	if version == "" {
		return "unknown"
	}
	return version
}

func (s *Server) serveDocument(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/vnd.oai.openapi+json;version=3.1")
	_, _ = w.Write(s.document) // a caller that is gone needs no answer
}

// serveMetrics shows them to operators: they count the mail of everybody, so a token
// of one organisation does not reach them.
func (s *Server) serveMetrics(w http.ResponseWriter, r *http.Request) {
	if err := callerOf(r.Context()).operator(); err != nil && !s.opt.MetricsOpen {
		writeProblem(w, http.StatusForbidden, err.Error())
		return
	}
	s.opt.Metrics.ServeHTTP(w, r)
}

// unknown answers what no operation matches: 405 where another method would
// match (RFC 9110 §15.5.6), else 404.
func unknown(mux *http.ServeMux) http.HandlerFunc {
	methods := []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete}
	return func(w http.ResponseWriter, r *http.Request) {
		found := false
		for _, m := range methods {
			probe := &http.Request{Method: m, URL: r.URL, Host: r.Host}
			if _, pattern := mux.Handler(probe); pattern != "/" && pattern != "" {
				w.Header().Add("Allow", m)
				found = true
			}
		}
		if found {
			writeProblem(w, http.StatusMethodNotAllowed, "This method does nothing here.")
			return
		}
		writeProblem(w, http.StatusNotFound, "There is nothing here.")
	}
}
