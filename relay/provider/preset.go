package provider

import (
	"regexp"
	"slices"
	"strings"

	"github.com/relayd/relayd/relay"
)

// LoginForm is what the user name of a server is.
type LoginForm string

// The forms.
const (
	LoginEmail LoginForm = "email" // the whole address
	LoginLocal LoginForm = "local" // the part before the @
	LoginOther LoginForm = "other" // only a person knows it
)

// Name is the user name for an address; empty where only a person knows it.
func (f LoginForm) Name(a relay.Address) string {
	switch f {
	case LoginEmail:
		return a.String()
	case LoginLocal:
		return a.Local
	}
	return ""
}

// PasswordRule is which password a provider takes from programs.
type PasswordRule string

// The rules.
const (
	PasswordPlain    PasswordRule = "plain" // that of the web page
	PasswordApp      PasswordRule = "app_password"
	PasswordAppIf2FA PasswordRule = "app_password_if_2fa"
	PasswordNone     PasswordRule = "none"
	PasswordEnding   PasswordRule = "ending" // one still works: Preset.Deadlines says until when
	PasswordBridge   PasswordRule = "bridge"
	PasswordToken    PasswordRule = "token"
)

// SavesSent is whether a provider files mail that came in by SMTP.
type SavesSent string

// The kinds.
const (
	SavesAlways    SavesSent = "always"
	SavesDefaultOn SavesSent = "default_on" // a setting can switch it off
	SavesNever     SavesSent = "never"
	SavesUnknown   SavesSent = "unknown"
	SavesByWay     SavesSent = "by_way" // it depends on the way of sending
)

// FromPolicy is what becomes of a From that is not the account's.
type FromPolicy string

// The policies.
const (
	FromUnknown FromPolicy = "unknown"
	FromRewrite FromPolicy = "rewrite"
	FromRefuse  FromPolicy = "refuse"
)

// Preset is what is known of a provider before an account of it was measured. What
// the account measures, and what the provider answers, counts more.
type Preset struct {
	ID       string
	Name     string // for people
	Provider string // relay.ProviderIMAP and so on

	SMTP []relay.Server // best first; Login is empty
	IMAP []relay.Server
	EWS  relay.EWS // its URL; the path alone where the host differs from customer to customer

	Login     LoginForm
	IMAPLogin LoginForm
	Auth      []string // SASL mechanisms, best first
	EWSAuth   []string // HTTP schemes
	Password  PasswordRule
	OAuth     *OAuth // nil: there is none
	Ladder    []relay.Way

	SavesSent         SavesSent
	AppendDedup       bool // an APPEND of the same Message-ID takes the place of the provider's copy
	Sent              SentFolder
	From              FromPolicy
	RewritesMessageID bool

	Limits     relay.Limits // without the defaults: see Presets.Limits
	LimitsNote string
	Deadlines  []Deadline
	Hints      []Hint

	matching
}

// matching is what finds a preset; nobody outside needs it.
type matching struct {
	domains   []string
	patterns  []*regexp.Regexp
	mx        []*regexp.Regexp
	mxHints   []*regexp.Regexp
	customers *servers
	variants  *variants
	guesses   []Guess
	limitsFor map[string]relay.Limits
}

type servers struct{ smtp, imap []relay.Server }

// OAuth is how consent is asked for at a provider. relayd ships no client ids.
type OAuth struct {
	Vendor    string          // as relay.App has it
	Endpoints relay.Endpoints // {tenant} stands in those of Microsoft
	Scopes    map[relay.Resource][]string
	Closed    bool // the provider gives out no new client ids
}

// SentFolder is what is known of the folder for sent mail.
type SentFolder struct {
	SpecialUse Known    // whether \Sent is announced (RFC 6154)
	XList      bool     // only the older XLIST is
	Names      []string // seen
	NameHints  []string // said
}

// Known is an answer that may be missing.
type Known string

// The answers.
const (
	KnownYes Known = "yes"
	KnownNo  Known = "no"
	Unknown  Known = "unknown"
)

// Hint is one sentence for a person.
type Hint struct {
	Topic         HintTopic
	Administrator bool // it is for who set relayd up; else for the owner of the mailbox
	Text          string
	URL           string // the provider's own page about it; may be empty
}

// HintTopic is what a hint is about.
type HintTopic string

// The topics.
const (
	HintPassword HintTopic = "password" // where to get the password that works
	HintIMAP     HintTopic = "imap"     // IMAP must be switched on first
	HintSMTP     HintTopic = "smtp"     // SMTP must be switched on first
	HintConsent  HintTopic = "consent"
	HintLogin    HintTopic = "login"
	HintLimits   HintTopic = "limits"
	HintOther    HintTopic = "other"
)

// Guess is a pair of servers to try where nothing is known. The hosts hold {domain}
// or {mx_host}.
type Guess struct{ SMTP, IMAP relay.Server }

// SignIns gives the kinds of sign-in that a person can use, best first.
func (s *Preset) SignIns() []relay.SignIn {
	var out []relay.SignIn
	if s.OAuth != nil && !s.OAuth.Closed {
		out = append(out, relay.SignInConsent)
	}
	if s.Password != PasswordNone {
		out = append(out, relay.SignInPassword)
	}
	return out
}

// Settings gives the settings of an account at this provider by its n-th pair of
// servers, and whether there is one. Beyond the shorter list its last server stands.
// An address of EWS without a host is left out.
func (s *Preset) Settings(a relay.Address, n int) (relay.Settings, bool) {
	out := relay.Settings{Provider: s.Provider, Preset: s.ID}
	if s.Password == PasswordNone || s.Password == PasswordEnding {
		out.SignIn = relay.SignInConsent
	}
	if strings.HasPrefix(s.EWS.URL, "https://") {
		out.EWS = s.EWS
		out.EWS.Login = unlessAddress(s.Login, a)
	}
	if n > 0 && n >= max(len(s.SMTP), len(s.IMAP)) {
		return relay.Settings{}, false
	}
	if len(s.SMTP) > 0 {
		out.SMTP = s.SMTP[min(n, len(s.SMTP)-1)]
		out.SMTP.Login = unlessAddress(s.Login, a)
	}
	if len(s.IMAP) > 0 {
		out.IMAP = s.IMAP[min(n, len(s.IMAP)-1)]
		out.IMAP.Login = unlessAddress(s.IMAPLogin, a)
	}
	// The provider's own ladder is left to relay.Settings, which knows that it depends
	// on the sign-in.
	usual := relay.Settings{Provider: s.Provider, SignIn: relay.SignInConsent}
	if !slices.Equal(s.Ladder, usual.Ladder()) {
		out.Ways = slices.Clone(s.Ladder)
	}
	return out, out.SMTP.Host != "" || out.EWS.URL != ""
}

// unlessAddress is the user name where it is not the address, which is what an empty
// one means.
func unlessAddress(f LoginForm, a relay.Address) string {
	if name := f.Name(a); name != a.String() {
		return name
	}
	return ""
}
