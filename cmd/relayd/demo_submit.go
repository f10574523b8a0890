package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"strings"

	"github.com/relayd/relayd/internal/smtpwire"
	"github.com/relayd/relayd/internal/tlsconf"
	"github.com/relayd/relayd/relay"
)

// submit sends a message to relayd as an application would, and shows the dialogue.
// It returns the id from the answer.
func (d *demonstration) submit(ctx context.Context, relayd *demoRelayd, from relay.Address, subject string) (string, error) {
	address := relayd.program.smtpd.Addr(demoListener).String()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address) // an application's connection, not one of relayd
	if err != nil {
		return "", fmt.Errorf("connect to relayd: %w", err)
	}
	client := smtpwire.NewClient(conn, smtpwire.ClientOptions{Hello: "crm.acme.example"})
	defer client.Close() //nolint:errcheck // after Quit nothing depends on it
	if err := d.signIn(ctx, client, relayd); err != nil {
		return "", fmt.Errorf("sign in to relayd: %w", err)
	}
	receipt, err := client.Send(ctx, &smtpwire.Transaction{
		From: from, Recipients: []relay.Recipient{{Address: demoBob}},
		Body: text(fmt.Sprintf("From: %s\r\nTo: %s\r\nSubject: %s\r\n\r\nSent by the CRM at the press of a button.\r\n", from, demoBob, subject)),
	})
	if err != nil {
		return "", fmt.Errorf("submit: %w", err)
	}
	answer := receipt.Answers[0].Reply
	line(d.stdout, "  C: MAIL FROM:%s, RCPT TO:%s, and the content\n  S: %s", from.Path(), demoBob.Path(), answer)
	id, ok := strings.CutPrefix(answer.Text, "queued as ")
	if !ok {
		return "", errors.New("relayd did not accept the message: " + answer.String())
	}
	return id, client.Quit(ctx)
}

func (d *demonstration) signIn(ctx context.Context, client *smtpwire.Client, relayd *demoRelayd) error {
	own, err := relayd.program.keeper.Server().GetCertificate(nil)
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AddCert(own.Leaf)
	for _, step := range []func(context.Context) error{
		client.Greet, client.Hello,
		func(ctx context.Context) error { return client.StartTLS(ctx, tlsconf.Client("localhost", roots)) },
		client.Hello,
		func(ctx context.Context) error {
			return client.Auth(ctx, smtpwire.PasswordMechanisms("crm", d.password)...)
		},
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	line(d.stdout, "  C: EHLO, STARTTLS (%s), AUTH as crm", client.TLSText())
	return nil
}

// text is a message in memory.
type text string

func (t text) Size() int64       { return int64(len(t)) }
func (t text) Reader() io.Reader { return strings.NewReader(string(t)) }

// header prints the named fields of a message.
func header(w io.Writer, content []byte, names ...string) {
	fields, err := textproto.NewReader(bufio.NewReader(bytes.NewReader(content))).ReadMIMEHeader()
	if err != nil {
		line(w, "    (%v)", err)
		return
	}
	for _, name := range names {
		for _, value := range fields.Values(name) {
			line(w, "    %s: %s", name, relay.Printable(value))
		}
	}
}
