package account

import (
	"context"
	"errors"
	"fmt"

	"github.com/relayd/relayd/internal/smtpwire"
	"github.com/relayd/relayd/internal/webmail"
	"github.com/relayd/relayd/relay"
)

// smtpWay is the account's server for sending.
type smtpWay struct {
	client *smtpwire.Client
	ready  bool // signed in, and it takes the address
}

// webWay is an API that is signed in.
type webWay struct {
	way    relay.Way
	client webmail.Client
}

// stepsOf are the steps of one way, up to where it could send.
func stepsOf(way relay.Way) []step {
	if way == relay.WaySMTP {
		return []step{
			{"smtp.connect", "Connect to the outgoing server", way, (*verification).connectSMTP},
			{"smtp.auth", "Sign in to the outgoing server", way, (*verification).authSMTP},
			{"smtp.sender", "Ask whether the address may be used as sender", way, (*verification).askSender},
		}
	}
	return []step{{string(way) + ".auth", "Sign in to " + nameOf(way), way, func(v *verification, ctx context.Context) (string, *problem) {
		return v.openWeb(ctx, way)
	}}}
}

// nameOf is what people call a way.
func nameOf(way relay.Way) string {
	switch way {
	case relay.WayEWS:
		return "the Exchange server"
	case relay.WayGraph:
		return "Microsoft Graph"
	case relay.WayGmailAPI:
		return "the Gmail API"
	}
	return "the outgoing server"
}

// credentials are those for one resource, of the settings that are being proved.
func (v *verification) credentials(ctx context.Context, r relay.Resource) (*relay.Credentials, *problem) {
	open, a := v.s.credentials, v.account
	if v.trying {
		open, a = v.s.candidateCredentials, v.stored
	}
	c, err := open(ctx, a, r)
	if err != nil {
		return nil, v.s.problemOfCredentials(v.account, err)
	}
	v.c = c
	return c, nil
}

// discover finds the servers, and plans anew.
func (v *verification) discover(ctx context.Context) (string, *problem) {
	found, source, err := v.s.o.Finder.Find(ctx, v.account)
	var field *relay.FieldError
	switch {
	case errors.As(err, &field):
		return "", &problem{field: field.Field, message: field.Message}
	case err != nil:
		return "", &problem{field: "address", message: "No servers could be found for this address: enter them by hand."}
	}
	if err := checkSettings(&found, false); err != nil {
		return "", &problem{field: "address", message: "What was found for this address cannot be used: enter the servers by hand."}
	}
	a, changed, err := v.s.update(ctx, v.account.ID, func(a *relay.Account) bool {
		if !v.isSame(a) {
			return false
		}
		if v.trying {
			a.Candidate.Settings = found
		} else {
			a.Settings = found
		}
		return true
	})
	if err != nil || !changed {
		return "", &problem{message: "The settings were changed during the verification: start it again."}
	}
	v.account.Settings, v.account.Revision = found, a.Revision
	if v.trying {
		v.stored.Candidate.Settings, v.stored.Revision = found, a.Revision
	}
	v.steps = append(v.steps[:1:1], v.plan()...)
	v.p.replan(v.steps)
	return source, nil
}

func (v *verification) connectSMTP(ctx context.Context) (string, *problem) {
	c, wrong := v.credentials(ctx, relay.ResourceMail)
	if wrong != nil {
		return "", wrong
	}
	client, t := v.s.connectSMTP(ctx, c)
	if t != nil {
		return "", t.explain()
	}
	v.smtp.client = client
	v.card.SMTPHost, v.card.Certificate = client.Banner(), certificateOf(client.TLS())
	return v.account.SMTP.Host + ", " + describeTLS(client.TLS()), nil
}

func (v *verification) authSMTP(ctx context.Context) (string, *problem) {
	t := v.s.authSMTP(ctx, v.smtp.client, v.c)
	if !v.trying && v.s.renewed(ctx, v.c, t) {
		v.smtp.client.Close() //nolint:errcheck // it is given up
		v.smtp.client, t = v.s.enterSMTP(ctx, v.c)
	}
	if t == nil {
		ext := v.smtp.client.Extensions()
		v.card.Extensions, v.card.MaxSize = extensionNames(ext), ext.MaxSize
		return "as " + v.c.SMTPLogin(), nil
	}
	wrong := t.explain()
	if wrong.field == "password" {
		v.compareLogins(ctx, wrong)
	}
	return "", wrong
}

