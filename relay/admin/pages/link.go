package pages

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
)

// visit is a visitor with a good link.
type visit struct {
	Token   string
	Link    *relay.Link
	Account *relay.Account
	App     *relay.App // by which the person could consent; nil if there is none
	MayType bool       // the person may choose the servers
	Field   string     // what is wrong
	Problem string     // why
}

// Servers reports whether the fields for servers are shown and taken: where the person
// may choose them, as long as the account has never worked. Later a link in an old mail
// must not lead the mailbox elsewhere.
func (v *visit) Servers() bool {
	return v.MayType && v.ByPassword() && v.Account.State == relay.AccountUnverified && v.Link.Purpose != relay.LinkCode
}

// Open reports whether those fields are shown at once, and not behind a word.
func (v *visit) Open() bool {
	return strings.HasPrefix(v.Field, "smtp.") || strings.HasPrefix(v.Field, "imap.")
}

// Title is the heading of the page.
func (v *visit) Title() string {
	switch v.Link.Purpose {
	case relay.LinkConnect:
		return "Connect your mailbox"
	case relay.LinkCode:
		return "Type the code"
	}
	return "Your mailbox needs attention"
}

// ByPassword reports whether the account can be signed in to with a password.
func (v *visit) ByPassword() bool { return v.Account.SignIn == relay.SignInPassword }

// Reason is why the account does not work, for its owner.
func (v *visit) Reason() string {
	if v.Account.State != relay.AccountParked && v.Account.State != relay.AccountDegraded {
		return ""
	}
	return v.Account.StateReason
}

// errSpent means that the account has changed since the link was made.
var errSpent = errors.New("what the link was made for is done, or the account has another address now")

// spent reports whether a link has nothing more to do: the account was proved or came
// back by itself since, or it got another address.
func spent(link *relay.Link, a *relay.Account) bool {
	if a.Card.VerifiedAt.After(link.Created) {
		return true
	}
	settled := a.State == relay.AccountVerified || a.State == relay.AccountUnverified
	return settled && a.StateSince.After(link.Created)
}

// open checks the link of a request that is to do something. It answers the request
// itself if there is none.
func (p *Pages) open(w http.ResponseWriter, r *http.Request) *visit {
	v := p.look(w, r)
	if v != nil && spent(v.Link, v.Account) {
		p.refuse(w, r, errSpent)
		return nil
	}
	return v
}

// look is open for a request that only wants to see.
func (p *Pages) look(w http.ResponseWriter, r *http.Request) *visit {
	token := r.PathValue("token")
	link, err := p.o.Links.Open(r.Context(), token)
	if err == nil {
		var account *relay.Account
		if account, err = p.o.Accounts.Get(r.Context(), link.Account); err == nil {
			v := &visit{Token: token, Link: link, Account: account}
			v.App = p.offer(r, account)
			if v.MayType, err = p.o.Accounts.MayType(r.Context(), account); err == nil {
				return v
			}
		}
	}
	p.refuse(w, r, err)
	return nil
}

// refuse tells a stranger no more than that the link does not work.
func (p *Pages) refuse(w http.ResponseWriter, r *http.Request, err error) {
	p.o.Log.WarnContext(r.Context(), "link refused", "from", r.RemoteAddr, "error", err)
	text := p.o.Links.Public(err)
	switch {
	case errors.Is(err, store.ErrNotFound):
		text = "The mailbox of this link is not here any more."
	case errors.Is(err, errSpent):
		text = "This link has done its work. If the mailbox needs attention again, please ask for a new one."
	}
	p.say(w, r, http.StatusNotFound, message{Title: "This link does not work", Text: text})
}

// offer is the application by which the person could consent.
func (p *Pages) offer(r *http.Request, a *relay.Account) *relay.App {
	if p.o.Consents == nil {
		return nil
	}
	app, err := p.o.Consents.Offer(r.Context(), a)
	if err != nil {
		p.o.Log.ErrorContext(r.Context(), "application not found", "account", a.ID, "error", err)
		return nil
	}
	return app
}

func (p *Pages) show(w http.ResponseWriter, r *http.Request) {
	if v := p.open(w, r); v != nil {
		p.render(w, r, http.StatusOK, "link.html", v)
	}
}

// submit takes the form: a password, or a code.
func (p *Pages) submit(w http.ResponseWriter, r *http.Request) {
	v := p.open(w, r)
	if v == nil {
		return
	}
	if err := r.ParseForm(); err != nil {
		p.again(w, r, v, "", "The form was too large.")
		return
	}
	if v.Link.Purpose == relay.LinkCode {
		p.code(w, r, v)
		return
	}
	password := relay.Secret(r.PostForm.Get("password"))
	if password == "" || !v.ByPassword() {
		p.again(w, r, v, "password", "Type the password.")
		return
	}
	if v.Servers() {
		if field, problem := chooseServers(v.Account, r.PostForm); problem != "" {
			p.again(w, r, v, field, problem)
			return
		}
	}
	if err := p.o.Accounts.Save(r.Context(), v.Account, password); err != nil {
		p.explain(w, r, v, err)
		return
	}
	p.prove(w, r, v)
}

