package ledger

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
)

// ErrBadSnapshot means that a snapshot is damaged, or not one of this version. The
// ledger is as it was before.
var ErrBadSnapshot = errors.New("not a snapshot of the ledger")

// A snapshot is
//
//	"relayd ledger" and the version, one octet
//	the accounts: their number, then each: id, last, and for every window the learned
//	limit (at, value, kind), the number of its newest bucket, how many buckets count
//	something, and each of those: how many buckets back, messages, recipients
//	CRC-32C of all that, 4 octets, big endian
//
// Numbers are unsigned varints, a text is its length and its octets.
const (
	magic   = "relayd ledger"
	version = 1

	// maxSnapshot bounds what is read: 100,000 accounts that send at all hours.
	maxSnapshot = 64 << 20
	maxID       = 256
)

func checksum(p []byte) []byte {
	return binary.BigEndian.AppendUint32(nil, crc32.Checksum(p, crc32.MakeTable(crc32.Castagnoli)))
}

// Save writes everything that the ledger knows.
func (l *Ledger) Save(w io.Writer) error {
	p, _ := l.snapshot()
	if _, err := w.Write(p); err != nil {
		return fmt.Errorf("write the ledger: %w", err)
	}
	return nil
}

// snapshot gives the octets of a snapshot, and the count of changes that it has seen.
func (l *Ledger) snapshot() ([]byte, uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := append([]byte(magic), version)
	p = binary.AppendUvarint(p, uint64(len(l.accounts)))
	for id, a := range l.accounts {
		p = binary.AppendUvarint(p, uint64(len(id)))
		p = append(p, id...)
		p = a.append(p)
	}
	return append(p, checksum(p)...), l.changes
}

func (a *account) append(p []byte) []byte {
	none := books{}
	b := a.books
	if b == nil {
		b = &none
	}
	p = appendTime(p, a.last)
	for w := range Window(windows) {
		learned := &a.learned[w]
		p = appendTime(p, learned.at)
		p = binary.AppendUvarint(p, uint64(learned.value))
		p = append(p, byte(learned.kind))
		p = appendTime(p, b.newest[w])
		filled := len(p)
		p = append(p, 0) // at most 25
		for back := range shapeOf(w).buckets + 1 {
			bucket := *b.bucketOf(w, back)
			if bucket[messages]|bucket[recipients] == 0 {
				continue
			}
			p[filled]++
			p = append(p, byte(back)) //nolint:gosec // at most 24
			p = binary.AppendUvarint(p, uint64(bucket[messages]))
			p = binary.AppendUvarint(p, uint64(bucket[recipients]))
		}
	}
	return p
}

// appendTime writes a number of seconds or buckets since 1970; none is before that.
func appendTime(p []byte, n int64) []byte {
	return binary.AppendUvarint(p, uint64(max(n, 0))) //nolint:gosec // not negative
}

// Load puts a snapshot in the place of what the ledger knows. The error is
// ErrBadSnapshot, or that of r.
func (l *Ledger) Load(r io.Reader) error {
	p, err := io.ReadAll(io.LimitReader(r, maxSnapshot+1))
	if err != nil {
		return fmt.Errorf("read the ledger: %w", err)
	}
	accounts, err := parse(p)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.accounts = accounts
	l.changes++
	return nil
}

func parse(p []byte) (map[string]*account, error) {
	const head, tail = len(magic) + 1, 4
	body := len(p) - tail
	switch {
	case len(p) > maxSnapshot || body < head || string(p[:len(magic)]) != magic:
		return nil, ErrBadSnapshot
	case p[len(magic)] != version:
		return nil, fmt.Errorf("%w: version %d", ErrBadSnapshot, p[len(magic)])
	case !bytes.Equal(checksum(p[:body]), p[body:]):
		return nil, fmt.Errorf("%w: the checksum is wrong", ErrBadSnapshot)
	}
	d := decoder{r: bytes.NewReader(p[head:body])}
	accounts := make(map[string]*account)
	for n := d.number(maxSnapshot); n > 0 && d.err == nil; n-- {
		id := d.text()
		accounts[id] = d.account()
	}
	if d.err == nil && d.r.Len() > 0 {
		d.err = errors.New("more than it says")
	}
	if d.err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadSnapshot, d.err)
	}
	return accounts, nil
}

// decoder reads the fields of a snapshot. After an error it reads nothing but zeros.
type decoder struct {
	r   *bytes.Reader
	err error
}

var errNumber = errors.New("a number is too large")

func (d *decoder) number(most uint64) uint64 {
	if d.err != nil {
		return 0
	}
	n, err := binary.ReadUvarint(d.r)
	if err == nil && n > most {
		err = errNumber
	}
	if err != nil {
		d.err = err
		return 0
	}
	return n
}

// counter reads what a bucket holds.
func (d *decoder) counter() uint32 { return uint32(d.number(1<<32 - 1)) } //nolint:gosec // bounded here

// time reads a number of seconds or buckets since 1970.
func (d *decoder) time() int64 { return int64(d.number(1 << 40)) } //nolint:gosec // bounded here

func (d *decoder) text() string {
	p := make([]byte, d.number(maxID))
	if d.err == nil {
		_, d.err = io.ReadFull(d.r, p)
	}
	return string(p)
}

func (d *decoder) account() *account {
	a := &account{books: &books{}, last: d.time()}
	for w := range Window(windows) {
		a.learned[w] = learned{at: d.time(), value: d.counter(), kind: kind(d.number(kinds - 1))} //nolint:gosec // bounded here
		a.books.newest[w] = d.time()
		most := uint64(shapeOf(w).buckets) //nolint:gosec // at most 24
		for n := d.number(most + 1); n > 0 && d.err == nil; n-- {
			back := int(d.number(most)) //nolint:gosec // bounded here
			*a.books.bucketOf(w, back) = bucket{d.counter(), d.counter()}
		}
	}
	if slices.Max(a.books.newest[:]) == 0 {
		a.books = nil
	}
	return a
}
