package account

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/mail"
	"slices"
	"strings"
	"time"

	"github.com/relayd/relayd/internal/mailaddr"
	"github.com/relayd/relayd/internal/mailbox"
	"github.com/relayd/relayd/internal/smtpwire"
	"github.com/relayd/relayd/relay"
)

// tokenField is the header field by which the mail is found again.
const tokenField = "X-Relayd-Verification"

// loopMail is the mail that proves an account: from it, to it.
type loopMail struct {
	token    string // random, of at least 128 bits: nobody else can make a mail that is found
	headerID string
	sent     bool
	removed  bool
	found    map[string][]uint32 // UIDs by folder, of this mail and its copies
}

// text writes the mail. It tells every automaton not to answer (RFC 3834 §5).
func (l *loopMail) text(to relay.Address, now time.Time) body {
	return body(fmt.Appendf(nil, "From: %s\r\nTo: %s\r\nSubject: relayd verifies this account\r\nDate: %s\r\nMessage-ID: %s\r\n%s: %s\r\n"+
		"Auto-Submitted: auto-generated\r\nX-Auto-Response-Suppress: All\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n"+
		"relayd sent this mail from your account to your account, to see whether the\r\naccount works. It removes it again by itself. If you see it, you can delete it.\r\n",
		to.Path(), to.Path(), now.Format(time.RFC1123Z), l.headerID, tokenField, l.token))
}

// body is a small message in memory.
type body []byte

// Size is its length.
func (b body) Size() int64 { return int64(len(b)) }

// Reader reads it.
func (b body) Reader() io.Reader { return bytes.NewReader(b) }

// sendLoop sends the mail over the connection that is signed in already.
func (v *verification) sendLoop(ctx context.Context) (string, *problem) {
	to := v.c.Account.Address
	v.loop = loopMail{token: rand.Text(), found: map[string][]uint32{}}
	v.loop.headerID = "<" + v.loop.token + ".relayd-verification@" + to.Domain + ">"
	if !v.client.Usable() { // servers end idle connections, and looking for Sent took its time
		if wrong := v.reconnect(ctx); wrong != nil {
			return "", wrong
		}
	}
	v.loop.sent = true // from here on it may lie in the mailbox
	receipt, err := v.client.Send(ctx, &smtpwire.Transaction{
		From:       to,
		Recipients: []relay.Recipient{{Address: to, Notify: relay.NotifyNever}},
		Body:       v.loop.text(to, time.Now()),
	})
	if err == nil {
		err = receipt.Err()
	}
	if err != nil {
		v.loop.sent = receipt.DotSent
		return "", v.s.troubleOfSMTP(v.c, err, true).explain()
	}
	v.client.Quit(ctx) //nolint:errcheck // the mail was taken
	return v.loop.headerID, nil
}

func (v *verification) reconnect(ctx context.Context) *problem {
	client, t := v.s.connectSMTP(ctx, v.c)
	if t != nil {
		return t.explain()
	}
	v.client = client
	if t := v.s.authSMTP(ctx, client, v.c); t != nil {
		return t.explain()
	}
	return nil
}

const (
	// pauseGrowth is by how much the pauses between two looks grow.
	pauseGrowth = 1.6
	// maxPause is the longest of them.
	maxPause = 8 * time.Second
	// firstFolders is how many folders are searched at every look; the others only
	// at every third, since there may be hundreds.
	firstFolders = 4
)

// findLoop looks for the mail in every folder but Sent, with growing pauses.
func (v *verification) findLoop(ctx context.Context) (string, *problem) {
	deadline := time.Now().Add(v.s.o.LoopPatience)
	pause := v.s.o.LoopPause
	for look := 1; ; look++ {
		folder, found, t := v.look(ctx, look%3 == 0)
		if t != nil && (ctx.Err() != nil || !v.reopen(ctx)) {
			return "", t.explain()
		}
		if found != nil {
			return v.compare(folder, found)
		}
		if time.Now().After(deadline) {
			return "", &problem{field: "address", message: fmt.Sprintf("The mail that was sent to %s did not arrive in this mailbox within %s: "+
				"check that the address belongs to it. A filter or a redirection may also have taken it away.", v.c.Account.Address, v.s.o.LoopPatience)}
		}
		if !wait(ctx, pause) {
			return "", nil
		}
		pause = min(time.Duration(float64(pause)*pauseGrowth), maxPause)
	}
}

