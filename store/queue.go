package store

import (
	"context"
	"io"
	"time"

	"github.com/relayd/relayd/relay"
)

// Queue keeps messages from the final dot until nothing is left to do for them,
// and their timelines for some time after that. Its methods may be called
// concurrently.
type Queue interface {
	// Put makes m durable and returns its ID. It reads content to io.EOF before it
	// looks at m, so that a reader which learns something while reading (a hash,
	// the size) can put it into m before it returns io.EOF. Any other error of
	// content ends Put: nothing is kept, and that error is returned, wrapped.
	//
	// If key is not nil and the same key was Put within the last day but never
	// Acknowledged, nothing is kept and the first ID is returned with a nil error.
	// key is called after content was read; nil means that every message is new.
	//
	// m.ID must be set and is not used twice: ErrExists. ErrFull if there is no room.
	Put(ctx context.Context, m *relay.Message, key func() relay.SubmissionKey, content io.Reader) (relay.ID, error)

	// Acknowledged notes that the client saw the 250 for id, so that the same
	// submission is from now on a new message. It neither blocks nor fails: what
	// it notes becomes durable with the next group.
	Acknowledged(id relay.ID)

	// Record makes the state s of message id durable, with the event that led to
	// it. s.Revision must be one more than the recorded one, else ErrStale. A state
	// that is Done retires the message: its content is freed, its timeline stays.
	Record(ctx context.Context, id relay.ID, s *relay.State, e relay.Event) error

	// Get gives a message that is not retired, with its newest state. The caller
	// owns both. ErrNotFound if there is none.
	Get(ctx context.Context, id relay.ID) (*relay.Message, *relay.State, error)

	// Open gives the content of a message that is not retired. It stays readable
	// until Close, even if the message is retired meanwhile.
	Open(ctx context.Context, id relay.ID) (Content, error)

	// Waiting calls each with every message that is not retired, oldest first,
	// until each returns false. It is for the conductor's start; each must not
	// call the Queue.
	Waiting(ctx context.Context, each func(*relay.Message, *relay.State) bool) error

	// List gives messages that match, newest first: waiting and retired ones.
	List(ctx context.Context, f Filter) (Page, error)

	// Timeline gives a message, its newest state and its events, oldest first;
	// also for retired messages as long as their history is kept.
	Timeline(ctx context.Context, id relay.ID) (*Record, []relay.Event, error)

	// Usage tells how much waits now.
	Usage() Usage

	// Failed is closed when a flush failed (ErrUnknown): the program must stop.
	Failed() <-chan struct{}

	// Close makes durable what was accepted and ends the engine.
	Close() error
}

// Content is the opened content of one message.
type Content interface {
	relay.Body
	io.Closer
}

// Record is a message with its newest state.
type Record struct {
	Message *relay.Message
	State   *relay.State
	Retired time.Time // zero while the message waits
}

// Filter selects messages. A zero field selects all.
type Filter struct {
	Outcome      *relay.Outcome // some recipient stands so
	Held         bool           // held as a whole
	Waiting      bool           // not retired
	Organisation string         // id: relay.Message.Organisation
	Submitter    string         // id
	From         string         // header From, exactly, by relay.Address.Key
	Recipient    string         // some recipient, by relay.Address.Key
	HeaderID     string         // the Message-ID field with its angle brackets
	Account      string         // the account of the route
	After        relay.ID       // cursor: only messages older than this one
	Limit        int            // 1 to MaxPage; 0 means DefaultPage
}

// The sizes of a page.
const (
	DefaultPage = 50
	MaxPage     = 500
)

// Page is one page of a list.
type Page struct {
	Records []Record
	More    bool // older ones match as well; go on with After = the last ID
}

// Usage is how much waits in the queue.
type Usage struct {
	Messages int64
	Bytes    int64 // content only
}
