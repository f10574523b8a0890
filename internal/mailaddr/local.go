package mailaddr

import (
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// normalizeLocal brings an unquoted local part to NFC, so that one mailbox has
// one spelling, and refuses characters that cannot be seen or that read as
// something else (attack row A9).
func normalizeLocal(local string) (string, error) {
	if IsASCII(local) {
		return local, nil
	}
	if !utf8.ValidString(local) {
		return "", invalid("it is not valid UTF-8")
	}
	for _, r := range local {
		if r >= utf8.RuneSelf && !isVisible(r) {
			return "", invalid("it holds an invisible or misleading character")
		}
	}
	// RFC 6532 §3.1 asks for NFC.
	return norm.NFC.String(local), nil
}

// isVisible accepts letters, marks, numbers, punctuation and symbols that show
// what they are. It refuses spaces other than the ASCII one, all controls
// (the controls of writing direction and the joiners among them), characters
// that a renderer may drop, and everything whose compatibility form holds an
// ASCII special, such as the fullwidth @.
func isVisible(r rune) bool {
	if !unicode.IsGraphic(r) || unicode.Is(unicode.Zs, r) {
		return false
	}
	if unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector) {
		return false
	}
	for _, plain := range norm.NFKC.String(string(r)) {
		if plain < utf8.RuneSelf && !isAlphanumeric(plain) {
			return false
		}
	}
	return true
}

func isAlphanumeric(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
}

// IsASCII reports whether no octet of s is over 127.
func IsASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
