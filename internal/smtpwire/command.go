package smtpwire

import (
	"strconv"
	"strings"

	"github.com/relayd/relayd/internal/mailaddr"
	"github.com/relayd/relayd/relay"
)

// Sender is what a MAIL command says, parsed.
type Sender struct {
	Address  relay.Address // zero is the null reverse-path
	Size     int64         // RFC 1870; 0 if none was announced
	EightBit bool          // BODY=8BITMIME (RFC 6152)
	SMTPUTF8 bool          // RFC 6531
	Ret      relay.Ret     // RFC 3461 §4.3
	EnvID    string        // RFC 3461 §4.4, decoded
}

// command is one line: the verb in upper case, and what follows the space.
type command struct {
	verb string
	args string
}

// parseCommand divides a line. A verb is letters only; anything else gives the
// empty verb.
func parseCommand(line []byte) command {
	text := string(line)
	verb, args, _ := strings.Cut(text, " ")
	for i := range len(verb) {
		if c := verb[i] | 0x20; c < 'a' || c > 'z' {
			return command{args: text}
		}
	}
	// RFC 5321 §4.1.1: white space before the line end is tolerated.
	return command{verb: strings.ToUpper(verb), args: strings.TrimRight(args, " \t")}
}

// cutPath takes "FROM:<path>" off args: keyword is FROM: or TO:. It gives what is
// between the angle brackets, still quoted, and the parameters. A space after
// the colon is not in the grammar (RFC 5321 §3.3).
func cutPath(args, keyword string) (path, params string, ok bool) {
	if len(args) < len(keyword) || !strings.EqualFold(args[:len(keyword)], keyword) {
		return "", "", false
	}
	rest := args[len(keyword):]
	if !strings.HasPrefix(rest, "<") {
		return "", "", false
	}
	end := pathEnd(rest)
	if end < 0 {
		return "", "", false
	}
	path, params = rest[1:end], rest[end+1:]
	return path, strings.TrimPrefix(params, " "), params == "" || params[0] == ' '
}

// pathEnd finds the > that ends a path, past a quoted local part.
func pathEnd(path string) int {
	quoted := false
	for i := 0; i < len(path); i++ {
		switch c := path[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case c == '>' && !quoted:
			return i
		}
	}
	return -1
}

// eachParam reads "KEY=value" parameters, each key once, and gives each to take,
// which reports whether it knows the key and can read the value.
func eachParam(params string, take func(key, value string, hasValue bool) *relay.Error) *relay.Error {
	seen := make(map[string]bool, 4)
	for field := range strings.SplitSeq(params, " ") {
		if field == "" {
			continue
		}
		key, value, hasValue := strings.Cut(field, "=")
		key = strings.ToUpper(key)
		// RFC 5321 §4.1.2: esmtp-value is at least one octet, without "=" and SP.
		if seen[key] || (hasValue && value == "") || hasControl([]byte(value)) {
			return badParam(key)
		}
		seen[key] = true
		if err := take(key, value, hasValue); err != nil {
			return err
		}
	}
	return nil
}

func badParam(key string) *relay.Error {
	return relay.Refuse(501, relay.Enhanced{5, 5, 4}, "The parameter %s is malformed or given twice", relay.Printable(cut(key)))
}

// unknownParam is RFC 5321 §4.1.1.11: 555.
func unknownParam(key string) *relay.Error {
	return relay.Refuse(555, relay.Enhanced{5, 5, 4}, "The parameter %s is not supported", relay.Printable(cut(key)))
}

// cut keeps a client's own words short in replies.
func cut(s string) string { return s[:min(len(s), 32)] }

// parseMail reads the arguments of MAIL.
func parseMail(args string) (Sender, *relay.Error) {
	var s Sender
	path, params, ok := cutPath(args, "FROM:")
	if !ok {
		return s, relay.Refuse(501, relay.Enhanced{5, 5, 2}, "Write MAIL FROM:<address> with nothing between the colon and the bracket")
	}
	if err := eachParam(params, s.takeParam); err != nil {
		return s, err
	}
	if path == "" {
		return s, nil // RFC 5321 §4.5.5: the null reverse-path
	}
	var err *relay.Error
	s.Address, err = parsePath(path, s.SMTPUTF8, relay.Enhanced{5, 1, 7})
	return s, err
}

