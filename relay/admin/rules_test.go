package admin

import (
	"fmt"
	"net/http"
	"sync"
	"testing"

	"github.com/relayd/relayd/internal/api"
	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
)

// A domain belongs to one organisation; who wants it hears whose it is.
func TestDomainsAreUnique(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	acme, _ := r.company("acme.example")
	r.ask("POST", "/organisations", api.OrganisationInput{Name: "Other", Domains: []string{"other.example", "ACME.example"}}).
		is(409).names("body.domains").says("Company of acme.example")
	r.ask("POST", "/organisations", api.OrganisationInput{Name: "Other", Domains: []string{"no domain"}}).is(422).names("body.domains")
	other := read[api.Organisation](r.ask("POST", "/organisations", api.OrganisationInput{Name: "Other", Domains: []string{"a.example", "A.example"}}).is(201))
	if len(other.Domains) != 1 {
		t.Errorf("a domain stands twice: %v", other.Domains)
	}
	// A domain in use stays; one that is not goes, and is free for another.
	r.change("/organisations/"+acme.ID, "*", api.OrganisationInput{Name: "Acme"}).is(409).names("body.domains").says("jane@acme.example")
	r.change("/organisations/"+other.ID, "*", api.OrganisationInput{Name: "Other", Domains: []string{"b.example"}}).is(200)
	r.change("/organisations/"+acme.ID, "*", api.OrganisationInput{Name: "Acme", Domains: []string{"acme.example", "a.example"}}).is(200)
	r.ask("POST", "/dkim-keys", api.KeyInput{Domain: "a.example", Algorithm: "ed25519-sha256"}).is(201)
	r.change("/organisations/"+acme.ID, "*", api.OrganisationInput{Name: "Acme", Domains: []string{"acme.example"}}).is(409).says("DKIM")
	r.ask("DELETE", "/organisations/"+acme.ID, nil).is(409).says("still has users")
	r.ask("DELETE", "/organisations/org_none", nil).is(404)
}

// Users live inside owned domains only, each address is one user.
func TestUsersInsideOwnedDomains(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, jane := r.company("acme.example")
	r.company("other.example")
	for address, want := range map[string]struct {
		status int
		says   string
	}{
		"x@nobody.example":  {422, "no organisation owns the domain nobody.example"},
		"JANE@ACME.example": {409, "There is a user with the address"},
		"not an address":    {422, "is not an e-mail address"},
		"a@b@acme.example":  {422, "is not an e-mail address"},
		"<x@acme.example>":  {422, "is not an e-mail address"},
	} {
		r.ask("POST", "/users", api.UserInput{Address: address}).is(want.status).names("body.address").says(want.says)
	}
	r.change("/users/"+jane.ID, "*", api.UserInput{Address: "jane@other.example"}).is(422).names("body.address").says("Company of other.example")
	r.change("/users/"+jane.ID, "*", api.UserInput{Address: "j.doe@acme.example"}).is(200)
	if l := read[api.List[api.User]](r.ask("GET", "/users?address=jane@acme.example", nil)); len(l.Items) != 0 {
		t.Error("the old address still finds the user")
	}
}

