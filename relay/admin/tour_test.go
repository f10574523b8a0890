package admin

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/relayd/relayd/internal/api"
	"github.com/relayd/relayd/relay"
)

// TestTour calls every operation of the document with success. harness_test.go
// compares each answer with the document; here the answers are compared with what
// was asked for. At the end no answer and no log line holds a secret (promise G8,
// attacks W12), and no operation was left out.
func TestTour(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *Options) {
		o.Checks = []Check{{Name: "queue", Check: func(ctx ctxT) error { return nil }}}
	})
	o, u := r.company("acme.example")
	tourParties(r, o, u)
	tourAccounts(r, o, u)
	tourSetup(r, o)
	tourSubmitters(r, o)
	tourKeys(r)
	tourTokens(r)
	tourMessages(r, o)
	r.do("GET", "/healthz", nil, request{}).is(204)
	if ready := read[api.Readiness](r.do("GET", "/readyz", nil, request{}).is(200)); !ready.Ready || ready.Checks[0].Name != "queue" {
		t.Errorf("readiness %+v", ready)
	}
	r.ask("DELETE", "/users/"+u.ID, nil).is(204)
	r.ask("DELETE", "/organisations/"+o.ID, nil).is(204)
	for key, op := range r.contract.operations() {
		if id := op["operationId"].(string); !r.contract.seen[id] {
			t.Errorf("%s (%s) was never called with success", key, id)
		}
	}
	noSecrets(r)
}

func tourParties(r *rig, o api.Organisation, u api.User) {
	list := read[api.List[api.Organisation]](r.ask("GET", "/organisations", nil).is(200))
	if len(list.Items) != 1 || list.Items[0].ID != o.ID || list.Next != "" {
		r.Errorf("organisations %+v", list)
	}
	r.ask("GET", "/organisations/"+o.ID, nil).is(200)
	changed := read[api.Organisation](r.change("/organisations/"+o.ID, etag(o.Revision), api.OrganisationInput{
		Name: "Acme", Domains: []string{"ACME.example", "bücher.example"}, Policy: &api.Policy{FallBack: "hold"},
	}).is(200))
	if changed.Policy.FallBack != "hold" || strings.Join(changed.Domains, " ") != "acme.example xn--bcher-kva.example" {
		r.Errorf("changed organisation %+v", changed)
	}
	if found := read[api.List[api.User]](r.ask("GET", "/users?address=JANE@acme.example", nil).is(200)); len(found.Items) != 1 || found.Items[0].ID != u.ID {
		r.Errorf("users by address %+v", found)
	}
	r.ask("GET", "/users/"+u.ID, nil).is(200)
	named := read[api.User](r.change("/users/"+u.ID, etag(u.Revision), api.UserInput{Address: u.Address, HeaderName: "Jane Doe"}).is(200))
	if named.HeaderName != "Jane Doe" || named.Revision == u.Revision {
		r.Errorf("changed user %+v", named)
	}
}

const canary = "canary-of-a-mail-account"

func tourAccounts(r *rig, o api.Organisation, u api.User) {
	first := r.ask("POST", "/accounts", servers(u.ID, canary)).is(201)
	a := read[api.Account](first)
	if a.Address != u.Address || a.Organisation != o.ID || !a.HasPassword || a.State != "unverified" || first.header.Get("Location") != api.Prefix+"/accounts/"+a.ID {
		r.Errorf("account %+v", a)
	}
	in := servers("", canary+"-2")
	in.SMTP.Port, in.SentFolder = 465, "Gesendete Objekte"
	changed := read[api.Account](r.change("/accounts/"+a.ID, first.header.Get("ETag"), in).is(200))
	if changed.SMTP.Port != 465 || changed.SentFolder != in.SentFolder || r.accounts.saved[a.ID] != canary+"-2" {
		r.Errorf("changed account %+v", changed)
	}
	in.Password = nil
	r.change("/accounts/"+a.ID, etag(changed.Revision), in).is(200)
	if r.accounts.saved[a.ID] != canary+"-2" {
		r.Error("a change without a password changed the password")
	}
	shared := servers("", canary)
	shared.Organisation, shared.Address = o.ID, "office@acme.example"
	s := read[api.Account](r.ask("POST", "/accounts", shared).is(201))
	if list := read[api.List[api.Account]](r.ask("GET", "/accounts?state=unverified", nil).is(200)); len(list.Items) != 2 {
		r.Errorf("accounts %+v", list)
	}
	r.ask("GET", "/accounts/"+a.ID, nil).is(200)
	tourVerification(r, a.ID)
	tourIdentity(r, a.ID)
	r.ask("DELETE", "/accounts/"+a.ID, nil).is(204)
	r.ask("DELETE", "/accounts/"+s.ID, nil).is(204)
}

