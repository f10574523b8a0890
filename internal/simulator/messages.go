package simulator

import (
	"context"
	"fmt"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

// Message is one message in a folder.
type Message struct {
	UID     uint32
	Seen    bool
	Date    time.Time // its internal date
	Content []byte
}

// Messages gives what lies in a folder of an account, oldest first. It looks
// through a door of its own, where no fault strikes.
func (s *Simulator) Messages(ctx context.Context, address, folder string) ([]Message, error) {
	u := s.byAddress(address)
	if u == nil {
		return nil, fmt.Errorf("there is no account %s", address)
	}
	conn, err := s.door.enter(ctx)
	if err != nil {
		return nil, fmt.Errorf("reach the simulator's mailboxes: %w", err)
	}
	client := imapclient.New(conn, nil)
	defer client.Close() //nolint:errcheck // it was read
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	if err := client.Login(u.account.Login, "").Wait(); err != nil {
		return nil, fmt.Errorf("sign in as %s: %w", u.account.Login, err)
	}
	selected, err := client.Select(folder, &imap.SelectOptions{ReadOnly: true}).Wait()
	if err != nil {
		return nil, fmt.Errorf("open folder %q of %s: %w", folder, address, err)
	}
	if selected.NumMessages == 0 {
		return nil, nil
	}
	var all imap.SeqSet
	all.AddRange(1, 0)
	fetched, err := client.Fetch(all, &imap.FetchOptions{UID: true, Flags: true, InternalDate: true,
		BodySection: []*imap.FetchItemBodySection{{Peek: true}}}).Collect()
	if err != nil {
		return nil, fmt.Errorf("read folder %q of %s: %w", folder, address, err)
	}
	return messagesOf(fetched), nil
}

func messagesOf(fetched []*imapclient.FetchMessageBuffer) []Message {
	messages := make([]Message, 0, len(fetched))
	for _, f := range fetched {
		m := Message{UID: uint32(f.UID), Date: f.InternalDate}
		for _, flag := range f.Flags {
			m.Seen = m.Seen || flag == imap.FlagSeen
		}
		if len(f.BodySection) > 0 {
			m.Content = f.BodySection[0].Bytes
		}
		messages = append(messages, m)
	}
	return messages
}
