// Package journal is the durable log of the queue: opaque records, appended in
// order, each acknowledged when it would survive a power cut.
//
// The log is a row of segments, files of one size that are written with zeros when
// they are made, so that an append changes no metadata and a full disk is noticed
// before it matters. The life of a record:
//  1. a caller enqueues it, and waits;
//  2. one goroutine takes whatever waits, makes one group of it, writes the group
//     with one call at the next free block, flushes once and wakes the callers;
//  3. after a start the record is read again (replay), and verified;
//  4. when its segment is the oldest, the owner of the log writes what still counts
//     again at the head, and releases the segment, which is used again.
//
// What makes it safe:
//
//   - Generation. Each use of a segment gets 128 random bits. They stand in every
//     header and are part of every checksum. A segment that is used again is full of
//     bytes that clients chose; nobody outside can make them read as records.
//   - Groups begin at blocks of their own, so that a write never touches bytes that
//     were durable before it.
//   - Torn or corrupt. A group says up to where the log was durable when it was
//     written. What does not read below that mark is damage: it is reported and
//     everything else goes on. The last group, above it, is taken whole or, being the
//     torn tail of a crash, not at all. Disks write unflushed sectors in any order.
//   - The tail of an earlier run may have been read from memory that never reached
//     the disk: its records are written again at each start.
//   - A segment is never continued after a start, and its end stands in the header
//     of the next.
//   - A flush that failed is final: everything is refused from then on (ErrUnknown).
//   - Room. Some segments are held back, so that the outcome of an attempt can be noted
//     on a full disk, and the last of them so that the log can always be recycled.
package journal