func tourVerification(r *rig, id string) {
	path := "/accounts/" + id + "/verification"
	r.ask("GET", path, nil).is(404)
	v := read[api.Verification](r.ask("POST", path, nil).is(202))
	if !v.Running() || v.Steps[0].Detail != "mail.example" {
		r.Errorf("verification %+v", v)
	}
	r.ask("POST", path, nil).is(409).says("runs already")
	r.ask("DELETE", path, nil).is(204)
	if v = read[api.Verification](r.ask("GET", path, nil).is(200)); v.State != "cancelled" || v.Ended == nil {
		r.Errorf("cancelled verification %+v", v)
	}
}

func tourSubmitters(r *rig, o api.Organisation) {
	in := api.SubmitterInput{
		Login: "crm", Organisation: o.ID, Networks: []string{"10.1.2.3/8", "192.0.2.7"},
		Senders: api.Senders{Addresses: []string{"jane@ACME.example"}, Organisation: true},
	}
	made := r.ask("POST", "/submitters", in).is(201)
	s := read[api.SubmitterSecret](made)
	if s.Password != "rlp_canary_password_1" || strings.Join(s.Submitter.Networks, " ") != "10.0.0.0/8 192.0.2.7/32" || s.Submitter.Senders.Addresses[0] != "jane@acme.example" {
		r.Errorf("submitter %+v", s)
	}
	in.Disabled = true
	r.change("/submitters/"+s.Submitter.ID, made.header.Get("ETag"), in).is(200)
	rotated := read[api.SubmitterSecret](r.ask("POST", "/submitters/"+s.Submitter.ID+"/password", nil).is(200))
	if rotated.Password != "rlp_canary_password_2" || !rotated.Submitter.Disabled {
		r.Errorf("rotated submitter %+v", rotated)
	}
	if found := read[api.List[api.Submitter]](r.ask("GET", "/submitters?login=crm", nil).is(200)); len(found.Items) != 1 {
		r.Errorf("submitters by login %+v", found)
	}
	r.ask("GET", "/submitters/"+s.Submitter.ID, nil).is(200)
	x := read[api.Explanation](r.ask("POST", "/explain", api.ExplainInput{
		Submitter: "crm", From: "jane@acme.example", Recipients: []string{"bob@world.example"},
	}).is(200))
	if !x.Allowed || x.Route.Kind != "direct" || x.Lanes[0] != "destination world.example" || len(x.Steps) != 1 {
		r.Errorf("explanation %+v", x)
	}
	r.ask("DELETE", "/submitters/"+s.Submitter.ID, nil).is(204)
}

