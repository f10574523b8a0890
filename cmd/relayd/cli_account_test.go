package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/relayd/relayd/internal/api"
)

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