func TestAccountRules(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	acme, jane := r.company("acme.example")
	other, joe := r.company("other.example")
	mine := read[api.Account](r.ask("POST", "/accounts", servers(jane.ID, "p")).is(201))
	with := func(change func(*api.AccountInput)) api.AccountInput {
		in := servers(joe.ID, "p")
		change(&in)
		return in
	}
	for name, c := range map[string]struct {
		in       api.AccountInput
		status   int
		location string
	}{
		"nobody's":           {with(func(a *api.AccountInput) { a.User = "" }), 422, "body.user"},
		"two owners":         {with(func(a *api.AccountInput) { a.Organisation = acme.ID }), 422, "body.user"},
		"unknown user":       {with(func(a *api.AccountInput) { a.User = "usr_x" }), 422, "body.user"},
		"unknown company":    {with(func(a *api.AccountInput) { a.User, a.Organisation = "", "org_x" }), 422, "body.organisation"},
		"shared, no address": {with(func(a *api.AccountInput) { a.User, a.Organisation = "", other.ID }), 422, "body.address"},
		"taken address":      {with(func(a *api.AccountInput) { a.User, a.Organisation, a.Address = "", acme.ID, jane.Address }), 409, "body.address"},
		"foreign domain":     {with(func(a *api.AccountInput) { a.Address = "joe@acme.example" }), 422, "body.address"},
		"unowned domain":     {with(func(a *api.AccountInput) { a.Address = "joe@gmail.example" }), 422, "body.address"},
		"port 0":             {with(func(a *api.AccountInput) { a.SMTP.Port = 0 }), 422, "body.smtp.port"},
		"port 65536":         {with(func(a *api.AccountInput) { a.IMAP.Port = 65536 }), 422, "body.imap.port"},
		"tls maybe":          {with(func(a *api.AccountInput) { a.IMAP.TLS = "maybe" }), 422, "body.imap.tls"},
		"host is a URL":      {with(func(a *api.AccountInput) { a.SMTP.Host = "smtp://mail.example" }), 422, "body.smtp.host"},
		"host with a zone":   {with(func(a *api.AccountInput) { a.SMTP.Host = "fe80::1%eth0" }), 422, "body.smtp.host"},
	} {
		t.Log(name)
		r.ask("POST", "/accounts", c.in).is(c.status).names(c.location)
	}
	r.change("/accounts/"+mine.ID, "*", servers(joe.ID, "p")).is(422).names("body.user")
	r.accounts.fault = &relay.FieldError{Field: "smtp.tls", Message: "TLS mode none is for loopback only."}
	r.change("/accounts/"+mine.ID, "*", servers("", "p")).is(422).names("body.smtp.tls").says("loopback")
	r.accounts.fault = nil
	r.ask("DELETE", "/users/"+jane.ID, nil).is(409).says("still has an account")
	r.ask("POST", "/accounts/acc_x/verification", nil).is(404)
}

func TestSubmitterRules(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	acme, _ := r.company("acme.example")
	for name, c := range map[string]struct {
		in       api.SubmitterInput
		location string
	}{
		"foreign address":   {api.SubmitterInput{Organisation: acme.ID, Senders: api.Senders{Addresses: []string{"x@world.example"}}}, "body.senders.addresses"},
		"bad address":       {api.SubmitterInput{Senders: api.Senders{Addresses: []string{"x"}}}, "body.senders.addresses"},
		"foreign domain":    {api.SubmitterInput{Organisation: acme.ID, Senders: api.Senders{Domains: []string{"world.example"}}}, "body.senders.domains"},
		"subdomain":         {api.SubmitterInput{Organisation: acme.ID, Senders: api.Senders{Domains: []string{"x.acme.example"}}}, "body.senders.domains"},
		"bad domain":        {api.SubmitterInput{Senders: api.Senders{Domains: []string{"*"}}}, "body.senders.domains"},
		"no organisation":   {api.SubmitterInput{Senders: api.Senders{Organisation: true}}, "body.senders.organisation"},
		"unknown":           {api.SubmitterInput{Organisation: "org_x"}, "body.organisation"},
		"bad network":       {api.SubmitterInput{Networks: []string{"10.0.0.0/33"}}, "body.networks"},
		"network of a zone": {api.SubmitterInput{Networks: []string{"fe80::1%eth0"}}, "body.networks"},
	} {
		t.Log(name)
		c.in.Login = "crm"
		r.ask("POST", "/submitters", c.in).is(422).names(c.location)
	}
	s := read[api.SubmitterSecret](r.ask("POST", "/submitters", api.SubmitterInput{Login: "crm", Senders: api.Senders{Domains: []string{"any.example"}}}).is(201))
	r.ask("POST", "/submitters", api.SubmitterInput{Login: "crm"}).is(409).names("body.login")
	r.change("/submitters/"+s.Submitter.ID, "*", api.SubmitterInput{Login: "crm", Organisation: acme.ID}).is(422).names("body.organisation")
	rec, err := r.server.opt.Directory.SubmitterByLogin(t.Context(), "crm")
	if err != nil || string(rec.PasswordHash) != "hash-canary-of-"+s.Password {
		t.Errorf("the hash of the password was not kept: %v", err)
	}
}

