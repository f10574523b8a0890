// Package fault says what goes wrong in the simulator, and when.
//
// A [Fault] has a [Place] where it strikes, how often and whom, and what happens
// there: an answer, a broken connection, a pause, or for the web an odd body. A
// [List] holds the faults of one provider; every part of it asks [List.Strike] at
// its places.
package fault

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"
)

// Place is where a Fault strikes.
type Place string

// The places of mail.
const (
	AtAuth       Place = "auth"         // AUTH of submission
	AtMail       Place = "mail"         // MAIL FROM
	AtRcpt       Place = "rcpt"         // RCPT TO
	AtData       Place = "data"         // after the final dot, before anything is stored
	AfterData    Place = "data stored"  // after the message was stored, instead of the answer
	AtLogin      Place = "login"        // sign-in to IMAP
	AtList       Place = "list"         // LIST
	AtSearch     Place = "search"       // SEARCH
	AtAppend     Place = "append"       // APPEND, before anything is stored
	AfterAppend  Place = "append done"  // APPEND, after the message was stored
	AtSMTPDial   Place = "smtp connect" // a new connection to submission
	AtIMAPDial   Place = "imap connect" // a new connection to IMAP
	AtMXDelivery Place = "mx"           // the final dot at an MX
)

// The places of the web.
const (
	AtAuthorize    Place = "authorize"         // the page that asks for consent
	AtToken        Place = "token"             // the token endpoint
	AtDevice       Place = "device"            // the device authorisation endpoint
	AtRevoke       Place = "revoke"            // the revocation endpoint
	AtGraphSend    Place = "graph send"        // sendMail, before anything is stored
	AfterGraphSend Place = "graph send stored" // sendMail, after the message was stored
	AtGraphRead    Place = "graph read"        // every other request to Graph
	AtGmailSend    Place = "gmail send"        // messages/send, before anything is stored
	AfterGmailSend Place = "gmail send stored" // messages/send, after the message was stored
	AtGmailRead    Place = "gmail read"        // every other request to the Gmail API
	AtEWSSignIn    Place = "ews sign-in"       // a request to Exchange whose sign-in is right
	AtEWSSend      Place = "ews send"          // CreateItem and SendItem, before anything is stored
	AfterEWSSend   Place = "ews send stored"   // the same, after the message was stored
	AtEWSRead      Place = "ews read"          // every other operation of EWS
	AtAutodiscover Place = "autodiscover"      // Autodiscover, in both forms
)

// Places are all of them, in the order of this file.
func Places() []Place {
	return []Place{
		AtAuth, AtMail, AtRcpt, AtData, AfterData, AtLogin, AtList, AtSearch, AtAppend, AfterAppend,
		AtSMTPDial, AtIMAPDial, AtMXDelivery, AtAuthorize, AtToken, AtDevice, AtRevoke,
		AtGraphSend, AfterGraphSend, AtGraphRead, AtGmailSend, AfterGmailSend, AtGmailRead,
		AtEWSSignIn, AtEWSSend, AfterEWSSend, AtEWSRead, AtAutodiscover,
	}
}

// Fault makes something go wrong. Delay alone only makes it slow.
type Fault struct {
	At    Place
	Times int    // how often; 0 means until it is taken back
	Who   string // the address, login or OAuth client concerned; empty means any
	// Reply is the answer: "550 5.1.1 No such user", "NO [OVERQUOTA] Full", or on
	// the web status, code and text: "400 invalid_grant: Token has been revoked."
	Reply  string
	Hangup bool          // closes the connection instead of answering
	Delay  time.Duration // passes before anything else happens

	// What follows is for the web alone.
	RetryAfter time.Duration // a Retry-After field in whole seconds; in a SOAP fault BackOffMilliseconds
	Body       string        // the body as it is, instead of one in the provider's form
	BodySize   int64         // so many octets of body; at most MaxBodySize
	Location   string        // redirects there
}

// MaxBodySize is the largest body that a fault makes.
const MaxBodySize = 1 << 30

// OnlySlow reports whether everything goes its usual way after the delay.
func (f Fault) OnlySlow() bool {
	return f.Delay > 0 && !f.Hangup && f.Reply == "" && f.Body == "" && f.BodySize == 0 && f.Location == ""
}

// Wait lets the delay pass. It ends early with ctx.
func (f Fault) Wait(ctx context.Context) {
	if f.Delay <= 0 {
		return
	}
	timer := time.NewTimer(f.Delay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// List is what is to go wrong, in the order in which it was injected. The zero
// value is empty and ready.
type List struct {
	mu   sync.Mutex
	list []Fault
}

// Inject adds a fault.
func (l *List) Inject(f Fault) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, f)
}

// Clear takes back every fault.
func (l *List) Clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = nil
}

// All gives the faults that are still to come.
func (l *List) All() []Fault {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.list)
}

// Strike gives the first fault for the place and one of the names, counts it, and
// lets its delay pass. There is none to act upon where it only slows.
func (l *List) Strike(ctx context.Context, at Place, names ...string) (Fault, bool) {
	f, hit := l.take(at, names)
	if !hit {
		return Fault{}, false
	}
	f.Wait(ctx)
	return f, !f.OnlySlow()
}

func (l *List) take(at Place, names []string) (Fault, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, f := range l.list {
		if f.At != at || !concerns(f, names) {
			continue
		}
		switch f.Times {
		case 0:
		case 1:
			l.list = slices.Delete(l.list, i, i+1)
		default:
			l.list[i].Times--
		}
		return f, true
	}
	return Fault{}, false
}

func concerns(f Fault, names []string) bool {
	return f.Who == "" || slices.ContainsFunc(names, func(name string) bool { return strings.EqualFold(name, f.Who) })
}
