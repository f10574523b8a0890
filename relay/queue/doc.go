// Package queue is the conductor: it knows which message is next and takes each
// one through route, delivery, Sent copy and report. It is the only writer of a
// message's State.
//
// One task is one message in one lane:
//
//  1. A lane gathers what one account, one destination domain or one mailbox can
//     take; its trouble delays nobody else (promise G6). Within a lane submitters
//     take turns, and each one's oldest message goes first.
//  2. The task loads the message and asks the router anew, until the first final
//     dot has fixed the route. A hold is recorded and waits for its reason to go.
//  3. The deliverer of the route makes one attempt. Before the final dot leaves,
//     "dot sent" is recorded, so that a crash in between is known as an unknown
//     outcome (G4).
//  4. settle turns the answers into the next State: a pure function.
//  5. The State is recorded. What it asks for next becomes new tasks: a retry, a
//     Sent copy (G5), a report.
//
// In memory a waiting message costs one small task per lane; everything else is
// read from the store when its turn comes.
package queue
