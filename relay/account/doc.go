// Package account keeps people's mail accounts: it makes and changes them, proves
// them, and knows whether they work.
//
// The states of an account:
//
//	unverified ──Verify──▶ verified ◀──Recover── degraded
//	                        │   ▲  └──Degrade────▶ (sends, but cannot file copies)
//	                     Park   │
//	                        ▼   sign-in works again, or Verify
//	                       parked (its mail is held)
//
// A verification (Verify) measures, step by step:
//  1. the server for sending: connection, certificate, sign-in, and whether it takes
//     the address as sender;
//  2. the server for reading: connection, certificate, sign-in, Sent folder;
//  3. a mail of the account to itself, found again in any folder by a token that
//     only we know; whether From and Message-ID arrived as they were sent, and
//     whether the provider filed a copy in Sent by itself;
//  4. that mail and its copy are removed again, they alone, and what was found is
//     written into the account's card.
//
// Whatever is wrong is said in plain words, with the setting to change.
//
// A parked account is tried again without a person, by one sign-in each time
// (Run): providers lock accounts after failed sign-ins, so never more often than
// Options.RetryEvery.
//
// Passwords are sealed before they reach the directory, and no record that leaves
// this package has one, except by Credentials.
package account
