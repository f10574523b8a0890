package account

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/mail"
	"slices"
	"strings"
	"time"

	"github.com/relayd/relayd/internal/mailaddr"
	"github.com/relayd/relayd/internal/webmail"
	"github.com/relayd/relayd/relay"
)

// tokenField is the header field by which the mail is found again.
const tokenField = "X-Relayd-Verification"

// loopMail is the mail that proves one way of an account: from it, to it.
type loopMail struct {
	way      relay.Way
	from, to relay.Address
	token    string // random, of at least 128 bits: nobody else can make a mail that is found
	headerID string
	at       time.Time
	sent     bool // it may lie in the mailbox
	reply    string
	found    *arrival
	uids     map[string][]uint32 // by folder, of this mail and its copies
	items    []webmail.Item      // the same where an API is read
}

func newLoopMail(way relay.Way, from, to relay.Address) *loopMail {
	m := &loopMail{way: way, from: from, to: to, token: rand.Text(), at: time.Now(), uids: map[string][]uint32{}}
	m.headerID = "<" + m.token + ".relayd-verification@" + from.Domain + ">"
	return m
}

// markLength is how much of the token stands in the subject, for APIs that search no
// other field.
const markLength = 12

// mark is the part of the token that stands in the subject.
func (m *loopMail) mark() string { return m.token[:markLength] }

// text writes the mail. It tells every automaton not to answer (RFC 3834 §5).
func (m *loopMail) text() body {
	return body(fmt.Appendf(nil, "From: %s\r\nTo: %s\r\nSubject: relayd verifies this account (%s)\r\nDate: %s\r\nMessage-ID: %s\r\n%s: %s\r\n"+
		"Auto-Submitted: auto-generated\r\nX-Auto-Response-Suppress: All\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n"+
		"relayd sent this mail from your account to your account, to see whether the\r\naccount works. It removes it again by itself. If you see it, you can delete it.\r\n",
		m.from.Path(), m.to.Path(), m.mark(), m.at.Format(time.RFC1123Z), m.headerID, tokenField, m.token))
}

// body is a small message in memory.
type body []byte

// Size is its length.
func (b body) Size() int64 { return int64(len(b)) }

// Reader reads it.
func (b body) Reader() io.Reader { return bytes.NewReader(b) }

// sendLoops sends one mail by each way that is signed in. The first one must be taken;
// a further way that fails is not proved, and that is all.
func (v *verification) sendLoops(ctx context.Context) (string, *problem) {
	from, to := v.account.Address, v.account.Address
	if v.alias != nil {
		from, to = *v.alias, *v.alias
	}
	v.chooseReader()
	var sent []string
	var first *problem
	for _, way := range v.account.Ladder() {
		if !v.canSend(way) {
			continue
		}
		m := newLoopMail(way, from, to)
		m.sent = true // from here on it may lie in the mailbox
		v.mails = append(v.mails, m)
		if wrong := v.send(ctx, m); wrong != nil {
			if first == nil {
				first = wrong
			}
			m.reply = ""
			continue
		}
		sent = append(sent, m.headerID+" by "+nameOf(way))
		if v.alias != nil {
			break // whether the others work is known already
		}
	}
	if len(sent) == 0 {
		return "", first
	}
	if v.smtp.client != nil {
		v.smtp.client.Quit(ctx) //nolint:errcheck // the mail was taken
	}
	v.mails = slices.DeleteFunc(v.mails, func(m *loopMail) bool { return !m.sent })
	return strings.Join(sent, ", "), nil
}

func (v *verification) canSend(way relay.Way) bool {
	if way == relay.WaySMTP {
		return v.smtp.ready
	}
	return slices.ContainsFunc(v.webs, func(w webWay) bool { return w.way == way })
}

// chooseReader reads by the API where IMAP is not there.
func (v *verification) chooseReader() {
	if v.reader == nil && len(v.webs) > 0 {
		v.reader = &webReader{v, v.webs[0]}
	}
}

const (
	// pauseGrowth is by how much the pauses between two looks grow.
	pauseGrowth = 1.6
	// maxPause is the longest of them.
	maxPause = 8 * time.Second
	// everyFolder is at which looks the folders beyond the first are searched as well.
	everyFolder = 3
)

