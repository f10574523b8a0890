package mailaddr

import (
	"net/netip"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// ParseDomain reads a domain name, in Unicode or in A-labels, and gives it in
// lower-case A-labels (RFC 5890). It takes no address literal and no final dot.
// The error wraps ErrInvalid.
func ParseDomain(s string) (string, error) {
	if s == "" {
		return "", invalid("the domain is missing")
	}
	if len(s) > 4*maxDomain {
		return "", invalid("the domain is too long")
	}
	if !utf8.ValidString(s) {
		return "", invalid("the domain is not valid UTF-8")
	}
	domain := s
	if !IsASCII(s) || hasALabel(s) {
		var err error
		if domain, err = domainProfile().ToASCII(s); err != nil {
			return "", invalid("the domain does not follow IDNA2008")
		}
	}
	domain = strings.ToLower(domain)
	if err := checkHostName(domain); err != nil {
		return "", err
	}
	return domain, nil
}

// domainProfile is IDNA2008 with the mapping that people's typing needs (RFC
// 5895: case, width, normal form). Without the transitional mapping ß stays a
// letter of its own, as in RFC 5892.
func domainProfile() *idna.Profile {
	return idna.New(
		idna.MapForLookup(),
		idna.Transitional(false),
		idna.StrictDomainName(true),
		idna.ValidateLabels(true),
		idna.CheckHyphens(true),
		idna.CheckJoiners(true),
		idna.BidiRule(),
		idna.VerifyDNSLength(true),
	)
}

// hasALabel reports whether some label claims to be an A-label, in which case
// its encoding must be checked.
func hasALabel(s string) bool {
	for label := range strings.SplitSeq(s, ".") {
		if len(label) >= 4 && strings.EqualFold(label[:4], "xn--") {
			return true
		}
	}
	return false
}

// checkHostName holds a lower-case domain to the rules for names of hosts (RFC
// 1123 §2.1) and the lengths of RFC 1035 §2.3.4.
func checkHostName(domain string) error {
	if len(domain) > maxDomain {
		return invalid("the domain is longer than 253 octets")
	}
	last := ""
	for label := range strings.SplitSeq(domain, ".") {
		if !isLabel(label) {
			return invalid("the domain does not follow the rules for host names")
		}
		last = label
	}
	// RFC 3696 §2: a top-level domain is not all digits. Without this rule
	// 127.0.0.1 would be a name, and somebody's resolver would take it for an
	// address.
	if strings.Trim(last, "0123456789") == "" {
		return invalid("the domain ends in a number")
	}
	return nil
}

// isLabel is sub-domain of RFC 5321 §4.1.2, at most 63 octets long.
func isLabel(label string) bool {
	if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
		return false
	}
	for i := 0; i < len(label); i++ {
		c := label[i]
		if c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return true
}

// parseHost reads what stands after the @: a domain or an address literal.
func parseHost(s string) (string, error) {
	if !strings.HasPrefix(s, "[") {
		return ParseDomain(s)
	}
	inside, ok := strings.CutSuffix(s[1:], "]")
	if !ok {
		return "", invalid("the address literal has no end")
	}
	return parseLiteral(inside)
}

// parseLiteral reads the inside of an address literal (RFC 5321 §4.1.3) and
// writes it in its one canonical form. General-address-literal is not taken: no
// tag but IPv6 was ever registered.
func parseLiteral(inside string) (string, error) {
	const tag = "IPv6:"
	six := len(inside) > len(tag) && strings.EqualFold(inside[:len(tag)], tag)
	if six {
		inside = inside[len(tag):]
	}
	addr, err := netip.ParseAddr(inside)
	if err != nil || addr.Zone() != "" || addr.Is4() == six {
		return "", invalid("the address literal is malformed")
	}
	if six {
		return "[" + tag + addr.String() + "]", nil
	}
	return "[" + addr.String() + "]", nil
}
