package admin

import (
	"compress/gzip"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/relayd/relayd/internal/api"
	"github.com/relayd/relayd/relay"
)

// These tests are named by the rows of the attack list that they answer.

// W1: a page of another site changes nothing, not even from a machine where no
// token would be needed; no content type that a form can send is taken; GET changes
// nothing.
func TestW1CrossSite(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	in := `{"name": "evil"}`
	for name, headers := range map[string]map[string]string{
		"fetch metadata": {"Sec-Fetch-Site": "cross-site"},
		"origin":         {"Origin": "https://evil.example"},
	} {
		if a := r.do("POST", "/api/v1/organisations", in, request{token: r.token, headers: headers}); a.status != http.StatusForbidden {
			t.Errorf("%s: status %d", name, a.status)
		}
	}
	for _, ct := range []string{"text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/jsonx", ""} {
		r.do("POST", "/api/v1/organisations", in, request{token: r.token, headers: map[string]string{"Content-Type": ct}}).is(415)
	}
	if list := read[api.List[api.Organisation]](r.ask("GET", "/organisations", nil).is(200)); len(list.Items) != 0 {
		t.Errorf("something was made: %+v", list)
	}
}

// W5: a name that an attacker pointed to the loopback address is not ours.
func TestW5Rebinding(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *Options) { o.Hosts = []string{"relay.example"} })
	for host, status := range map[string]int{
		"evil.example": 421, "evil.example:8025": 421, "127.0.0.1.evil.example": 421, "localhost.evil.example": 421, "10.0.0.1": 421,
		"localhost": 200, "localhost:8025": 200, "127.0.0.1:8025": 200, "[::1]:8025": 200, "RELAY.example": 200, "relay.example:443": 200,
	} {
		if a := r.do("GET", "/api/v1/users", nil, request{token: r.token, host: host}); a.status != status {
			t.Errorf("%s: status %d, want %d", host, a.status, status)
		}
		if a := r.do("GET", "/readyz", nil, request{host: host}); a.status != status {
			t.Errorf("%s: readiness status %d, want %d", host, a.status, status)
		}
	}
}

// W9: what ends up in headers, protocol lines and host names holds no control
// characters, nor anything that reads differently from what it is.
func TestW9ControlCharacters(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	o, u := r.company("acme.example")
	for _, bad := range []string{"x\r\nBcc: a@b", "x\ny", "x\x00y", "x\x1b[31m", "x\u202ey", "x\u2028y", " x", "x\ty"} {
		r.change("/users/"+u.ID, "*", api.UserInput{Address: u.Address, HeaderName: bad}).is(422).names("body.header_name")
		r.change("/organisations/"+o.ID, "*", api.OrganisationInput{Name: bad, Domains: o.Domains}).is(422).names("body.name")
		r.ask("POST", "/dkim-keys", api.KeyInput{Domain: "acme.example", Selector: bad}).is(422).names("body.selector")
		r.ask("POST", "/tokens", api.TokenInput{Name: bad}).is(422).names("body.name")
		r.ask("POST", "/submitters", api.SubmitterInput{Login: bad}).is(422).names("body.login")
		in := servers(u.ID, "p")
		in.SMTP.Host = bad
		r.ask("POST", "/accounts", in).is(422).names("body.smtp.host")
		in = servers(u.ID, "p")
		in.IMAP.Login = bad
		r.ask("POST", "/accounts", in).is(422).names("body.imap.login")
		in = servers(u.ID, "p")
		in.SentFolder = bad
		r.ask("POST", "/accounts", in).is(422).names("body.sent_folder")
		id := r.message("", relay.Pending).String()
		r.ask("POST", "/messages/"+id+"/hold", api.HoldInput{Reason: bad}).is(422).names("body.reason")
	}
}

