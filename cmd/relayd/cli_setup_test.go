package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/relayd/relayd/internal/api"
)

// OAuth applications: the secret comes from a file, from standard input, or there is
// none; it never comes back.
func TestApps(t *testing.T) {
	t.Parallel()
	environ, _, _ := startAdmin(t)
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte("from the file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	empty, large := filepath.Join(t.TempDir(), "empty"), filepath.Join(t.TempDir(), "large")
	for name, text := range map[string]string{empty: "\n", large: strings.Repeat("x", maxSecretFile+1)} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	play(t, environ, `
		$ relayd org create Acme --domain acme.example
		$ relayd app create "Acme Mail"
		exit: 2
		err: --vendor and --client-id are needed
		$ relayd app create "Acme Mail" --vendor microsoft --client-id c1
		exit: 1
		err: there is no terminal to ask for the secret on: give it with --secret-stdin or --secret-file
		$ relayd app create "Acme Mail" --vendor microsoft --client-id c1 --secret hunter2
		exit: 2
		$ relayd app create "Acme Mail" --vendor microsoft --client-id c1 --secret-file `+file+` --organisation Acme --tenant acme.example --secret-expires 2027-06-30
		out: Application: Acme Mail
		out: Kind: consent
		out: Client ID: c1
		out: Has a secret: yes
		out: Secret ends: 2027-06-30
		out: Tenant: acme.example
		not: from the file
		in: hunter2
		$ relayd app create Everybody --vendor microsoft --client-id c2 --kind app-only --secret-stdin
		out: Kind: app_only
		not: hunter2
		not: Organisation:
		$ relayd app create Phone --vendor google --client-id c3 --public --testing
		out: Has a secret: no
		out: In testing: yes
		$ relayd app create Phone2 --vendor google --client-id c3 --public --secret-file `+file+`
		exit: 2
		err: a public client has no secret
		$ relayd app create Robot --vendor google --client-id c4 --kind service-account --secret-file `+file+`
		exit: 1
		err: secret:
		$ relayd app create Robot --vendor google --client-id c4 --secret-file `+file+` --secret-stdin
		exit: 2
		err: exclude each other
		$ relayd app create Robot --vendor google --client-id c4 --secret-file `+file+`.missing
		exit: 1
		err: read the secret: open
		$ relayd app create Robot --vendor google --client-id c4 --secret-file `+empty+`
		exit: 1
		err: is empty
		$ relayd app create Robot --vendor google --client-id c4 --secret-file `+large+`
		exit: 1
		err: too large for a secret
		$ relayd app create Robot --vendor google --client-id c4 --public --secret-expires soon
		exit: 2
		err: --secret-expires must be a day
		$ relayd app create Robot --vendor google --client-id c4 --public --endpoint home=https://x.example
		exit: 2
		err: --endpoint knows no home
		$ relayd app create Robot --vendor google --client-id c4 --public --endpoint token=http://x.example
		exit: 1
		err: endpoints.token: The address must begin with https://

		$ relayd app list
		out: ID NAME VENDOR KIND CLIENT ID ORGANISATION SECRET ENDS
		out: Acme Mail microsoft consent c1
		save id: (app_\w+) +Acme Mail
		$ relayd app show {id}
		out: Application: Acme Mail
		$ relayd app update "acme mail" --name Mail --endpoint admin-consent=https://login.example/consent
		out: Application: Mail
		out: Tenant: acme.example
		out: Has a secret: yes
		out: Administrators at: https://login.example/consent
		$ relayd app update Mail --endpoint token=https://login.example/token
		out: Tokens at: https://login.example/token
		out: Administrators at: https://login.example/consent
		in: newer
		$ relayd app update Mail --secret-stdin
		out: Has a secret: yes
		$ relayd app update Mail --secret
		exit: 1
		err: there is no terminal
		$ relayd app consent Mail
		out: The administrator of the tenant consents here:
		out: https://vendor.example/adminconsent?client_id=c1
		$ relayd app show nobody
		exit: 1
		err: there is no app "nobody". See: relayd app list
		$ relayd app delete Mail
		out: The application Mail is deleted.
	`)
}

func TestStarters(t *testing.T) {
	t.Parallel()
	environ, _, _ := startAdmin(t)
	play(t, environ, `
		$ relayd org create Acme --domain acme.example --domain acme.test
		$ relayd app create Mail --vendor google --client-id c --public
		save app: ID:\s+(app_\w+)
		$ relayd starter create --domain acme.example
		exit: 2
		err: --organisation is needed
		$ relayd starter create --organisation Acme --domain other.example
		exit: 1
		err: domain: The domain other.example does not belong to the organisation "Acme"
		$ relayd starter create --organisation Acme --domain acme.example --smtp smtp.example.com:465 --imap imap.example.com:993 --login {local} --limit messages-per-day=500,recipients_per_day=2000
		out: Domain: acme.example
		out: Outgoing server: smtp.example.com:465 implicit
		out: Sign-in: password
		out: User names: {local}
		out: People may type servers: no
		out: Limits: messages-per-day=500, recipients-per-day=2000
		$ relayd starter create --organisation Acme --provider gmail --sign-in oauth --app mail
		out: Domain: all others
		out: Sign-in: oauth with the application {app}
		$ relayd starter create --organisation Acme --limit mails=1
		exit: 2
		err: --limit must be NAME=NUMBER, with one of these names: connections, message-size, messages-per-connection
		$ relayd starter create --organisation Acme --login {user}
		exit: 1
		err: login: The placeholders are
		$ relayd starter list
		out: acme.example
		out: all others
		$ relayd starter update acme.example --own-servers --limit messages-per-day=0,message-size=1000 --imap-login jane
		out: Incoming server: imap.example.com:993 implicit as jane
		out: People may type servers: yes
		out: Limits: message-size=1000, recipients-per-day=2000
		$ relayd starter show Acme
		out: Provider: gmail
		# Whoever moves to another provider leaves the old servers behind.
		$ relayd starter update acme --provider imap --smtp smtp.example.com:587 --imap imap.example.com:143 --sign-in password
		out: Provider: imap
		not: {app}
		$ relayd starter update acme.example --smtp-tls none --smtp ""
		exit: 2
		err: --smtp HOST:PORT is missing
		$ relayd starter delete acme.test
		exit: 1
		err: there is no starter "acme.test". See: relayd starter list
		$ relayd starter delete ACME.example
		out: The starter configuration for acme.example is deleted.
		$ relayd starter delete Acme
		out: for all others is deleted
	`)
}

func TestDomainClaims(t *testing.T) {
	t.Parallel()
	environ, _, _ := startAdmin(t)
	play(t, environ, `
		$ relayd org create Acme --domain acme.example
		$ relayd domain claim new.example
		exit: 2
		err: --organisation is needed
		$ relayd domain claim NEW.example --organisation Acme
		out: Domain: new.example
		out: Publish this record, then: relayd domain check new.example
		save record: \n(\S+\. IN TXT "\S+")
		$ relayd domain list
		out: new.example
		save id: (claim_\w+)
		$ relayd domain check new.example
		exit: 1
		err: The record is not there yet: publish TXT
		$ relayd domain list --organisation Acme --json
		out: "dns_type": "TXT"
		out: "checked":
		$ relayd domain check other.example
		exit: 1
		err: there is no claim "other.example". See: relayd domain list
		$ relayd domain delete {id}
		out: The claim to new.example is deleted.
		$ relayd domain list
		out: none
	`)
}

func TestWebhooks(t *testing.T) {
	t.Parallel()
	environ, _, _ := startAdmin(t)
	play(t, environ, `
		$ relayd org create Acme --domain acme.example
		$ relayd webhook create ftp://hooks.example/
		exit: 1
		err: url: The address looks like https://
		$ relayd webhook create https://hooks.example/relayd --organisation Acme --event account.parked --event account.restored
		out: Webhook: https://hooks.example/relayd
		out: Events: account.parked, account.restored
		out: Secret: whsec_shown_once
		out: relayd does not show it again
		$ relayd webhook create https://hooks.example/deaf --event account.sold
		exit: 1
		err: events: There is no event "account.sold"; they are account.verified
		$ relayd webhook create https://hooks.example/deaf --disabled
		out: Events: all
		out: Disabled: yes
		$ relayd webhook list --organisation Acme
		out: https://hooks.example/relayd
		not: deaf
		not: whsec
		save id: (hook_\w+)
		$ relayd webhook show {id}
		not: whsec
		$ relayd webhook update https://hooks.example/relayd --event all --to https://hooks.example/2
		out: Webhook: https://hooks.example/2
		out: Events: all
		$ relayd webhook update https://hooks.example/deaf --disabled=false
		not: Disabled
		$ relayd webhook rotate https://hooks.example/2
		out: Secret: whsec_shown_once
		$ relayd webhook test https://hooks.example/2
		out: The endpoint answered 204: the webhook works.
		$ relayd webhook test https://hooks.example/deaf
		exit: 1
		err: The ping was not taken: it answered 500.
		$ relayd webhook test https://hooks.example/deaf --json
		exit: 1
		out: "taken": false
		$ relayd webhook delete https://hooks.example/relayd
		exit: 1
		err: there is no webhook "https://hooks.example/relayd"
		$ relayd webhook delete {id}
		out: The webhook https://hooks.example/2 is deleted.
	`)
}

// What can be known about accounts, in words that are safe for a terminal.
func TestDiscoverAndCalendar(t *testing.T) {
	t.Parallel()
	environ, _, _ := startAdmin(t)
	play(t, environ, `
		$ relayd discover jane@acme.example
		out: 1. Found Mail, found by preset
		out: Outgoing server: smtp.found.example:465 implicit
		out: Incoming server: imap.found.example:993 implicit as jane
		out: Run by: found.example
		out: Sign-in by: password, oauth
		out: - Switch IMAP on. (https://found.example/help)
		out: - For the administrator: Register an application.
		not: confirmed
		not: The list of known providers
		$ relayd discover jane@beta.example --provider exchange --trail
		out: 1. A provider without a name, found by srv
		out: Provider: exchange
		out: To be confirmed: Look at who runs the servers. The servers come from the DNS, which nothing protects.
		out: SOURCE FOUND ASKED CAME
		out: preset yes The list of known providers
		not: `+"\x1b"+`
		$ relayd discover jane@nowhere.example
		out: Nothing was found for jane@nowhere.example: the servers must be entered by hand.
		$ relayd discover jane@nowhere.example --json
		out: "trail"
		$ relayd discover jane
		exit: 1
		err: address: "jane" is not an e-mail address.
		$ relayd org create Acme --domain acme.example
		$ relayd calendar
		out: Nothing ends in the next 90 days.
		$ relayd calendar --organisation Acme
		out: Secret of an application: Acme
		out: (for the administrator)
		out: The client secret ends.
		not: `+"\x1b"+`
		$ relayd calendar --organisation Acme --days 7
		out: Nothing ends in the next 7 days.
		$ relayd calendar --days 0
		exit: 1
		err: days:
	`)
}

// What an organisation decides, and who its administrators are.
func TestPoliciesAndAdministrators(t *testing.T) {
	t.Parallel()
	environ, _, _ := startAdmin(t)
	play(t, environ, `
		$ relayd org create Acme --domain acme.example --administrator boss@acme.example --broken return --broken-after 3d --tell-after 90m
		out: Fall-back: direct
		out: Broken accounts: return after 72h
		out: Administrators are told after: 1h30m
		$ relayd org update Acme --fall-back hold
		out: Fall-back: hold
		out: Broken accounts: return after 72h
		out: Administrators are told after: 1h30m
		$ relayd org update Acme --broken hold --tell-after 1d
		out: Broken accounts: hold
		out: Administrators are told after: 24h
		$ relayd org update Acme --broken-after soon
		exit: 1
		err: policy.broken_after: Write a time such as 72h
		$ relayd org create Beta --domain beta.example --administrator boss@elsewhere.example
		exit: 1
		err: no organisation owns the domain elsewhere.example
		$ relayd user show boss@acme.example
		out: Administrator: yes
		$ relayd user update boss@acme.example --header-name "The Boss"
		out: Administrator: yes
		$ relayd user update boss@acme.example --administrator=false
		not: Administrator:
		$ relayd user create jane@acme.example --administrator --header-name "Your Bank"
		out: Administrator: yes
		out: Warning: The name "Your Bank" has no likeness to jane@acme.example: receivers may treat such mail as forged.
		$ relayd user update jane@acme.example --header-name "Jane Doe"
		not: Warning
	`)
}

// One account in all forms that the flags can give it.
func TestAccountSettings(t *testing.T) {
	t.Parallel()
	environ, _, _ := startAdmin(t)
	play(t, environ, `
		$ relayd org create Acme --domain acme.example --domain beta.example
		$ relayd user create jane@acme.example
		$ relayd app create Mail --vendor google --client-id c --public
		save app: ID:\s+(app_\w+)
		# An address and a password are enough.
		in: right
		$ relayd account create jane@acme.example --password-stdin
		out: Account: jane@acme.example
		out: Sign-in: password
		out: Copies in Sent: auto
		not: server
		in: right
		$ relayd account update jane@acme.example --password-stdin --ews https://mail.acme.example/EWS/Exchange.asmx --ews-login ACME\jane --ways ews,smtp --smtp smtp.example.com:587 --copy-mode never
		out: Provider: exchange
		out: Ways of sending: ews, smtp
		out: Outgoing server: smtp.example.com:587 starttls
		out: Exchange server: https://mail.acme.example/EWS/Exchange.asmx as ACME\jane
		out: Copies in Sent: never
		$ relayd account update jane@acme.example --ews-version Exchange2013_SP1 --smtp "" --ways ""
		out: Exchange server: https://mail.acme.example/EWS/Exchange.asmx Exchange2013_SP1 as ACME\jane
		not: Outgoing server
		not: Ways of sending
		# Another provider has other servers; of Gmail they are known.
		$ relayd account update jane@acme.example --provider gmail --sign-in oauth --app Mail --ways gmail-api,smtp
		out: Provider: gmail
		out: Ways of sending: gmail_api, smtp
		out: Sign-in: oauth with the application {app}
		not: server
		# Of others they are found at once where a token signs in.
		$ relayd account update jane@acme.example --provider imap --sign-in oauth --app Mail --ways smtp
		out: Ways of sending: smtp
		out: Outgoing server: smtp.found.example:465 implicit
		out: Sign-in: oauth with the application {app}
		not: Exchange server
		$ relayd account update jane@acme.example --app ""
		out: Sign-in: oauth
		not: {app}
		$ relayd account update jane@acme.example --ews-login jane
		exit: 2
		err: --ews URL is missing
		$ relayd account update jane@acme.example --app nobody
		exit: 1
		err: there is no app "nobody"
		$ relayd account update jane@acme.example --ways carrier-pigeon
		exit: 1
		err: ways
		in: right
		$ relayd account create joe@acme.example --shared Acme --sign-in app --app Mail --password-stdin
		exit: 2
		err: a sign-in by app takes no password
		$ relayd account create joe@beta.example --shared Acme --sign-in app --app Mail
		exit: 1
		err: what was found for joe@beta.example is not sure: look at it with
		$ relayd user create jane@beta.example
		$ relayd account create jane@beta.example --sign-in oauth --app Mail --smtp smtp.example.com:587 --imap imap.example.com:993
		out: Incoming server: imap.example.com:993 implicit
		$ relayd user create later@beta.example
		$ relayd account create later@beta.example --no-password --verify
		exit: 2
		err: --no-password leaves nothing to read or to verify with
		$ relayd account create later@beta.example --no-password
		out: Account: later@beta.example
		# What is prepared decides whether a password is asked for.
		$ relayd starter create --organisation Acme --domain acme.example --provider gmail --sign-in oauth --app Mail
		$ relayd user create joe@acme.example
		$ relayd account create joe@acme.example
		out: Provider: gmail
		$ relayd account list
		out: ID ADDRESS STATE PROVIDER SIGN-IN
		out: joe@acme.example unverified gmail
	`)
}

// The links and codes that lead people to their accounts, and more addresses.
func TestConnecting(t *testing.T) {
	t.Parallel()
	environ, _, _ := startAdmin(t)
	play(t, environ, `
		$ relayd org create Acme --domain acme.example
		$ relayd app create Mail --vendor google --client-id c --public
		$ relayd user create jane@acme.example
		$ relayd user create refuses@acme.example
		$ relayd user create sleeps@acme.example
		in: right
		$ relayd account create jane@acme.example --password-stdin
		in: right
		$ relayd account create refuses@acme.example --password-stdin
		in: right
		$ relayd account create sleeps@acme.example --password-stdin
		in: right
		$ relayd account create office@acme.example --shared Acme --password-stdin

		$ relayd account connect jane@acme.example
		out: Link: https://relay.acme.example/link/to-connect
		out: Works until:
		out: Who has it can connect the account: give it to jane@acme.example alone.
		$ relayd account connect jane@acme.example --app Mail
		exit: 2
		err: --app goes with --device
		$ relayd account connect jane@acme.example --device
		out: Open https://vendor.example/device and type the code ABCD-EFGH.
		out: jane@acme.example consented.
		out: done Sign in to the outgoing server
		out: skipped Try to file a copy in Sent: the provider files it
		out: jane@acme.example is verified
		$ relayd account connect refuses@acme.example --device --app Mail
		exit: 1
		out: type the code OTHER-APP
		err: refuses@acme.example is not connected: The consent was
		not: `+"\x1b"+`
		$ relayd account connect sleeps@acme.example --device --json
		exit: 1
		out: "state": "expired"
		err: type the code ABCD-EFGH
		err: the time for the code is over

		$ relayd account invite jane@acme.example
		out: A link to connect jane@acme.example is on its way to its person
		$ relayd account invite office@acme.example
		exit: 1
		err: Too many of these mails
		$ relayd account bind office@acme.example --code
		out: A code is on its way to office@acme.example.
		out: Page: https://relay.acme.example/link/code
		$ relayd account bind office@acme.example
		out: Bound to its user: by an administrator,

		$ relayd account alias add jane@acme.example sales@acme.example
		out: Sends also as: sales@acme.example (not verified, so nothing is sent as it)
		$ relayd account alias add jane@acme.example sales@other.example
		exit: 1
		err: no organisation owns the domain other.example
		$ relayd account alias verify jane@acme.example sales@acme.example
		out: done Connect to the outgoing server
		out: sales@acme.example is verified
		$ relayd account alias add jane@acme.example info@acme.example --verify
		out: Sends also as: info@acme.example
		out: info@acme.example is verified
		$ relayd account alias remove jane@acme.example sales@acme.example
		out: The address sales@acme.example is no more of the account jane@acme.example.
		$ relayd account alias
		exit: 2
		err: a command is missing

		$ relayd account show jane@acme.example
		not: sales@acme.example
		out: In the last 24 hours: 12 messages to 30 recipients
		out: Remaining today: 488 of 500 messages, 1970 of 2000 recipients
		out: Remaining this hour: 7 of 10 messages (learned from a refusal)
		not: Remaining this minute
		$ relayd account show office@acme.example
		out: No limit of the provider is known.
	`)
}

// Whoever asks for an account and its verification gets one document, also if the
// verification fails.
func TestOneDocument(t *testing.T) {
	t.Parallel()
	environ, _, _ := startAdmin(t)
	play(t, environ, `
		$ relayd org create Acme --domain acme.example
		$ relayd user create jane@acme.example
	`)
	for _, c := range []struct {
		stdin, line, state string
		code               int
	}{
		{"wrong\n", "account create jane@acme.example --password-stdin --verify --json", "failed", exitFailed},
		{"right\n", "account update jane@acme.example --password-stdin --verify --json", "done", exitDone},
		{"", "account alias add jane@acme.example sales@acme.example --verify --json", "done", exitDone},
	} {
		var out, errs bytes.Buffer
		e := &environment{stdin: strings.NewReader(c.stdin), stdout: &out, stderr: &errs, environ: environ}
		if code := exitCode(&errs, run(t.Context(), e, words(c.line))); code != c.code {
			t.Errorf("%s: exit code %d: %s", c.line, code, errs.String())
		}
		var got struct {
			api.Account
			Verification api.Verification `json:"verification"`
		}
		if err := json.Unmarshal(out.Bytes(), &got); err != nil {
			t.Errorf("%s: %v:\n%s", c.line, err, out.String())
		}
		if got.Address != "jane@acme.example" || got.Verification.State != c.state {
			t.Errorf("%s: %+v", c.line, got)
		}
	}
}