// extensionNames are the keywords of the EHLO answer that relayd knows.
func extensionNames(e smtpwire.Extensions) []string {
	var names []string
	for _, x := range []struct {
		name    string
		offered bool
	}{
		{"PIPELINING", e.Pipelining}, {"8BITMIME", e.EightBitMIME}, {"SMTPUTF8", e.SMTPUTF8},
		{"CHUNKING", e.Chunking}, {"DSN", e.DSN}, {"SIZE", e.Size},
	} {
		if x.offered {
			names = append(names, x.name)
		}
	}
	return names
}

// compareLogins asks the other server: if it takes the password, the password is
// right and the user name or the right to send is what is wrong.
func (v *verification) compareLogins(ctx context.Context, wrong *problem) {
	if v.account.IMAP.Host == "" {
		return
	}
	box, t := v.s.openIMAP(ctx, v.c)
	if t != nil {
		return
	}
	box.Close(ctx)
	wrong.field = "smtp.login"
	wrong.message = fmt.Sprintf("The incoming server takes this password, but the outgoing server %s refuses it for the user name %s: "+
		"check the user name, and whether the provider allows sending by SMTP.", v.account.SMTP.Host, v.c.SMTPLogin())
}

func (v *verification) askSender(ctx context.Context) (string, *problem) {
	own := v.account.Address
	if err := v.smtp.client.Probe(ctx, own, own); err != nil {
		return "", v.s.troubleOfSMTP(v.c, err, true).explain()
	}
	v.smtp.ready = true
	return own.String(), nil
}

// openWeb signs in to an API.
func (v *verification) openWeb(ctx context.Context, way relay.Way) (string, *problem) {
	if v.s.o.Web == nil {
		return "", &problem{field: "ways", message: "This relayd cannot reach " + nameOf(way) + "."}
	}
	c, wrong := v.credentials(ctx, way.Resource())
	if wrong != nil {
		return "", wrong
	}
	client, about, t := v.s.enterWeb(ctx, c, way, !v.trying)
	switch {
	case t != nil:
		return "", t.explain()
	case about.Address != "" && !sameText(about.Address, v.account.Address):
		client.Close() //nolint:errcheck // it is given up
		return "", &problem{field: "address", message: fmt.Sprintf("This sign-in is for the mailbox of %s, not of %s.", relay.Printable(about.Address), v.account.Address)}
	}
	v.webs = append(v.webs, webWay{way, client})
	if v.card.Certificate == "" {
		v.card.Certificate = relay.Printable(about.Certificate)
	}
	return describeWeb(about, way), nil
}

func describeWeb(about webmail.About, way relay.Way) string {
	text := about.Host
	if text == "" {
		text = nameOf(way)
	}
	for _, more := range []string{about.TLS, about.Version} {
		if more != "" {
			text += ", " + more
		}
	}
	return relay.Printable(text)
}

// send sends the mail by its way, over what is signed in already.
func (v *verification) send(ctx context.Context, m *loopMail) *problem {
	content := m.text()
	if m.way == relay.WaySMTP {
		return v.sendSMTP(ctx, m, content)
	}
	for _, w := range v.webs {
		if w.way != m.way {
			continue
		}
		receipt, err := w.client.Send(ctx, webmail.Content{Size: content.Size(), Reader: content.Reader})
		if err != nil {
			t := v.s.troubleOfWeb(v.c, w.way, err)
			m.sent = t.unknown
			return t.explain()
		}
		m.reply = receipt.Reply.Text
		return nil
	}
	return &problem{message: "There is no way to send the mail."}
}

func (v *verification) sendSMTP(ctx context.Context, m *loopMail, content body) *problem {
	if !v.smtp.client.Usable() { // servers end idle connections, and looking for Sent took its time
		if wrong := v.reconnect(ctx); wrong != nil {
			m.sent = false
			return wrong
		}
	}
	receipt, err := v.smtp.client.Send(ctx, &smtpwire.Transaction{
		From:       v.account.Address,
		Recipients: []relay.Recipient{{Address: m.to, Notify: relay.NotifyNever}},
		Body:       content,
	})
	if err == nil {
		err = receipt.Err()
	}
	if err != nil {
		m.sent = receipt.DotSent
		return v.s.troubleOfSMTP(v.c, err, true).explain()
	}
	m.reply = receipt.Answers[0].Reply.Text
	return nil
}

func (v *verification) reconnect(ctx context.Context) *problem {
	c, wrong := v.credentials(ctx, relay.ResourceMail)
	if wrong != nil {
		return wrong
	}
	v.smtp.client.Close() //nolint:errcheck // it is of no use any more
	client, t := v.s.connectSMTP(ctx, c)
	if t != nil {
		return t.explain()
	}
	v.smtp.client = client
	if t := v.s.authSMTP(ctx, client, c); t != nil {
		return t.explain()
	}
	return nil
}