// W10: a token of one organisation gets, for everything of another, exactly the
// answer that it gets for what does not exist.
func TestW10ForeignIsNotFound(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ours, _ := r.company("ours.example")
	theirs, jane := r.company("theirs.example")
	account := read[api.Account](r.ask("POST", "/accounts", servers(jane.ID, "p")).is(201))
	sub := read[api.SubmitterSecret](r.ask("POST", "/submitters", api.SubmitterInput{Login: "theirs", Organisation: theirs.ID}).is(201)).Submitter
	operators := read[api.SubmitterSecret](r.ask("POST", "/submitters", api.SubmitterInput{Login: "operator"}).is(201)).Submitter
	key := read[api.Key](r.ask("POST", "/dkim-keys", api.KeyInput{Domain: "theirs.example", Algorithm: "ed25519-sha256"}).is(201))
	message, own := r.message(theirs.ID, relay.Pending).String(), r.message(ours.ID, relay.Pending).String()
	token := r.newToken(t, ours.ID)

	foreign := map[string]string{
		theirs.ID: "org_", jane.ID: "usr_", account.ID: "acc_", sub.ID: "sub_", operators.ID: "sub_", key.ID: "key_", message: "",
	}
	calls := map[string][]string{
		"org_": {"GET /organisations/%", "PUT /organisations/%"},
		"usr_": {"GET /users/%", "PUT /users/%", "DELETE /users/%"},
		"acc_": {"GET /accounts/%", "PUT /accounts/%", "DELETE /accounts/%", "POST /accounts/%/verification", "GET /accounts/%/verification", "DELETE /accounts/%/verification"},
		"sub_": {"GET /submitters/%", "PUT /submitters/%", "DELETE /submitters/%", "POST /submitters/%/password"},
		"key_": {"GET /dkim-keys/%", "DELETE /dkim-keys/%"},
		"":     {"GET /messages/%", "POST /messages/%/hold", "POST /messages/%/release", "POST /messages/%/retry", "POST /messages/%/cancel"},
	}
	bodies := map[string]any{
		"PUT /organisations/%": api.OrganisationInput{Name: "x"}, "PUT /users/%": api.UserInput{Address: "x@ours.example"},
		"PUT /accounts/%": servers("", "p"), "PUT /submitters/%": api.SubmitterInput{Login: "x"}, "POST /messages/%/hold": api.HoldInput{},
	}
	for id, prefix := range foreign {
		for _, call := range calls[prefix] {
			method, path, _ := strings.Cut(call, " ")
			there := r.as(token, method, strings.ReplaceAll(path, "%", id), bodies[call]).is(404)
			nowhere := r.as(token, method, strings.ReplaceAll(path, "%", prefix+relay.NewID(time.Now()).String()), bodies[call]).is(404)
			if string(there.body) != string(nowhere.body) {
				t.Errorf("%s: %s differs from %s", call, there.body, nowhere.body)
			}
		}
	}
	for path, count := range map[string]int{
		"/organisations": 1, "/users": 1, "/accounts": 0, "/submitters": 0, "/dkim-keys": 0, "/messages": 1,
		"/users?address=jane@theirs.example": 0, "/accounts?address=jane@theirs.example": 0, "/submitters?login=theirs": 0,
		"/organisations?domain=theirs.example": 0, "/users?organisation=" + theirs.ID: 0, "/dkim-keys?domain=theirs.example": 0,
	} {
		if list := read[api.List[map[string]any]](r.as(token, "GET", path, nil).is(200)); len(list.Items) != count {
			t.Errorf("%s shows %d records, want %d", path, len(list.Items), count)
		}
	}
	r.as(token, "GET", "/messages/"+own, nil).is(200)
	r.ask("POST", "/submitters", api.SubmitterInput{Login: "ours", Organisation: ours.ID}).is(201)
	question := api.ExplainInput{Submitter: "ours", From: jane.Address, Recipients: []string{"bob@world.example"}}
	if x := read[api.Explanation](r.as(token, "POST", "/explain", question).is(200)); x.User != "" || x.Account != "" {
		t.Errorf("an explanation names a foreign user and account: %+v", x)
	}
	if x := read[api.Explanation](r.ask("POST", "/explain", question).is(200)); x.User != jane.ID || x.Account != account.ID {
		t.Errorf("the operator is not told user and account: %+v", x)
	}
	r.as(token, "POST", "/explain", api.ExplainInput{Submitter: "theirs", From: "a@b.example"}).is(422).names("body.submitter")
	r.as(token, "POST", "/users", api.UserInput{Address: "x@theirs.example"}).is(422).names("body.address").says("another organisation")
	if strings.Contains(strings.Join(r.bodies[len(r.bodies)-1:], ""), theirs.Name) {
		t.Error("the name of the other organisation came out")
	}
}

