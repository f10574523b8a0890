package main

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/relayd/relayd/internal/api"
	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
)

// The whole way of an operator, from the first organisation to the last deletion.
func TestParties(t *testing.T) {
	t.Parallel()
	environ, _, _ := startAdmin(t)
	play(t, environ, `
		$ relayd organisation list
		out: none
		$ relayd organisation create "Acme Ltd" --domain acme.example --domain ACME.test
		out: Domains: acme.example, acme.test
		$ relayd org show "acme ltd"
		out: Fall-back: direct
		$ relayd org update acme.example --fall-back hold
		out: Fall-back: hold
		$ relayd org add-domain acme.example new.example
		out: acme.example, acme.test, new.example
		$ relayd org remove-domain acme.example new.example acme.test
		not: new.example
		$ relayd org add-domain acme.example new.example
		$ relayd org remove-domain acme.example NEW.example
		not: new.example
		$ relayd org remove-domain acme.example nwe.example
		exit: 1
		err: the organisation Acme Ltd does not own the domain "nwe.example"
		$ relayd org create "Beta Inc."
		$ relayd org show "beta inc."
		out: Organisation: Beta Inc.
		$ relayd org delete "Beta Inc."
		$ relayd org create Other --domain acme.example
		exit: 1
		err: relayd: domains: The domain acme.example belongs to the organisation "Acme Ltd"
		$ relayd organisation show nobody.example
		exit: 1
		err: there is no organisation "nobody.example". See: relayd organisation list

		$ relayd user create jane@acme.example --header-name "Jane Doe"
		out: Header name: Jane Doe
		$ relayd user create jane@elsewhere.example
		exit: 1
		err: no organisation owns the domain elsewhere.example. Add the domain to its organisation first.
		$ relayd user update jane@acme.example --header-name ""
		not: Jane Doe
		$ relayd user list --organisation acme.example
		out: ID ADDRESS HEADER NAME ORGANISATION
		out: jane@acme.example -
		$ relayd user show joe@acme.example
		exit: 1
		err: there is no user "joe@acme.example"

		$ relayd submitter create crm --organisation acme.example --whole-organisation --network 10.0.0.0/8
		out: May send as: whole organisation
		out: Password: rlp_shown_once
		out: cannot show it again
		$ relayd submitter update crm --address jane@acme.example --whole-organisation=false
		out: May send as: jane@acme.example
		$ relayd submitter disable crm
		out: Disabled: yes
		$ relayd submitter list
		out: crm
		not: rlp_shown_once
		$ relayd submitter rotate crm
		out: Password: rlp_shown_once
		$ relayd submitter show printer
		exit: 1
		err: there is no submitter "printer"

		$ relayd explain --submitter crm --from jane@acme.example --rcpt bob@world.example
		out: Allowed: yes Route: direct
		out: 1. no account
		$ relayd explain --submitter crm --from mallory@acme.example
		out: The client would be told: 550 5.7.1 crm may not send as mallory@acme.example
		$ relayd explain --from jane@acme.example
		exit: 2
		err: --submitter and --from are needed

		$ relayd dkim generate acme.example --selector s1
		out: s1._domainkey.acme.example. IN TXT "v=DKIM1; k=rsa; p=AAAA" "BBBB"
		$ relayd dkim dns acme.example
		out: s1._domainkey.acme.example. IN TXT
		$ relayd dkim dns other.example
		exit: 1
		err: Make one with: relayd dkim generate other.example
		$ relayd dkim list
		save key: (key_\w+)
		$ relayd dkim delete {key}
		out: The key is deleted.

		$ relayd org delete acme.example
		exit: 1
		err: still has users
		$ relayd submitter delete crm
		out: The submitter crm is deleted.
		$ relayd user delete jane@acme.example
		out: The user jane@acme.example is deleted.
		$ relayd org delete acme.example
		out: The organisation Acme Ltd is deleted.
	`)
}

