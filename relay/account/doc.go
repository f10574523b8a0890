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
//  1. the servers, where nobody has chosen any: they are found from the address;
//  2. each way of the account's ladder: connection, certificate, sign-in, and whether it
//     takes the address as sender. A way that the provider does not let be used is
//     passed over while another one is left;
//  3. the server for reading: connection, certificate, sign-in, Sent folder;
//  4. a mail of the account to itself by each way, found again in any folder by a token
//     that only we know; whether From and Message-ID arrived as they were sent, whether
//     the provider filed a copy in Sent by itself, and if not, whether we may;
//  5. those mails and their copies are removed again, they alone, and what was found is
//     written into the account's card.
//
// Whatever is wrong is said in plain words, with the setting to change.
//
// An account that works is never changed under its mail: new settings, a new password
// or new consent are its Candidate, tried beside what is in force (Save), and take its
// place only when they are proved. Another address of the account, an alias, has a
// proof of its own (VerifyAlias).
//
// A parked account is tried again without a person, by one sign-in each time
// (Run): providers lock accounts after failed sign-ins, so never more often than
// Options.RetryEvery. A way that stops working alone is stepped down from (StepDown).
//
// Where one secret of an application opens every mailbox of a company, a sign-in proves
// nothing about whose mailbox it is: the address must be bound to its user first (Bind).
//
// Passwords are sealed before they reach the directory, and no record that leaves
// this package has one, except by Credentials.
package account
