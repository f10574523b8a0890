// Package embedded is the default engine: everything that relayd keeps, in one
// directory of one machine.
//
// The Queue has its truth in a journal (store/journal). The life of a message:
//  1. Put writes the content and the envelope as one record; a large body goes into a
//     file of its own first. One flush makes it durable, shared with whoever else waits;
//  2. Record writes each new state with the event that led to it, in the same way;
//  3. the state that is done retires the message: memory forgets it, and its content
//     is given up with the segment of the journal or with its file;
//  4. in the background an index (bbolt) follows the journal, for lists and timelines;
//     what is retired goes to the history, one file for each month;
//  5. old segments are used again, after what still lives in them was written again.
//
// Memory holds about 130 octets for each message that waits: where its records lie.
// All else is read from the journal when it is asked for. If the index is lost it is
// made again; the truth never depends on it.
//
// The Directory (organisations, users, accounts and so on) is a bbolt file of its own,
// read through a cache in memory.
package embedded
