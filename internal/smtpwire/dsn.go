package smtpwire

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/relayd/relayd/relay"
)

// parseNotify reads NOTIFY of RFC 3461 §4.1: NEVER alone, or a list of the other
// three.
func parseNotify(value string) (relay.Notify, bool) {
	var n relay.Notify
	for word := range strings.SplitSeq(strings.ToUpper(value), ",") {
		bit := notifyBit(word)
		if bit == 0 || n&bit != 0 {
			return 0, false
		}
		n |= bit
	}
	return n, n == relay.NotifyNever || n&relay.NotifyNever == 0
}

func notifyBit(word string) relay.Notify {
	switch word {
	case "NEVER":
		return relay.NotifyNever
	case "SUCCESS":
		return relay.NotifySuccess
	case "FAILURE":
		return relay.NotifyFailure
	case "DELAY":
		return relay.NotifyDelay
	}
	return 0
}

// parseORcpt reads ORCPT of RFC 3461 §4.2, "addr-type;xtext", and gives
// "addr-type;address". The type utf-8 is RFC 6533 §3.
func parseORcpt(value string) (string, bool) {
	kind, address, ok := strings.Cut(value, ";")
	if !ok || address == "" || len(value) > maxORcpt || !isAddrType(kind) {
		return "", false
	}
	if strings.EqualFold(kind, "utf-8") {
		address, ok = decodeUnitext(address)
	} else {
		address, ok = decodeXtext(address, maxORcpt)
	}
	return kind + ";" + address, ok
}

// isAddrType is atom of RFC 5322, as far as registered types use it.
func isAddrType(s string) bool {
	for i := range len(s) {
		c := s[i] | 0x20
		if c != '-' && (c < 'a' || c > 'z') && !isDigit(s[i]) {
			return false
		}
	}
	return s != ""
}

// decodeXtext decodes xtext (RFC 3461 §4): +XX in upper case hexadecimal. What it
// stands for must be printable ASCII, because it goes into reports.
func decodeXtext(value string, limit int) (string, bool) {
	if len(value) > limit {
		return "", false
	}
	var b strings.Builder
	for i := 0; i < len(value); i++ {
		c := value[i]
		if c == '+' {
			if i+2 >= len(value) || !isUpperHex(value[i+1]) || !isUpperHex(value[i+2]) {
				return "", false
			}
			n, _ := strconv.ParseUint(value[i+1:i+3], 16, 8) // two hexadecimal digits always fit
			c = byte(n)
			i += 2
		} else if c == '=' {
			return "", false
		}
		if c < ' ' || c > '~' {
			return "", false
		}
		b.WriteByte(c)
	}
	return b.String(), true
}

func isUpperHex(c byte) bool { return isDigit(c) || c >= 'A' && c <= 'F' }

// decodeUnitext decodes utf-8-addr-xtext and utf-8-addr-unitext of RFC 6533 §3,
// whose escapes are \x{HEX}.
func decodeUnitext(value string) (string, bool) {
	var b strings.Builder
	for value != "" {
		before, after, found := strings.Cut(value, `\x{`)
		b.WriteString(before)
		if !found {
			break
		}
		hex, rest, closed := strings.Cut(after, "}")
		n, err := strconv.ParseUint(hex, 16, 32)
		if !closed || err != nil || n > utf8.MaxRune || !utf8.ValidRune(rune(n)) {
			return "", false
		}
		b.WriteRune(rune(n))
		value = rest
	}
	text := b.String()
	return text, utf8.ValidString(text) && relay.Printable(text) == text && text != ""
}
