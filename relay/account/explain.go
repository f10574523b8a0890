package account

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/relayd/relayd/relay"
)

// problem is something for a person: which setting is wrong, and how to mend it.
type problem struct {
	field   string
	message string
	pause   time.Duration // before a sign-in may be tried again without a person

	skip     bool // nothing is wrong: the step is not needed, or cannot be taken
	stepDown bool // the provider does not let this way be used; another one may
}

// wording is how one of the two servers is called, and its usual ports.
type wording struct {
	name     string // "the outgoing server"
	protocol string // "SMTP"
	implicit int
	starttls int
}

func (t *trouble) words() wording {
	switch {
	case t.web != "":
		return wording{name: nameOf(t.web), protocol: "HTTPS", implicit: 443}
	case t.side == sending:
		return wording{name: "the outgoing server", protocol: "SMTP", implicit: 465, starttls: 587}
	}
	return wording{name: "the incoming server", protocol: "IMAP", implicit: 993, starttls: 143}
}

// explain says in plain words what is wrong and how to mend it. It is pure.
//
// What a server said is shown only from the sign-in on: before it nobody has proved
// that it is a mail server at all, and its words would let a stranger look into our
// network.
func (t *trouble) explain() *problem {
	var p *problem
	switch t.where {
	case relay.AtToken:
		p = t.explainToken()
	case relay.AtConnect:
		p = t.explainConnect()
	case relay.AtTLS:
		p = t.explainTLS()
	case relay.AtAuth:
		p = t.explainAuth()
	case relay.AtMail, relay.AtRcpt:
		p = t.explainSender()
	default:
		p = t.explainRest()
	}
	p.pause, p.stepDown = t.class.Pause, t.class.OtherTransport
	return p
}

// explainToken is for a token endpoint that gives no access token.
func (t *trouble) explainToken() *problem {
	field := "consent"
	switch {
	case t.class.Action == relay.ActionHoldApp:
		field = "app"
	case t.class.Action == relay.ActionRetry || t.class.Action == relay.ActionSlow:
		field = ""
	}
	return &problem{field: field, message: fmt.Sprintf("The provider's sign-in service gives no access%s. %s",
		t.said(), t.remedy("Connect the account again."))}
}

// blame makes the problem of one setting of this server. An API has only its address.
func (t *trouble) blame(setting, format string, args ...any) *problem {
	switch {
	case t.web == relay.WayEWS:
		return &problem{field: "ews.url", message: fmt.Sprintf(format, args...)}
	case t.web != "":
		return &problem{message: fmt.Sprintf(format, args...)}
	}
	return &problem{field: string(t.side) + "." + setting, message: fmt.Sprintf(format, args...)}
}

func (t *trouble) explainConnect() *problem {
	w, host, port := t.words(), t.server.Host, t.server.Port
	kind, _ := t.local()
	switch {
	case t.web != "" && kind != "dns" && kind != "address refused":
		return t.blame("", "%s does not answer at %s: check the address; a firewall may also be in between.", w.name, host)
	case kind == "dns":
		return t.blame("host", "There is no server with the name %s: check how it is spelled.", host)
	case kind == "address refused" && t.dialed:
		return t.blame("tls", "A connection without TLS to %s is not permitted: choose implicit TLS (port %d) or STARTTLS (port %d).", host, w.implicit, w.starttls)
	case kind == "address refused":
		return t.blame("host", "relayd may not connect to %s on port %d: the address is not a public one, or the port is not one for mail. The operator can permit it.", host, port)
	case kind == "refused":
		return t.blame("port", "Nothing answers on port %d of %s: check the port. Usual for %s are %d (implicit TLS) and %d (STARTTLS).", port, host, w.protocol, w.implicit, w.starttls)
	case (kind == "timeout" || kind == "connection lost") && t.dialed && t.server.TLS != relay.TLSImplicit && port != w.starttls:
		return t.blame("tls", "Port %d of %s waits for the other side to begin, as a port with implicit TLS does: choose implicit TLS, or port %d.", port, host, w.starttls)
	case kind == "protocol":
		return t.blame("port", "What answers on port %d of %s is not %s for %s: check host and port. Usual are %d (implicit TLS) and %d (STARTTLS).", port, host, w.name, w.protocol, w.implicit, w.starttls)
	case kind == "":
		return t.blame("host", "%s refuses connections at the moment, or from this address: try again later.", host)
	}
	return t.blame("host", "%s does not answer on port %d: check host and port; a firewall may also be in between.", host, port)
}

