// Package ledger keeps the books of what each account has sent in the last minute,
// hour and day, so that relayd stays inside what the account's provider allows.
//
// One message:
//  1. Reserve asks whether it fits, and counts it if it does; else it tells how long
//     it takes until enough of what was counted is too old;
//  2. Cancel takes back what was not sent after all;
//  3. Exhausted is told when the provider finds that a limit is reached. If the books
//     can explain that, the ledger learns the limit, and says how long to wait.
//
// Nothing here refuses mail: limits are known badly, and providers change them on any
// day. A message waits, and at last it goes.
//
// The windows roll. Each is a ring of buckets, and a bucket counts until all of it is
// too old; so never more is sent within a window than was allowed, and a wait is
// longer than it must be by one bucket at most: 5 seconds of the minute, 5 minutes of
// the hour, 1 hour of the day. An account takes about 600 octets; one that was idle for
// a day takes none.
//
// A Keeper keeps the ledger on disk.
package ledger
