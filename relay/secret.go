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
// fetched, and its password. Connection pools are keyed by Account.ID and
// Account.Version, never by host.
type Credentials struct {
	Account  Account
	Password Secret
}

// SMTPLogin is the user name for the account's SMTP server.
func (c *Credentials) SMTPLogin() string { return loginOf(c.Account.SMTP, c.Account.Address) }

// IMAPLogin is the user name for the account's IMAP server.
func (c *Credentials) IMAPLogin() string { return loginOf(c.Account.IMAP, c.Account.Address) }

func loginOf(s Server, a Address) string {
	if s.Login != "" {
		return s.Login
	}
	return a.String()
}
