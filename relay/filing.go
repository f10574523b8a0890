package relay

import "time"

// Filing is what the conductor asks of step 7: one Sent copy.
type Filing struct {
	Message *Message
	Account string // id
	Body    Body
	Sent    time.Time // when the first recipient was accepted
	Way     Way       // by which it was sent
	Reply   Reply     // the answer that accepted it: some providers name there the Message-ID that they gave
	Filed   *Copy     // set if relayd has filed the copy already, and it is looked whether the provider did so as well
}

// Filed is what came of a Filing.
type Filed struct {
	Status   CopyStatus // CopyFiled, CopyByProvider, CopyPending (try again), CopyImpossible, or CopyNone (switched off)
	Folder   string
	UID      uint32
	Validity uint32        // UIDVALIDITY of Folder
	Recheck  time.Duration // of a filed copy: after how long it is looked whether the provider filed one as well; 0 never
	Reason   string        // why it is pending, impossible or switched off
	Pause    time.Duration // not before this long; 0 means the ordinary schedule of copies
	Rule     string
	Trouble  *Trouble // set if the whole account's filing is in trouble
}

// Found is the answer to "does this message lie in the sender's mailbox?", asked before
// a message of unknown outcome is sent again (promise G4).
type Found uint8

// The answers.
const (
	FoundUnsearchable Found = iota // the provider files nothing itself, or cannot be searched
	FoundNo                        // searched, and it is not there
	FoundYes                       // it is there: it was accepted
)
