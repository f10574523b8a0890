// Package sent sees to the copies of sent mail in the sender's own mailbox.
//
// One filing:
//  1. what the account's owner chose goes first: no copy, or ours in any case. Else the
//     capability card says who files;
//  2. if the provider files sent mail itself, give it time to do so. An HTTP API always
//     files: its copy is looked for, and that is all;
//  3. take the account's session, or open one;
//  4. find the Sent folder, or make it;
//  5. search it by Message-ID, by the message's own and by the one that the provider's
//     answer named: what is there already is not filed again, whoever filed it;
//  6. APPEND the submitted message, its Bcc fields put back, as seen, with the date
//     of sending;
//  7. where the provider may file nevertheless, look again some minutes later: if its
//     own copy came, ours is taken out by its recorded UID, and the card learns of it.
//
// A filing never changes what became of the message itself, and cannot cause that
// it is sent again (promise G5). It can be interrupted at any octet: the next try
// searches first. So there is one copy at the end, with one exception: a server
// that neither searches nor lists its newest messages. Nothing is ever taken out but
// the one message that relayd put there, and nothing at all once its UID may mean
// another message.
//
// The same sessions serve two other steps: [Filer.Find] looks for a message whose
// outcome is unknown (promise G4), and [Filer.Deliver] puts a report into somebody's
// INBOX.
//
// Sessions belong to one account in one version of its credentials; they are used
// by one filing at a time and end when they were idle for a while.
package sent
