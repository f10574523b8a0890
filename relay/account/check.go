package account

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/relayd/relayd/internal/mailaddr"
	"github.com/relayd/relayd/relay"
)

// ways are the ways that a provider has.
func ways(provider string) []relay.Way {
	switch provider {
	case relay.ProviderGmail:
		return []relay.Way{relay.WaySMTP, relay.WayGmailAPI}
	case relay.ProviderOffice365:
		return []relay.Way{relay.WaySMTP, relay.WayGraph}
	case relay.ProviderExchange:
		return []relay.Way{relay.WayEWS, relay.WaySMTP}
	case relay.ProviderIMAP:
		return []relay.Way{relay.WaySMTP}
	}
	return nil
}

// unset reports whether nobody has chosen servers yet: the verification finds them.
func unset(s *relay.Settings) bool {
	return s.SMTP.Host == "" && s.IMAP.Host == "" && s.EWS.URL == "" && len(s.Ways) == 0
}

// check refuses settings that cannot be, and brings names to their one form. Settings
// that nobody has chosen yet pass where finds is true.
func check(a *relay.Account, password relay.Secret, finds bool) error {
	if a.ID == "" {
		return errors.New("an account needs an ID")
	}
	if a.Address.Local == "" || a.Address.Domain == "" {
		return fieldError("address", "The address of the account is needed.")
	}
	if hasControls(a.SentFolder) {
		return fieldError("sent_folder", "The name of the folder for sent mail has characters that no folder can have.")
	}
	if hasControls(password.Reveal()) {
		return fieldError("password", "The password has control characters; it may have been copied together with a line end.")
	}
	if finds && unset(&a.Settings) && a.SignIn == relay.SignInPassword {
		return nil
	}
	if err := checkSettings(&a.Settings, a.CopyMode == relay.CopyNever); err != nil {
		return err
	}
	return checkLogins(a)
}

// checkLogins keeps a sign-in by an application's secret, which opens every mailbox, to
// the mailbox that was bound to its user.
func checkLogins(a *relay.Account) error {
	if a.SignIn != relay.SignInApp {
		return nil
	}
	for field, login := range map[string]string{"smtp.login": a.SMTP.Login, "imap.login": a.IMAP.Login} {
		if login != "" && !sameText(login, a.Address) {
			return fieldError(field, "With an application's secret relayd signs in as %s and as nobody else: leave the user name empty.", a.Address)
		}
	}
	return nil
}

// checkSettings checks what people decide. noCopies means that nobody wants a copy in
// Sent: then a mailbox that cannot be read will do.
func checkSettings(s *relay.Settings, noCopies bool) error {
	if s.Provider == "" {
		s.Provider = relay.ProviderIMAP
	}
	known := ways(s.Provider)
	if known == nil {
		return fieldError("provider", "The provider %q is not known; it is one of imap, gmail, office365 and exchange.", relay.Printable(s.Provider))
	}
	for _, w := range s.Ways {
		if !slices.Contains(known, w) {
			return fieldError("ways", "The provider %s cannot send by %q.", s.Provider, relay.Printable(string(w)))
		}
	}
	if err := checkSignIn(s); err != nil {
		return err
	}
	return checkServers(s, noCopies)
}

func checkSignIn(s *relay.Settings) error {
	switch s.SignIn {
	case relay.SignInPassword:
		s.App = ""
		if slices.ContainsFunc(s.Ladder(), func(w relay.Way) bool { return w == relay.WayGraph || w == relay.WayGmailAPI }) {
			return fieldError("ways", "The programming interfaces of the provider take no password: connect the account by consent.")
		}
		return nil
	case relay.SignInConsent, relay.SignInApp:
		for field, server := range map[string]*relay.Server{"smtp.tls": &s.SMTP, "imap.tls": &s.IMAP} {
			if server.Host != "" && server.TLS == relay.TLSNone {
				return fieldError(field, "An access token goes over TLS only: choose implicit or starttls.")
			}
		}
		if s.App == "" {
			return fieldError("app", "For this kind of sign-in the OAuth application is needed.")
		}
		if s.Provider == relay.ProviderExchange {
			return fieldError("sign_in", "An Exchange server of one's own is signed in to with a password.")
		}
		return nil
	}
	return fieldError("sign_in", "The kind of sign-in must be password, oauth or app.")
}

