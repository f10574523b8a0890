package oauth

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"time"

	"github.com/relayd/relayd/relay"
)

// assertionLifetime is how long the signed request of a service account is good: the
// longest that Google takes.
const assertionLifetime = time.Hour

// The limits of a service account's key file.
const (
	maxKeyFile = 16 << 10 // octets; Google's have about 2,400
	minKeyBits = 2048
	maxKeyBits = 8192 // a larger one makes every signature slow
)

// keyFile is the JSON file that Google gives out for a service account.
type keyFile struct {
	Type         string       `json:"type"`
	Email        string       `json:"client_email"`
	PrivateKey   relay.Secret `json:"private_key"`
	PrivateKeyID string       `json:"private_key_id"`
}

// parseKeyFile reads a key file. Its errors wrap ErrApp and hold nothing of the file.
func parseKeyFile(data []byte) (*keyFile, error) {
	var k keyFile
	if len(data) > maxKeyFile || json.Unmarshal(data, &k) != nil {
		return nil, unusable("its key file is no JSON file of a service account")
	}
	switch {
	case k.Type != "service_account":
		return nil, unusable("its key file is not of a service account")
	case !isToken(k.Email) || !isToken(k.PrivateKeyID):
		return nil, unusable("its key file names no client_email or no private_key_id")
	}
	block, _ := pem.Decode([]byte(k.PrivateKey))
	if block == nil {
		return nil, unusable("the private key in its key file is no PEM")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		parsed, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	}
	key, ok := parsed.(*rsa.PrivateKey)
	if err != nil || !ok {
		return nil, unusable("the private key in its key file is no RSA key")
	}
	if bits := key.N.BitLen(); bits < minKeyBits || bits > maxKeyBits {
		return nil, unusable("the private key in its key file has a size that is not safe")
	}
	return &k, nil
}
