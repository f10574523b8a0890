package peers

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/relayd/relayd/internal/relaytest"
)

// person has a mailbox at the provider: address, user name and password.
type person struct{ login, password string }

func (p person) address() string { return p.login + "@acme.example" }

// provider is a mail provider as people have one: Postfix takes mail with a
// password, under TLS only and from the person's own address only; Dovecot checks
// the passwords and serves the same Maildirs by IMAP.
//
//	587 STARTTLS, 465 implicit TLS   Postfix --auth socket--> Dovecot
//	                                    |                        |
//	                                    +------> Maildirs <------+ IMAP
type provider struct {
	*relaytest.Postfix
	dovecot *relaytest.Dovecot
	refused string // file with the users who may not use IMAP
	w       *world
}

// startProvider starts a provider with mailboxes for people. folders are made at
// the first sign-in, each with its special use.
func (w *world) startProvider(folders map[string]string, people ...person) *provider {
	w.t.Helper()
	certificate := w.authority.Issue("mail.acme.example", "imap.acme.example")
	var users []relaytest.DovecotUser
	var mailboxes, senders []string
	for _, p := range people {
		users = append(users, relaytest.DovecotUser{Login: p.login, Password: p.password})
		mailboxes = append(mailboxes, fmt.Sprintf("{%s=%s/}", p.address(), p.login))
		senders = append(senders, fmt.Sprintf("{%s=%s}", p.address(), p.login))
	}
	p := &provider{w: w}
	refused := relaytest.OpenDir(w.t) // for each service a list of users whom it refuses
	relaytest.WriteFile(w.t, filepath.Join(refused, "imap"))
	relaytest.WriteFile(w.t, filepath.Join(refused, "smtp"))
	p.refused = filepath.Join(refused, "imap")
	p.dovecot = relaytest.StartDovecot(w.t, relaytest.DovecotOptions{
		Host: w.at(hostProvider), Users: users, Certificate: &certificate, Folders: folders,
		First: []string{"passdb {\n driver = passwd-file\n deny = yes\n args = username_format=%u " + refused + "/%s\n}"},
		Lines: []string{"auth_failure_delay = 0", "service anvil {\n unix_listener anvil-auth-penalty {\n  mode = 0\n }\n}"}, // no delays after wrong passwords
	})
	key, err := x509.MarshalPKCS8PrivateKey(certificate.PrivateKey)
	if err != nil {
		w.t.Fatal(err)
	}
	chain := filepath.Join(relaytest.OpenDir(w.t), "chain.pem")
	relaytest.WriteFile(w.t, chain, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})),
		string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Certificate[0]})))
	p.Postfix = relaytest.StartPostfix(w.t, relaytest.PostfixOptions{
		Host: w.at(hostProvider), Port: 587, Name: "mail.acme.example", Owner: p.dovecot.Owner(),
		Main: append(p.rules(chain),
			"virtual_mailbox_maps = inline:{"+strings.Join(mailboxes, ", ")+"}",
			"smtpd_sender_login_maps = inline:{"+strings.Join(senders, ", ")+"}"),
		More: []string{w.at(hostProvider) + ":465 inet n - n - - smtpd -o smtpd_tls_wrappermode=yes"},
	})
	w.t.Cleanup(func() {
		if w.t.Failed() {
			w.t.Logf("log of the provider:\n%s", p.Log())
		}
	})
	return p
}

// rules are what makes this Postfix a provider.
func (p *provider) rules(chain string) []string {
	return []string{
		"virtual_mailbox_domains = acme.example",
		"virtual_mailbox_base = " + p.dovecot.Path("mail"),
		"relayhost = [" + p.w.at(hostMX) + "]:25",
		"mynetworks =",
		"smtpd_tls_security_level = may", "smtpd_tls_auth_only = yes", "smtpd_tls_chain_files = " + chain,
		"smtpd_sasl_auth_enable = yes", "smtpd_sasl_type = dovecot", "smtpd_sasl_path = " + p.dovecot.AuthSocket,
		"smtpd_sender_restrictions = reject_sender_login_mismatch",
		"smtpd_relay_restrictions = permit_sasl_authenticated, reject_unauth_destination",
		"smtp_line_length_limit = 0", // as mail services do: it would break long lines
		"smtp_destination_rate_delay = 0", "minimal_backoff_time = 1s", "maximal_backoff_time = 2s", "queue_run_delay = 1s",
	}
}

// changePassword gives a person another password, and waits until Dovecot knows: it
// reads its file again at most once a second.
func (p *provider) changePassword(to person) {
	p.w.t.Helper()
	path := p.dovecot.Path("users")
	data, err := os.ReadFile(path)
	if err != nil {
		p.w.t.Fatal(err)
	}
	line := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(to.login) + `:.*$`)
	if err := os.WriteFile(path, line.ReplaceAll(data, []byte(to.login+":{PLAIN}"+to.password)), 0o644); err != nil {
		p.w.t.Fatal(err)
	}
	doveadm := relaytest.Need(p.w.t, "doveadm")
	soon(p.w.t, func() bool {
		return exec.Command(doveadm, "-c", p.dovecot.Path("dovecot.conf"), "auth", "test", to.login, to.password).Run() == nil
	})
}

// sentBy tells with which user name, and with which MAIL FROM, the provider took
// the message that it queued under this id.
func (p *provider) sentBy(id string) (login, from string) {
	p.w.t.Helper()
	log := p.Log()
	return group(log, id+`: client=.*sasl_username=(\S+)`), group(log, id+`: from=<([^>]*)>`)
}

// inbox is the messages of a person's INBOX, sent those of a folder.
func (p *provider) inbox(who person) []letter { return read(p.w.t, p.dovecot.Maildir(who.login)) }

func (p *provider) folder(who person, name string) []letter {
	return read(p.w.t, filepath.Join(p.dovecot.Maildir(who.login), "."+name))
}

// group is the first group of the first match; empty without one.
func group(text, pattern string) string {
	if m := regexp.MustCompile(pattern).FindStringSubmatch(text); m != nil {
		return m[1]
	}
	return ""
}
