package oauthsim_test

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"math/big"
)

// verifyRS256 checks a token in compact form with a key as a JWKS tells it.
func verifyRS256(n, e string, parts []string) error {
	modulus, err := base64.RawURLEncoding.DecodeString(n)
	if err != nil {
		return err
	}
	exponent, err := base64.RawURLEncoding.DecodeString(e)
	if err != nil {
		return err
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		return err
	}
	key := &rsa.PublicKey{N: new(big.Int).SetBytes(modulus), E: int(new(big.Int).SetBytes(exponent).Int64())}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	return rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], signature)
}
