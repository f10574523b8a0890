package journal

import "fmt"

// Position is a place in the log.
type Position struct {
	Segment uint64
	Offset  uint32
}

// Before reports whether p is nearer to the beginning of the log than q.
func (p Position) Before(q Position) bool {
	return p.Segment < q.Segment || (p.Segment == q.Segment && p.Offset < q.Offset)
}

// Ref is where the payload of a record lies. The zero Ref lies nowhere.
type Ref struct {
	Segment        uint64
	Offset, Length uint32
}

// Item is a record that was read again. It is valid only during the call that it
// is given to.
type Item struct {
	ID       [16]byte
	Revision uint64
	Type     byte
	Ref      Ref // of the payload

	window *window
}

// Payload gives the first n octets of the payload, or all of it if n is negative or
// too large. They are valid until the next call.
func (it *Item) Payload(n int) ([]byte, error) {
	if n < 0 || n > int(it.Ref.Length) {
		n = int(it.Ref.Length)
	}
	b, err := it.window.get(int64(it.Ref.Offset), n)
	if err != nil {
		return nil, fmt.Errorf("payload of segment %d: %w", it.Ref.Segment, err)
	}
	return b, nil
}
