// Package simulator is a mail provider on loopback, for the demonstration, for
// trying relayd out and for tests.
//
// It offers what a provider offers to a mail program: submission over SMTP (587
// with STARTTLS, 465 with implicit TLS), mailboxes over IMAP (143 with STARTTLS, 993
// with implicit TLS), and over HTTPS an OAuth authorisation server (oauthsim), the
// mail of Microsoft Graph (graphsim) and of the Gmail API (gmailsim), Exchange's web
// services where the personality has them (exchange), and its own administration; on
// ports of the caller's choice. All of them share the accounts and mailboxes: mail to
// one of its own addresses lands in that INBOX; all other mail goes to the Forward
// function, or only into the outbox. It signs its certificate with an authority that is
// thrown away with it; Roots and RootPEM are what a client has to trust.
//
// A message on its way:
//  1. its sender signs in, with a password or a token (sasl.go, accounts.go);
//  2. the session or the web service takes it, unless the personality or the
//     account's limit refuses (submission.go, api.go, ewsmail.go);
//  3. its header is changed as the provider changes it (header.go);
//  4. a copy goes into Sent, at once, late or never (post.go);
//  5. it is put into the INBOXes of the recipients, or sent on.
//
// How a provider behaves is its [Personality]: what it takes for a sign-in, whether it
// files sent mail itself, what its folders are called, what it says when it refuses.
// [Gmail], [Office365] and others are ready. What goes wrong is a [Fault], injected
// while it runs: a refusal at a certain place, a pause, or a connection that breaks
// there, so many times.
//
// [StartMX] is the other side of the world: a receiving mail server without
// accounts that keeps what it is given.
//
// Everything is in memory and listens on loopback addresses only.
package simulator