// takeParam reads one parameter of MAIL.
func (s *Sender) takeParam(key, value string, hasValue bool) *relay.Error {
	var ok bool
	switch key {
	case "SIZE":
		s.Size, ok = parseSize(value)
	case "BODY":
		s.EightBit = strings.EqualFold(value, "8BITMIME")
		ok = s.EightBit || strings.EqualFold(value, "7BIT")
	case "SMTPUTF8":
		s.SMTPUTF8, ok = true, !hasValue // RFC 6531 §3.4: it has no value
	case "RET":
		s.Ret, ok = parseRet(value)
	case "ENVID":
		s.EnvID, ok = decodeXtext(value, maxEnvID)
	case "AUTH":
		ok = isMailAuth(value)
	default:
		return unknownParam(key)
	}
	if !ok {
		return badParam(key)
	}
	return nil
}

// The lengths of RFC 3461 §4.4 and §4.2, in octets as they are written.
const (
	maxEnvID = 100
	maxORcpt = 500
)

// parseSize is size-value of RFC 1870 §4: one to twenty digits. What no int64
// holds is surely too large.
func parseSize(value string) (int64, bool) {
	const maxDigits = 20
	if value == "" || len(value) > maxDigits || strings.Trim(value, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		n = 1<<63 - 1
	}
	return n, true
}

func parseRet(value string) (relay.Ret, bool) {
	switch strings.ToUpper(value) {
	case "FULL":
		return relay.RetFull, true
	case "HDRS":
		return relay.RetHeaders, true
	}
	return relay.RetUnset, false
}

// isMailAuth checks the form of AUTH= of RFC 4954 §5: <> or a mailbox in xtext.
// Its value is not used: relayd trusts only who signed in.
func isMailAuth(value string) bool {
	if value == "<>" {
		return true
	}
	mailbox, ok := decodeXtext(value, maxORcpt)
	if !ok {
		return false
	}
	_, err := mailaddr.Parse(mailbox)
	return err == nil
}

// parseRcpt reads the arguments of RCPT. The domain of <postmaster> is host.
func parseRcpt(args, host string, utf8 bool) (relay.Recipient, *relay.Error) {
	var r relay.Recipient
	path, params, ok := cutPath(args, "TO:")
	if !ok {
		return r, relay.Refuse(501, relay.Enhanced{5, 5, 2}, "Write RCPT TO:<address> with nothing between the colon and the bracket")
	}
	take := func(key, value string, hasValue bool) *relay.Error { return takeRcptParam(&r, key, value) }
	if err := eachParam(params, take); err != nil {
		return r, err
	}
	if strings.EqualFold(path, "postmaster") {
		path += "@" + host // RFC 5321 §4.5.1
	}
	var err *relay.Error
	r.Address, err = parsePath(path, utf8, relay.Enhanced{5, 1, 3})
	return r, err
}

func takeRcptParam(r *relay.Recipient, key, value string) *relay.Error {
	ok := false
	switch key {
	case "NOTIFY":
		r.Notify, ok = parseNotify(value)
	case "ORCPT":
		r.ORcpt, ok = parseORcpt(value)
	default:
		return unknownParam(key)
	}
	if !ok {
		return badParam(key)
	}
	return nil
}

// parsePath reads a mailbox; status is the enhanced code of a refusal.
func parsePath(path string, utf8 bool, status relay.Enhanced) (relay.Address, *relay.Error) {
	if !utf8 && !mailaddr.IsASCII(path) {
		// RFC 6531 §3.5: without the parameter SMTPUTF8 there is no such address.
		return relay.Address{}, relay.Refuse(553, relay.Enhanced{5, 6, 7}, "An address outside ASCII needs the parameter SMTPUTF8 at MAIL")
	}
	a, err := mailaddr.Parse(path)
	if err != nil {
		return relay.Address{}, &relay.Error{Code: 553, Enhanced: status, Public: "The address is " + err.Error(), Cause: err}
	}
	return a, nil
}
