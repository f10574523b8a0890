package accounts

import (
	"crypto/tls"
	"encoding/base64"
	"net"
	"strings"

	"github.com/relayd/relayd/test/programtest"
)

// way is one way in which a provider or its accounts break.
type way struct {
	name   string
	preset string // whose reply rules and limits hold
	secure bool   // TLS from the first octet
	absent bool   // nobody listens
	read   bool   // its people's mailboxes can be read, with their new password
	line   func(net.Conn, *mending) net.Conn
	say    func(programtest.Moment, string, *mending) string

	shows string // what stands in the API about its mail, as a regular expression
	// unknown means that its outcomes are: its mail may arrive twice.
	unknown bool
	// byTheClock means that its messages are tried again each at its own time, and so
	// in any order.
	byTheClock bool
}

// newPassword is what people change their password to.
const newPassword = "sink-password-2"

// ways gives all of them.
func ways(cert tls.Certificate) []way {
	return []way{
		{name: "password", read: true, say: wrongPassword, shows: "535 5.7.8 Username and Password not accepted"},
		{name: "refused", absent: true, shows: "local: refused", byTheClock: true},
		{name: "silent", line: func(c net.Conn, m *mending) net.Conn { return deadLine{c, m} }, shows: "under way"},
		{name: "handshake", secure: true, shows: "local: timeout while encryption was set up|under way", byTheClock: true, line: func(c net.Conn, m *mending) net.Conn {
			return tls.Server(deadLine{c, m}, &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12})
		}},
		{name: "trickle", line: func(c net.Conn, m *mending) net.Conn { return slowLine{c, m} }, shows: "under way"},
		{name: "busy", say: always(programtest.AtGreeting, "421 4.3.2 Service not available"), shows: "421 4.3.2"},
		{name: "logins", say: always(programtest.AtAuth, "454 4.7.0 Too many login attempts, please try again later."), shows: "454 4.7.0"},
		{name: "quota", preset: "gmail", say: always(programtest.AtDot, "550 5.4.5 Daily user sending limit exceeded."), shows: "550 5.4.5"},
		{name: "concurrent", preset: "microsoft365", say: always(programtest.AtAuth, "432 4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded"), shows: "432 4.3.2"},
		{name: "lost", say: always(programtest.AtDot, programtest.Hangup), shows: "local: ", unknown: true},
		{name: "taken", say: always(programtest.AtTaken, programtest.Hangup), shows: "local: ", unknown: true},
		{name: "sender", say: always(programtest.AtMail, "553 5.7.1 Sender address rejected: not owned by user"), shows: "does not let this account send"},
	}
}

// always says the same at one moment, before it is mended.
func always(moment programtest.Moment, reply string) func(programtest.Moment, string, *mending) string {
	return func(at programtest.Moment, _ string, m *mending) string {
		if at != moment || m.mended() {
			return ""
		}
		return reply
	}
}

// wrongPassword wants another password, also when it is mended: that is up to people.
func wrongPassword(at programtest.Moment, argument string, _ *mending) string {
	if at != programtest.AtAuth {
		return ""
	}
	_, response, _ := strings.Cut(argument, " ")
	plain, err := base64.StdEncoding.DecodeString(response)
	if err == nil && strings.HasSuffix(string(plain), "\x00"+newPassword) {
		return ""
	}
	return "535 5.7.8 Username and Password not accepted"
}

// script is how the sink of a way behaves.
func (w *way) script(m *mending) programtest.Script {
	var s programtest.Script
	if w.line != nil {
		s.Line = func(c net.Conn) net.Conn { return w.line(c, m) }
	}
	if w.say != nil {
		s.Say = func(at programtest.Moment, argument string) string { return w.say(at, argument, m) }
	}
	return s
}
