package mailbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/emersion/go-imap/v2"
)

// Upload is a message that is put into a folder.
type Upload struct {
	Size    int64     // exactly as many octets as Content has
	Content io.Reader // lines ended by CR LF; read as it is sent, never kept
	Date    time.Time // its internal date
	Seen    bool
	// Before, if set, is called when the message can be sent and nothing of it has
	// left. After an error nothing of it leaves, and Append returns that error.
	Before func(ctx context.Context) error
}

// copyBuffer is how much of a message is in memory while it is sent.
const copyBuffer = 32 << 10

// errShort means that the content ended before the announced size.
var errShort = errors.New("the message ended early")

// AppendLimit is how many octets the server takes in one APPEND (RFC 7889); 0 if it
// does not tell.
func (m *Mailbox) AppendLimit() int64 {
	if limit, ok := m.caps.AppendLimit(); ok && limit != nil {
		return int64(*limit)
	}
	return 0
}

// Place is where one message lies. Its UID means that message only as long as the
// folder has this UIDVALIDITY (RFC 9051 §2.3.1.1).
type Place struct {
	Folder   string
	UID      uint32 // 0 if it is not known
	Validity uint32
}

// Append puts a message into a folder, as Put does, and gives its UID.
func (m *Mailbox) Append(ctx context.Context, folder string, u Upload) (uid uint32, err error) {
	place, err := m.Put(ctx, folder, u)
	return place.UID, err
}

// Put puts a message into a folder. UID and UIDVALIDITY are 0 if the server does not
// tell them (RFC 4315 §3). After an *Error without a Status it is not known whether
// the message was stored: look before it is sent again.
func (m *Mailbox) Put(ctx context.Context, folder string, u Upload) (Place, error) {
	if !sendable(folder) {
		return Place{}, failure(StepAppend, ErrBadValue)
	}
	if limit, ok := m.caps.AppendLimit(); ok && limit != nil && u.Size > int64(*limit) { // RFC 7889 §3
		return Place{}, &Error{Step: StepAppend, Status: "NO", Code: string(imap.ResponseCodeTooBig),
			Text: fmt.Sprintf("the server takes at most %d octets", *limit), Err: ErrTooBig}
	}
	if u.Before != nil {
		if err := u.Before(ctx); err != nil {
			return Place{}, err
		}
	}
	var stored *imap.AppendData
	err := m.do(ctx, operation{step: StepAppend, upload: u.Size}, func() (err error) {
		stored, err = m.upload(folder, u)
		return err
	})
	if err != nil {
		return Place{}, err
	}
	return Place{Folder: folder, UID: uint32(stored.UID), Validity: stored.UIDValidity}, nil
}

// upload streams the content behind the command. If the content fails, the
// connection must end: the server waits for the rest of what was announced.
func (m *Mailbox) upload(folder string, u Upload) (*imap.AppendData, error) {
	options := &imap.AppendOptions{Time: u.Date}
	if u.Seen {
		options.Flags = []imap.Flag{imap.FlagSeen}
	}
	command := m.client.Append(folder, u.Size, options)
	source := &lineChecker{r: io.LimitReader(u.Content, u.Size)}
	n, err := io.CopyBuffer(onlyWriter{command}, source, make([]byte, copyBuffer))
	if err == nil && n < u.Size {
		source.err = errShort
	}
	if source.err != nil {
		m.wire.end(source.err)
	} else if err != nil {
		// Refused before the content was sent: go-imap closes the connection then.
		m.wire.note(err)
	}
	command.Close() //nolint:errcheck // Wait tells more
	stored, waited := command.Wait()
	if source.err != nil {
		return nil, source.err
	}
	return stored, waited
}

// onlyWriter hides other methods of a writer from io.CopyBuffer.
type onlyWriter struct{ io.Writer }

// lineChecker passes on what it reads and fails with ErrBadContent at the first
// CR without LF, LF without CR, or NUL: nothing that leaves relayd has one.
type lineChecker struct {
	r   io.Reader
	cr  bool // the last octet was a CR
	err error
}

// Read checks what it gives, before it gives it.
func (c *lineChecker) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	if !c.clean(p[:n]) || (errors.Is(err, io.EOF) && c.cr) {
		err = ErrBadContent
	}
	if err != nil && !errors.Is(err, io.EOF) {
		c.err = err
		return 0, err
	}
	return n, err
}

// clean looks for the three octets with the fast search of bytes.
func (c *lineChecker) clean(p []byte) bool {
	if bytes.IndexByte(p, 0) >= 0 {
		return false
	}
	for len(p) > 0 {
		if c.cr {
			if p[0] != '\n' {
				return false
			}
			c.cr, p = false, p[1:]
			continue
		}
		cr := bytes.IndexByte(p, '\r')
		if cr < 0 {
			return bytes.IndexByte(p, '\n') < 0
		}
		if bytes.IndexByte(p[:cr], '\n') >= 0 {
			return false
		}
		c.cr, p = true, p[cr+1:]
	}
	return true
}
