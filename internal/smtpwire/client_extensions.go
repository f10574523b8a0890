package smtpwire

import (
	"slices"
	"strconv"
	"strings"
)

// Extensions is what a server offers (RFC 5321 §4.1.1.1).
type Extensions struct {
	StartTLS     bool     // RFC 3207
	Pipelining   bool     // RFC 2920
	EightBitMIME bool     // RFC 6152
	SMTPUTF8     bool     // RFC 6531
	Chunking     bool     // RFC 3030
	DSN          bool     // RFC 3461
	Size         bool     // RFC 1870
	MaxSize      int64    // octets; 0: no fixed limit, or none announced
	Auth         []string // SASL mechanisms in upper case (RFC 4954), in the server's order
}

// maxMechanisms is how many mechanisms are kept: more exist in no registry.
const maxMechanisms = 32

// maxMechanismName is the longest name of a mechanism (RFC 4422 §3.1).
const maxMechanismName = 20

// parseExtensions reads the lines of an answer to EHLO. The first one is the
// greeting. Keywords have no case (RFC 5321 §2.4); what is not known is skipped.
func parseExtensions(lines []string) Extensions {
	var e Extensions
	if len(lines) == 0 {
		return e
	}
	for _, line := range lines[1:] {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		e.take(strings.ToUpper(words[0]), words[1:])
	}
	return e
}

func (e *Extensions) take(keyword string, params []string) {
	switch keyword {
	case "STARTTLS":
		e.StartTLS = true
	case "PIPELINING":
		e.Pipelining = true
	case "8BITMIME":
		e.EightBitMIME = true
	case "SMTPUTF8":
		e.SMTPUTF8 = true
	case "CHUNKING":
		e.Chunking = true
	case "DSN":
		e.DSN = true
	case "SIZE":
		e.takeSize(params)
	case "AUTH":
		e.takeAuth(params)
	default:
		// "AUTH=LOGIN PLAIN" is how servers wrote it before RFC 2554; some still do.
		if first, ok := strings.CutPrefix(keyword, "AUTH="); ok {
			e.takeAuth(append([]string{first}, params...))
		}
	}
}

// takeSize reads RFC 1870 §4: no number and 0 both mean that there is no fixed
// limit. A number that makes no sense is no limit either.
func (e *Extensions) takeSize(params []string) {
	e.Size, e.MaxSize = true, 0
	if len(params) == 0 {
		return
	}
	if n, err := strconv.ParseInt(params[0], 10, 64); err == nil && n > 0 {
		e.MaxSize = n
	}
}

func (e *Extensions) takeAuth(names []string) {
	for _, name := range names {
		name = strings.ToUpper(name)
		if len(e.Auth) < maxMechanisms && isMechanism(name) && !slices.Contains(e.Auth, name) {
			e.Auth = append(e.Auth, name)
		}
	}
}

// isMechanism checks the form of RFC 4422 §3.1.
func isMechanism(name string) bool {
	if name == "" || len(name) > maxMechanismName {
		return false
	}
	for i := range len(name) {
		c := name[i]
		if (c < 'A' || c > 'Z') && !isDigit(c) && c != '-' && c != '_' {
			return false
		}
	}
	return true
}
