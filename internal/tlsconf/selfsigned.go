package tlsconf

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"net/netip"
	"path/filepath"
	"time"

	"github.com/relayd/relayd/internal/safeio"
)

// madeFor is how long a self-signed certificate lasts. Nobody renews it by itself,
// and whoever trusts it pinned it by hand.
const madeFor = 10 * 365 * 24 * time.Hour

// SelfSigned makes a certificate for the hosts given, in PEM.
func SelfSigned(hosts []string, now time.Time) (cert, key []byte, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("make key: %w", err)
	}
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: "relayd"},
		NotBefore:   now.Add(-time.Hour), // clients whose clock is a little behind
		NotAfter:    now.Add(madeFor),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	addHosts(template, hosts)
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		return nil, nil, fmt.Errorf("sign: %w", err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, nil, fmt.Errorf("encode key: %w", err)
	}
	cert = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	key = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
	return cert, key, nil
}

func addHosts(template *x509.Certificate, hosts []string) {
	for _, host := range hosts {
		if ip, err := netip.ParseAddr(host); err == nil {
			template.IPAddresses = append(template.IPAddresses, ip.AsSlice())
			continue
		}
		template.DNSNames = append(template.DNSNames, host)
	}
}

// makePair writes a new pair into dir, each file durable and of mode 0600, the
// certificate last.
func makePair(dir string, hosts []string, now time.Time) error {
	cert, key, err := SelfSigned(hosts, now)
	if err != nil {
		return err
	}
	if err := safeio.WriteFile(filepath.Join(dir, madeKey), key); err != nil {
		return err
	}
	return safeio.WriteFile(filepath.Join(dir, madeCert), cert)
}
