package relay

import "strings"

// Address is a mailbox address as the pair that it is: it is parsed once, by
// internal/mailaddr, and from then on every text of it is written from the pair.
// The zero Address is the null reverse-path <> (RFC 5321 §4.5.5).
type Address struct {
	Local  string // unquoted, NFC; never holds control characters
	Domain string // lower case, A-labels (RFC 5890); or an address literal with its brackets
}

// IsZero reports whether this is the null reverse-path.
func (a Address) IsZero() bool { return a.Local == "" && a.Domain == "" }

// String writes the address, its local part quoted where RFC 5321 §4.1.2 needs it.
// The null reverse-path is the empty text.
func (a Address) String() string {
	if a.IsZero() {
		return ""
	}
	return quoteLocal(a.Local) + "@" + a.Domain
}

// Path writes the address in the angle brackets of MAIL and RCPT.
func (a Address) Path() string { return "<" + a.String() + ">" }

// Key is the form in which addresses are compared and looked up: both parts in
// lower case. RFC 5321 §2.4 leaves the case of a local part to its host; no
// provider that relayd knows tells two mailboxes apart by it.
func (a Address) Key() string {
	if a.IsZero() {
		return ""
	}
	return strings.ToLower(a.Local) + "@" + a.Domain
}

// Equal reports whether both name the same mailbox, by Key.
func (a Address) Equal(b Address) bool { return a.Key() == b.Key() }

// NeedsSMTPUTF8 reports whether the address can travel only under RFC 6531.
func (a Address) NeedsSMTPUTF8() bool {
	for i := 0; i < len(a.Local); i++ {
		if a.Local[i] >= 0x80 {
			return true
		}
	}
	return false
}

// quoteLocal writes a local part as Dot-string where it is one, else as
// Quoted-string (RFC 5321 §4.1.2).
func quoteLocal(local string) string {
	if isDotString(local) {
		return local
	}
	var b strings.Builder
	b.WriteByte('"')
	for i := 0; i < len(local); i++ {
		if local[i] == '"' || local[i] == '\\' {
			b.WriteByte('\\')
		}
		b.WriteByte(local[i])
	}
	b.WriteByte('"')
	return b.String()
}

func isDotString(local string) bool {
	if local == "" || local[0] == '.' || local[len(local)-1] == '.' || strings.Contains(local, "..") {
		return false
	}
	for i := 0; i < len(local); i++ {
		if c := local[i]; c != '.' && !isAtext(c) {
			return false
		}
	}
	return true
}

// isAtext is atext of RFC 5322 §3.2.3, extended by RFC 6531 §3.3.
func isAtext(c byte) bool {
	switch {
	case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c >= 0x80:
		return true
	}
	return strings.IndexByte("!#$%&'*+-/=?^_`{|}~", c) >= 0
}
