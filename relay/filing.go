package relay

import "time"

// Filing is what the conductor asks of step 7: one Sent copy.
type Filing struct {
	Message *Message
	Account string // id
	Body    Body
	Sent    time.Time // when the first recipient was accepted
}

// Filed is what came of a Filing.
type Filed struct {
	Status  CopyStatus // CopyFiled, CopyByProvider, CopyPending (try again) or CopyImpossible
	Folder  string
	UID     uint32
	Reason  string        // why it is pending or impossible
	Pause   time.Duration // not before this long; 0 means the ordinary schedule of copies
	Rule    string
	Trouble *Trouble // set if the whole account's filing is in trouble
}

// Found is the answer to "did this message arrive in the account's Sent folder?",
// asked before a message of unknown outcome is sent again (promise G4).
type Found uint8

// The answers.
const (
	FoundUnsearchable Found = iota // the provider files nothing itself, or cannot be searched
	FoundNo                        // searched, and it is not there
	FoundYes                       // it is there: it was accepted
)