func TestAccounts(t *testing.T) {
	t.Parallel()
	environ, _, _ := startAdmin(t)
	play(t, environ, `
		$ relayd org create Acme --domain acme.example
		$ relayd user create jane@acme.example

		# The password comes from standard input, never from a flag.
		$ relayd account create jane@acme.example --smtp smtp.example.com:587 --imap imap.example.com:993
		exit: 1
		err: --password-stdin
		$ relayd account create jane@acme.example --smtp smtp.example.com:587 --imap imap.example.com:993 --password secret
		exit: 2
		err: unknown flag
		in: wrong
		$ relayd account create jane@acme.example --smtp smtp.example.com:465 --imap imap.example.com:143 --password-stdin --verify
		exit: 1
		out: Outgoing server: smtp.example.com:465 implicit
		out: Incoming server: imap.example.com:143 starttls
		out: done Connect to the outgoing server: smtp.example.com
		out: failed Sign in to the outgoing server
		err: jane@acme.example is not verified: The server refused the name or the password. (the setting to mend is password)
		not: wrong
		in: right
		$ relayd account update jane@acme.example --password-stdin --smtp-login jane --sent-folder Gesendet
		out: smtp.example.com:465 implicit as jane
		out: Sent folder: Gesendet
		$ relayd account verify jane@acme.example
		out: done Sign in to the outgoing server
		out: jane@acme.example is verified: from now on mail from this address goes through this account.
		$ relayd account verify jane@acme.example --json
		out: "state": "done"
		$ relayd account cancel jane@acme.example
		out: cancelled
		in: right
		$ relayd account create office@acme.example --shared acme.example --smtp smtp.example.com:25 --imap imap.example.com:993 --password-stdin
		out: Account: office@acme.example
		not: User:
		$ relayd account list --state unverified
		out: jane@acme.example unverified
		out: office@acme.example unverified
		$ relayd account update jane@acme.example --smtp new.example.com:587
		exit: 1
		err: password: The password is needed again. Add --password or --password-stdin
		$ relayd account update jane@acme.example --smtp nonsense
		exit: 2
		err: --smtp must be HOST:PORT, such as smtp.example.com:587
		$ relayd account update jane@acme.example --smtp smtp.example.com:99999
		exit: 1
		err: smtp.port:
		in:
		$ relayd account update jane@acme.example --password-stdin
		exit: 1
		err: the password is empty
		$ relayd account delete jane@acme.example
		out: deleted
		$ relayd account show jane@acme.example
		exit: 1
	`)
}

// aMessage puts one message with an attempt into the queue. Its peer tried to
// write on the operator's terminal.
func aMessage(q *memoryQueue) relay.ID {
	now := time.Now()
	m := &relay.Message{
		ID: relay.NewID(now), Accepted: now, Submitter: "sub_crm", Protocol: "ESMTPSA", Size: 2048, HeaderID: "<1@acme.example>",
		From:     relay.Address{Local: "jane", Domain: "acme.example"},
		Envelope: relay.Envelope{Recipients: []relay.Recipient{{Address: relay.Address{Local: "bob", Domain: "world.example"}}, {Address: relay.Address{Local: "eve", Domain: "world.example"}}}},
	}
	s := relay.NewState(m)
	s.Route = relay.Route{Kind: relay.RouteDirect, Reason: "no account"}
	for i := range s.Recipients {
		s.Recipients[i] = relay.RecipientState{Outcome: relay.Deferred, Attempts: 1, Reply: relay.Reply{Code: 451, Text: "later\x1b[2J"}}
	}
	q.record = store.Record{Message: m, State: s}
	q.events = []relay.Event{
		{At: now, Kind: relay.EventAccepted},
		{
			At: now, Kind: relay.EventAttempt, Route: s.Route, Peer: relay.Peer{Host: "mx.world.example", Addr: "192.0.2.1:25", TLS: "TLS 1.3"},
			Results: []relay.Result{{Recipient: 0, Outcome: relay.Deferred, Reply: relay.Reply{Code: 451, Text: "later\x1b[2J"}, Hint: "It is tried again."}},
		},
	}
	return m.ID
}

