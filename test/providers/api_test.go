package providers

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"

	"github.com/relayd/relayd/internal/api"
	"github.com/relayd/relayd/test/programtest"
)

// ask makes one request to the API over its socket.
func (s *scene) ask(method, path string, in any) (status int, answer []byte) {
	s.t.Helper()
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			s.t.Fatal(err)
		}
		body = bytes.NewReader(text)
	}
	// Not the test's own context: the last questions are asked when that has ended.
	ctx, cancel := context.WithTimeout(context.Background(), programtest.Patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, "http://localhost"+path, body)
	if err != nil {
		s.t.Fatal(err)
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if method == http.MethodPut {
		req.Header.Set("If-Match", "*")
	}
	socket := filepath.Join(s.in.Data, "admin.sock")
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	if answer, err = io.ReadAll(resp.Body); err != nil {
		s.t.Fatal(err)
	}
	return resp.StatusCode, answer
}

// call makes a request that must succeed; its answer is evidence.
func call[T any](s *scene, method, path string, in any) T {
	s.t.Helper()
	out, answer := secretCall[T](s, method, path, in)
	s.show(method+" "+path, answer)
	return out
}

// secretCall makes a request whose answer may show the secret that it made.
func secretCall[T any](s *scene, method, path string, in any) (out T, answer []byte) {
	s.t.Helper()
	status, answer := s.ask(method, api.Prefix+path, in)
	if status/100 != 2 {
		s.t.Fatalf("%s %s: %d %s", method, path, status, answer)
	}
	if len(answer) > 0 {
		if err := json.Unmarshal(answer, &out); err != nil {
			s.t.Fatalf("%s %s: %v in %s", method, path, err, answer)
		}
	}
	return out, answer
}

// refused makes a request that must not succeed, and gives the field that is wrong.
func (s *scene) refused(method, path string, in any) (status int, field string) {
	s.t.Helper()
	status, answer := s.ask(method, api.Prefix+path, in)
	s.show(method+" "+path, answer)
	var problem api.Problem
	if err := json.Unmarshal(answer, &problem); err != nil || status/100 != 4 {
		s.t.Fatalf("%s %s: %d %s", method, path, status, answer)
	}
	if len(problem.Errors) > 0 {
		field = problem.Errors[0].Location
	}
	return status, field
}

// organise makes the organisation with its first administrator, and the submitter.
func (s *scene) organise(policy map[string]any) {
	s.t.Helper()
	in := map[string]any{"name": "Acme", "domains": []string{programtest.Domain}, "administrator": map[string]any{"address": boss}}
	if policy != nil {
		in["policy"] = policy
	}
	s.org = call[api.Organisation](s, "POST", "/organisations", in).ID
	made, _ := secretCall[api.SubmitterSecret](s, "POST", "/submitters", map[string]any{
		"organisation": s.org, "login": programtest.Submitter, "senders": map[string]any{"organisation": true}})
	s.hide(made.Password)
}

// servers are the provider's, as an administrator writes them into a starter
// configuration.
func (s *scene) servers() map[string]any {
	return map[string]any{
		"organisation": s.org, "domain": programtest.Domain,
		"smtp": map[string]any{"host": "mail.example", "port": portOf(s.provider.SubmissionAddr()), "tls": "starttls"},
		"imap": map[string]any{"host": "mail.example", "port": portOf(s.provider.IMAPSAddr()), "tls": "implicit"},
	}
}

// prepare makes the starter configuration of the domain.
func (s *scene) prepare(more map[string]any) {
	s.t.Helper()
	in := s.servers()
	for key, value := range more {
		in[key] = value
	}
	call[api.Starter](s, "POST", "/starters", in)
}

// prepareConsent registers the application of a vendor, and makes the starter
// configuration that leads there.
func (s *scene) prepareConsent(provider, vendor string) {
	s.t.Helper()
	s.prepareApp(provider, vendor, "consent", "oauth")
}

