package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
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
		err: The secret is needed again
		exit: 1
		in: newest
		$ relayd app update Mail --endpoint token=https://login.example/token --secret-stdin
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
