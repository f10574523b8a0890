package relaytest

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"testing"
	"time"
)

func TestAuthorityIssuesWhatItSays(t *testing.T) {
	t.Parallel()
	a := NewAuthority(t)
	good, expired := a.Issue("mail.acme.example", "127.0.0.1"), a.IssueExpired("mail.acme.example")
	verify := func(c tls.Certificate, name string, roots *x509.CertPool) error {
		leaf, err := x509.ParseCertificate(c.Certificate[0])
		if err != nil {
			t.Fatal(err)
		}
		_, err = leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: roots, CurrentTime: time.Now()})
		return err
	}
	for _, name := range []string{"mail.acme.example", "127.0.0.1"} {
		if err := verify(good, name, a.Roots()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	var wrongName x509.HostnameError
	if err := verify(good, "other.example", a.Roots()); !errors.As(err, &wrongName) {
		t.Errorf("another name: %v", err)
	}
	var unknown x509.UnknownAuthorityError
	if err := verify(good, "mail.acme.example", NewAuthority(t).Roots()); !errors.As(err, &unknown) {
		t.Errorf("another authority: %v", err)
	}
	var invalid x509.CertificateInvalidError
	if err := verify(expired, "mail.acme.example", a.Roots()); !errors.As(err, &invalid) || invalid.Reason != x509.Expired {
		t.Errorf("an expired one: %v", err)
	}
}

func TestWrittenCertificateCanBeLoaded(t *testing.T) {
	t.Parallel()
	a := NewAuthority(t)
	certFile, keyFile := WriteCertificate(t, a.Issue("mail.acme.example"))
	if _, err := tls.LoadX509KeyPair(certFile, keyFile); err != nil {
		t.Error(err)
	}
	if !x509.NewCertPool().AppendCertsFromPEM(a.PEM()) {
		t.Error("the authority's PEM cannot be read")
	}
}
