package relay

import "log/slog"

// Secret is a password or key in clear. It prints, logs and marshals as a
// placeholder (promise G8); only Reveal gives the text.
type Secret string

const redacted = "[secret]"

// Reveal gives the secret itself. Its only right uses are a sign-in and sealing.
func (s Secret) Reveal() string { return string(s) }

// String hides the secret from fmt.
func (Secret) String() string { return redacted }

// GoString hides the secret from %#v.
func (Secret) GoString() string { return redacted }

// LogValue hides the secret from slog.
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText hides the secret from encoders.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// Credentials is what a sign-in needs: the account as it was when they were
// fetched, and its password or an access token. Connection pools are keyed by
// Account.ID and Account.Version, never by host.
type Credentials struct {
	Account  Account
	Password Secret   // where Account.SignIn is by password
	Token    Secret   // else: an access token (RFC 6750)
	Resource Resource // what Token opens
	App      *App     // the OAuth application, without its secret; nil for a sign-in by password
}

// Bearer reports whether the sign-in is by access token.
func (c *Credentials) Bearer() bool { return c.Account.SignIn != SignInPassword }

// SMTPLogin is the user name for the account's SMTP server.
func (c *Credentials) SMTPLogin() string { return c.login(c.Account.SMTP.Login) }

// IMAPLogin is the user name for the account's IMAP server.
func (c *Credentials) IMAPLogin() string { return c.login(c.Account.IMAP.Login) }

// EWSLogin is the user name for the account's Exchange server.
func (c *Credentials) EWSLogin() string { return c.login(c.Account.EWS.Login) }

func (c *Credentials) login(chosen string) string {
	if chosen != "" {
		return chosen
	}
	return c.Account.Address.String()
}

// TokenError means that no access token could be had. Reply is what the token
// endpoint said, in the form that the rules of relay/provider know for AtToken.
type TokenError struct {
	Reply Reply
	App   string // id of the OAuth application
	Cause error  // for logs; may be nil
}

// Error is the endpoint's words.
func (e *TokenError) Error() string { return "no access token: " + e.Reply.String() }

// Unwrap gives the cause.
func (e *TokenError) Unwrap() error { return e.Cause }