// Messages that are settled, unknown or that no id names cannot be changed.
func TestMessageRules(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id := r.message("", relay.Delivered).String()
	r.queue.messages[0].record.Retired = r.now()
	for _, verb := range []string{"release", "retry", "cancel"} {
		r.ask("POST", "/messages/"+id+"/"+verb, nil).is(409).says("Nothing is left to do")
		r.ask("POST", "/messages/00000000000000000000000000/"+verb, nil).is(404)
		r.ask("POST", "/messages/..%2f..%2fetc/"+verb, nil).is(404)
	}
	if n := len(r.queue.messages[0].events); n != 2 {
		t.Errorf("a settled message got %d new events", n-2)
	}
	r.ask("GET", "/messages/"+id[:25]+"I", nil).is(404)
	r.ask("GET", "/messages?outcome=odd", nil).is(422).names("query.outcome")
	r.ask("GET", "/messages?from=odd", nil).is(422).names("query.from")
}

// A message that waits as a whole or for one recipient is held.
func TestStatus(t *testing.T) {
	t.Parallel()
	for outcome, want := range map[relay.Outcome]string{
		relay.Pending: "waiting", relay.Deferred: "waiting", relay.Unknown: "waiting", relay.Held: "held",
		relay.Delivered: "waiting", // its report is still due
	} {
		s := &relay.State{Recipients: []relay.RecipientState{{Outcome: outcome}}}
		if got := status(&store.Record{State: s}); got != want {
			t.Errorf("%s: %s, want %s", outcome, got, want)
		}
		s.Hold = &relay.Hold{}
		if got := status(&store.Record{State: s}); got != "held" {
			t.Errorf("%s with a hold: %s", outcome, got)
		}
	}
	s := &relay.State{Recipients: []relay.RecipientState{{Outcome: relay.Delivered, Reported: true}}}
	if got := status(&store.Record{State: s}); got != "done" {
		t.Errorf("delivered and reported: %s", got)
	}
}

// A change needs the revision that was read. Of many changes of one revision
// exactly one is done, and nothing of the others.
func TestRevisions(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	o, u := r.company("acme.example")
	r.change("/users/"+u.ID, "", api.UserInput{Address: u.Address}).is(http.StatusPreconditionRequired)
	r.change("/users/"+u.ID, `"77"`, api.UserInput{Address: u.Address}).is(412)
	r.change("/users/"+u.ID, `W/"1"`, api.UserInput{Address: u.Address}).is(412)
	tag := r.ask("GET", "/users/"+u.ID, nil).header.Get("ETag")

	const writers = 8
	statuses := make([]int, writers)
	var all sync.WaitGroup
	for i := range writers {
		all.Go(func() {
			statuses[i] = r.change("/users/"+u.ID, tag, api.UserInput{Address: u.Address, HeaderName: fmt.Sprintf("Jane %d", i)}).status
		})
	}
	all.Wait()
	winner := -1
	for i, status := range statuses {
		switch {
		case status == 200 && winner < 0:
			winner = i
		case status != 412:
			t.Errorf("writer %d got %d: %v", i, status, statuses)
		}
	}
	got := read[api.User](r.ask("GET", "/users/"+u.ID, nil))
	if winner < 0 || got.HeaderName != fmt.Sprintf("Jane %d", winner) {
		t.Errorf("writer %d won, the name is %q", winner, got.HeaderName)
	}
	r.change("/users/"+u.ID, `"0", `+etag(got.Revision), api.UserInput{Address: u.Address}).is(200)
	r.change("/organisations/"+o.ID, etag(o.Revision+1), api.OrganisationInput{Name: "x", Domains: o.Domains}).is(412)
}
