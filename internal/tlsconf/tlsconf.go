// Package tlsconf keeps the certificate of the listeners and makes the TLS
// settings of both directions.
//
// The order of work at start:
//  1. load the certificate and key that the operator named, or
//  2. load the pair that an earlier start made, or make a self-signed one, and
//     say so in the log;
//  3. say in the log if the certificate has expired or soon will.
//
// Reload swaps the pair at once for all listeners; connections that exist go on
// with the old one.
package tlsconf

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"
)

// ErrNoCertificate means that neither files were named nor a directory in which
// a pair could be made.
var ErrNoCertificate = errors.New("no certificate: name cert and key, or a directory for a self-signed pair")

// DefaultWarnBefore is how long before its end a certificate is complained of.
const DefaultWarnBefore = 21 * 24 * time.Hour

// The files of a pair that was made here.
const (
	madeCert = "self-signed.crt"
	madeKey  = "self-signed.key"
)

// Options is what a Keeper is made of.
type Options struct {
	CertFile string   // PEM, the server's own certificate first
	KeyFile  string   // PEM
	Dir      string   // where a self-signed pair is kept if CertFile is empty; made if missing
	Hosts    []string // names and IP addresses of a self-signed certificate

	WarnBefore time.Duration    // DefaultWarnBefore if zero
	Now        func() time.Time // time.Now if nil
	Log        *slog.Logger     // discarded if nil
}

// Keeper keeps the certificate that listeners show.
type Keeper struct {
	opts    Options
	current atomic.Pointer[tls.Certificate]
}

// Open loads the pair, or makes one at the first start.
func Open(o Options) (*Keeper, error) {
	o.WarnBefore = cmp.Or(o.WarnBefore, DefaultWarnBefore)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	k := &Keeper{opts: o}
	if err := k.chooseFiles(); err != nil {
		return nil, err
	}
	if err := k.Reload(); err != nil {
		return nil, err
	}
	return k, nil
}

// chooseFiles decides where the pair lies, and makes it if it is ours to make.
func (k *Keeper) chooseFiles() error {
	o := &k.opts
	if o.CertFile != "" || o.KeyFile != "" {
		if o.CertFile == "" || o.KeyFile == "" {
			return errors.New("the certificate and its key must both be named")
		}
		return nil
	}
	if o.Dir == "" {
		return ErrNoCertificate
	}
	o.CertFile, o.KeyFile = filepath.Join(o.Dir, madeCert), filepath.Join(o.Dir, madeKey)
	// The certificate is written last: if it is there, so is its key.
	if _, err := os.Stat(o.CertFile); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := makePair(o.Dir, o.Hosts, o.Now()); err != nil {
		return fmt.Errorf("make a self-signed certificate: %w", err)
	}
	o.Log.Warn("no certificate is configured, so a self-signed one was made: clients will not trust it by themselves",
		"certificate", o.CertFile, "hosts", o.Hosts)
	return nil
}

// Reload reads the files again. After an error the old pair stays in use.
func (k *Keeper) Reload() error {
	pair, err := load(k.opts.CertFile, k.opts.KeyFile)
	if err != nil {
		return err
	}
	k.current.Store(pair)
	k.noticeExpiry(pair.Leaf)
	return nil
}

// Expires tells when the certificate in use ends.
func (k *Keeper) Expires() time.Time { return k.current.Load().Leaf.NotAfter }

func (k *Keeper) noticeExpiry(leaf *x509.Certificate) {
	left := leaf.NotAfter.Sub(k.opts.Now())
	switch {
	case left <= 0:
		k.opts.Log.Error("the certificate has expired", "certificate", k.opts.CertFile, "not_after", leaf.NotAfter)
	case left < k.opts.WarnBefore:
		k.opts.Log.Warn("the certificate expires soon", "certificate", k.opts.CertFile, "not_after", leaf.NotAfter)
	}
}

// load reads a pair; the errors name the file that is wrong.
func load(certFile, keyFile string) (*tls.Certificate, error) {
	cert, err := os.ReadFile(certFile)
	if err != nil {
		return nil, fmt.Errorf("read certificate: %w", err)
	}
	key, err := os.ReadFile(keyFile)
	if err != nil {
		return nil, fmt.Errorf("read key of the certificate: %w", err)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("use certificate %s with key %s: %w", certFile, keyFile, err)
	}
	return &pair, nil
}

// Server makes the settings of a listener. Session tickets are off: with them
// Microsoft's SMTP client cannot talk to a Go server (golang/go issue 70232).
func (k *Keeper) Server() *tls.Config {
	return &tls.Config{
		MinVersion:             tls.VersionTLS12,
		SessionTicketsDisabled: true,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return k.current.Load(), nil
		},
	}
}

// Client makes the settings for a server whose certificate must be valid for
// host; roots may be nil for those of the system.
func Client(host string, roots *x509.CertPool) *tls.Config {
	return &tls.Config{ServerName: host, RootCAs: roots, MinVersion: tls.VersionTLS12}
}
