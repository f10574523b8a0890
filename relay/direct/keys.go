package direct

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync"
)

// The algorithms of DKIM keys.
const (
	AlgorithmRSA     = "rsa-sha256"     // RFC 6376 §3.3.1
	AlgorithmEd25519 = "ed25519-sha256" // RFC 8463
)

// RSABits is the length of new RSA keys: RFC 8301 §3.2 demands 1024 and recommends
// 2048; longer ones do not fit into the DNS of many providers.
const (
	RSABits    = 2048
	minRSABits = 1024
)

// maxCachedKeys bounds the parsed keys in memory, about 2 KiB each.
const maxCachedKeys = 1024

// parsedKey is a key that can sign, with the text of its DNS record.
type parsedKey struct {
	SigningKey
	private crypto.Signer
	public  string
}

// keyCache remembers parsed keys: parsing and checking an RSA key costs about as
// much as a signature.
type keyCache struct {
	mu   sync.Mutex
	keys map[string]parsedKey // by SigningKey.ID
}

func newKeyCache() *keyCache { return &keyCache{keys: make(map[string]parsedKey)} }

// get gives the parsed form of a key; a key of another revision is parsed anew.
func (c *keyCache) get(k SigningKey) (parsedKey, error) {
	c.mu.Lock()
	known, ok := c.keys[k.ID]
	c.mu.Unlock()
	if ok && known.Revision == k.Revision {
		return known, nil
	}
	private, err := parsePrivate(k.Algorithm, []byte(k.Private.Reveal()))
	if err != nil {
		return parsedKey{}, err
	}
	public, err := recordText(k.Algorithm, private.Public())
	if err != nil {
		return parsedKey{}, err
	}
	k.Private = "" // the parsed form is enough
	parsed := parsedKey{k, private, public}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.keys) >= maxCachedKeys {
		clear(c.keys)
	}
	c.keys[k.ID] = parsed
	return parsed, nil
}

// parsePrivate reads a private key and checks that it is of the algorithm.
func parsePrivate(algorithm string, pkcs8 []byte) (crypto.Signer, error) {
	key, err := x509.ParsePKCS8PrivateKey(pkcs8)
	if err != nil {
		// The error of the parser is not passed on: it may quote the input.
		return nil, errors.New("the private key is not in the form PKCS #8")
	}
	switch key := key.(type) {
	case *rsa.PrivateKey:
		if algorithm != AlgorithmRSA {
			break
		}
		if bits := key.N.BitLen(); bits < minRSABits {
			return nil, fmt.Errorf("an RSA key of %d bits is too short: RFC 8301 demands %d", bits, minRSABits)
		}
		return key, nil
	case ed25519.PrivateKey:
		if algorithm == AlgorithmEd25519 {
			return key, nil
		}
	}
	return nil, fmt.Errorf("the private key is not one for %q", algorithm)
}

// GenerateKey makes a new DKIM key, in the form PKCS #8 (DER).
func GenerateKey(algorithm string) (pkcs8 []byte, err error) {
	var key any
	switch algorithm {
	case AlgorithmRSA:
		key, err = rsa.GenerateKey(rand.Reader, RSABits)
	case AlgorithmEd25519:
		_, key, err = ed25519.GenerateKey(rand.Reader)
	default:
		return nil, fmt.Errorf("unknown DKIM algorithm %q: use %s or %s", algorithm, AlgorithmRSA, AlgorithmEd25519)
	}
	if err != nil {
		return nil, fmt.Errorf("generate a key for %s: %w", algorithm, err)
	}
	return x509.MarshalPKCS8PrivateKey(key)
}

// DNSRecord gives the TXT record that publishes a key: its name with a dot at the
// end, and its value as it stands in a zone file, in quoted strings of at most 255
// octets (RFC 1035 §3.3.14).
func DNSRecord(domain, selector, algorithm string, pkcs8 []byte) (name, value string, err error) {
	private, err := parsePrivate(algorithm, pkcs8)
	if err != nil {
		return "", "", err
	}
	text, err := recordText(algorithm, private.Public())
	if err != nil {
		return "", "", err
	}
	return recordName(domain, selector) + ".", quoteTXT(text), nil
}

func recordName(domain, selector string) string { return selector + "._domainkey." + domain }

// recordText is the value of the record in one piece (RFC 6376 §3.6.1).
func recordText(algorithm string, public crypto.PublicKey) (string, error) {
	if algorithm == AlgorithmEd25519 {
		raw, ok := public.(ed25519.PublicKey)
		if !ok {
			return "", errors.New("the public key is not of Ed25519")
		}
		// RFC 8463 §4: the key alone, without ASN.1.
		return "v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(raw), nil
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return "", fmt.Errorf("write the public key: %w", err)
	}
	return "v=DKIM1; k=rsa; p=" + base64.StdEncoding.EncodeToString(der), nil
}

// maxTXTString is the length of one character-string (RFC 1035 §3.3).
const maxTXTString = 255

func quoteTXT(text string) string {
	var parts []string
	for len(text) > maxTXTString {
		parts, text = append(parts, `"`+text[:maxTXTString]+`"`), text[maxTXTString:]
	}
	return strings.Join(append(parts, `"`+text+`"`), " ")
}