func tourKeys(r *rig) {
	k := read[api.Key](r.ask("POST", "/dkim-keys", api.KeyInput{Domain: "acme.example", Algorithm: "ed25519-sha256"}).is(201))
	if k.Selector != "relayd-"+time.Now().UTC().Format("20060102")+"-ed25519" || k.DNSName != k.Selector+"._domainkey.acme.example." || k.Organisation == "" {
		r.Errorf("key %+v", k)
	}
	r.ask("POST", "/dkim-keys", api.KeyInput{Domain: "acme.example", Algorithm: "ed25519-sha256"}).is(409).names("body.selector")
	r.ask("POST", "/dkim-keys", api.KeyInput{Domain: "relay.example", Selector: "s1"}).is(201)
	r.ask("GET", "/dkim-keys/"+k.ID, nil).is(200)
	if list := read[api.List[api.Key]](r.ask("GET", "/dkim-keys?domain=acme.example", nil).is(200)); len(list.Items) != 1 {
		r.Errorf("keys of the domain %+v", list)
	}
	r.ask("DELETE", "/dkim-keys/"+k.ID, nil).is(204)
}

func tourTokens(r *rig) {
	end := time.Now().Add(time.Hour)
	made := read[api.TokenSecret](r.ask("POST", "/tokens", api.TokenInput{Name: "backup script", Expires: &end}).is(201))
	if !strings.HasPrefix(made.Secret, "rlt_") || len(made.Secret) < 60 || made.Token.Expires == nil {
		r.Errorf("token %+v", made)
	}
	r.as(made.Secret, "GET", "/users", nil).is(200)
	if list := read[api.List[api.Token]](r.ask("GET", "/tokens", nil).is(200)); len(list.Items) != 2 {
		r.Errorf("tokens %+v", list)
	}
	r.ask("DELETE", "/tokens/"+made.Token.ID, nil).is(204)
	r.as(made.Secret, "GET", "/users", nil).is(401)
}

func tourMessages(r *rig, o api.Organisation) {
	id := r.message(o.ID, relay.Deferred).String()
	if list := read[api.List[api.Message]](r.ask("GET", "/messages?outcome=deferred&from=jane@acme.example", nil).is(200)); len(list.Items) != 1 || list.Items[0].Status != "waiting" || len(list.Items[0].Waits) != 1 {
		r.Errorf("messages %+v", list)
	}
	m := read[api.MessageDetail](r.ask("GET", "/messages/"+id, nil).is(200))
	if len(m.Timeline) != 2 || m.Timeline[1].Results[0].Recipient != "bob@world.example" || m.Timeline[1].Peer.TLS != "TLS 1.3" || m.Recipients[0].Reply != "451 later" ||
		m.Waits[0].Lane != "account:a1" || m.Waits[0].Reason == "" || m.Waits[0].Until == nil {
		r.Errorf("message %+v", m)
	}
	held := read[api.MessageDetail](r.ask("POST", "/messages/"+id+"/hold", api.HoldInput{Reason: "ask Jane first"}).is(200))
	if held.Status != "held" || held.Hold.Reason != "ask Jane first" || held.Hold.By != "test-" || len(held.Waits) != 0 {
		r.Errorf("held %+v", held.Hold)
	}
	r.ask("POST", "/messages/"+id+"/release", nil).is(200)
	r.ask("POST", "/messages/"+id+"/release", nil).is(409).says("not held")
	r.ask("POST", "/messages/"+id+"/retry", nil).is(200)
	if m = read[api.MessageDetail](r.ask("POST", "/messages/"+id+"/cancel", nil).is(200)); m.Status != "done" || m.Recipients[0].Outcome != "cancelled" {
		r.Errorf("cancelled %+v", m)
	}
	if u := read[api.Usage](r.ask("GET", "/queue", nil).is(200)); u.Messages != 3 || u.Bytes != 4096 {
		r.Errorf("usage %+v", u)
	}
}

// noSecrets looks for every secret of the tour in everything that came out.
func noSecrets(r *rig) {
	r.Helper()
	log := r.log.String()
	shown := map[string]int{"rlp_canary_password_1": 1, "rlp_canary_password_2": 1}
	never := []string{canary, "sealed:", "hash-canary", "private-canary", r.token, strings.TrimPrefix(r.token, "rlt_")}
	for _, secret := range never {
		shown[secret] = 0
	}
	for secret, times := range shown {
		n := 0
		for _, body := range r.bodies {
			n += strings.Count(body, secret)
		}
		if n != times {
			r.Errorf("%q was shown %d times, want %d", secret, n, times)
		}
		if strings.Contains(log, secret) {
			r.Errorf("%q stands in the log", secret)
		}
	}
	if !strings.Contains(log, `"operation":"create-account"`) {
		r.Error("the log that was searched has no audit lines")
	}
}

