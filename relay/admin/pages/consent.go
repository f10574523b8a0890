package pages

import (
	"errors"
	"net/http"

	"github.com/relayd/relayd/relay"
)

// The cookie that ties the way back from a provider to the browser that left. It holds
// the link, so it is as short-lived as the way to the provider may take.
const (
	cookieName = "relayd-consent"
	cookieAge  = 600 // seconds: as long as a consent may take (attacks W16)
)

// leaving is the page that sends the browser to the provider. A form that led there by
// a redirect would be stopped by the content security policy.
type leaving struct {
	Address  string
	Provider string
}

// consent sends the person to the provider.
func (p *Pages) consent(w http.ResponseWriter, r *http.Request) {
	v := p.open(w, r)
	if v == nil {
		return
	}
	if v.App == nil || v.Link.Purpose == relay.LinkCode {
		p.again(w, r, v, "", "This mailbox cannot be connected in this way. Please ask your administrator.")
		return
	}
	address, err := p.o.Consents.Begin(r.Context(), v.Account, v.App, v.Link.ID)
	if err != nil {
		p.explain(w, r, v, err)
		return
	}
	http.SetCookie(w, p.cookie(v.Token, cookieAge))
	p.render(w, r, http.StatusOK, "leaving.html", leaving{Address: address, Provider: provider(v.App)})
}

// cookie goes along on the way back, which is a navigation from another site
// (SameSite=Lax), and is out of the reach of scripts.
func (p *Pages) cookie(value string, age int) *http.Cookie {
	return &http.Cookie{ //nolint:gosec // Secure as soon as the pages are reached by https
		Name: cookieName, Value: value, Path: "/oauth/", MaxAge: age,
		HttpOnly: true, Secure: p.o.Secure, SameSite: http.SameSiteLaxMode,
	}
}

// back is what the browser brought.
func back(r *http.Request) Back {
	q := r.URL.Query()
	return Back{
		State: q.Get("state"), Code: relay.Secret(q.Get("code")), Issuer: q.Get("iss"), Tenant: q.Get("tenant"),
		Error: q.Get("error"), Description: q.Get("error_description"), Admin: q.Get("admin_consent"),
	}
}

// callback takes a person back from the provider.
func (p *Pages) callback(w http.ResponseWriter, r *http.Request) {
	cookie, err := r.Cookie(cookieName)
	if err != nil || p.o.Consents == nil {
		p.say(w, r, http.StatusBadRequest, message{Title: "This sign-in was not begun here",
			Text: "Please open the link in your mail again, and go through to the end in the same browser, within ten minutes."})
		return
	}
	http.SetCookie(w, p.cookie("", -1))
	r.SetPathValue("token", cookie.Value)
	v := p.open(w, r)
	if v == nil {
		return
	}
	brought := back(r)
	brought.Login = v.Link.ID
	account, app, candidate, err := p.o.Consents.Finish(r.Context(), brought)
	switch {
	case err != nil:
		p.explain(w, r, v, err)
	case account != v.Account.ID:
		p.explain(w, r, v, errors.New("the consent is for another account"))
	default:
		p.consented(w, r, v, app, candidate)
	}
}

// consented makes the account sign in by the new consent, and proves it.
func (p *Pages) consented(w http.ResponseWriter, r *http.Request, v *visit, app string, candidate bool) {
	a := v.Account
	if candidate || a.SignIn != relay.SignInConsent || a.App != app {
		a.SignIn, a.App = relay.SignInConsent, app
		if err := p.o.Accounts.Save(r.Context(), a, ""); err != nil {
			p.explain(w, r, v, err)
			return
		}
	}
	p.prove(w, r, v)
}

// adminCallback takes an administrator back from the consent for a whole tenant. State
// is all that ties it to who asked: it works once, and only notes that the consent is
// there.
func (p *Pages) adminCallback(w http.ResponseWriter, r *http.Request) {
	if p.o.Consents == nil {
		http.NotFound(w, r)
		return
	}
	if err := p.o.Consents.FinishAdmin(r.Context(), back(r)); err != nil {
		p.o.Log.WarnContext(r.Context(), "administrator's consent refused", "from", r.RemoteAddr, "error", err)
		text := "The consent could not be noted. Please begin again."
		var field *relay.FieldError
		if errors.As(err, &field) {
			text = field.Message
		}
		p.say(w, r, http.StatusBadRequest, message{Title: "No consent", Text: text})
		return
	}
	p.say(w, r, http.StatusOK, message{Title: "Thank you", Good: true, Text: "The consent for your company is noted. You can close this page."})
}
