package mailbox

import (
	"context"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

// Delete takes messages out of a folder, those with the UIDs given and no others:
// it marks them and sends UID EXPUNGE (RFC 4315 §2.1). Where the server has no UID
// EXPUNGE, they stay marked as deleted: EXPUNGE would take away what the owner
// marked in another program.
//
// At Gmail a folder is a label: a message that is taken out of its last folder is
// archived. There it goes by way of the bin.
func (m *Mailbox) Delete(ctx context.Context, folder string, uids ...uint32) error {
	if len(uids) == 0 {
		return nil
	}
	if _, err := m.open(ctx, folder, false); err != nil {
		return err
	}
	bin, err := m.gmailBin(ctx)
	if err != nil || bin == "" || bin == folder {
		if err != nil && !m.Usable() {
			return err
		}
		return m.remove(ctx, uids)
	}
	return m.removeByBin(ctx, bin, uids)
}

// Remove takes out the one message that lay at a place, as Delete does. It reports
// false, and changes nothing, if the UID may mean another message by now.
func (m *Mailbox) Remove(ctx context.Context, p Place) (bool, error) {
	if p.UID == 0 || p.Validity == 0 {
		return false, nil
	}
	opened, err := m.open(ctx, p.Folder, false)
	if err != nil || opened.UIDValidity != p.Validity {
		return false, err
	}
	return true, m.remove(ctx, []uint32{p.UID})
}

// gmailBin finds the folder from which Gmail deletes for good. Other servers have none.
func (m *Mailbox) gmailBin(ctx context.Context) (string, error) {
	if !m.caps.Has(imap.Cap("X-GM-EXT-1")) || !m.caps.Has(imap.CapMove) || !m.UIDPlus() {
		return "", nil
	}
	folders, err := m.Folders(ctx)
	if err != nil {
		return "", err
	}
	bin, labels := "", false
	for _, f := range folders {
		labels = labels || f.Use == UseAll
		if f.Use == UseTrash && f.Selectable {
			bin = f.Name
		}
	}
	if !labels {
		return "", nil
	}
	return bin, nil
}

// removeByBin moves messages of the folder that is open into the bin, and takes them
// out there: those that the server names, if they can be ours.
func (m *Mailbox) removeByBin(ctx context.Context, bin string, uids []uint32) error {
	set := setOf(uids)
	var moved *imapclient.MoveData
	err := m.do(ctx, operation{step: StepDelete}, func() (err error) {
		moved, err = m.client.Move(set, bin).Wait()
		return err
	})
	if err != nil {
		return err
	}
	there, ok := moved.DestUIDs.(imap.UIDSet)
	if !ok || count(there) > uint64(len(uids)) {
		return nil // in the bin they are as good as deleted
	}
	opened, err := m.open(ctx, bin, false)
	if err != nil || opened.UIDValidity != moved.UIDValidity {
		return err
	}
	return m.removeSet(ctx, there)
}

// count is how many numbers a set has. It is never written out: it may have billions.
func count(set imap.UIDSet) (n uint64) {
	for _, r := range set {
		n += uint64(max(r.Stop, r.Start)-min(r.Start, r.Stop)) + 1
	}
	return n
}

func setOf(uids []uint32) (set imap.UIDSet) {
	for _, uid := range uids {
		if uid != 0 { // 0 would be written as "*"
			set.AddNum(imap.UID(uid))
		}
	}
	return set
}

// remove works in the folder that is open.
func (m *Mailbox) remove(ctx context.Context, uids []uint32) error {
	return m.removeSet(ctx, setOf(uids))
}

func (m *Mailbox) removeSet(ctx context.Context, set imap.UIDSet) error {
	flags := &imap.StoreFlags{Op: imap.StoreFlagsAdd, Silent: true, Flags: []imap.Flag{imap.FlagDeleted}}
	err := m.do(ctx, operation{step: StepDelete}, func() error { return m.client.Store(set, flags, nil).Close() })
	if err != nil || !m.UIDPlus() {
		return err
	}
	return m.do(ctx, operation{step: StepDelete}, func() error { return drain(m.client.UIDExpunge(set)) })
}

// drain waits for an EXPUNGE. Its numbers go through a channel of go-imap that
// somebody must empty until the end; Close stops at a number 0, which only a
// broken server sends, and would then wait for ever.
func drain(command *imapclient.ExpungeCommand) error {
	done := make(chan error, 1)
	go func() { done <- command.Close() }()
	for {
		select {
		case err := <-done:
			return err
		default:
			command.Next()
		}
	}
}