// onlySends reports whether the mailbox can be read in no way.
func onlySends(s *relay.Settings) bool {
	return s.IMAP.Host == "" && !slices.ContainsFunc(s.Ladder(), relay.Way.Web)
}

// checkServers asks for the servers that the ladder needs. A server for reading is
// asked for where only SMTP sends, unless the account is meant to do without.
func checkServers(s *relay.Settings, noCopies bool) error {
	ladder := s.Ladder()
	bySMTP := slices.Contains(ladder, relay.WaySMTP)
	reads := onlySends(s) && !noCopies
	if bySMTP || s.SMTP.Host != "" {
		if err := checkServer("smtp", &s.SMTP, "465 (implicit TLS) or 587 (STARTTLS)"); err != nil {
			return err
		}
	}
	if reads || s.IMAP.Host != "" {
		if err := checkServer("imap", &s.IMAP, "993 (implicit TLS) or 143 (STARTTLS)"); err != nil {
			return err
		}
	}
	if slices.Contains(ladder, relay.WayEWS) || s.EWS.URL != "" {
		return checkEWS(&s.EWS)
	}
	return nil
}

func checkEWS(e *relay.EWS) error {
	u, err := url.Parse(strings.TrimSpace(e.URL))
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" || u.User != nil {
		return fieldError("ews.url", "The address of the Exchange server is needed; it looks like https://mail.example.com/EWS/Exchange.asmx.")
	}
	if _, err := hostName(u.Hostname()); err != nil {
		return fieldError("ews.url", "%q is not the name of a server.", relay.Printable(u.Hostname()))
	}
	e.URL = u.String()
	if hasControls(e.Login) {
		return fieldError("ews.login", "The user name has control characters; it may have been copied together with a line end.")
	}
	if hasControls(e.Version) {
		return fieldError("ews.version", "The version is one of Exchange's own words, such as Exchange2013_SP1; leave it empty to find it.")
	}
	return nil
}

func checkServer(name string, server *relay.Server, ports string) error {
	host, err := hostName(server.Host)
	if err != nil {
		return fieldError(name+".host", "%q is not the name of a server; it looks like mail.example.com.", relay.Printable(server.Host))
	}
	server.Host = host
	if server.Port < 1 || server.Port > 65535 {
		return fieldError(name+".port", "The port must be a number from 1 to 65535; usual are %s.", ports)
	}
	switch server.TLS {
	case relay.TLSImplicit, relay.TLSStartTLS, relay.TLSNone:
	default:
		return fieldError(name+".tls", "The TLS mode must be implicit, starttls or none.")
	}
	if hasControls(server.Login) {
		return fieldError(name+".login", "The user name has control characters; it may have been copied together with a line end.")
	}
	return nil
}

// hostName accepts a domain name, or an IP address in its usual form.
func hostName(host string) (string, error) {
	host = strings.TrimSpace(host)
	if addr, err := netip.ParseAddr(host); err == nil && addr.Zone() == "" {
		return addr.String(), nil
	}
	return mailaddr.ParseDomain(host)
}

func hasControls(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}

func fieldError(field, format string, args ...any) error {
	return &relay.FieldError{Field: field, Message: fmt.Sprintf(format, args...)}
}

// appPasswordLength is how many letters an app password of Google has.
const appPasswordLength = 16

// gmailPreset is the preset of Google's servers, whichever way they were named.
const gmailPreset = "gmail"

// trimAppPassword takes the spaces out of an app password, which Google shows in
// groups of four letters. Any other password stays as it was typed.
func trimAppPassword(s *relay.Settings, password relay.Secret) relay.Secret {
	if s.Provider != relay.ProviderGmail && s.Preset != gmailPreset {
		return password
	}
	letters := strings.Join(strings.Fields(password.Reveal()), "")
	isLetter := func(r rune) bool { return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' }
	if len(letters) != appPasswordLength || strings.ContainsFunc(letters, func(r rune) bool { return !isLetter(r) }) {
		return password
	}
	return relay.Secret(letters)
}
