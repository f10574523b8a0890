package relaytest

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// DovecotOptions say what a test's Dovecot is.
type DovecotOptions struct {
	Host        string            // loopback address of its own
	Users       []DovecotUser     //
	Certificate *tls.Certificate  // for STARTTLS and implicit TLS; nil offers neither
	Folders     map[string]string // name to special use, such as "Sent": `\Sent`; made at the first sign-in
	NoUIDPlus   bool              // does not announce UIDPLUS
	NoSpecial   bool              // does not announce SPECIAL-USE, nor the folders' uses
	First       []string          // lines before all others: the first passdb is asked first
	Lines       []string          // more lines of dovecot.conf; the last of a setting counts
}

// DovecotUser is a mailbox with its password.
type DovecotUser struct{ Login, Password string }

// Dovecot is a running Dovecot with a configuration and mailboxes of its own.
type Dovecot struct {
	*Daemon
	IMAP       string // address of IMAP, with STARTTLS if there is a certificate
	IMAPS      string // address of IMAP with implicit TLS
	AuthSocket string // where Postfix asks for passwords: smtpd_sasl_path

	dir string
	o   DovecotOptions
	tb  testing.TB
}

// dovecotOwner is the user that mailboxes belong to: nobody, in Debian.
const dovecotOwner = 65534

// StartDovecot starts a Dovecot of its own, from Debian's package. It needs root, as
// Dovecot with several users does.
func StartDovecot(tb testing.TB, o DovecotOptions) *Dovecot {
	tb.Helper()
	Need(tb, "dovecot")
	if os.Geteuid() != 0 {
		Lack(tb, "Dovecot with several users can only be started by root")
	}
	port := func() string { return fmt.Sprintf("%s:%d", o.Host, FreePort(tb, o.Host)) }
	d := &Dovecot{dir: OpenDir(tb), o: o, tb: tb, IMAP: port(), IMAPS: port()}
	d.AuthSocket = d.Path("auth")
	mail := MakeDir(tb, d.Path("mail"))
	if err := os.Chown(mail, dovecotOwner, dovecotOwner); err != nil {
		tb.Fatal(err)
	}
	d.configure()
	d.Start()
	return d
}

// Start starts it again after Stop, with its mailboxes as they were.
func (d *Dovecot) Start() {
	d.tb.Helper()
	ports := []string{d.IMAP}
	if d.o.Certificate != nil {
		ports = append(ports, d.IMAPS)
	}
	d.Daemon = StartDaemon(d.tb, ports, Need(d.tb, "dovecot"), "-F", "-c", d.Path("dovecot.conf"))
}

// Path is a file of its directory.
func (d *Dovecot) Path(name string) string { return filepath.Join(d.dir, name) }

// Maildir is the mailbox of a user, as Postfix's virtual(8) can deliver into it: a
// path below virtual_mailbox_base = Path("mail") would be the login and a slash.
func (d *Dovecot) Maildir(login string) string { return filepath.Join(d.Path("mail"), login) }

// Owner is the uid and gid of the mailboxes.
func (d *Dovecot) Owner() int { return dovecotOwner }

func (d *Dovecot) configure() {
	d.tb.Helper()
	var users []string
	for _, u := range d.o.Users {
		users = append(users, u.Login+":{PLAIN}"+u.Password)
	}
	WriteFile(d.tb, d.Path("users"), users...)
	lines := slices.Concat(d.o.First, []string{
		"base_dir = " + MakeDir(d.tb, d.Path("run")),
		"state_dir = " + MakeDir(d.tb, d.Path("state")),
		"log_path = /dev/stderr",
		"protocols = imap",
		"listen = " + d.o.Host,
		"first_valid_uid = 1",
		"mail_location = maildir:" + d.Path("mail") + "/%u",
		"passdb {\n driver = passwd-file\n args = username_format=%u " + d.Path("users") + "\n}",
		fmt.Sprintf("userdb {\n driver = static\n args = uid=%d gid=%d home=%s/%%u\n}", dovecotOwner, dovecotOwner, d.Path("mail")),
		"auth_mechanisms = plain login",
		"auth_verbose = yes",
		d.listener(),
		"service auth {\n unix_listener " + d.AuthSocket + " {\n  mode = 0666\n }\n}",
		"mail_max_userip_connections = 100",
	})
	lines = append(lines, d.tls()...)
	lines = append(lines, d.folders()...)
	if d.o.NoUIDPlus || d.o.NoSpecial {
		lines = append(lines, "imap_capability = "+d.capabilities())
	}
	WriteFile(d.tb, d.Path("dovecot.conf"), append(lines, d.o.Lines...)...)
}

// listener is the IMAP service: Dovecot opens its usual ports too unless told not to.
func (d *Dovecot) listener() string {
	text := "service imap-login {\n" + d.inet("imap", d.IMAP, "")
	if d.o.Certificate == nil {
		return text + " inet_listener imaps {\n  port = 0\n }\n}"
	}
	return text + d.inet("imaps", d.IMAPS, "  ssl = yes\n") + "}"
}

func (d *Dovecot) inet(name, address, more string) string {
	port := address[len(d.o.Host)+1:]
	return fmt.Sprintf(" inet_listener %s {\n  address = %s\n  port = %s\n%s }\n", name, d.o.Host, port, more)
}

// tls writes the certificate down, or switches TLS off.
func (d *Dovecot) tls() []string {
	if d.o.Certificate == nil {
		return []string{"ssl = no", "disable_plaintext_auth = no"}
	}
	key, err := x509.MarshalPKCS8PrivateKey(d.o.Certificate.PrivateKey)
	if err != nil {
		d.tb.Fatal(err)
	}
	var chain []byte
	for _, der := range d.o.Certificate.Certificate {
		chain = append(chain, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	WriteFile(d.tb, d.Path("cert.pem"), string(chain))
	WriteFile(d.tb, d.Path("key.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})))
	return []string{"ssl = yes", "ssl_cert = <" + d.Path("cert.pem"), "ssl_key = <" + d.Path("key.pem"), "disable_plaintext_auth = no"}
}

// folders makes the folders of every mailbox at its first sign-in.
func (d *Dovecot) folders() []string {
	text := "namespace inbox {\n inbox = yes\n"
	for name, use := range d.o.Folders {
		text += fmt.Sprintf(" mailbox %q {\n  auto = subscribe\n", name)
		if use != "" && !d.o.NoSpecial {
			text += "  special_use = " + use + "\n"
		}
		text += " }\n"
	}
	return []string{text + "}"}
}

// capabilities is what Dovecot announces after the sign-in, without what the test
// does not want.
func (d *Dovecot) capabilities() string {
	caps := "IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE LITERAL+ CHILDREN NAMESPACE LIST-EXTENDED ESEARCH"
	if !d.o.NoUIDPlus {
		caps += " UIDPLUS"
	}
	if !d.o.NoSpecial {
		caps += " SPECIAL-USE"
	}
	return caps
}
