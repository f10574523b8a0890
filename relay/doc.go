// Package relay is the vocabulary of relayd: the things that every step of a
// message's life speaks about. It holds types and pure functions only, imports
// nothing but the standard library, and knows no network and no disk.
//
// # The life of a message
//
//	1 listen        relay/smtpd     TLS, limits, SMTP grammar
//	2 authenticate  relay/auth      which submitter is this?
//	3 accept        relay/accept    may it send as this From? repair the header, hand it to the spool
//	4 spool         store           durable, then 250
//	5 route         relay/route     account | direct | hold, with the reason
//	6 deliver       relay/upstream  through the sender's own account
//	                relay/direct    by MX, DKIM-signed
//	7 copy to Sent  relay/sent      IMAP: search, then APPEND
//	8 report        relay/report    DSNs and delay notices
//
// The conductor, relay/queue, decides which message is next and takes it through
// steps 5 to 8. Beside the flow stand relay/account (connect, verify, park),
// relay/provider (what an answer means), relay/notice and relay/webhook (people and
// programs are told) and relay/admin (the HTTP API).
//
// A [Message] never changes once it is accepted; what happens to it is its
// [State], and every change of the state leaves one [Event] for the timeline.
// Steps never import each other: each declares the small interfaces that it
// needs, and cmd/relayd joins them in the order above.
package relay
