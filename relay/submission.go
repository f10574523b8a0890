package relay

import "net/netip"

// Client is who is at the other end of a submission connection.
type Client struct {
	Addr     netip.AddrPort
	Hello    string // the argument of EHLO or HELO, already checked for form
	Listener string // the configured name of the listener
	TLS      string // version and cipher suite; empty in clear
}

// Submission is a transaction that an authenticated client completed up to the
// content: what step 1 and 2 know, for step 3.
type Submission struct {
	Client    Client
	Submitter *Submitter
	Protocol  string // "ESMTPSA" and so on (RFC 3848)
	Envelope  Envelope
}

// Explanation tells what would happen to a message, and why (relayd explain). The
// same code decides it that decides real messages.
type Explanation struct {
	Allowed bool     // the submitter may send as this address
	Refusal string   // if not: what the client would be told
	User    string   // id of the user of From; empty if there is none
	Account string   // id of the account of From; empty if there is none
	Route   Route    //
	Lanes   []string // where the message would wait, by recipient
	Steps   []string // each rule that was looked at, in order, in plain words
}