// look searches once.
func (v *verification) look(ctx context.Context, everywhere bool) (string, *mailbox.Message, *trouble) {
	all, err := v.box.Folders(ctx)
	if err != nil {
		return "", nil, v.s.troubleOfIMAP(v.c, err)
	}
	folders := slices.DeleteFunc(mailbox.SearchOrder(all), func(f mailbox.Folder) bool { return f.Name == v.sent })
	if !everywhere {
		folders = folders[:min(len(folders), firstFolders)]
	}
	for _, f := range folders {
		found, err := v.box.Find(ctx, f.Name, tokenField, v.loop.token, "From", "Message-ID")
		if err != nil && !v.box.Usable() {
			return "", nil, v.s.troubleOfIMAP(v.c, err)
		}
		if len(found) > 0 { // a folder that cannot be searched is passed over
			v.loop.found[f.Name] = uidsOf(found)
			return f.Name, &found[0], nil
		}
	}
	return "", nil, nil
}

// reopen opens the mailbox again after its connection was lost.
func (v *verification) reopen(ctx context.Context) bool {
	if v.box.Usable() {
		return true
	}
	box, t := v.s.openIMAP(ctx, v.c)
	if t != nil {
		return false
	}
	v.box = box
	return true
}

// compare checks what arrived against what was sent. A mail that arrives from
// another address proves nothing about ours.
func (v *verification) compare(folder string, found *mailbox.Message) (string, *problem) {
	own := v.c.Account.Address
	from, err := mail.ParseAddress(found.Header.Get("From"))
	v.card.KeepsFrom = err == nil && sameMailbox(from, own)
	v.card.KeepsHeaderID = found.Header.Get("Message-ID") == v.loop.headerID
	if !v.card.KeepsFrom {
		return "", &problem{field: "address", message: fmt.Sprintf("The provider does not send as %s: it replaced the sender by %s. "+
			"Check the address of the account, or permit it at the provider as a sender.", own, relay.Printable(found.Header.Get("From")))}
	}
	text := "found in " + folder
	if !v.card.KeepsHeaderID {
		text += "; the provider replaced the Message-ID"
	}
	return text, nil
}

// watchSent looks whether the provider files sent mail itself.
func (v *verification) watchSent(ctx context.Context) (string, *problem) {
	if v.sent == "" {
		return "there is no folder to look in", nil
	}
	deadline := time.Now().Add(v.s.o.SentPatience)
	for pause := v.s.o.LoopPause; ; pause = min(time.Duration(float64(pause)*pauseGrowth), maxPause) {
		found, err := v.box.Find(ctx, v.sent, tokenField, v.loop.token)
		if err != nil && !v.reopen(ctx) {
			return "", v.s.troubleOfIMAP(v.c, err).explain()
		}
		if len(found) > 0 {
			v.loop.found[v.sent] = uidsOf(found)
			v.card.FilesSent = true
			return "it does; relayd adds no second copy", nil
		}
		if time.Now().After(deadline) {
			return "it does not; relayd files the copies", nil
		}
		if !wait(ctx, min(pause, v.s.o.SentPatience)) {
			return "", nil
		}
	}
}

// clean removes the mail and its copies, and nothing else.
func (v *verification) clean(ctx context.Context) (string, *problem) {
	for folder, uids := range v.loop.found {
		if err := v.box.Delete(ctx, folder, uids...); err != nil {
			// The account is proved; one mail too many in it is no reason to say no.
			return "it could not be removed and can be deleted by hand", nil
		}
	}
	v.loop.removed = true
	if !v.card.UIDPlus {
		return "marked as deleted", nil
	}
	return "removed", nil
}

// tidyTime is how long an interrupted verification may take to remove its mail.
const tidyTime = 10 * time.Second

// tidy removes the mail of a verification that did not reach its end, if it has
// arrived by now.
func (v *verification) tidy(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tidyTime)
	defer cancel()
	if v.box == nil || !v.reopen(ctx) {
		return
	}
	if _, _, t := v.look(ctx, false); t != nil {
		return
	}
	if v.sent != "" {
		if found, err := v.box.Find(ctx, v.sent, tokenField, v.loop.token); err == nil && len(found) > 0 {
			v.loop.found[v.sent] = uidsOf(found)
		}
	}
	v.clean(ctx)
}

func uidsOf(messages []mailbox.Message) []uint32 {
	uids := make([]uint32, len(messages))
	for i, m := range messages {
		uids[i] = m.UID
	}
	return uids
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
	parsed, err := mailaddr.Parse(strings.TrimSuffix(strings.TrimPrefix(quoted, "<"), ">"))
	return err == nil && parsed.Equal(own)
}