func TestQueue(t *testing.T) {
	t.Parallel()
	environ, q, _ := startAdmin(t)
	id := aMessage(q).String()
	play(t, environ, `
		let id: `+id+`
		$ relayd queue list
		out: ID ACCEPTED STATUS ROUTE FROM RECIPIENTS WHY
		out: waiting direct jane@acme.example bob@world.example and 1 more 451 later
		not: `+"\x1b"+`
		$ relayd queue list --held
		out: none
		$ relayd queue list --from someone@acme.example
		out: none
		$ relayd queue list --outcome odd
		exit: 1
		err: outcome: expected value to be one of
		$ relayd queue show {id}
		out: Return path: <>
		out: Size: 2.0 KiB
		out: RECIPIENT OUTCOME DEFERRED NEXT LAST REPLY
		out: bob@world.example deferred 1 - 451 later
		out: accepted
		out: attempt route direct: no account at mx.world.example [192.0.2.1:25] TLS 1.3
		out: bob@world.example deferred 451 later
		out: It is tried again.
		not: `+"\x1b"+`
		$ relayd queue hold {id} --reason "ask Jane"
		out: {id} held ask Jane
		$ relayd queue show {id}
		out: Held: ask Jane (since
		out: held by local ask Jane
		$ relayd queue release {id}
		out: {id} waiting
		# One that does not work does not keep the others from it.
		$ relayd queue release {id} 00000000000000000000000000
		exit: 1
		err: release {id}: The message is not held.
		err: release 00000000000000000000000000: there is no message of this id
		$ relayd queue retry {id}
		$ relayd queue cancel {id}
		$ relayd queue status
		out: 2 messages wait, 3.0 MiB in all.
		$ relayd queue show nonsense
		exit: 1
		err: "nonsense" is not a message id
		$ relayd queue hold
		exit: 2
		err: the message is missing
	`)
}

// The list says of a message that is done what became of it.
func TestStanding(t *testing.T) {
	t.Parallel()
	for want, m := range map[string]api.Message{
		"waiting":          {Status: "waiting", Recipients: []api.Recipient{{Outcome: "delivered"}, {Outcome: "deferred"}}},
		"held":             {Status: "held", Recipients: []api.Recipient{{Outcome: "pending"}}},
		"delivered":        {Status: "done", Recipients: []api.Recipient{{Outcome: "delivered"}, {Outcome: "delivered"}}},
		"failed":           {Status: "done", Recipients: []api.Recipient{{Outcome: "failed"}}},
		"1 of 3 delivered": {Status: "done", Recipients: []api.Recipient{{Outcome: "delivered"}, {Outcome: "failed"}, {Outcome: "cancelled"}}},
		"done":             {Status: "done"},
	} {
		if got := standing(&m); got != want {
			t.Errorf("%+v: %s, want %s", m, got, want)
		}
	}
}

// check reads the files that the configuration names, and says which file it read.
func TestCheck(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := write("good.yaml", "hostname: relay.acme.example\ndata_dir: "+dir+"\n")
	noRoots := write("roots.yaml", "hostname: relay.acme.example\nupstream: {roots_file: "+dir+"/nowhere.pem}\n")
	noPair := write("pair.yaml", "hostname: relay.acme.example\ntls: {certificate: "+good+", key: "+good+"}\n")
	play(t, []string{"RELAYD_CONFIG=" + good}, `
		$ relayd check
		out: The configuration is good (`+good+`). Data will be in `+dir+`.
		$ relayd check --config `+noRoots+`
		exit: 1
		err: upstream.roots_file: open `+dir+`/nowhere.pem: no such file
		$ relayd check --config `+noPair+`
		exit: 1
		err: tls.certificate and tls.key:
	`)
	play(t, []string{"RELAYD_HOSTNAME=relay.acme.example", "RELAYD_DATA_DIR=" + dir}, `
		$ relayd check
		out: The configuration is good (the defaults and the environment).
	`)
}

func TestTokensAndURL(t *testing.T) {
	t.Parallel()
	environ, _, url := startAdmin(t)
	play(t, environ, `
		$ relayd token create backup --expires 90d
		save secret: Token:\s+(rlt_\S+)
		save id: (tok_\w+)
		$ relayd token list
		out: {id} backup
		not: {secret}
		$ relayd user list --url `+url+` --token {secret}
		out: none
		$ relayd user list --url `+url+` --token rlt_wrong_x
		exit: 1
		err: Make one with: relayd token create
		$ relayd user list --url `+url+`
		exit: 1
		err: set RELAYD_TOKEN
		$ relayd token revoke {id}
		$ relayd user list --url `+url+` --token {secret}
		exit: 1
		$ relayd token create x --expires soon
		exit: 2
		err: is no duration such as 90d or 12h
		$ relayd token create x --expires -1h
		exit: 2
	`)
	play(t, append(environ, "RELAYD_URL="+url, "RELAYD_TOKEN=rlt_x_y"), `
		$ relayd user list
		exit: 1
		err: Authorization: Bearer
	`)
}

