package direct

import (
	"context"
	"crypto/tls"
	"errors"
	"strings"
	"time"

	"github.com/relayd/relayd/internal/smtpwire"
	"github.com/relayd/relayd/relay"
)

// session is one connection that is ready for mail.
type session struct {
	client *smtpwire.Client
	peer   relay.Peer
	born   time.Time
	used   int // transactions
}

// drop closes the connection without a word.
func (s *session) drop() { _ = s.client.Close() }

// connect opens a connection, encrypted if the peer can do it. Encryption that
// fails costs one more connection, not the mail (RFC 7435 §3): without a policy of
// the destination the alternative to clear text would be no delivery.
func (d *Deliverer) connect(ctx context.Context, key poolKey) (*session, error) {
	s, err := d.open(ctx, key, !d.opts.ClearOnly)
	var e *smtpwire.ClientError
	if errors.As(err, &e) && e.Where == relay.AtTLS && ctx.Err() == nil {
		d.opts.Log.Info("encryption failed, so the peer is asked in clear", "host", key.host, "address", key.addr.String(), "error", e.Error())
		s, err = d.open(ctx, key, false)
	}
	return s, err
}

// open takes one connection to the point where it is ready for mail.
func (d *Deliverer) open(ctx context.Context, key poolKey, encrypt bool) (*session, error) {
	client, err := d.dial(ctx, key)
	if err != nil {
		return nil, err
	}
	if err := d.introduce(ctx, client, key.host, encrypt); err != nil {
		_ = client.Close()
		return nil, err
	}
	return &session{
		client: client,
		peer:   relay.Peer{Host: key.host, Addr: key.addr.String(), TLS: client.TLSText()},
		born:   time.Now(),
	}, nil
}

func (d *Deliverer) dial(ctx context.Context, key poolKey) (*smtpwire.Client, error) {
	ctx, cancel := context.WithTimeout(ctx, d.opts.ConnectTimeout)
	defer cancel()
	conn, err := d.opts.Dialer.DialContext(ctx, "tcp", key.addr.String())
	if err != nil {
		return nil, smtpwire.DialError(err)
	}
	return smtpwire.NewClient(conn, smtpwire.ClientOptions{Hello: d.opts.Hostname, Timeouts: d.opts.Timeouts}), nil
}

func (d *Deliverer) introduce(ctx context.Context, client *smtpwire.Client, host string, encrypt bool) error {
	if err := client.Greet(ctx); err != nil {
		return err
	}
	if err := client.Hello(ctx); err != nil {
		return err
	}
	if !encrypt || !client.Extensions().StartTLS {
		return nil
	}
	if err := client.StartTLS(ctx, opportunistic(host)); err != nil {
		return err
	}
	err := client.Hello(ctx) // RFC 3207 §4.2
	if e := clientError(err); err != nil && e.Reply.Code == 0 {
		// In TLS 1.3 a server can refuse the handshake after we believe that it is done.
		return &smtpwire.ClientError{Where: relay.AtTLS, Reply: e.Reply, Err: e}
	}
	return err
}

// opportunistic encrypts without asking who the peer is: MX names come from an
// unsigned DNS, so that a certificate for such a name proves nothing (RFC 7672
// §1.3.1). It keeps listeners out, not attackers in the way.
func opportunistic(host string) *tls.Config {
	return &tls.Config{
		ServerName:         strings.Trim(host, "[]"),
		InsecureSkipVerify: true,             //nolint:gosec // see above
		MinVersion:         tls.VersionTLS12, // RFC 8996
	}
}

// clientError is the error of a conversation; every one is of this type.
func clientError(err error) *smtpwire.ClientError {
	var e *smtpwire.ClientError
	if !errors.As(err, &e) {
		e = smtpwire.DialError(err)
	}
	return e
}
