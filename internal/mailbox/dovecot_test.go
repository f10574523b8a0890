package mailbox_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/relayd/relayd/internal/mailbox"
	"github.com/relayd/relayd/internal/relaytest"
	"github.com/relayd/relayd/relay"
)

// relayd's IMAP client --TLS--> Dovecot, a real one.
func dovecot(t *testing.T, o relaytest.DovecotOptions) (*relaytest.Dovecot, mailbox.Options) {
	t.Helper()
	certificate, roots := certificate(t)
	o.Host, o.Certificate = "127.0.0.1", certificate
	o.Users = []relaytest.DovecotUser{{Login: "jane", Password: "secret"}}
	d := relaytest.StartDovecot(t, o)
	client := options(server(t, d.IMAPS, relay.TLSImplicit))
	client.Roots = roots
	return d, client
}

// certificate is the one that Go's own test server has for 127.0.0.1.
func certificate(t *testing.T) (*tls.Certificate, *x509.CertPool) {
	t.Helper()
	web := httptest.NewTLSServer(nil)
	defer web.Close()
	roots := x509.NewCertPool()
	roots.AddCert(web.Certificate())
	return &web.TLS.Certificates[0], roots
}

func TestDovecot(t *testing.T) {
	t.Parallel()
	d, o := dovecot(t, relaytest.DovecotOptions{Folders: map[string]string{"Envoyés": `\Sent`, "Drafts": `\Drafts`, "Sent": ""}})
	for _, srv := range []relay.Server{o.Server, server(t, d.IMAP, relay.TLSStartTLS)} {
		o.Server = srv
		m := enter(t, o)
		sent, err := m.FindSent(t.Context(), "")
		if err != nil || sent.Name != "Envoyés" || sent.Use != mailbox.UseSent {
			t.Fatalf("Sent folder %+v, %v", sent, err)
		}
		uid := put(t, m, sent.Name, letter)
		found := find(t, m, sent.Name, "Message-ID", "<1@acme.example>", "X-Token", "Subject")
		if len(found) != 1 || found[0].UID != uid || uid == 0 || found[0].Header.Get("X-Token") != "folded" || found[0].Header.Get("Subject") != "hello" {
			t.Errorf("found %+v, want UID %d", found, uid)
		}
		if found := find(t, m, sent.Name, "X-Token", "folded"); len(found) != 1 {
			t.Errorf("by token: %+v", found)
		}
		second := put(t, m, sent.Name, letter)
		if found := find(t, m, sent.Name, "Message-ID", "<1@acme.example>"); len(found) != 2 || found[0].UID != second {
			t.Errorf("newest first: %+v", found)
		}
		if err := m.Delete(t.Context(), sent.Name, uid, second); err != nil {
			t.Fatal(err)
		}
		if found := find(t, m, sent.Name, "Message-ID", "<1@acme.example>"); len(found) != 0 {
			t.Errorf("after the deletion: %+v", found)
		}
	}
}

// What the owner marked as deleted in another program stays.
func TestDovecotDeletesOnlyItsOwn(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name      string
		noUIDPlus bool
		left      int // messages that remain, marked or not
	}{{"UIDPLUS", false, 1}, {"no UIDPLUS", true, 2}} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, o := dovecot(t, relaytest.DovecotOptions{NoUIDPlus: test.noUIDPlus})
			m := enter(t, o)
			put(t, m, "INBOX", letter)
			put(t, m, "INBOX", strings.Replace(letter, "<1@", "<2@", 1))
			owners := find(t, m, "INBOX", "Message-ID", "<1@acme.example>")
			mark(t, o, owners[0].UID)
			ours := find(t, m, "INBOX", "Message-ID", "<2@acme.example>")
			if err := m.Delete(t.Context(), "INBOX", ours[0].UID); err != nil {
				t.Fatal(err)
			}
			left := len(find(t, m, "INBOX", "Message-ID", "<1@acme.example>")) + len(find(t, m, "INBOX", "Message-ID", "<2@acme.example>"))
			if left != test.left {
				t.Errorf("%d messages are left, want %d", left, test.left)
			}
		})
	}
}

func TestDovecotRefusals(t *testing.T) {
	t.Parallel()
	d, o := dovecot(t, relaytest.DovecotOptions{})
	wrong := o
	wrong.Password = "other"
	_, err := mailbox.Open(t.Context(), wrong)
	var e *mailbox.Error
	if !errors.As(err, &e) || e.Step != mailbox.StepAuth || e.Code != "AUTHENTICATIONFAILED" {
		t.Errorf("wrong password: %v", err)
	}
	swapped := o
	swapped.Server = server(t, d.IMAP, relay.TLSImplicit)
	if _, err := mailbox.Open(t.Context(), swapped); !errors.As(err, &e) || !e.Plain {
		t.Errorf("implicit TLS on the STARTTLS port: %v", err)
	}
	m := enter(t, o)
	if _, err := m.Append(t.Context(), "Nowhere", mailbox.Upload{Size: int64(len(letter)), Content: strings.NewReader(letter)}); !errors.As(err, &e) || e.Code != "TRYCREATE" {
		t.Errorf("a folder that is not there: %v", err)
	}
	m = enter(t, o)
	made, err := m.MakeSent(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	put(t, m, made.Name, letter)
	if found, err := m.FindSent(t.Context(), ""); err != nil || found.Name != made.Name {
		t.Errorf("found %+v, %v", found, err)
	}
}

// A prefix of the namespace, as at Courier and cPanel.
func TestDovecotWithNamespacePrefix(t *testing.T) {
	t.Parallel()
	_, o := dovecot(t, relaytest.DovecotOptions{NoSpecial: true, Lines: []string{
		"namespace inbox {\n prefix = INBOX.\n separator = .\n}",
	}})
	m := enter(t, o)
	if _, err := m.FindSent(t.Context(), ""); !errors.Is(err, mailbox.ErrNoSent) {
		t.Errorf("before: %v", err)
	}
	made, err := m.MakeSent(t.Context())
	if err != nil || made.Name != "INBOX.Sent" {
		t.Fatalf("made %+v, %v", made, err)
	}
	for _, choice := range []string{"", "Sent", "sent", "INBOX.Sent"} {
		if found, err := m.FindSent(t.Context(), choice); err != nil || found.Name != "INBOX.Sent" {
			t.Errorf("choice %q: %+v, %v", choice, found, err)
		}
	}
	put(t, m, made.Name, letter)
}

// mark is the owner's other mail program: it marks a message as deleted.
func mark(t *testing.T, o mailbox.Options, uid uint32) {
	t.Helper()
	conn, err := tls.Dial("tcp", net.JoinHostPort(o.Server.Host, strconv.Itoa(o.Server.Port)), &tls.Config{RootCAs: o.Roots, ServerName: o.Server.Host})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	script := "a LOGIN jane secret\r\nb SELECT INBOX\r\nc UID STORE " + strconv.Itoa(int(uid)) + " +FLAGS (\\Deleted)\r\nd LOGOUT\r\n"
	if _, err := conn.Write([]byte(script)); err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	buffer := make([]byte, 4096)
	for {
		n, err := conn.Read(buffer)
		said.Write(buffer[:n])
		if err != nil {
			break
		}
	}
	if !strings.Contains(said.String(), "\nc OK") {
		t.Fatalf("the owner's program failed: %s", said.String())
	}
}
