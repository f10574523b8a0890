package account

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/relayd/relayd/internal/mailbox"
	"github.com/relayd/relayd/internal/webmail"
	"github.com/relayd/relayd/relay"
)

// reader is where a verification reads the mailbox: by IMAP, or by the API that sends.
type reader interface {
	// arrived looks for the mail outside Sent; everywhere looks into every folder.
	arrived(ctx context.Context, m *loopMail, everywhere bool) (*arrival, *trouble)
	// filed looks whether the provider put a copy of the mail into Sent.
	filed(ctx context.Context, m *loopMail) (bool, *trouble)
	// remove takes away what was found, and nothing else. done is false if it only
	// could be marked.
	remove(ctx context.Context, m *loopMail) (done bool, err error)
}

// arrival is the mail as it was found.
type arrival struct {
	where    string // the folder
	from     string // value of From
	headerID string // value of Message-ID
}

// imapReader reads by IMAP.
type imapReader struct {
	v       *verification
	box     *mailbox.Mailbox
	refused *trouble // the sign-in was refused
	sent    string   // name of the Sent folder; empty if there is none
	refusal string   // why no copy could be filed
}

// connectIMAP opens the mailbox. A refused sign-in is the next step's.
func (v *verification) connectIMAP(ctx context.Context) (string, *problem) {
	c, wrong := v.credentials(ctx, relay.ResourceMail)
	if wrong != nil {
		return "", v.withoutIMAP(wrong)
	}
	box, t := v.s.openIMAP(ctx, c)
	if !v.trying && v.s.renewed(ctx, c, t) {
		box, t = v.s.openIMAP(ctx, c)
	}
	switch {
	case t == nil:
		v.imap = imapReader{v: v, box: box}
		v.card.UIDPlus, v.card.AppendLimit = box.UIDPlus(), box.AppendLimit()
		peer := box.Peer()
		if peer.TLS == "" {
			return peer.Host + ", without TLS", nil
		}
		return fmt.Sprintf("%s, %s, certificate for %s", peer.Host, peer.TLS, peer.Certificate), nil
	case t.where == relay.AtAuth:
		v.imap.refused = t
		return v.account.IMAP.Host, nil
	}
	return "", v.withoutIMAP(t.explain())
}

// withoutIMAP lets an account go on that an API can read as well.
func (v *verification) withoutIMAP(wrong *problem) *problem {
	if len(v.webs) > 0 {
		return &problem{skip: true, message: wrong.message}
	}
	return wrong
}

func (v *verification) authIMAP(context.Context) (string, *problem) {
	switch {
	case v.imap.box != nil:
		v.reader = &v.imap
		return "as " + v.c.IMAPLogin(), nil
	case v.imap.refused == nil:
		return "", &problem{skip: true, message: "there is no connection"}
	}
	wrong := v.imap.refused.explain()
	if wrong.field == "password" && v.smtp.ready { // the outgoing server took it
		wrong.field = "imap.login"
		wrong.message = fmt.Sprintf("The outgoing server takes this password, but the incoming server %s refuses it for the user name %s: "+
			"check the user name, and whether IMAP is switched on in the mailbox's settings.", v.account.IMAP.Host, v.c.IMAPLogin())
	}
	return "", v.withoutIMAP(wrong)
}

func (v *verification) findSent(ctx context.Context) (string, *problem) {
	if v.imap.box == nil {
		return "", &problem{skip: true, message: "there is no connection"}
	}
	folder, err := v.imap.box.FindSent(ctx, v.account.SentFolder)
	switch {
	case errors.Is(err, mailbox.ErrNoSent):
		return "there is none yet; it is made with the first copy", nil
	case errors.Is(err, mailbox.ErrNoFolder):
		return "", &problem{field: "sent_folder", message: fmt.Sprintf("The mailbox has no folder %q: choose another one, or none.", v.account.SentFolder)}
	case err != nil:
		return "", v.s.troubleOfIMAP(v.c, err).explain()
	}
	v.imap.sent, v.card.SentFolder = folder.Name, folder.Name
	return folder.Name, nil
}

// firstFolders is how many folders are searched at every look; the others only at every
// third, since there may be hundreds.
const firstFolders = 4

func (r *imapReader) arrived(ctx context.Context, m *loopMail, everywhere bool) (*arrival, *trouble) {
	if !r.reopen(ctx) {
		return nil, r.lost()
	}
	all, err := r.box.Folders(ctx)
	if err != nil {
		return nil, r.v.s.troubleOfIMAP(r.v.c, err)
	}
	folders := slices.DeleteFunc(mailbox.SearchOrder(all), func(f mailbox.Folder) bool { return f.Name == r.sent })
	if !everywhere {
		folders = folders[:min(len(folders), firstFolders)]
	}
	for _, f := range folders {
		found, err := r.box.Find(ctx, f.Name, tokenField, m.token, "From", "Message-ID")
		if err != nil && !r.box.Usable() {
			return nil, r.v.s.troubleOfIMAP(r.v.c, err)
		}
		if len(found) > 0 { // a folder that cannot be searched is passed over
			m.uids[f.Name] = uidsOf(found)
			return &arrival{f.Name, found[0].Header.Get("From"), found[0].Header.Get("Message-ID")}, nil
		}
	}
	return nil, nil
}