// What goes wrong before any call: wrong command lines, no relayd, no rights.
func TestTrouble(t *testing.T) {
	t.Parallel()
	empty := []string{"RELAYD_DATA_DIR=" + t.TempDir()}
	play(t, empty, `
		$ relayd
		out: organisation
		$ relayd nonsense
		exit: 2
		err: there is no command "nonsense". See: relayd --help
		$ relayd queue
		exit: 2
		err: a command is missing. See: relayd queue --help
		$ relayd queue lost
		exit: 2
		err: there is no command "lost"
		$ relayd queue list extra
		exit: 2
		err: "extra" is too much
		$ relayd user create
		exit: 2
		err: the address is missing
		$ relayd queue list
		exit: 3
		err: relayd does not run: nobody answers on
		err: Start it with: relayd serve
		$ relayd health
		exit: 3
		$ relayd queue list --url http://127.0.0.1:1 --token x
		exit: 3
		err: nobody answers at http://127.0.0.1:1
		$ relayd queue list --config /nonexistent/relayd.yaml
		exit: 1
		$ relayd version
		out: relayd
		$ relayd version --json
		out: "go":"go1.
	`)
}

func TestHealth(t *testing.T) {
	t.Parallel()
	environ, q, _ := startAdmin(t)
	play(t, environ, "$ relayd health\nout: ok queue")
	q.fault = errors.New("the disk is full")
	play(t, environ, "$ relayd health\nexit: 1\nout: failed queue\nerr: relayd is not ready\nnot: disk")
}

// With --json there is JSON and nothing else; a list of nothing is a list.
func TestJSON(t *testing.T) {
	t.Parallel()
	environ, q, _ := startAdmin(t)
	id := aMessage(q).String()
	for _, args := range [][]string{
		{"organisation", "list"}, {"user", "list"}, {"account", "list"}, {"submitter", "list"}, {"dkim", "list"}, {"token", "list"},
		{"queue", "list"}, {"queue", "show", id}, {"queue", "status"}, {"queue", "hold", id}, {"queue", "release", id}, {"health"},
		{"token", "create", "x"}, {"organisation", "create", "Acme", "--domain", "acme.example", "--administrator", "boss@acme.example"},
		{"app", "list"}, {"starter", "list"}, {"domain", "list"}, {"webhook", "list"}, {"calendar"}, {"discover", "jane@acme.example"},
		{"app", "create", "Mail", "--vendor", "google", "--client-id", "c", "--public"}, {"app", "consent", "Mail"},
		{"starter", "create", "--organisation", "Acme", "--provider", "gmail", "--sign-in", "oauth", "--app", "Mail"},
		{"domain", "claim", "new.example", "--organisation", "Acme"}, {"webhook", "create", "https://hooks.example/"},
		{"webhook", "test", "https://hooks.example/"}, {"account", "create", "boss@acme.example"}, {"account", "show", "boss@acme.example"},
		{"account", "connect", "boss@acme.example"}, {"account", "connect", "boss@acme.example", "--device"},
		{"account", "invite", "boss@acme.example"}, {"account", "bind", "boss@acme.example"}, {"account", "bind", "boss@acme.example", "--code"},
		{"account", "alias", "add", "boss@acme.example", "ceo@acme.example"}, {"account", "alias", "verify", "boss@acme.example", "ceo@acme.example"},
	} {
		var out strings.Builder
		e := &environment{stdin: strings.NewReader(""), stdout: &out, stderr: io.Discard, environ: environ}
		if err := run(t.Context(), e, append(args, "--json")); err != nil {
			t.Errorf("%v: %v", args, err)
		}
		var v any
		if err := json.Unmarshal([]byte(out.String()), &v); err != nil || v == nil {
			t.Errorf("%v: %v: %s", args, err, out.String())
		}
	}
}

func TestExpiry(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{"1h": time.Hour, "90d": 90 * 24 * time.Hour, "90m": 90 * time.Minute} {
		if got, err := expiry(text, now); err != nil || !got.Equal(now.Add(want)) {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"0d", "-1d", "d", "1w", "1.5d", "0h", "999999999999d"} {
		if got, err := expiry(text, now); err == nil {
			t.Errorf("%s: %v", text, got)
		}
	}
	if got, err := expiry("", now); got != nil || err != nil {
		t.Errorf("nothing: %v, %v", got, err)
	}
}
