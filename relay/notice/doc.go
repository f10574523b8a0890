// Package notice tells people what only they can mend: that an account broke, that
// one is to be connected, and which code binds an address.
//
// A notice is a mail of relayd's own. It becomes a message of the queue
// (relay.KindNotice) with the null return path, so it goes the direct way and is as
// durable as every other mail.
//
// The owner of a parked account, once for each trouble:
//  1. read the account again: if it works by now, or the owner was told, nothing is
//     to be done;
//  2. make the link to mend it, durably, under an ID that follows from account and
//     trouble;
//  3. put the mail into the queue, durably, under an ID that does so as well;
//  4. note in the account that its owner was told (Account.Told), durably.
//
// A crash anywhere in between neither loses the mail nor sends a second one:
//
//	after 1   the next look finds an account that nobody was told of: all of it again
//	after 2   the same link is found and goes into the mail
//	after 3   the queue knows the mail (store.ErrExists): only 4 is left
//	after 4   nothing is left
//
// The administrators of an organisation, after Policy.TellAfter and at most once in
// a day: one mail with all accounts that are in trouble. Its moment follows from
// the accounts alone (see plan), and so do its ID and the accounts that it lists: a
// crash between the mail and any of the notes changes neither.
//
// Run does the waiting. What it acts on is the accounts as they are stored: on its
// start and every Options.Look. The methods that hear of changes only make it quick.
//
// [Links] are one-time links: whoever has one may do one thing to one account.
// [Service.Calendar] is what will expire, from sources that know.
//
//	links.go, code.go                one-time links and codes
//	service.go, options.go           the Service and its Run
//	owner.go, administrators.go      accounts in trouble
//	invite.go                        codes and invitations
//	letter.go, words.go              how a notice is written
//	calendar.go, expiring.go         what will expire
package notice
