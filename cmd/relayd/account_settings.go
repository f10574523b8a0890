package main

import (
	"net"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/relayd/relayd/internal/api"
)

// accountSettings are the flags that describe an account's servers. What is not
// given stays as it is.
type accountSettings struct {
	smtp, imap           string // HOST:PORT
	smtpTLS, imapTLS     string
	smtpLogin, imapLogin string
	sentFolder           string
	passwordStdin        bool
	given                func(flag string) bool
}

const tlsHelp = "implicit, starttls or none (default: what is usual on the port)"

func (s *accountSettings) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&s.smtp, "smtp", "", "outgoing server as HOST:PORT, such as smtp.example.com:587")
	f.StringVar(&s.smtpTLS, "smtp-tls", "", tlsHelp)
	f.StringVar(&s.smtpLogin, "smtp-login", "", "user name there (default: the account's address)")
	f.StringVar(&s.imap, "imap", "", "incoming server as HOST:PORT, such as imap.example.com:993")
	f.StringVar(&s.imapTLS, "imap-tls", "", tlsHelp)
	f.StringVar(&s.imapLogin, "imap-login", "", "user name there (default: the account's address)")
	f.StringVar(&s.sentFolder, "sent-folder", "", `name of the Sent folder; "" finds it`)
	f.BoolVar(&s.passwordStdin, "password-stdin", false, "read the password from the first line of standard input")
	s.given = f.Changed
}

// apply writes what was given into the input.
func (s *accountSettings) apply(in *api.AccountInput) error {
	if err := s.server(&in.SMTP, "smtp", s.smtp, s.smtpTLS, s.smtpLogin); err != nil {
		return err
	}
	if err := s.server(&in.IMAP, "imap", s.imap, s.imapTLS, s.imapLogin); err != nil {
		return err
	}
	if s.given("sent-folder") {
		in.SentFolder = s.sentFolder
	}
	return nil
}

func (s *accountSettings) server(to **api.Server, kind, hostport, mode, login string) error {
	if hostport == "" && *to == nil {
		if mode != "" || s.given(kind+"-login") {
			return &usageError{command: "relayd account", problem: "--" + kind + " HOST:PORT is missing"}
		}
		return nil // it is found when the account is verified
	}
	server := api.Server{}
	if *to != nil {
		server = **to
	}
	*to = &server
	return s.fill(&server, kind, hostport, mode, login)
}

func (s *accountSettings) fill(to *api.Server, kind, hostport, mode, login string) error {
	if hostport != "" {
		host, text, err := net.SplitHostPort(hostport)
		port, convErr := strconv.Atoi(text)
		if err != nil || convErr != nil {
			return &usageError{command: "relayd account", problem: "--" + kind + " must be HOST:PORT, such as " + kind + ".example.com:" + usualPort(kind)}
		}
		to.Host, to.Port, to.TLS = host, port, usualTLS(port)
	}
	if mode != "" {
		to.TLS = mode
	}
	if s.given(kind + "-login") {
		to.Login = login
	}
	return nil
}

func usualPort(kind string) string {
	if kind == "imap" {
		return "993"
	}
	return "587"
}

// usualTLS is what servers speak on a port: implicit TLS on 465 and 993 (RFC 8314
// §7.3), STARTTLS elsewhere.
func usualTLS(port int) string {
	if port == 465 || port == 993 {
		return "implicit"
	}
	return "starttls"
}
