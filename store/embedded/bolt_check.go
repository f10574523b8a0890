package embedded

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"os"
)

// bbolt scans a file without a freelist when it opens it, in goroutines of its own:
// what is damaged there ends the program, and no recover reaches it. An index that can
// be made again would then keep relayd from starting. So a file is looked through
// before bbolt sees it, by the same rules: every page within the file, of the right
// kind and referred to once, and its keys in order.

// The layout of a bbolt file, version 2 (go.etcd.io/bbolt/internal/common).
const (
	boltMagic       = 0xED0CDAED
	boltVersion     = 2
	boltPageHeader  = 16 // id, flags, count, overflow
	boltMetaSize    = 64
	boltElement     = 16 // of branch and leaf pages
	boltBucketSize  = 16 // root page, sequence
	boltBranchPage  = 0x01
	boltLeafPage    = 0x02
	boltBucketEntry = 0x01
)

// boltCheck is the look through one file.
type boltCheck struct {
	file  *os.File
	page  int64  // octets of a page
	pages uint64 // in use, the first two among them
	seen  []bool
}

// checkBolt looks through a bbolt file that nobody writes to: ErrDamaged if bbolt must
// not open it. A file that is missing or empty is fine: bbolt makes it.
func checkBolt(name string) error {
	f, err := os.Open(name) //nolint:gosec // a file of the index
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // it was only read
	info, err := f.Stat()
	if err != nil || info.Size() == 0 {
		return err
	}
	c := &boltCheck{file: f}
	root, err := c.meta(info.Size())
	if err == nil {
		c.seen = make([]bool, c.pages)
		_, err = c.tree(root, nil, nil)
	}
	if err != nil {
		return fmt.Errorf("look through %s: %w", name, err)
	}
	return nil
}

// meta reads the newer of the two meta pages that is whole, and gives the root page.
func (c *boltCheck) meta(size int64) (root uint64, err error) {
	var newest []byte
	for _, at := range []int64{0, int64(os.Getpagesize())} {
		m := make([]byte, boltMetaSize)
		if _, err := c.file.ReadAt(m, at+boltPageHeader); err != nil || !isBoltMeta(m) {
			continue
		}
		if newest == nil || native(m[48:]) > native(newest[48:]) {
			newest = m
		}
	}
	if newest == nil {
		return 0, fmt.Errorf("no meta page is whole: %w", ErrDamaged)
	}
	c.page, c.pages = int64(binary.NativeEndian.Uint32(newest[8:])), native(newest[40:])
	if c.page < boltPageHeader+boltMetaSize || c.pages > uint64(size/c.page) { //nolint:gosec // a size is no less than 0
		return 0, fmt.Errorf("%d octets do not hold %d pages: %w", size, c.pages, ErrDamaged)
	}
	return native(newest[16:]), nil
}

// isBoltMeta: magic, version, page size, flags, root bucket, freelist, pages,
// transaction, checksum of all that.
func isBoltMeta(m []byte) bool {
	sum := fnv.New64a()
	sum.Write(m[:56]) //nolint:errcheck // never fails
	return binary.NativeEndian.Uint32(m) == boltMagic && binary.NativeEndian.Uint32(m[4:]) == boltVersion && native(m[56:]) == sum.Sum64()
}

func native(b []byte) uint64 { return binary.NativeEndian.Uint64(b) }

// tree looks at a page and all below it, and gives the last key. Keys are not less
// than least and less than limit; nil is no bound.
func (c *boltCheck) tree(id uint64, least, limit []byte) (last []byte, err error) {
	page, err := c.read(id)
	if err != nil {
		return nil, err
	}
	switch flags := binary.NativeEndian.Uint16(page[8:]); flags {
	case boltBranchPage:
		last, err = c.branch(page, least, limit)
	case boltLeafPage:
		last, err = c.leaf(page, least, limit)
	default:
		err = fmt.Errorf("a page of kind %x in a tree: %w", flags, ErrDamaged)
	}
	if err != nil {
		return nil, fmt.Errorf("page %d: %w", id, err)
	}
	return last, nil
}

