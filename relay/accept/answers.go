package accept

import "github.com/relayd/relayd/relay"

// What the client reads when its message is not well formed. The texts name what a
// programmer has to change.

// RFC 5321 §2.3.8: CR and LF stand only together.
func errBareLineEnd() *relay.Error {
	return relay.Refuse(554, relay.Enhanced{5, 6, 0}, "The message holds a bare CR, a bare LF or a NUL")
}

func errControl() *relay.Error {
	return relay.Refuse(550, relay.Enhanced{5, 6, 0}, "The header holds a control character")
}

func errMalformedLine() *relay.Error {
	return relay.Refuse(550, relay.Enhanced{5, 6, 0}, "The header has a line that is neither a field nor the continuation of one")
}

func errCutOff() *relay.Error {
	return relay.Refuse(550, relay.Enhanced{5, 6, 0}, "The message ends inside a header line")
}

func errLineTooLong(limit int) *relay.Error {
	return relay.Refuse(550, relay.Enhanced{5, 6, 0}, "The header has a line of more than %d octets; fold it", limit)
}

func errHeaderTooLarge(limit int) *relay.Error {
	return relay.Refuse(552, relay.Enhanced{5, 3, 4}, "The header is larger than %d octets", limit)
}

func errTooManyFields(limit int) *relay.Error {
	return relay.Refuse(552, relay.Enhanced{5, 3, 4}, "The header has more than %d fields", limit)
}

func errTwice(name string) *relay.Error {
	return relay.Refuse(550, relay.Enhanced{5, 6, 0}, "The header has more than one %s field", name)
}

func errNotOneMailbox(name string) *relay.Error {
	return relay.Refuse(550, relay.Enhanced{5, 7, 1}, "The field %s must hold exactly one address and no group", name)
}

// RFC 6532 §3.2: what is not ASCII in a header is UTF-8.
func errFieldNotUTF8(name string) *relay.Error {
	return relay.Refuse(550, relay.Enhanced{5, 6, 0}, "The field %s is not valid UTF-8; encode the name (RFC 2047)", name)
}

func errNotOneFrom(count int) *relay.Error {
	return relay.Refuse(550, relay.Enhanced{5, 7, 1}, "The header must have exactly one From field; it has %d", count)
}

// RFC 6531 §3.6: such a message needs the parameter SMTPUTF8.
func errNeedsSMTPUTF8(name string) *relay.Error {
	return relay.Refuse(550, relay.Enhanced{5, 6, 7}, "The address in %s needs SMTPUTF8", name)
}

// RFC 5321 §6.3: loops are found by counting Received fields.
func errLoop() *relay.Error {
	return relay.Refuse(554, relay.Enhanced{5, 4, 6}, "The message goes round in a loop")
}