// A token of one organisation cannot widen its own reach.
func TestBoundTokenStaysBound(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ours, _ := r.company("ours.example")
	token := r.newToken(t, ours.ID)
	r.as(token, "POST", "/organisations", api.OrganisationInput{Name: "mine"}).is(403)
	r.as(token, "PUT", "/organisations/"+ours.ID, api.OrganisationInput{Name: "x", Domains: []string{"ours.example", "world.example"}}).is(403)
	r.as(token, "PUT", "/organisations/"+ours.ID, api.OrganisationInput{Name: "x"}).is(403)
	r.as(token, "PUT", "/organisations/"+ours.ID, api.OrganisationInput{Name: "Ours", Domains: ours.Domains}).is(200)
	r.as(token, "DELETE", "/organisations/"+ours.ID, nil).is(403)
	r.as(token, "POST", "/tokens", api.TokenInput{Name: "x"}).is(403)
	r.as(token, "GET", "/tokens", nil).is(403)
	r.as(token, "DELETE", "/tokens/tok_x", nil).is(403)
	r.as(token, "GET", "/queue", nil).is(403)
	r.as(token, "POST", "/submitters", api.SubmitterInput{Login: "x"}).is(422).names("body.organisation")
	r.as(token, "POST", "/submitters", api.SubmitterInput{Login: "x", Organisation: ours.ID, Senders: api.Senders{Domains: []string{"world.example"}}}).is(422)
	r.as(token, "POST", "/dkim-keys", api.KeyInput{Domain: "world.example"}).is(422).names("body.domain")
	r.as(token, "POST", "/dkim-keys", api.KeyInput{Domain: "ours.example"}).is(201)
}

// W11: only a whole, right, living token opens anything, and only in the header.
func TestW11Tokens(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id, secret, _ := strings.Cut(strings.TrimPrefix(r.token, "rlt_"), "_")
	other := r.newToken(t, "")
	_, otherSecret, _ := strings.Cut(strings.TrimPrefix(other, "rlt_"), "_")
	for name, token := range map[string]string{
		"none": "", "prefix only": "rlt_", "no secret": "rlt_" + id + "_", "id only": "rlt_" + id, "cut": r.token[:len(r.token)-1],
		"longer": r.token + "a", "another prefix": "rlx_" + id + "_" + secret, "unknown id": "rlt_" + relay.NewID(time.Now()).String() + "_" + secret,
		"secret of another": "rlt_" + id + "_" + otherSecret, "upper case": strings.ToUpper(r.token), "huge": "rlt_" + strings.Repeat("a", 9000),
		"path": "rlt_../../x_" + secret,
	} {
		a := r.do("GET", "/api/v1/users", nil, request{token: token}).is(401)
		if a.header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s: no challenge", name)
		}
	}
	for _, header := range []string{"Basic " + r.token, r.token, "Bearer", "Bearer  ", "BearerX " + r.token} {
		r.do("GET", "/api/v1/users", nil, request{headers: map[string]string{"Authorization": header}}).is(401)
	}
	r.do("GET", "/api/v1/users?token="+r.token, nil, request{}).is(401)
	r.do("GET", "/api/v1/users?access_token="+r.token, nil, request{}).is(401)
	r.do("GET", "/api/v1/users", nil, request{headers: map[string]string{"Authorization": "bearer " + r.token}}).is(200)
	r.do("GET", "/nowhere", nil, request{}).is(401)
	r.do("GET", "/nowhere", nil, request{token: r.token}).is(404)
	r.do("PATCH", "/api/v1/users", nil, request{token: r.token}).is(405)
	if strings.Contains(r.log.String(), secret) {
		t.Error("the secret stands in the log")
	}
}

func TestTokenExpires(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	r := newRig(t)
	end := time.Now().Add(time.Hour)
	made := read[api.TokenSecret](r.ask("POST", "/tokens", api.TokenInput{Name: "short", Expires: &end}).is(201))
	rec, err := r.server.opt.Directory.Tokens().Get(t.Context(), made.Token.ID)
	if err != nil {
		t.Fatal(err)
	}
	rec.Expires = at
	if err := r.server.opt.Directory.Tokens().Put(t.Context(), rec); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		token string
		now   time.Time
		err   error
	}{
		{made.Secret, at.Add(-time.Nanosecond), nil},
		{made.Secret, at, errExpired},
		{made.Secret, at.Add(time.Hour), errExpired},
		{made.Secret + "x", at.Add(time.Hour), errNoToken}, // a wrong secret does not learn of the expiry
	} {
		if _, err := checkToken(t.Context(), r.server.opt.Directory.Tokens(), relay.Secret(c.token), c.now); err != c.err { //nolint:errorlint // the very value
			t.Errorf("at %s: %v, want %v", c.now, err, c.err)
		}
	}
	past := time.Now().Add(-time.Minute)
	r.ask("POST", "/tokens", api.TokenInput{Name: "late", Expires: &past}).is(422).names("body.expires")
}

