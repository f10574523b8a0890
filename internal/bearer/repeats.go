package bearer

import "strings"

// The sizes of Repeats.
const (
	shortSecret = 32 // below it only the whole secret counts
	piece       = 16 // characters of a long one that count as the secret
)

// Repeats reports whether text holds a secret, or of a long one any piece: a token
// has up to some thousand characters, and a server that repeats it may cut it, or
// divide it over lines.
func Repeats(text, secret string) bool {
	switch {
	case secret == "":
		return false
	case len(secret) < shortSecret:
		return strings.Contains(text, secret)
	}
	for i := 0; i+piece <= len(text); i++ {
		if strings.Contains(secret, text[i:i+piece]) {
			return true
		}
	}
	return false
}