func (s *scene) prepareApp(provider, vendor, kind, signIn string) (app string) {
	s.t.Helper()
	e := s.provider.OAuthEndpoints()
	tenant := "" // of Microsoft alone, and needed only where an application opens every mailbox
	if kind == "app_only" {
		tenant = "7f1c2d3e-4b5a-6978-8897-a6b5c4d3e2f1"
		for _, address := range []*string{&e.Authorize, &e.Token, &e.Device, &e.AdminConsent} {
			*address = strings.Replace(*address, "/common/", "/"+tenant+"/", 1)
		}
	}
	app = call[api.App](s, "POST", "/apps", map[string]any{
		"organisation": s.org, "name": "relayd", "vendor": vendor, "kind": kind, "client_id": clientID, "secret": clientSecret, "tenant": tenant,
		"endpoints": map[string]any{
			"auth": e.Authorize, "token": e.Token, "device": e.Device, "revoke": e.Revoke, "admin_consent": e.AdminConsent,
			"graph": s.provider.HTTPSURL() + "/v1.0", "gmail": s.provider.HTTPSURL(), "mail": "mail.example",
		},
	}).ID
	s.prepare(map[string]any{"provider": provider, "preset": map[string]string{"gmail": "gmail", "office365": "microsoft365"}[provider], "sign_in": signIn, "app": app})
	return app
}

// person makes a user with an account of which only the address is known, and with a
// password if one is given.
func (s *scene) person(address, password string) (account string) {
	s.t.Helper()
	user := call[api.User](s, "POST", "/users", map[string]any{"address": address}).ID
	in := map[string]any{"user": user}
	if password != "" {
		in["password"] = password
	}
	return call[api.Account](s, "POST", "/accounts", in).ID
}

// verify proves an account, and gives how that ended.
func (s *scene) verify(account string) api.Verification {
	s.t.Helper()
	call[api.Verification](s, "POST", "/accounts/"+account+"/verification", nil)
	return s.ended(account)
}

// ended waits for the end of a verification.
func (s *scene) ended(account string) (v api.Verification) {
	s.t.Helper()
	s.soon("the end of the verification", func() bool {
		v = call[api.Verification](s, "GET", "/accounts/"+account+"/verification", nil)
		return !v.Running()
	})
	return v
}

// mustVerify proves an account that works.
func (s *scene) mustVerify(account string) {
	s.t.Helper()
	if v := s.verify(account); v.State != "done" {
		s.t.Fatalf("the verification ended with %s: %s %s\n%+v", v.State, v.Field, v.Message, v.Steps)
	}
}

// account shows an account.
func (s *scene) account(id string) api.Account {
	s.t.Helper()
	return call[api.Account](s, "GET", "/accounts/"+id, nil)
}

// becomes waits for a state of an account.
func (s *scene) becomes(account, state string) {
	s.t.Helper()
	s.soon("the account "+state, func() bool { return s.account(account).State == state })
}

// message shows a message.
func (s *scene) message(id string) api.MessageDetail {
	s.t.Helper()
	return call[api.MessageDetail](s, "GET", "/messages/"+id, nil)
}

// settled waits until a message has nothing left to do, and shows it.
func (s *scene) settled(id string) (m api.MessageDetail) {
	s.t.Helper()
	s.soon("the end of message "+id, func() bool {
		m = s.message(id)
		return m.Status == "done"
	})
	return m
}

// link makes a one-time link.
func (s *scene) link(account, purpose string) string {
	s.t.Helper()
	made, _ := secretCall[api.Link](s, "POST", "/accounts/"+account+"/links", map[string]any{"purpose": purpose})
	s.hideLink(made.Address)
	return made.Address
}

// connect connects an account by one click at a link.
func (s *scene) connect(account, address string) {
	s.t.Helper()
	b := s.browser()
	b.consent(s.link(account, "connect"), address)
	b.works()
	if a := s.account(account); a.State != "verified" {
		s.t.Fatalf("after the click the account is %s: %s", a.State, a.StateReason)
	}
}