// prove starts the verification and leads to its progress.
func (p *Pages) prove(w http.ResponseWriter, r *http.Request, v *visit) {
	err := p.o.Accounts.Verify(r.Context(), v.Account.ID, "the owner, by a link")
	if err != nil && !errors.Is(err, store.ErrInUse) {
		p.explain(w, r, v, err)
		return
	}
	http.Redirect(w, r, "/link/"+v.Token+"/progress", http.StatusSeeOther) //nolint:gosec // a path of our own: the token was checked
}

// code binds the address to its user.
func (p *Pages) code(w http.ResponseWriter, r *http.Request, v *visit) {
	if _, err := p.o.Links.UseCode(r.Context(), v.Token, r.PostForm.Get("code")); err != nil {
		p.again(w, r, v, "code", p.o.Links.Public(err))
		return
	}
	b := relay.Binding{Kind: relay.BindingCode, By: v.Account.Address.String(), At: time.Now()}
	if err := p.o.Accounts.Bind(r.Context(), v.Account.ID, b); err != nil {
		p.explain(w, r, v, err)
		return
	}
	if err := p.o.Accounts.Verify(r.Context(), v.Account.ID, "the owner, by a code"); err != nil && !errors.Is(err, store.ErrInUse) {
		p.o.Log.WarnContext(r.Context(), "verification not started", "account", v.Account.ID, "error", err)
	}
	p.say(w, r, http.StatusOK, message{Title: "Thank you", Good: true,
		Text: "The address " + v.Account.Address.String() + " is yours. It is checked now; you need not do anything more."})
}

// again shows the form with what is wrong.
func (p *Pages) again(w http.ResponseWriter, r *http.Request, v *visit, field, problem string) {
	v.Field, v.Problem = field, problem
	p.render(w, r, http.StatusUnprocessableEntity, "link.html", v)
}

// explain shows an error that can be shown, and hides any other.
func (p *Pages) explain(w http.ResponseWriter, r *http.Request, v *visit, err error) {
	var field *relay.FieldError
	switch {
	case errors.As(err, &field):
		p.again(w, r, v, field.Field, field.Message)
	case errors.Is(err, store.ErrStale):
		p.again(w, r, v, "", "Somebody else changed the account at the same moment. Please try again.")
	default:
		p.o.Log.ErrorContext(r.Context(), "page failed", "account", v.Account.ID, "error", err)
		p.again(w, r, v, "", "Something went wrong on our side. Please try again later.")
	}
}

// course is the page of a verification.
type course struct {
	*visit
	Verification relay.Verification
	Running      bool
	Failed       bool
}

// progress shows the steps. When the account works, the link has done its work.
func (p *Pages) progress(w http.ResponseWriter, r *http.Request) {
	v := p.look(w, r)
	if v == nil {
		return
	}
	now, known := p.o.Accounts.Progress(v.Account.ID)
	if !known || now.Started.Before(v.Link.Created) {
		http.Redirect(w, r, "/link/"+v.Token, http.StatusSeeOther) //nolint:gosec // as in prove
		return
	}
	switch now.State {
	case relay.VerificationDone:
		if v.Account.Candidate != nil {
			p.again(w, r, v, "", "Another check was under way, so this one did not begin. Please try once more.")
			return
		}
		p.done(w, r, v)
	case relay.VerificationFailed, relay.VerificationCancelled:
		v.Field, v.Problem = now.Field, now.Message
		p.render(w, r, http.StatusOK, "progress.html", course{visit: v, Verification: now, Failed: true})
	default:
		p.render(w, r, http.StatusOK, "progress.html", course{visit: v, Verification: now, Running: true})
	}
}

func (p *Pages) done(w http.ResponseWriter, r *http.Request, v *visit) {
	// Somebody who reloads the page finds the link used up; that says the same.
	if _, err := p.o.Links.Use(context.WithoutCancel(r.Context()), v.Token); err != nil {
		p.o.Log.WarnContext(r.Context(), "link not used up", "account", v.Account.ID, "error", err)
	}
	p.say(w, r, http.StatusOK, message{Title: "Your mailbox works", Good: true,
		Text: "Mail of " + v.Account.Address.String() + " is sent through it. What has waited leaves now. You can close this page."})
}

// provider is what people call where an application leads to.
func provider(app *relay.App) string {
	switch app.Vendor {
	case "google":
		return "Google"
	case "microsoft":
		return "Microsoft"
	}
	return strings.ToUpper(app.Vendor[:1]) + app.Vendor[1:]
}

// Provider is what people call where the button leads to.
func (v *visit) Provider() string { return provider(v.App) }