// findLoops looks for the mails in every folder but Sent, with growing pauses, until
// all are there or their time is over. One that arrived proves the account.
func (v *verification) findLoops(ctx context.Context) (string, *problem) {
	if v.reader == nil {
		return "", v.unread("the mailbox cannot be read")
	}
	deadline := time.Now().Add(v.s.o.LoopPatience)
	pause := v.s.o.LoopPause
	for look := 1; ; look++ {
		wrong := v.lookForAll(ctx, look%everyFolder == 0)
		switch {
		case wrong != nil:
			return "", wrong
		case v.allFound(), v.anyFound() && time.Now().After(deadline):
			return v.compare()
		case time.Now().After(deadline):
			return "", v.notArrived()
		}
		if !wait(ctx, pause) {
			return "", nil
		}
		pause = min(time.Duration(float64(pause)*pauseGrowth), maxPause)
	}
}

// lookForAll searches once for what has not been found yet. A failure that does not end
// the connection is another look's matter.
func (v *verification) lookForAll(ctx context.Context, everywhere bool) *problem {
	for _, m := range v.mails {
		if m.found != nil {
			continue
		}
		found, t := v.reader.arrived(ctx, m, everywhere)
		if t != nil && (ctx.Err() != nil || v.gone(ctx)) {
			if v.maySendOnly(t) {
				return v.unread("this sign-in may send but not read")
			}
			return t.explain()
		}
		if found != nil {
			m.found = found
			if m == v.mails[0] {
				v.card.ArrivedIn, v.card.ArrivedAfter = relay.Printable(found.where), time.Since(m.at)
			}
		}
	}
	return nil
}

// unread is what becomes of mail that nobody can look for. Another address than the
// account's own is not proved by it: a provider may have replaced the sender.
func (v *verification) unread(why string) *problem {
	if v.alias != nil {
		return &problem{field: "address", message: fmt.Sprintf("Whether mail really leaves as %s cannot be seen: %s.", *v.alias, why)}
	}
	return &problem{skip: true, message: why + "; that the provider took the mail has to do"}
}

// gone reports whether the mailbox cannot be read any more.
func (v *verification) gone(ctx context.Context) bool {
	if v.reader == reader(&v.imap) {
		return !v.imap.reopen(ctx)
	}
	return true
}

// maySendOnly reports whether the trouble is that a consent does not reach as far as
// reading. The vendor named the address of that consent, so it is proved all the same;
// that of a shared mailbox it did not.
func (v *verification) maySendOnly(t *trouble) bool {
	return v.account.SignIn == relay.SignInConsent && v.account.User != "" && t.forbidden
}

func (v *verification) allFound() bool {
	return !slices.ContainsFunc(v.mails, func(m *loopMail) bool { return m.found == nil })
}

func (v *verification) anyFound() bool {
	return slices.ContainsFunc(v.mails, func(m *loopMail) bool { return m.found != nil })
}

func (v *verification) notArrived() *problem {
	return &problem{field: "address", message: fmt.Sprintf("The mail that was sent to %s did not arrive in this mailbox within %s: "+
		"check that the address belongs to it. A filter or a redirection may also have taken it away.", v.mails[0].to, v.s.o.LoopPatience)}
}

// compare checks what arrived against what was sent. A mail that arrives from
// another address proves nothing about ours.
func (v *verification) compare() (string, *problem) {
	var texts []string
	var replaced *problem
	for _, m := range v.mails {
		if m.found == nil {
			continue
		}
		if !m.keepsFrom(v.alias != nil) {
			replaced = &problem{field: "address", message: fmt.Sprintf("The provider does not send as %s: it replaced the sender by %s. "+
				"Check the address of the account, or permit it at the provider as a sender.", m.from, relay.Printable(m.found.from))}
			continue
		}
		if len(v.card.Ways) == 0 {
			v.card.KeepsHeaderID = m.found.headerID == m.headerID
			v.card.ReplyNamesID = !v.card.KeepsHeaderID && m.found.headerID != "" && strings.Contains(m.reply, m.found.headerID)
		}
		v.card.Ways = append(v.card.Ways, m.way)
		text := "found in " + m.found.where
		if m.found.headerID != m.headerID {
			text += "; the provider replaced the Message-ID"
		}
		texts = append(texts, text)
	}
	if len(texts) == 0 {
		return "", replaced
	}
	v.card.KeepsFrom = true
	return strings.Join(texts, ", "), nil
}

