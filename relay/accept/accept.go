// Package accept decides whether a submitted message may be sent, repairs its
// header and hands it to the spool.
//
// One message:
//  1. the header block is read, within limits, and cut into fields (header.go);
//     the body is never looked at;
//  2. the envelope sender and the one mailbox of the one From field must both be
//     addresses that the submitter may use (identity.go, promise G9);
//  3. loops are cut (received.go);
//  4. the header is repaired: a Received field in front, Bcc, Return-Path and claims
//     in our name removed, Date and Message-ID added where they are missing, the
//     display name that the user chose; all other fields byte for byte (repair.go);
//  5. header and body stream into the spool in one pass, which takes the hash and
//     the size on the way (stream.go); when that returns, the message is durable.
//
// A refusal is a *relay.Error. Everything else is a fault of ours and temporary
// (promise G2). An error of the content's own reader is passed on as it is.
package accept

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
)

// The defaults of Options.
const (
	DefaultMaxHeaderBytes  = 256 << 10 // Postfix: header_size_limit 102,400; some list and tracing headers are longer
	DefaultMaxHeaderFields = 1000
	DefaultMaxHeaderLine   = 32 << 10 // a thousand recipients that were not folded; RFC 5322 §2.1.1 asks for 998
	DefaultMaxReceived     = 50       // Postfix: hopcount_limit; RFC 5321 §6.3 asks for at least 100 only where loops are not found otherwise
	DefaultMaxPasses       = 3        // a message that was here so often goes round
)

// Spool is where an accepted message becomes durable: part of store.Queue, with its
// promises.
type Spool interface {
	Put(ctx context.Context, m *relay.Message, key func() relay.SubmissionKey, content io.Reader) (relay.ID, error)
	Acknowledged(id relay.ID)
	Usage() store.Usage
}

// Directory is where the facts about senders come from. Look-ups are answered from
// memory; store.ErrNotFound means that there is no such record.
type Directory interface {
	Organisations() store.Table[relay.Organisation]
	OrganisationOf(ctx context.Context, domain string) (*relay.Organisation, error)
	UserByAddress(ctx context.Context, a relay.Address) (*relay.User, error)
	AccountByAddress(ctx context.Context, a relay.Address) (*relay.Account, error)
}

// Options is what New needs. Spool, Directory, Hostname and LoopKey are required; a
// zero limit means the default.
type Options struct {
	Spool     Spool
	Directory Directory
	Hostname  string // our name in Received and Authentication-Results
	LoopKey   []byte // proves that a Received field is our own

	ShowClient bool // the client's address stands in Received

	MaxHeaderBytes  int
	MaxHeaderFields int
	MaxHeaderLine   int // octets without CR LF
	MaxReceived     int // Received fields that a message may bring along
	MaxPasses       int // of these, how many may be our own

	// What Room looks at when a transaction begins. A zero limit means that only the
	// spool decides, when the message is there.
	MaxMessages int64                 // in the queue
	MaxBytes    int64                 // in the queue
	FreeDisk    func() (int64, error) // octets free on the disk of the queue; may be nil
	MinFreeDisk int64                 // octets that stay free beside the message

	// Accepted and Repeated hear of messages that are durable; they may be nil and
	// must not block. wait is the time since the last octet of the content came.
	Accepted func(c relay.Client, m *relay.Message, wait time.Duration)
	Repeated func(c relay.Client, first relay.ID)
}

// Acceptor takes submitted messages. It may be used concurrently.
type Acceptor struct {
	Options
	buffers sync.Pool // of *[]byte, for header blocks
}

// New makes an Acceptor.
func New(o Options) (*Acceptor, error) {
	if o.Spool == nil || o.Directory == nil || o.Hostname == "" || len(o.LoopKey) == 0 {
		return nil, errors.New("accept: spool, directory, host name and loop key are required")
	}
	for _, limit := range []struct {
		value *int
		def   int
	}{
		{&o.MaxHeaderBytes, DefaultMaxHeaderBytes}, {&o.MaxHeaderFields, DefaultMaxHeaderFields},
		{&o.MaxHeaderLine, DefaultMaxHeaderLine}, {&o.MaxReceived, DefaultMaxReceived}, {&o.MaxPasses, DefaultMaxPasses},
	} {
		if *limit.value == 0 {
			*limit.value = limit.def
		}
	}
	return &Acceptor{Options: o, buffers: sync.Pool{New: newBuffer}}, nil
}

// Sender answers whether the submitter may use this envelope sender; it is asked at
// MAIL, before the client sends anything else.
func (a *Acceptor) Sender(ctx context.Context, s *relay.Submitter, from relay.Address) error {
	return a.claims(s).hold(ctx, from)
}

