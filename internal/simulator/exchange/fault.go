package exchange

import (
	"context"
	"net/http"
	"sync"
	"time"
)

// Place is where a Fault strikes: an operation, by its name in EWS, or one of the
// places below.
type Place string

// Places that are no operations.
const (
	Anywhere       Place = ""
	AtSignIn       Place = "sign-in"           // the right password was given
	AtAutodiscover Place = "autodiscover.xml"  // POX
	AtDiscoverJSON Place = "autodiscover.json" // V2
)

// The operations that take faults most often.
const (
	AtCreateItem Place = "CreateItem"
	AtSendItem   Place = "SendItem"
	AtFindItem   Place = "FindItem"
	AtGetItem    Place = "GetItem"
	AtGetFolder  Place = "GetFolder"
	AtDeleteItem Place = "DeleteItem"
)

// Fault makes something go wrong. Of what it says the first holds: Hangup, then
// Answer, Status and Code.
type Fault struct {
	At    Place
	Times int    // how often; 0 means until ClearFaults
	Who   string // address or login of the mailbox concerned; empty means any
	After bool   // an operation's work is done first: what was sent is sent and stored; one that fails by itself is left alone

	Delay  time.Duration // before anything else; a client that leaves meanwhile ends the request there
	Hangup bool          // closes the connection instead of answering

	Answer func(w http.ResponseWriter) // answers in a way of its own

	// Status answers with this HTTP status and Body. 401 comes with the list of
	// schemes, 503 and 429 with RetryAfter if that is set.
	Status     int
	Body       string
	RetryAfter time.Duration

	// Code is a response code such as ErrorServerBusy, with its Text. It comes in a
	// response message with HTTP status 200; where SOAP is set, or the place is no
	// operation, as a SOAP fault with HTTP status 500.
	Code    string
	Text    string
	SOAP    bool
	BackOff time.Duration // of a SOAP fault; 0 leaves it out
}

// faults is what is to go wrong, in the order in which it was injected.
type faults struct {
	mu   sync.Mutex
	list []Fault
}

func (f *faults) inject(fault Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list = append(f.list, fault)
}

func (f *faults) clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list = nil
}

// strike gives the fault that is due: of those that were injected here, else of
// those of the provider around.
func (s *Server) strike(ctx context.Context, at Place, after bool, names ...string) (Fault, bool) {
	if f, ok := s.faults.strike(at, after, names...); ok || s.options.Strike == nil {
		return f, ok
	}
	return s.options.Strike(ctx, at, after, names...)
}

// strike gives the first fault for the place, the moment and one of the names, and
// counts it.
func (f *faults) strike(at Place, after bool, names ...string) (Fault, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, fault := range f.list {
		// Signing in is no operation: a fault for any of these leaves it alone.
		elsewhere := fault.At != at && (fault.At != Anywhere || at == AtSignIn)
		if elsewhere || fault.After != after || (fault.Who != "" && !containsName(names, fault.Who)) {
			continue
		}
		switch fault.Times {
		case 0:
		case 1:
			f.list = append(f.list[:i:i], f.list[i+1:]...)
		default:
			f.list[i].Times--
		}
		return fault, true
	}
	return Fault{}, false
}
