package peers

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// evidence is everything that could show a secret: a name and what is there.
type evidence map[string][]byte

// forms are the ways in which a secret may be written down. Base64 looks different
// by where in the encoded text the secret begins.
func forms(secret string) [][]byte {
	all := [][]byte{[]byte(secret), []byte(hex.EncodeToString([]byte(secret))), []byte(strings.ToUpper(hex.EncodeToString([]byte(secret)))), []byte(url.QueryEscape(secret))}
	for before := range 3 {
		text := append(make([]byte, before), secret...)
		whole := len(text) / 3 * 3                                              // what follows the secret cannot change these
		cut := base64.StdEncoding.EncodeToString(text[:whole])[(before*8+5)/6:] // nor what stands before it, these
		all = append(all, []byte(cut), []byte(strings.NewReplacer("+", "-", "/", "_").Replace(cut)))
	}
	return all
}

// find names the evidence that holds a secret.
func (e evidence) find(secret string) []string {
	var where []string
	for name, content := range e {
		for _, form := range forms(secret) {
			if bytes.Contains(content, form) {
				where = append(where, fmt.Sprintf("%s as %q", name, form))
			}
		}
	}
	return where
}

// The search itself must find what it looks for.
func TestCanariesAreFound(t *testing.T) {
	t.Parallel()
	const secret = "Canary-Sings-7f3a"
	for name, content := range map[string]string{
		"plain": "password=" + secret, "hex": hex.EncodeToString([]byte("x" + secret + "y")),
		"PLAIN": base64.StdEncoding.EncodeToString([]byte("\x00crm\x00" + secret)), "PLAIN, other login": base64.StdEncoding.EncodeToString([]byte("\x00jane\x00" + secret)),
		"LOGIN": base64.StdEncoding.EncodeToString([]byte(secret)), "PLAIN, third login": base64.StdEncoding.EncodeToString([]byte("\x00scans\x00" + secret + "\n")),
	} {
		if len(evidence{name: []byte(content)}.find(secret)) == 0 {
			t.Errorf("%s is not found", name)
		}
	}
	if where := (evidence{"other": []byte(base64.StdEncoding.EncodeToString([]byte("Canary-Sleeps-7f3a")))}).find(secret); len(where) > 0 {
		t.Errorf("found where it is not: %v", where)
	}
}

// Promise G8: a life with every kind of secret, at the log level that tells most.
//
//	swaks, relayd commands --> relayd --> Postfix, Dovecot
//
// Afterwards logs, answers of the API, metrics, reports and every file are searched.
func TestNoSecretShows(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.startDNS()
	jane := person{"jane", "Canary-Account-51c2e8"}
	mx, home := w.startExchanger(), w.startProvider(nil, jane)
	r := w.startRelayd(ports(home.dovecot.IMAPS), set("admin.open_metrics", "true"), set("upstream.idle_timeout", "1s"))
	r.organisation("Acme", "acme.example")
	r.submitter(crm, "--organisation", "Acme", "--whole-organisation")
	var token struct{ Secret string }
	if err := json.Unmarshal([]byte(r.do("token", "create", "canary", "--json")), &token); err != nil || token.Secret == "" {
		t.Fatalf("no token: %v", err)
	}
	secrets := map[string]string{
		"submitter's password": r.passwords[crm], "account's password": jane.password, "account's new password": "Canary-Renewed-c01d5f42",
		"password that somebody mistyped": "Canary-Mistyped-77ab", "password that an application guessed": "Canary-Guessed-9e01", "token": token.Secret,
	}
	r.useEverySecret(home, jane, secrets)
	r.getWithToken(token.Secret)

	found := r.evidence(home, mx, jane)
	r.stop()
	found["log"] = []byte(r.logged())
	collect(t, found, r.path("."))
	if len(found) < 20 || !bytes.Contains(found["log"], []byte("account parked")) {
		t.Fatalf("only %d pieces of evidence", len(found))
	}
	for name, secret := range secrets {
		for _, where := range found.find(secret) {
			t.Errorf("the %s stands in %s", name, where)
		}
	}
}