// read reads a page with those that it goes on in, once.
func (c *boltCheck) read(id uint64) ([]byte, error) {
	header := make([]byte, boltPageHeader)
	if id < 2 || id >= c.pages {
		return nil, fmt.Errorf("page %d of %d: %w", id, c.pages, ErrDamaged)
	}
	if _, err := c.file.ReadAt(header, int64(id)*c.page); err != nil { //nolint:gosec // within the file
		return nil, err
	}
	more := uint64(binary.NativeEndian.Uint32(header[12:]))
	if native(header) != id || id+more >= c.pages {
		return nil, fmt.Errorf("page %d says that it is page %d with %d more: %w", id, native(header), more, ErrDamaged)
	}
	for i := id; i <= id+more; i++ {
		if c.seen[i] {
			return nil, fmt.Errorf("page %d is referred to twice: %w", i, ErrDamaged)
		}
		c.seen[i] = true
	}
	page := make([]byte, int64(1+more)*c.page)      //nolint:gosec // within the file
	_, err := c.file.ReadAt(page, int64(id)*c.page) //nolint:gosec // within the file
	return page, err
}

// branch: each element is position and size of its key, and a page.
func (c *boltCheck) branch(page, least, limit []byte) (last []byte, err error) {
	elements, err := elementsOf(page)
	for i := 0; err == nil && i < len(elements); i++ {
		e := elements[i]
		var key, next []byte
		if key, err = e.slice(e.number(0), e.number(4)); err != nil {
			return nil, err
		}
		if i+1 < len(elements) {
			if next, err = elements[i+1].slice(elements[i+1].number(0), elements[i+1].number(4)); err != nil {
				return nil, err
			}
		} else {
			next = limit
		}
		if err = inOrder(i, key, least, limit); err != nil {
			return nil, err
		}
		last, err = c.tree(native(e.rest[8:]), key, next)
		least = last
	}
	return last, err
}

// leaf: each element is flags, position of its key, and the sizes of key and value.
func (c *boltCheck) leaf(page, least, limit []byte) (last []byte, err error) {
	elements, err := elementsOf(page)
	for i := 0; err == nil && i < len(elements); i++ {
		e := elements[i]
		var both []byte
		if both, err = e.slice(e.number(4), e.number(8)+e.number(12)); err != nil {
			return nil, err
		}
		last = both[:e.number(8)]
		if err = inOrder(i, last, least, limit); err == nil && e.number(0)&boltBucketEntry != 0 {
			err = c.bucket(both[e.number(8):])
		}
		least = last
	}
	return last, err
}

// bucket is a tree of its own, or a small leaf page within the value.
func (c *boltCheck) bucket(value []byte) error {
	if len(value) < boltBucketSize {
		return fmt.Errorf("a bucket of %d octets: %w", len(value), ErrDamaged)
	}
	var err error
	if root := native(value); root != 0 {
		_, err = c.tree(root, nil, nil)
	} else {
		_, err = c.leaf(value[boltBucketSize:], nil, nil)
	}
	return err
}

// boltEntry is one element: the page from where it begins.
type boltEntry struct{ rest []byte }

func (e boltEntry) number(at int) int { return int(binary.NativeEndian.Uint32(e.rest[at:])) }

// slice gives a part of the page by its distance from the element.
func (e boltEntry) slice(from, size int) ([]byte, error) {
	if from > len(e.rest) || size > len(e.rest)-from {
		return nil, fmt.Errorf("an element lies outside of its page: %w", ErrDamaged)
	}
	return e.rest[from : from+size], nil
}

func elementsOf(page []byte) ([]boltEntry, error) {
	if len(page) < boltPageHeader {
		return nil, fmt.Errorf("a page of %d octets: %w", len(page), ErrDamaged)
	}
	count := int(binary.NativeEndian.Uint16(page[10:]))
	if boltPageHeader+count*boltElement > len(page) {
		return nil, fmt.Errorf("%d elements in a page of %d octets: %w", count, len(page), ErrDamaged)
	}
	elements := make([]boltEntry, count)
	for i := range elements {
		elements[i].rest = page[boltPageHeader+i*boltElement:]
	}
	return elements, nil
}

// inOrder: the first key is not less than the least one, the others are greater than
// the one before, and all are less than the limit.
func inOrder(i int, key, least, limit []byte) error {
	order := 1
	if least != nil {
		order = bytes.Compare(key, least)
	}
	if order < 0 || (order == 0 && i > 0) || (limit != nil && bytes.Compare(key, limit) >= 0) {
		return fmt.Errorf("key %x is out of order: %w", key, ErrDamaged)
	}
	return nil
}
