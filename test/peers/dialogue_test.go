package peers

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net/textproto"
	"testing"
	"time"
)

// dialogue is a connection to port 465, spoken by hand.
type dialogue struct {
	*textproto.Conn
	t    *testing.T
	leaf *x509.Certificate // that relayd showed
}

// dialogue connects to relayd with implicit TLS and reads the greeting.
func (r *relayd) dialogue() *dialogue {
	r.t.Helper()
	conn, err := tls.Dial("tcp", r.w.at(hostRelay)+":465", &tls.Config{RootCAs: r.w.authority.Roots(), ServerName: "relay.acme.example", MinVersion: tls.VersionTLS12})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		r.t.Fatal(err)
	}
	d := &dialogue{Conn: textproto.NewConn(conn), t: r.t, leaf: conn.ConnectionState().PeerCertificates[0]}
	d.hear(220)
	return d
}

// say sends a line and reads an answer with this code.
func (d *dialogue) say(code int, line string) string {
	d.t.Helper()
	if err := d.PrintfLine("%s", line); err != nil {
		d.t.Fatalf("say %q: %v", line, err)
	}
	return d.hear(code)
}

// hear reads an answer with this code.
func (d *dialogue) hear(code int) string {
	d.t.Helper()
	got, text, err := d.ReadResponse(0)
	if err != nil || got != code {
		d.t.Fatalf("heard %d %q (%v), want %d", got, text, err, code)
	}
	return text
}

// signIn greets and signs in.
func (d *dialogue) signIn(login, password string) (extensions string) {
	d.t.Helper()
	extensions = d.say(250, "EHLO crm.acme.example")
	d.say(235, "AUTH PLAIN "+base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "\x00%s\x00%s", login, password)))
	return extensions
}
