package peers

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/relayd/relayd/internal/relaytest"
)

// exchanger is the mail server of everybody else: the MX of b.example, where bob
// and carol are, and of robots.example, where machines get their reports. Everybody
// else there is unknown.
type exchanger struct {
	*relaytest.Postfix
	w *world
}

func (w *world) startExchanger() *exchanger {
	w.t.Helper()
	var mailboxes []string
	for _, a := range []string{"bob@b.example", "carol@b.example", "robot@robots.example", "postmaster@robots.example"} {
		local, domain, _ := strings.Cut(a, "@")
		mailboxes = append(mailboxes, fmt.Sprintf("{%s=%s-%s/}", a, local, domain))
	}
	return &exchanger{w: w, Postfix: relaytest.StartPostfix(w.t, relaytest.PostfixOptions{
		Host: w.at(hostMX), Port: 25, Name: "mx.b.example", Owner: 65534,
		Main: []string{
			"virtual_mailbox_domains = b.example robots.example",
			"virtual_mailbox_maps = inline:{" + strings.Join(mailboxes, ", ") + "}",
			"mynetworks =", "smtpd_relay_restrictions = reject_unauth_destination",
		},
	})}
}

// mail is what lies in the mailbox of an address.
func (x *exchanger) mail(address string) []letter {
	local, domain, _ := strings.Cut(address, "@")
	return read(x.w.t, filepath.Join(x.Path("mail"), local+"-"+domain))
}

// about waits for the message with this subject in the mailbox of an address.
func (x *exchanger) about(address, subject string) letter {
	x.w.t.Helper()
	return about(x.w.t, subject, func() []letter { return x.mail(address) })
}
