package embedded

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"path"
	"strings"

	"github.com/relayd/relayd/internal/safeio"
	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
)

// The directories of bodies that have a file of their own.
const (
	bodyDir       = "bodies"
	quarantineDir = "quarantine"
	bodySuffix    = ".body"
)

func bodyName(id relay.ID) string { return path.Join(bodyDir, id.String()+bodySuffix) }

// spooled is content that was read: in memory, or in a file without its final name.
type spooled struct {
	queue  *Queue
	buffer *buffer
	file   string // empty if the content is in memory
	size   int64
	sum    uint32
}

func (s *spooled) inFile() bool { return s.file != "" }

func (s *spooled) inline() []byte {
	if s.inFile() {
		return nil
	}
	return s.buffer.b
}

// free gives the buffer back, and removes the file if it never got its name.
func (s *spooled) free() {
	if s.buffer != nil {
		s.queue.buffers.put(s.buffer)
	}
	if s.file != "" {
		s.queue.fs.Remove(s.file) //nolint:errcheck // usually it is gone; a remainder is removed at start
	}
}

// spool reads content to its end, whatever size was announced.
func (q *Queue) spool(content io.Reader) (*spooled, error) {
	s := &spooled{queue: q, buffer: q.buffers.get()}
	err := s.buffer.readUpTo(content, q.opt.InlineBody)
	switch {
	case errors.Is(err, io.EOF):
		s.size, s.sum = int64(len(s.buffer.b)), crc32.Checksum(s.buffer.b, castagnoli)
		return s, nil
	case err != nil:
		s.free()
		return nil, fmt.Errorf("read content: %w", err)
	}
	err = q.spoolFile(s, io.MultiReader(bytes.NewReader(s.buffer.b), content))
	q.buffers.put(s.buffer)
	s.buffer = nil
	if err != nil {
		s.free()
		return nil, err
	}
	return s, nil
}

// spoolFile writes a large body into a file that has not its final name yet.
func (q *Queue) spoolFile(s *spooled, content io.Reader) error {
	var name [12]byte
	rand.Read(name[:]) //nolint:errcheck // never fails since Go 1.24
	s.file = path.Join(bodyDir, hex.EncodeToString(name[:])+safeio.UnfinishedSuffix)
	meter := &meter{r: content, queue: q}
	n, err := safeio.Spool(q.fs, s.file, meter)
	if err != nil {
		return q.spoolError(err)
	}
	s.size, s.sum = n, meter.sum
	return nil
}

// spoolError tells a fault of the disk from one of the content. A failed flush is
// final: the system may have lost other writes with it.
func (q *Queue) spoolError(err error) error {
	var flush *safeio.FlushError
	if errors.As(err, &flush) && !safeio.IsFull(err) {
		return q.journal.Fail(err)
	}
	return fullOr("spool body", err)
}

// fullOr turns a lack of room into ErrFull. The flush of a body file may fail for it
// as well, and leaves nothing unknown: no record refers to the file yet.
func fullOr(step string, err error) error {
	if safeio.IsFull(err) {
		return fmt.Errorf("%s: %w: %w", step, store.ErrFull, err)
	}
	return fmt.Errorf("%s: %w", step, err)
}

// publishBody gives the file of a message its final name, durably. If the flush of
// the directory fails, other names in it are in doubt as well: that is final.
func (q *Queue) publishBody(p *arrival) error {
	name := bodyName(p.message.ID)
	err := safeio.Publish(q.fs, p.body.file, name)
	var flush *safeio.FlushError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &flush):
		return q.journal.Fail(err)
	}
	return fullOr("name body file", err)
}

// meter sums up what passes, and stops it when there is no more room.
type meter struct {
	r     io.Reader
	queue *Queue
	n     int64
	sum   uint32
}

func (m *meter) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	m.n += int64(n)
	m.sum = crc32.Update(m.sum, castagnoli, p[:n])
	if err != nil {
		return n, err
	}
	m.queue.mu.Lock()
	defer m.queue.mu.Unlock()
	return n, m.queue.within(m.n)
}

// sweep removes body files to which no record refers: what a crash left between the
// body and its record. If any record was set aside they are kept for a person, for
// one of them may be all that is left of a message.
func (q *Queue) sweep(damaged bool) error {
	names, err := q.fs.List(bodyDir)
	if err != nil {
		return fmt.Errorf("list bodies: %w", err)
	}
	for _, name := range names {
		id, err := relay.ParseID(strings.TrimSuffix(name, bodySuffix))
		e := q.live[id]
		if err == nil && e != nil && e.inFile {
			continue
		}
		if err := q.orphan(name, damaged && !safeio.Unfinished(name)); err != nil {
			return err
		}
	}
	return nil
}

func (q *Queue) orphan(name string, keep bool) error {
	from := path.Join(bodyDir, name)
	if !keep {
		return q.fs.Remove(from)
	}
	if err := q.fs.Mkdir(quarantineDir); err != nil {
		return err
	}
	q.opt.Log.Warn("body file without a record set aside", "file", name)
	return q.fs.Rename(from, path.Join(quarantineDir, name))
}