// A refusal must not send the input back: the value that is wrong may be a password.
func TestRefusedSecretDoesNotComeBack(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, u := r.company("acme.example")
	long := strings.Repeat(canary, 100)
	r.ask("POST", "/accounts", servers(u.ID, long)).is(422).names("body.password")
	r.ask("POST", "/accounts", `{"password": "`+canary+`", `).is(400)
	r.ask("POST", "/accounts", `{"user": "x", "password": {"`+canary+`": 1}}`).is(422)
	r.ask("POST", "/accounts", `["`+canary+`"]`).is(422)
	r.accounts.fault = errInternal
	r.ask("POST", "/accounts", servers(u.ID, canary)).is(500)
	for _, body := range r.bodies {
		if strings.Contains(body, canary) || strings.Contains(body, "secret-path") {
			t.Errorf("an answer holds what it must not: %s", body)
		}
	}
	if log := r.log.String(); strings.Contains(log, canary) || !strings.Contains(log, "secret-path") {
		t.Error("the log holds the password, or not the cause")
	}
}

// A fault of the store is 503 and says nothing of the inside.
func TestFaults(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id := r.message("", relay.Pending).String()
	r.queue.fault = errInternal
	r.ask("GET", "/messages/"+id, nil).is(500).says("fault of its own")
	r.ask("POST", "/messages/"+id+"/retry", nil).is(500)
	r.ask("GET", "/messages", nil).is(500)
	for _, body := range r.bodies {
		if strings.Contains(body, "secret-path") {
			t.Errorf("internal text came out: %s", body)
		}
	}
	if n := strings.Count(r.log.String(), "secret-path"); n < 3 {
		t.Errorf("the cause stands %d times in the log, want 3 or more", n)
	}
}

func TestNotReady(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *Options) {
		o.Checks = []Check{
			{Name: "directory", Check: func(ctxT) error { return nil }},
			{Name: "queue", Check: func(ctxT) error { return errInternal }},
		}
	})
	ready := read[api.Readiness](r.do("GET", "/readyz", nil, request{}).is(http.StatusServiceUnavailable))
	if ready.Ready || !ready.Checks[0].OK || ready.Checks[1].OK {
		t.Errorf("readiness %+v", ready)
	}
}

// A list is walked page by page, each record once, in every page no more than asked for.
func TestPages(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.company("acme.example")
	for _, name := range []string{"a", "b", "c", "d"} {
		r.ask("POST", "/users", api.UserInput{Address: name + "@acme.example"}).is(201)
		r.message("", relay.Pending)
	}
	for _, path := range []string{"/users", "/messages"} {
		seen, cursor := map[any]bool{}, ""
		for pages := 1; ; pages++ {
			p := read[api.List[map[string]any]](r.ask("GET", path+"?limit=2&cursor="+cursor, nil).is(200))
			for _, item := range p.Items {
				seen[item["id"]] = true
			}
			if len(p.Items) > 2 || pages > 3 {
				t.Fatalf("%s: page %d has %d records", path, pages, len(p.Items))
			}
			if cursor = p.Next; cursor == "" {
				break
			}
		}
		if want := map[string]int{"/users": 5, "/messages": 4}[path]; len(seen) != want {
			t.Errorf("%s: %d records, want %d", path, len(seen), want)
		}
	}
	r.ask("GET", "/messages?cursor=nonsense", nil).is(422).names("query.cursor")
	r.ask("GET", "/users?limit=501", nil).is(422).names("query.limit")
	r.ask("GET", "/users?surprise=1", nil).is(422)
}
