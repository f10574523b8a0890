package api

import "time"

// LinkInput asks for a one-time link.
type LinkInput struct {
	Purpose string `json:"purpose" enum:"mend,connect" doc:"Sign in again to an account that broke, or connect one for the first time"`
	Mail    bool   `json:"mail,omitempty" doc:"Mail the link to the account's user instead of showing it; for connect only"`
}

// Link is a one-time link. Who has it may do the one thing that it is for.
type Link struct {
	Address string     `json:"address,omitempty" doc:"Where it leads; absent if it was mailed"`
	Expires *time.Time `json:"expires,omitempty"`
}

// DeviceInput asks for a consent by code.
type DeviceInput struct {
	App string `json:"app,omitempty" maxLength:"64" doc:"The id of the OAuth application; absent means the account's own, or the one prepared for it"`
}

// Device is a consent by a code that is typed at the provider (RFC 8628).
type Device struct {
	ID              string    `json:"id"`
	UserCode        string    `json:"user_code" doc:"What the person types"`
	VerificationURL string    `json:"verification_url" doc:"Where"`
	Expires         time.Time `json:"expires"`
	State           string    `json:"state" enum:"waiting,done,failed,expired,cancelled" doc:"done: the consent is there, and the account is being verified with it"`
	Message         string    `json:"message,omitempty" doc:"Why it failed"`
}

// AdminConsent is where the administrator of a tenant consents for everybody in it.
type AdminConsent struct {
	Address string `json:"address"`
}

// Discovery is what was found for an address. Nobody signed in anywhere for it.
type Discovery struct {
	Address     string          `json:"address"`
	Suggestions []Suggestion    `json:"suggestions" nullable:"false" doc:"Best first; empty: the servers must be entered by hand"`
	Trail       []DiscoveryStep `json:"trail" nullable:"false" doc:"What was asked, in the order of trust, and what came of it"`
}

// Suggestion is settings that may work.
type Suggestion struct {
	Settings
	Name              string         `json:"name,omitempty" doc:"Of the provider"`
	Source            string         `json:"source" doc:"Where it comes from: operator, preset, autoconfig, pacc, ispdb, mx, srv, autodiscover or guess"`
	Confirm           bool           `json:"confirm" doc:"A person must confirm it, after a look at the registered domains"`
	Why               string         `json:"why,omitempty" doc:"Why it must be confirmed"`
	RegisteredDomains []string       `json:"registered_domains" nullable:"false" doc:"Who runs the servers"`
	SignIns           []string       `json:"sign_ins" nullable:"false" doc:"The kinds of sign-in that the provider takes, best first: password, oauth, app"`
	Hints             []ProviderHint `json:"hints,omitempty" doc:"What the person must do first"`
}

// ProviderHint is one sentence for a person.
type ProviderHint struct {
	Text          string `json:"text"`
	URL           string `json:"url,omitempty"`
	Administrator bool   `json:"administrator,omitempty" doc:"It is for who sets relayd up"`
}

// DiscoveryStep is one question.
type DiscoveryStep struct {
	Source string `json:"source"`
	Asked  string `json:"asked"`
	Came   string `json:"came,omitempty"`
	Found  bool   `json:"found"`
}

// AccountUsage is what an account sent lately, and what its provider still lets it send.
type AccountUsage struct {
	Known  bool   `json:"known" doc:"Some limit is known"`
	Minute Window `json:"minute"`
	Hour   Window `json:"hour"`
	Day    Window `json:"day" doc:"The last 24 hours"`
}

// Window is the books of one rolling window.
type Window struct {
	Messages   Book `json:"messages"`
	Recipients Book `json:"recipients"`
}

// Book is how much of one kind. Without a limit only what was used is known.
type Book struct {
	Used    int  `json:"used"`
	Limit   int  `json:"limit,omitempty"`
	Left    int  `json:"left,omitempty" doc:"Only if there is a limit"`
	Learned bool `json:"learned,omitempty" doc:"The limit was learned from a refusal"`
}

// CalendarEntry is one date on which something ends.
type CalendarEntry struct {
	When     time.Time `json:"when"`
	Kind     string    `json:"kind" enum:"consent,app_secret,certificate,provider"`
	What     string    `json:"what"`
	Account  string    `json:"account,omitempty"`
	App      string    `json:"app,omitempty"`
	Actor    string    `json:"actor" enum:"owner,administrator,operator" doc:"Who has to act"`
	Sentence string    `json:"sentence" doc:"What happens then, and what to do"`
}

// WebhookTrial is what came of a ping to a webhook.
type WebhookTrial struct {
	Taken   bool   `json:"taken"`
	Status  int    `json:"status,omitempty" doc:"The HTTP status; absent if no answer came"`
	Message string `json:"message"`
}