// keepsFrom reports whether the mail arrived from the address that it was sent from.
// Some APIs do not tell: they send as the mailbox that is signed in, and as no other.
// That proves no alias.
func (m *loopMail) keepsFrom(alias bool) bool {
	if m.found.from == "" && m.way.Web() {
		return !alias
	}
	from, err := mail.ParseAddress(m.found.from)
	return err == nil && sameMailbox(from, m.from)
}

// watchSent looks whether the provider files sent mail itself.
func (v *verification) watchSent(ctx context.Context) (string, *problem) {
	v.withoutReading()
	switch {
	case v.alias != nil:
		return "", &problem{skip: true, message: "known from the account"}
	case v.reader == nil:
		return "", &problem{skip: true, message: "the mailbox cannot be read"}
	case v.mails[0].way.Web():
		// The API does; whether the copy is found again is no question of rights.
		v.card.FilesSent = true
		if t := v.awaitCopies(ctx); t != nil {
			return "it does, by its programming interface", nil //nolint:nilerr // what was filed is removed if it can be found
		}
		return "it does; relayd adds no second copy", nil
	case v.imap.sent == "":
		return "there is no folder to look in", nil
	}
	if t := v.awaitCopies(ctx); t != nil && ctx.Err() == nil {
		return "", t.explain()
	}
	if v.card.FilesSent {
		return "it does; relayd adds no second copy", nil
	}
	return "it does not; relayd files the copies", nil
}

// withoutReading settles the card of a sign-in that may only send.
func (v *verification) withoutReading() {
	if !v.anyFound() {
		for _, m := range v.mails {
			v.card.Ways = append(v.card.Ways, m.way)
		}
		v.card.KeepsFrom = true
	}
}

// awaitCopies waits for the provider's copies in Sent, for SentPatience at most.
func (v *verification) awaitCopies(ctx context.Context) *trouble {
	deadline := time.Now().Add(v.s.o.SentPatience)
	for pause := v.s.o.LoopPause; ; pause = min(time.Duration(float64(pause)*pauseGrowth), maxPause) {
		missing := false
		for i, m := range v.mails {
			there, t := v.reader.filed(ctx, m)
			if t != nil {
				return t
			}
			missing = missing || !there
			if i == 0 && there {
				v.card.FilesSent = true
			}
		}
		if !missing || time.Now().After(deadline) || !wait(ctx, min(pause, v.s.o.SentPatience)) {
			return nil
		}
	}
}

// clean removes the mails and their copies, and nothing else.
func (v *verification) clean(ctx context.Context) (string, *problem) {
	if v.reader == nil {
		return "", &problem{skip: true, message: "it can be deleted by hand"}
	}
	text := "removed"
	for _, m := range v.mails {
		done, err := v.reader.remove(ctx, m)
		if err != nil {
			// The account is proved; one mail too many in it is no reason to say no.
			return "it could not be removed and can be deleted by hand", nil
		}
		m.sent = false
		if !done {
			text = "marked as deleted"
		}
	}
	return text, nil
}

// tidyTime is how long an interrupted verification may take to remove its mail.
const tidyTime = 10 * time.Second

// tidy removes the mails of a verification that did not reach its end, if they have
// arrived by now.
func (v *verification) tidy(ctx context.Context) {
	if v.reader == nil || !slices.ContainsFunc(v.mails, func(m *loopMail) bool { return m.sent }) {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tidyTime)
	defer cancel()
	for _, m := range v.mails {
		if !m.sent {
			continue
		}
		_, gone := v.reader.arrived(ctx, m, false)
		_, lost := v.reader.filed(ctx, m)
		if gone != nil && lost != nil {
			return
		}
		if _, err := v.reader.remove(ctx, m); err != nil && !errors.Is(err, context.Canceled) {
			return
		}
	}
}

// wait pauses, and reports whether ctx still lives.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// sameMailbox compares an address as a header has it with ours. net/mail takes the
// quotes from a local part, and puts them back where they are needed.
func sameMailbox(from *mail.Address, own relay.Address) bool {
	quoted := (&mail.Address{Address: from.Address}).String()
	return sameText(strings.TrimSuffix(strings.TrimPrefix(quoted, "<"), ">"), own)
}

// sameText compares an address in its text form with ours.
func sameText(text string, own relay.Address) bool {
	parsed, err := mailaddr.Parse(text)
	return err == nil && parsed.Equal(own)
}
