package relay

// Envelope is what SMTP says beside the content (RFC 5321 §2.3.1).
type Envelope struct {
	ReturnPath Address     // the submitted MAIL FROM; zero is the null reverse-path
	Recipients []Recipient // in the order of RCPT; an address stands here once
	Ret        Ret         // RFC 3461 §4.3
	EnvID      string      // RFC 3461 §4.4, decoded from xtext; empty if none was given
	SMTPUTF8   bool        // RFC 6531 §3.4
	EightBit   bool        // BODY=8BITMIME (RFC 6152), declared or found
}

// NeedsSMTPUTF8 reports whether the message can go only to a peer that offers
// SMTPUTF8.
func (e *Envelope) NeedsSMTPUTF8() bool {
	if e.SMTPUTF8 || e.ReturnPath.NeedsSMTPUTF8() {
		return true
	}
	for i := range e.Recipients {
		if e.Recipients[i].Address.NeedsSMTPUTF8() {
			return true
		}
	}
	return false
}

// Recipient is one RCPT TO of an envelope.
type Recipient struct {
	Address Address
	Notify  Notify
	ORcpt   string // RFC 3461 §4.2, "type;address" decoded from xtext; empty if none was given
}

// Notify is the NOTIFY parameter of RFC 3461 §4.1.
type Notify uint8

// The values of NOTIFY. The zero Notify means that none was given: report
// failures and delays, as RFC 3461 §4.1 leaves to us.
const (
	NotifyNever Notify = 1 << iota
	NotifySuccess
	NotifyFailure
	NotifyDelay
)

// WantsFailure reports whether a final failure is to be reported.
func (n Notify) WantsFailure() bool { return n == 0 || n&NotifyFailure != 0 }

// WantsDelay reports whether a delay is to be reported.
func (n Notify) WantsDelay() bool { return n == 0 || n&NotifyDelay != 0 }

// WantsSuccess reports whether a delivery is to be reported.
func (n Notify) WantsSuccess() bool { return n&NotifySuccess != 0 }

// Ret is the RET parameter of RFC 3461 §4.3: how much of the content a failure
// report returns.
type Ret uint8

// The values of RET.
const (
	RetUnset   Ret = iota // relayd returns the header
	RetFull               // RET=FULL
	RetHeaders            // RET=HDRS
)
