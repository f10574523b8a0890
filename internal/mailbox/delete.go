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
func (m *Mailbox) Delete(ctx context.Context, folder string, uids ...uint32) error {
	if len(uids) == 0 {
		return nil
	}
	if _, err := m.open(ctx, folder, false); err != nil {
		return err
	}
	return m.remove(ctx, uids)
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

// remove works in the folder that is open.
func (m *Mailbox) remove(ctx context.Context, uids []uint32) error {
	var set imap.UIDSet
	for _, uid := range uids {
		if uid != 0 { // 0 would be written as "*"
			set.AddNum(imap.UID(uid))
		}
	}
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
