package smtpd

import (
	"crypto/tls"
	"crypto/x509"
	netsmtp "net/smtp"
	"strings"
	"testing"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// trusted makes the settings of a client that trusts the server of w and nobody
// else.
func (w *world) trusted() *tls.Config {
	w.t.Helper()
	cert, err := x509.ParseCertificate(w.issued())
	if err != nil {
		w.t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(cert)
	return &tls.Config{RootCAs: roots, ServerName: "relay.example", MinVersion: tls.VersionTLS12}
}

const foreignMail = "From: jane@acme.example\r\n\r\n.dots\r\n..more\r\nend"

// TestForeignClients submits with clients that nobody here wrote.
func TestForeignClients(t *testing.T) {
	t.Parallel()
	login := sasl.NewPlainClient("", "app", "secret")
	tests := map[string]func(t *testing.T, w *world) error{
		"net/smtp with STARTTLS": submitNetSMTP,
		"go-smtp with STARTTLS": func(t *testing.T, w *world) error {
			c, err := smtp.DialStartTLS(w.server.Addr("submission").String(), w.trusted())
			if err != nil {
				return err
			}
			defer c.Close()
			return submitGoSMTP(c, login)
		},
		"go-smtp with implicit TLS and LOGIN": func(t *testing.T, w *world) error {
			c, err := smtp.DialTLS(w.server.Addr("submissions").String(), w.trusted())
			if err != nil {
				return err
			}
			defer c.Close()
			return submitGoSMTP(c, sasl.NewLoginClient("app", "secret"))
		},
	}
	for name, submit := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := start(t, nil)
			if err := submit(t, w); err != nil {
				t.Fatal(err)
			}
			w.await(t, "acknowledged")
			if want := `"From: jane@acme.example\r\n\r\n.dots\r\n..more\r\nend\r\n"`; !strings.Contains(w.text(), want) {
				t.Errorf("there is no %s in:\n%s", want, w.text())
			}
		})
	}
}

func submitNetSMTP(_ *testing.T, w *world) error {
	c, err := netsmtp.Dial(w.server.Addr("submission").String())
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.StartTLS(w.trusted()); err != nil {
		return err
	}
	if err := c.Auth(netsmtp.PlainAuth("", "app", "secret", "127.0.0.1")); err != nil {
		return err
	}
	if err := c.Mail("jane@acme.example"); err != nil {
		return err
	}
	if err := c.Rcpt("bob@world.example"); err != nil {
		return err
	}
	body, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := body.Write([]byte(foreignMail)); err != nil {
		return err
	}
	if err := body.Close(); err != nil {
		return err
	}
	return c.Quit()
}

func submitGoSMTP(c *smtp.Client, login sasl.Client) error {
	if err := c.Auth(login); err != nil {
		return err
	}
	if err := c.SendMail("jane@acme.example", []string{"bob@world.example"}, strings.NewReader(foreignMail)); err != nil {
		return err
	}
	return c.Quit()
}