func (t *trouble) explainTLS() *problem {
	w, host, port := t.words(), t.server.Host, t.server.Port
	kind, detail := t.local()
	switch {
	case t.web != "" && kind != "certificate":
		return t.blame("", "No secure connection could be made to %s: check the address.", host)
	case t.plain:
		return t.blame("tls", "Port %d of %s does not begin with TLS: this port speaks STARTTLS. Choose STARTTLS, or port %d with implicit TLS.", port, host, w.implicit)
	case kind == "starttls missing" || kind == "":
		return t.blame("tls", "Port %d of %s offers no STARTTLS, and relayd sends no password without TLS: choose implicit TLS with port %d.", port, host, w.implicit)
	case kind == "certificate":
		return t.explainCertificate(detail)
	case kind == "timeout" || kind == "connection lost" || kind == "reset":
		return t.blame("tls", "Port %d of %s broke off while the connection was being secured: check port and TLS mode. Usual are %d with implicit TLS and %d with STARTTLS.", port, host, w.implicit, w.starttls)
	}
	return t.blame("tls", "No secure connection could be made to %s: it may offer only TLS versions that are no longer safe.", host)
}

// explainCertificate tells apart what a wrong name of the server can explain, and
// what only those who run the server, or relayd, can mend.
func (t *trouble) explainCertificate(detail string) *problem {
	host := t.server.Host
	switch {
	case strings.Contains(detail, "unknown authority"):
		return t.blame("host", "The certificate of %s was not issued by an authority that relayd trusts: check the name of the server. "+
			"If the server is your own, the operator can name its authority (upstream.roots_file).", host)
	case strings.Contains(detail, "expired"):
		return t.blame("host", "The certificate of %s has expired or is not valid yet: check the name of the server, or tell those who run it.", host)
	}
	return t.blame("host", "The certificate of %s is not valid for this name (%s): check the name of the server.", host, detail)
}

// unknownUser matches the few servers that tell a wrong name from a wrong password.
var unknownUser = regexp.MustCompile(`(?i)\b(unknown|no such|invalid|bad) (user|login|account|mailbox)\b|\buser(name)? (unknown|not found|does not exist)\b`)

func (t *trouble) explainAuth() *problem {
	if t.web != "" {
		return t.explainWebAuth()
	}
	w := t.words()
	kind, _ := t.local()
	switch {
	case kind == "no mechanism" && t.server.TLS == relay.TLSNone, kind == "login disabled" && t.server.TLS == relay.TLSNone:
		return t.blame("tls", "%s takes no password without TLS: choose implicit TLS (port %d) or STARTTLS (port %d).", t.server.Host, w.implicit, w.starttls)
	case kind == "no mechanism", kind == "login disabled":
		return t.blame("port", "%s offers no sign-in by password on port %d: check the port. Usual for %s are %d and %d.", t.server.Host, t.server.Port, w.protocol, w.implicit, w.starttls)
	case kind != "":
		return &problem{message: fmt.Sprintf("%s broke off during the sign-in: try again later.", t.server.Host)}
	case temporary(t.reply):
		return &problem{message: fmt.Sprintf("%s cannot check the password at the moment%s: try again later.", t.server.Host, t.said())}
	case t.bearer:
		return &problem{field: "consent", message: fmt.Sprintf("%s refuses the access that was given for %s%s. %s",
			t.server.Host, t.login, t.said(), t.remedy("Connect the account again."))}
	case unknownUser.MatchString(t.reply.Text):
		return t.blame("login", "%s does not know the user name %s%s: many providers want the whole address.", t.server.Host, t.login, t.said())
	}
	return &problem{field: "password", message: fmt.Sprintf("%s refuses the user name %s with this password%s. %s",
		t.server.Host, t.login, t.said(), t.remedy("Check the password; many providers want an app password that is made in the mailbox's settings."))}
}

// explainSender is for a refusal of the account's own address.
func (t *trouble) explainSender() *problem {
	if kind, _ := t.local(); kind != "" || t.web == "" && temporary(t.reply) {
		return &problem{message: fmt.Sprintf("%s could not take a mail at the moment%s: try again later.", t.server.Host, t.said())}
	}
	return &problem{field: "address", message: fmt.Sprintf("%s does not let %s send as this address%s. %s",
		t.server.Host, t.login, t.said(), t.remedy("Check the address of the account."))}
}

func (t *trouble) explainRest() *problem {
	if t.class.Action == relay.ActionHoldSender {
		return t.explainSender()
	}
	if t.web == relay.WayEWS {
		if p := t.explainEWS(); p != nil {
			return p
		}
	}
	return &problem{message: fmt.Sprintf("%s gave an answer that ends the verification%s. %s",
		t.server.Host, t.said(), t.remedy("Try again later."))}
}

// remedy is the hint of the reply rules, which know the provider, else ours.
func (t *trouble) remedy(otherwise string) string {
	if t.class.Hint != "" {
		return t.class.Hint
	}
	return otherwise
}

// said quotes the server.
func (t *trouble) said() string {
	if kind, _ := t.local(); kind != "" || t.reply.Text == "" {
		return ""
	}
	return fmt.Sprintf(" (it says: %s)", t.reply)
}

// temporary reports whether the server itself says that it may work later.
func temporary(r relay.Reply) bool { return r.Code >= 400 && r.Code < 500 }