// useEverySecret leads a life in which each secret is used, and refused.
func (r *relayd) useEverySecret(home *provider, jane person, secrets map[string]string) {
	r.t.Helper()
	r.do("user", "create", jane.address())
	r.doWith(secrets["password that somebody mistyped"]+"\n", append([]string{"account", "create", jane.address(), "--password-stdin"}, home.settings(jane)...)...)
	if _, _, code := r.command("", "account", "verify", jane.address()); code != 1 {
		r.t.Fatalf("a wrong password is verified with %d", code)
	}
	r.doWith(jane.password+"\n", "account", "update", jane.address(), "--password-stdin", "--verify")
	envelope := []string{"--from", jane.address(), "--to", "bob@b.example,nobody@acme.example"}
	content := mail(jane.address(), "bob@b.example", "canary")
	for _, mechanism := range []string{"PLAIN", "LOGIN"} {
		id := r.mustSwaks(content, append(r.as(crm, "--auth", mechanism), envelope...)...)
		r.await(id, done)
		out, code := r.swaks(content, append(r.as(crm, "--auth", mechanism, "--auth-password", secrets["password that an application guessed"]), envelope...)...)
		if code == 0 {
			r.t.Fatalf("a wrong password was taken:\n%s", out)
		}
	}
	jane.password = secrets["account's new password"]
	home.changePassword(jane)
	parked := r.mustSwaks(content, append(r.as(crm), envelope...)...)
	r.await(parked, held)
	r.doWith(jane.password+"\n", "account", "update", jane.address(), "--password-stdin")
	r.await(parked, done)
	r.do("dkim", "generate", "acme.example")
}

// getWithToken uses the API over TCP, with a right token and with a wrong one.
func (r *relayd) getWithToken(token string) {
	r.t.Helper()
	for secret, want := range map[string]int{token: http.StatusOK, token + "x": http.StatusUnauthorized} {
		req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "http://"+r.w.at(hostRelay)+":8025/api/v1/accounts", nil)
		if err != nil {
			r.t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+secret)
		if got, body := fetch(r.t, req); got != want {
			r.t.Errorf("the API answered %d, want %d: %s", got, want, body)
		}
	}
}

func fetch(t *testing.T, req *http.Request) (status int, body []byte) {
	t.Helper()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, body
}

// evidence gathers what a running relayd shows, and the mail that it made.
func (r *relayd) evidence(home *provider, mx *exchanger, jane person) evidence {
	r.t.Helper()
	found := evidence{}
	for _, command := range []string{
		"queue list --all", "account list", "account show " + jane.address(), "submitter list", "submitter show " + crm,
		"user list", "organisation list", "token list", "dkim list", "explain --submitter crm --from " + jane.address(),
	} {
		for _, more := range []string{"", " --json"} {
			found["relayd "+command+more] = []byte(r.do(strings.Fields(command + more)...))
		}
	}
	for line := range strings.Lines(r.do("queue", "list", "--all")) {
		if id := group(line, `^([0-9a-z]{26}) `); id != "" {
			found["queue show "+id] = []byte(r.do("queue", "show", id) + r.do("queue", "show", id, "--json"))
		}
	}
	for _, path := range []string{"/metrics", "/healthz", "/readyz", "/api/openapi.json"} {
		req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "http://"+r.w.at(hostRelay)+":8025"+path, nil)
		if err != nil {
			r.t.Fatal(err)
		}
		_, found[path] = fetch(r.t, req)
	}
	if !bytes.Contains(found["/metrics"], []byte("relayd_")) {
		r.t.Errorf("no metrics in %s", found["/metrics"])
	}
	reports := 0
	for i, l := range append(append(home.inbox(jane), home.folder(jane, "Sent")...), mx.mail("bob@b.example")...) {
		found[fmt.Sprint("mail ", i)] = []byte(l.head + l.body)
		if strings.HasPrefix(l.header.Get("Content-Type"), "multipart/report") {
			reports++
		}
	}
	if reports != 3 {
		r.t.Errorf("%d reports, want 3", reports)
	}
	return found
}

// collect adds every file below a directory.
func collect(t *testing.T, found evidence, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		found[path] = content
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
