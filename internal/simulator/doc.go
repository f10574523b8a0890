// Package simulator is a mail provider on loopback, for the demonstration, for
// trying relayd out and for tests.
//
// It offers what a provider offers to a mail program: submission over SMTP (587
// with STARTTLS, 465 with implicit TLS, AUTH PLAIN and LOGIN) and mailboxes over
// IMAP (143 with STARTTLS, 993 with implicit TLS), on ports of the caller's choice.
// Both halves share the mailboxes: mail to one of its own addresses lands in that
// INBOX; all other mail goes to the Forward function, or only into the outbox.
// It signs its certificate with an authority that is thrown away with it; Roots and
// RootPEM are what a client has to trust.
//
// How a provider behaves is its Personality: whether it files sent mail itself,
// what its folders are called, whether it announces their use. What goes wrong is a
// [Fault], injected while it runs: a refusal at a certain place, or a connection
// that breaks there, so many times.
//
// [StartMX] is the other side of the world: a receiving mail server without
// accounts that keeps what it is given.
//
// Everything is in memory and listens on loopback addresses only.
package simulator
