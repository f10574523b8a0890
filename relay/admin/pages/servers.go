package pages

import (
	"net/url"
	"strconv"
	"strings"

	"github.com/relayd/relayd/relay"
)

// chooseServers writes the servers that a person typed into the account. Empty names
// leave them as they are: they are found by the address.
func chooseServers(a *relay.Account, form url.Values) (field, problem string) {
	smtp, imap := strings.TrimSpace(form.Get("smtp_host")), strings.TrimSpace(form.Get("imap_host"))
	if smtp == "" && imap == "" {
		return "", ""
	}
	for _, s := range []struct {
		name   string
		server *relay.Server
	}{{"smtp", &a.SMTP}, {"imap", &a.IMAP}} {
		if field, problem = readServer(s.server, s.name, form); problem != "" {
			return field, problem
		}
	}
	if a.Provider == "" {
		a.Provider = relay.ProviderIMAP
	}
	return "", ""
}

// readServer reads the three fields of one server. What they may say is checked when
// the account is saved.
func readServer(s *relay.Server, name string, form url.Values) (field, problem string) {
	host := strings.TrimSpace(form.Get(name + "_host"))
	if host == "" {
		return name + ".host", "Both servers are needed: the outgoing and the incoming one."
	}
	port, err := strconv.Atoi(strings.TrimSpace(form.Get(name + "_port")))
	if err != nil {
		return name + ".port", "The port must be a number."
	}
	s.Host, s.Port, s.TLS = host, port, relay.TLSMode(form.Get(name+"_tls"))
	if s.TLS == relay.TLSNone {
		return name + ".tls", "A password is sent only over a secure connection: choose TLS or STARTTLS."
	}
	return "", ""
}
