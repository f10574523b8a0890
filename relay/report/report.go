// Package report tells the sender of a message what became of it, by a delivery
// status notification (RFC 3464) to the return path.
//
// One report:
//  1. decide who is due: never a report about a report, never one to the null
//     return path, and of the recipients only those whose NOTIFY asks for it (RFC
//     3461 §6);
//  2. write three parts: the news in plain words, the same for programs, and the
//     header (or the content) of the message;
//  3. put it into the queue under an ID that follows from the message's own, so
//     that a crash in between cannot make the same report twice.
//
// Reports cannot flood anybody: only an authenticated submitter's own return path
// gets them, at most one of each kind about a recipient, and their size is bounded.
// A report says only what a peer answered, already bounded, or one of our own
// fixed sentences: no internal text, no address of our network, no secret.
package report

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
)

// Spool is where a report becomes a message like any other: the part of store.Queue
// that is needed, under the same promises.
type Spool interface {
	// Put makes m durable. store.ErrExists means that it was put before.
	Put(ctx context.Context, m *relay.Message, key func() relay.SubmissionKey, content io.Reader) (relay.ID, error)
}

// Options are the settings of a Reporter. A zero field takes its default.
type Options struct {
	Spool    Spool  // required
	Hostname string // the name that we go by: required
	From     relay.Address
	Name     string // display name of From

	GiveUpAfter time.Duration // after which age the queue gives up
	MaxContent  int64         // a larger content is not returned, only its header
	MaxHeader   int           // octets of the header that are returned

	// Hint explains a reply rule in one sentence; empty if it knows nothing to say.
	Hint func(rule string) string
}

// The defaults of Options; that of From is postmaster at Hostname (RFC 5321
// §4.5.1: every host has one).
const (
	DefaultName        = "Mail Delivery System"
	DefaultGiveUpAfter = 5 * 24 * time.Hour // RFC 5321 §4.5.4.1: at least 4-5 days
	DefaultMaxContent  = 1 << 20
	DefaultMaxHeader   = 64 << 10
)

// Reporter makes reports. It may be used concurrently and holds no resources.
type Reporter struct {
	opts Options
}

// New makes a Reporter.
func New(opts Options) *Reporter {
	if opts.From.IsZero() {
		opts.From = relay.Address{Local: "postmaster", Domain: opts.Hostname}
	}
	if opts.Name == "" {
		opts.Name = DefaultName
	}
	if opts.GiveUpAfter <= 0 {
		opts.GiveUpAfter = DefaultGiveUpAfter
	}
	if opts.MaxContent <= 0 {
		opts.MaxContent = DefaultMaxContent
	}
	if opts.MaxHeader <= 0 {
		opts.MaxHeader = DefaultMaxHeader
	}
	if opts.Hint == nil {
		opts.Hint = func(string) string { return "" }
	}
	return &Reporter{opts: opts}
}

// Report puts one report about some recipients of m into the queue and gives its
// ID. The zero ID and no error mean that none is due. The same call again gives the
// same ID and keeps the first report.
func (r *Reporter) Report(ctx context.Context, m *relay.Message, s *relay.State, recipients []int, kind relay.ReportKind, body relay.Body) (relay.ID, error) {
	due := Due(m, s, recipients, kind)
	if len(due) == 0 {
		return relay.ID{}, nil
	}
	id := m.ID.Derive(label(kind, due))
	original, err := r.returned(m, kind, body)
	if err != nil {
		return relay.ID{}, fmt.Errorf("read the content of %s for its report: %w", m.ID, err)
	}
	n := &notice{opts: &r.opts, id: id, m: m, s: s, due: due, kind: kind, original: original, now: time.Now()}
	content := n.write()
	report := n.message(content)
	if _, err := r.opts.Spool.Put(ctx, report, nil, bytes.NewReader(content)); err != nil && !errors.Is(err, store.ErrExists) {
		return relay.ID{}, fmt.Errorf("put report %s about %s into the queue: %w", id, m.ID, err)
	}
	return id, nil
}

// label names a report among those of the same message.
func label(kind relay.ReportKind, due []int) string {
	return kind.String() + strings.Trim(fmt.Sprint(due), "[]")
}

// notice is one report while it is written.
type notice struct {
	opts     *Options
	id       relay.ID
	m        *relay.Message
	s        *relay.State
	due      []int
	kind     relay.ReportKind
	original original
	now      time.Time
}

// message is the report as a message of the queue. It asks for no reports itself
// (RFC 3461 §6.2), and its null return path cannot get any.
func (n *notice) message(content []byte) *relay.Message {
	to := n.m.Envelope.ReturnPath
	return &relay.Message{
		ID:           n.id,
		Kind:         relay.KindReport,
		Accepted:     n.now,
		Organisation: n.m.Organisation,
		Envelope: relay.Envelope{
			Recipients: []relay.Recipient{{Address: to, Notify: relay.NotifyNever}},
			SMTPUTF8:   to.NeedsSMTPUTF8(),
			EightBit:   !isASCII(content),
		},
		From:     n.opts.From,
		HeaderID: n.headerID(),
		Size:     int64(len(content)),
		BodyHash: sha256.Sum256(content),
	}
}

func (n *notice) headerID() string { return "<" + n.id.String() + "@" + n.opts.Hostname + ">" }