// Room answers whether a message of this size may come; 0 means that the client
// did not say. The spool decides again when it is there.
func (a *Acceptor) Room(ctx context.Context, size int64) error {
	if err := ctx.Err(); err != nil {
		return relay.Fault(err)
	}
	usage := a.Spool.Usage()
	if a.MaxMessages > 0 && usage.Messages >= a.MaxMessages {
		return noRoom(fmt.Errorf("%w: %d messages wait", store.ErrFull, usage.Messages))
	}
	// Compared in this way nothing can overflow, whatever the client announces.
	if a.MaxBytes > 0 && (usage.Bytes >= a.MaxBytes || size > a.MaxBytes-usage.Bytes) {
		return noRoom(fmt.Errorf("%w: %d octets wait", store.ErrFull, usage.Bytes))
	}
	return a.roomOnDisk(size)
}

// roomOnDisk refuses early what the disk cannot take (attack row R7). If the disk
// cannot be asked, the spool decides.
func (a *Acceptor) roomOnDisk(size int64) error {
	if a.FreeDisk == nil {
		return nil
	}
	if free, err := a.FreeDisk(); err == nil && size > free-a.MinFreeDisk {
		return noRoom(fmt.Errorf("%w: %d octets are free on the disk", store.ErrFull, free))
	}
	return nil
}

// Acknowledged notes that the client saw the 250 for id.
func (a *Acceptor) Acknowledged(id relay.ID) { a.Spool.Acknowledged(id) }

// Accept takes the content of a transaction. With a nil error the message is
// durable and has the ID returned, which for a repeated submission is that of the
// first one. After an error content may be read in part only.
func (a *Acceptor) Accept(ctx context.Context, sub *relay.Submission, content io.Reader) (relay.ID, error) {
	buffer := a.buffers.Get().(*[]byte)
	defer a.buffers.Put(buffer)
	head, err := a.readHeader(buffer, content)
	if err != nil {
		return relay.ID{}, err
	}
	m := newMessage(sub)
	if err := a.admit(ctx, sub, head, m); err != nil {
		return relay.ID{}, err
	}
	repaired, err := a.repair(ctx, sub, head, m)
	if err != nil {
		return relay.ID{}, err
	}
	s := newStream(m, head, repaired, content)
	id, err := a.spool(ctx, m, head, s)
	if err == nil {
		a.tell(sub.Client, m, id, s)
	}
	return id, err
}

// tell passes on what became of a message.
func (a *Acceptor) tell(c relay.Client, m *relay.Message, id relay.ID, s *stream) {
	switch {
	case id != m.ID && a.Repeated != nil:
		a.Repeated(c, id)
	case id == m.ID && a.Accepted != nil:
		a.Accepted(c, m, time.Since(s.ended))
	}
}

func newMessage(sub *relay.Submission) *relay.Message {
	now := time.Now()
	m := &relay.Message{
		ID:           relay.NewID(now),
		Kind:         relay.KindSubmission,
		Accepted:     now,
		Submitter:    sub.Submitter.ID,
		Organisation: sub.Submitter.Organisation,
		Protocol:     sub.Protocol,
		Envelope:     sub.Envelope,
	}
	m.Envelope.Recipients = mergeRecipients(sub.Envelope.Recipients)
	return m
}

// admit makes every decision that can refuse the message.
func (a *Acceptor) admit(ctx context.Context, sub *relay.Submission, head *header, m *relay.Message) (err error) {
	if err := head.checkSingle(); err != nil {
		return err
	}
	if err := a.checkLoop(head); err != nil {
		return err
	}
	m.From, err = a.checkIdentity(ctx, sub, head)
	return err
}

// spool hands the message over. Put reads the stream to its end before it looks at
// what the stream puts into m.
func (a *Acceptor) spool(ctx context.Context, m *relay.Message, head *header, s *stream) (relay.ID, error) {
	var key func() relay.SubmissionKey
	// Without a Message-ID of the client, two equal messages may be meant as two.
	if head.messageID() != "" {
		key = func() relay.SubmissionKey { return submissionKey(m) }
	}
	id, err := a.Spool.Put(ctx, m, key, s)
	switch {
	case err == nil:
		return id, nil
	case errors.Is(err, store.ErrUnknown): // worse than anything else that went wrong with it
	case s.failed != nil:
		return relay.ID{}, fmt.Errorf("accept message %s: %w", m.ID, s.failed)
	case errors.Is(err, store.ErrFull):
		return relay.ID{}, noRoom(fmt.Errorf("spool message %s: %w", m.ID, err))
	}
	return relay.ID{}, relay.Fault(fmt.Errorf("spool message %s: %w", m.ID, err))
}

// noRoom is the answer when the message does not fit now (promise G2).
func noRoom(cause error) *relay.Error {
	err := relay.Refuse(452, relay.Enhanced{4, 3, 1}, "Insufficient storage, please try again later")
	err.Cause = cause
	return err
}
