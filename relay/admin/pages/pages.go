package pages

import (
	"context"
	"embed"
	"errors"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"

	"github.com/relayd/relayd/relay"
)

//go:embed templates/*.html
var templates embed.FS

//go:embed static/*.css
var static embed.FS

// Links are the one-time links.
type Links interface {
	// Open checks a token and gives its link, which stays as it is.
	Open(ctx context.Context, token string) (*relay.Link, error)
	// Use consumes a link; of any number of callers exactly one gets nil.
	Use(ctx context.Context, token string) (*relay.Link, error)
	// UseCode consumes a link together with its code.
	UseCode(ctx context.Context, token, typed string) (*relay.Link, error)
	// Public is what a stranger may read about an error of these methods.
	Public(err error) string
}

// Accounts are the mail accounts.
type Accounts interface {
	Get(ctx context.Context, id string) (*relay.Account, error)
	// MayType reports whether people may choose the servers of the account themselves.
	MayType(ctx context.Context, a *relay.Account) (bool, error)
	// Save changes settings or password. A *relay.FieldError names what is wrong.
	Save(ctx context.Context, a *relay.Account, password relay.Secret) error
	// Verify starts to prove the account; store.ErrInUse means that it runs already.
	Verify(ctx context.Context, id, by string) error
	// Progress is the running verification, or the last one.
	Progress(id string) (relay.Verification, bool)
	// Bind binds the address to its user.
	Bind(ctx context.Context, id string, b relay.Binding) error
}

// Consents lead a person to the provider and back.
type Consents interface {
	// Offer is the application by which the person could consent; nil if there is none.
	Offer(ctx context.Context, a *relay.Account) (*relay.App, error)
	// Begin gives the address of the provider's page. login ties the way back to who
	// asks. A *relay.FieldError can be shown.
	Begin(ctx context.Context, a *relay.Account, app *relay.App, login string) (address string, err error)
	// Finish takes what the browser brought back, and stores the consent. It gives the
	// account that it is for, and whether it is tried beside what is in force.
	Finish(ctx context.Context, back Back) (account, app string, candidate bool, err error)
	// FinishAdmin takes the answer to an administrator's consent.
	FinishAdmin(ctx context.Context, back Back) error
}

// Back is what a browser brings back from a provider.
type Back struct {
	Login       string
	State       string
	Code        relay.Secret
	Issuer      string
	Error       string
	Description string
	Tenant      string
	Admin       string // "True" after an administrator's consent
}

// Options are the parts of the pages.
type Options struct {
	Links    Links
	Accounts Accounts
	Consents Consents // nil: nobody can consent here
	Secure   bool     // the pages are reached by https: cookies say so
	Log      *slog.Logger
}

// Pages serves the pages.
type Pages struct {
	o     Options
	views *template.Template
	mux   *http.ServeMux
}

// New makes the pages.
func New(o Options) (*Pages, error) {
	if o.Links == nil || o.Accounts == nil {
		return nil, errors.New("pages: Links and Accounts must be set")
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	views, err := template.New("").Funcs(template.FuncMap{"dict": dict}).ParseFS(templates, "templates/*.html")
	if err != nil {
		return nil, err
	}
	files, err := fs.Sub(static, "static")
	if err != nil {
		return nil, err
	}
	p := &Pages{o: o, views: views, mux: http.NewServeMux()}
	p.mux.Handle("GET /static/", http.StripPrefix("/static/", http.FileServerFS(files)))
	p.mux.HandleFunc("GET /link/{token}", p.show)
	p.mux.HandleFunc("POST /link/{token}", p.submit)
	p.mux.HandleFunc("GET /link/{token}/progress", p.progress)
	p.mux.HandleFunc("POST /link/{token}/consent", p.consent)
	p.mux.HandleFunc("GET /oauth/callback", p.callback)
	p.mux.HandleFunc("GET /oauth/admin", p.adminCallback)
	return p, nil
}

// dict gives a template several values by name: dict "Name" value …
func dict(pairs ...any) (map[string]any, error) {
	if len(pairs)%2 != 0 {
		return nil, errors.New("dict: a name without a value")
	}
	values := make(map[string]any, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		name, ok := pairs[i].(string)
		if !ok {
			return nil, errors.New("dict: a name is no text")
		}
		values[name] = pairs[i+1]
	}
	return values, nil
}

// Paths are the beginnings of the paths that the pages serve.
func Paths() []string { return []string{"/link/", "/oauth/", "/static/"} }

// maxForm is the largest form in octets: a password has at most 1,024.
const maxForm = 16 << 10

// policy lets a page load its style from us, send its form to us, and nothing else.
const policy = "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// ServeHTTP serves one request. The caller protects against other sites and bounds the
// time.
func (p *Pages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Frame-Options", "DENY")
	h.Set("X-Content-Type-Options", "nosniff")
	// The address of the page is the link: nobody else may see it. With no-referrer some
	// browsers would send forms as if they came from another site.
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Robots-Tag", "noindex")
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	p.mux.ServeHTTP(w, r)
}

// render writes a page.
func (p *Pages) render(w http.ResponseWriter, r *http.Request, status int, name string, data any) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	if err := p.views.ExecuteTemplate(w, name, data); err != nil {
		p.o.Log.DebugContext(r.Context(), "page not written", "page", name, "error", err)
	}
}

// message is a page with one sentence.
type message struct {
	Title string
	Text  string
	Good  bool
}

func (p *Pages) say(w http.ResponseWriter, r *http.Request, status int, m message) {
	p.render(w, r, status, "message.html", m)
}
