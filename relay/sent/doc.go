// Package sent files copies of sent mail into the sender's own mailbox, by IMAP.
//
// One filing:
//  1. if the provider files sent mail itself, give it time to do so;
//  2. take the account's session, or open one;
//  3. find the Sent folder, or make it;
//  4. search it by Message-ID: what is there already is not filed again, whoever
//     filed it;
//  5. APPEND the submitted message, its Bcc fields put back, as seen, with the date
//     of sending.
//
// A filing never changes what became of the message itself, and cannot cause that
// it is sent again (promise G5). It can be interrupted at any octet: the next try
// searches first. So there is one copy at the end, with one exception: a server
// that neither searches nor lists its newest messages.
//
// The same sessions serve two other steps: [Filer.Find] looks in Sent for a message
// whose outcome is unknown (promise G4), and [Filer.Deliver] puts a report into
// somebody's INBOX.
//
// Sessions belong to one account in one version of its credentials; they are used
// by one filing at a time and end when they were idle for a while.
package sent
