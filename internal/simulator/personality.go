package simulator

import "time"

// Personality is how a provider behaves. The zero value is a plain provider: it
// keeps From and Message-ID, files nothing itself, takes passwords, and announces
// its folders.
type Personality struct {
	Name string

	// Its mailboxes.
	FilesSent    bool          // puts a copy of submitted mail into the Sent folder itself
	SentDelay    time.Duration // so much later
	FilesTwice   bool          // and a second copy
	SentFolder   string        // its name; empty means "Sent"; "-" means that there is none
	DraftsFolder string        // empty means "Drafts"
	JunkFolder   string        // empty means "Junk"
	TrashFolder  string        // empty means "Trash"
	// AllFolder holds everything that is in INBOX or Sent; empty means that there is none.
	AllFolder      string
	Folders        []string // more folders
	HideSpecialUse bool     // does not announce which folder is for what (RFC 6154)
	NoUIDPlus      bool     // neither tells UIDs nor takes out single messages (RFC 4315)
	AppendReplaces bool     // APPEND of a message replaces the one with the same Message-ID
	// Capabilities are announced beside those of go-imap, on the port with implicit
	// TLS only: what follows STARTTLS is out of reach.
	Capabilities []string

	// How people sign in.
	Mechanisms   []string // of SASL; empty means PLAIN and LOGIN
	AppPasswords bool     // takes passwords of 16 letters, with or without spaces, and no other
	// BearerChallenge answers a refused XOAUTH2 token with a challenge, and refuses
	// only when the client has answered that, as Google does.
	BearerChallenge bool
	AuthRefusal     string // reply to AUTH with a wrong password or token
	LoginRefusal    string // answer of IMAP to the same
	SMTPAuthOff     bool   // refuses AUTH by any means, as a tenant's switch does; SMTPAuthDisabled changes it
	Connections     int    // submitting at one time per account; 0 means any number

	// How it sends. {user} and {from} in a reply stand for the login and the sender.
	AnySender     bool   // takes every MAIL FROM; else only the account's own addresses
	SenderRefusal string // reply to another MAIL FROM
	ForeignFrom   FromPolicy
	FromRefusal   string // reply to a message whose From field is refused
	ReplaceFrom   string // puts this value into the From field of what is submitted
	ReplaceID     string // puts this value into the Message-ID field
	// NewIDs gives every message a new Message-ID at this domain and names it in the
	// reply; empty keeps the given one.
	NewIDs       string
	Recipients   int    // of a message; 0 means 100
	LimitRefusal string // reply when the limit of SetLimit is reached

	OAuth    OAuthBehaviour
	Exchange ExchangeBehaviour
}

// FromPolicy is what becomes of a From field that is not the account's own.
type FromPolicy int

// The policies.
const (
	KeepFrom    FromPolicy = iota
	RewriteFrom            // the account's address replaces it; X-Google-Original-From keeps the old one
	RefuseFrom             // the message is refused
)

// Mechanisms that carry an OAuth token.
const (
	xoauth2     = "XOAUTH2"
	oauthBearer = "OAUTHBEARER"
)

func (p *Personality) fill() {
	for _, f := range []struct {
		value *string
		usual string
	}{
		{&p.SentFolder, "Sent"}, {&p.DraftsFolder, "Drafts"}, {&p.JunkFolder, "Junk"}, {&p.TrashFolder, "Trash"},
		{&p.AuthRefusal, "535 5.7.8 Authentication credentials invalid"},
		{&p.LoginRefusal, "NO [AUTHENTICATIONFAILED] Authentication failed"},
		{&p.SenderRefusal, "553 5.7.1 Sender address rejected: not owned by user {user}"},
		{&p.FromRefusal, "550 5.7.1 Sender address rejected: {from} is not owned by user {user}"},
		{&p.LimitRefusal, "554 5.7.1 Your daily sending limit has been reached"},
	} {
		if *f.value == "" {
			*f.value = f.usual
		}
	}
	if len(p.Mechanisms) == 0 {
		p.Mechanisms = []string{"PLAIN", "LOGIN"}
	}
	if p.Recipients == 0 {
		p.Recipients = 100 // RFC 5321 §4.5.3.1.8
	}
}