// W13: what a caller typed cannot forge a line of the log.
func TestW13LogForging(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.ask("DELETE", "/users/x%0A%7B%22msg%22:%22forged%22%7D%1b%5B31m", nil).is(404)
	r.do("GET", "/x%0Aforged%1b", nil, request{}).is(401)
	for line := range strings.Lines(r.log.String()) {
		if !strings.HasPrefix(line, `{"time"`) || strings.ContainsRune(line, '\x1b') {
			t.Errorf("a line of the log is not ours: %q", line)
		}
	}
	if !strings.Contains(r.log.String(), `"operation":"delete-user"`) {
		t.Error("the refused change has no audit line")
	}
}

// W14: the metrics are not for everybody.
func TestW14Metrics(t *testing.T) {
	t.Parallel()
	metrics := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("up 1")) })
	closed := newRig(t, func(o *Options) { o.Metrics = metrics })
	closed.do("GET", "/metrics", nil, request{}).is(401)
	closed.do("GET", "/metrics", nil, request{token: closed.token}).is(200).says("up 1")
	closed.do("GET", "/metrics", nil, request{client: closed.overSocket()}).is(200)
	ours, _ := closed.company("ours.example")
	closed.do("GET", "/metrics", nil, request{token: closed.newToken(t, ours.ID)}).is(403)
	open := newRig(t, func(o *Options) { o.Metrics, o.MetricsOpen = metrics, true })
	open.do("GET", "/metrics", nil, request{}).is(200)
	opt := open.server.opt
	opt.Address = "192.0.2.1:8025"
	if _, err := New(opt); err == nil {
		t.Error("metrics without a token were allowed on a public address")
	}
	none := newRig(t)
	none.do("GET", "/metrics", nil, request{token: none.token}).is(404)
}

// R10: no request costs more than a small fixed amount.
func TestR10Exhaustion(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	huge := strings.Repeat("x", DefaultMaxBody+1)
	r.ask("POST", "/organisations", `{"name": "`+huge+`"}`).is(413)
	r.ask("POST", "/organisations", strings.Repeat(`{"name":`, 20_000)).is(400)
	r.ask("POST", "/organisations", `{"domains":`+strings.Repeat("[", 100_000)+strings.Repeat("]", 100_000)+`}`).is(400)
	many := `["a.example"` + strings.Repeat(`,"a.example"`, 1000) + `]`
	r.ask("POST", "/organisations", `{"name": "x", "domains": `+many+`}`).is(422).names("body.domains")
	var packed strings.Builder
	z := gzip.NewWriter(&packed)
	if _, err := z.Write(make([]byte, 10<<20)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	r.do("POST", "/api/v1/organisations", packed.String(), request{token: r.token, headers: map[string]string{"Content-Encoding": "gzip"}}).is(415)
	cookie := r.compose("GET", "/api/v1/users", nil, request{token: r.token, headers: map[string]string{"Cookie": strings.Repeat("c", 64<<10)}})
	// The server may close before the client has sent all of it: no answer is right too.
	if resp, err := http.DefaultClient.Do(cookie); err == nil {
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("huge cookie: status %d", resp.StatusCode)
		}
	}
}

// R10, second part: a body without an announced length is counted as it comes.
func TestR10EndlessBody(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	req := r.compose("POST", "/api/v1/organisations", "{}", request{token: r.token})
	req.ContentLength, req.Body = -1, readCloser{strings.NewReader(`{"name": "` + strings.Repeat("x", 2*DefaultMaxBody))}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("status %d", resp.StatusCode)
	}
}

type readCloser struct{ *strings.Reader }

func (readCloser) Close() error { return nil }

// Every answer forbids sniffing, storing and framing.
func TestHeadersOfEveryAnswer(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, a := range []answer{
		r.ask("GET", "/users", nil), r.do("GET", "/nowhere", nil, request{}), r.do("GET", "/healthz", nil, request{}), r.do("GET", "/api/openapi.json", nil, request{}),
	} {
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "Referrer-Policy": "no-referrer",
			"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
		} {
			if got := a.header.Get(name); got != want {
				t.Errorf("%s is %q", name, got)
			}
		}
	}
}