func (r *imapReader) filed(ctx context.Context, m *loopMail) (bool, *trouble) {
	if r.sent == "" {
		return false, nil
	}
	if !r.reopen(ctx) {
		return false, r.lost()
	}
	found, err := r.box.Find(ctx, r.sent, tokenField, m.token)
	if err != nil && !r.box.Usable() {
		return false, r.v.s.troubleOfIMAP(r.v.c, err)
	}
	if len(found) > 0 {
		m.uids[r.sent] = uidsOf(found)
	}
	return len(found) > 0, nil
}

func (r *imapReader) remove(ctx context.Context, m *loopMail) (bool, error) {
	for folder, uids := range m.uids {
		if !r.reopen(ctx) {
			return false, errors.New("the connection was lost")
		}
		if err := r.box.Delete(ctx, folder, uids...); err != nil {
			return false, err
		}
	}
	return r.box.UIDPlus(), nil
}

// reopen opens the mailbox again after its connection was lost.
func (r *imapReader) reopen(ctx context.Context) bool {
	if r.box.Usable() {
		return true
	}
	box, t := r.v.s.openIMAP(ctx, r.v.c)
	if t != nil {
		r.refused = t
		return false
	}
	r.box = box
	return true
}

// lost is the trouble of a connection that could not be opened again.
func (r *imapReader) lost() *trouble { return r.refused }

// tryAppend files the mail in Sent and takes it away again, where the provider does
// not file itself: that shows the right to do so.
func (v *verification) tryAppend(ctx context.Context) (string, *problem) {
	switch {
	case v.alias != nil || v.card.FilesSent:
		return "", &problem{skip: true, message: "the provider files sent mail itself"}
	case v.imap.box == nil || v.reader != reader(&v.imap):
		return "", &problem{skip: true, message: "there is no connection to the incoming server"}
	case v.imap.sent == "":
		return "", &problem{skip: true, message: "there is no folder yet; it is made with the first copy"}
	case !v.card.UIDPlus:
		return "", &problem{skip: true, message: "this server could not take the trial copy away again"}
	}
	m := v.mails[0]
	content := m.text()
	if !v.imap.reopen(ctx) {
		return "", v.imap.lost().explain()
	}
	uid, err := v.imap.box.Append(ctx, v.imap.sent, mailbox.Upload{
		Size: content.Size(), Content: bytes.NewReader(content), Date: time.Now(), Seen: true,
	})
	if err != nil {
		t := v.s.troubleOfIMAP(v.c, err)
		v.imap.refusal = t.reply.String()
		v.imap.reopen(ctx)
		return "it cannot: " + t.reply.String(), nil
	}
	v.card.Appends = true
	if uid != 0 {
		m.uids[v.imap.sent] = append(m.uids[v.imap.sent], uid)
	} else if _, t := v.imap.filed(ctx, m); t != nil {
		return "it works; the trial copy could not be found again", nil
	}
	return "it works", nil
}

// webReader reads by the API that sends.
type webReader struct {
	v   *verification
	web webWay
}

func (r *webReader) arrived(ctx context.Context, m *loopMail, everywhere bool) (*arrival, *trouble) {
	folders := []webmail.Folder{webmail.FolderInbox, webmail.FolderJunk}
	if everywhere {
		folders = append(folders, webmail.FolderAnywhere)
	}
	for _, f := range folders {
		items, t := r.find(ctx, f, m)
		if t == nil && f == webmail.FolderAnywhere && len(items) > 0 {
			items, t = r.withoutSent(ctx, m, items)
		}
		if t != nil {
			return nil, t
		}
		if len(items) > 0 {
			m.items = append(m.items, items...)
			return &arrival{string(f), items[0].From, items[0].HeaderID}, nil
		}
	}
	return nil, nil
}

// withoutSent leaves out what the provider filed in Sent: it arrived nowhere.
func (r *webReader) withoutSent(ctx context.Context, m *loopMail, items []webmail.Item) ([]webmail.Item, *trouble) {
	sent, t := r.find(ctx, webmail.FolderSent, m)
	return slices.DeleteFunc(items, func(i webmail.Item) bool {
		return slices.ContainsFunc(sent, func(s webmail.Item) bool { return s.ID == i.ID })
	}), t
}

func (r *webReader) filed(ctx context.Context, m *loopMail) (bool, *trouble) {
	items, t := r.find(ctx, webmail.FolderSent, m)
	m.items = append(m.items, items...)
	return len(items) > 0, t
}

// find asks by Message-ID, and by the subject where that was replaced.
func (r *webReader) find(ctx context.Context, f webmail.Folder, m *loopMail) ([]webmail.Item, *trouble) {
	items, err := r.web.client.Find(ctx, f, m.headerID)
	if err == nil && len(items) == 0 {
		items, err = r.web.client.FindSubject(ctx, f, m.mark())
	}
	if err != nil {
		return nil, r.v.s.troubleOfWeb(r.v.c, r.web.way, err)
	}
	return items, nil
}

func (r *webReader) remove(ctx context.Context, m *loopMail) (bool, error) {
	if len(m.items) == 0 {
		return true, nil
	}
	return true, r.web.client.Delete(ctx, m.items...)
}

func uidsOf(messages []mailbox.Message) []uint32 {
	uids := make([]uint32, len(messages))
	for i, m := range messages {
		uids[i] = m.UID
	}
	return uids
}
