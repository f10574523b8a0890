package mailbox_test

import (
	"strings"
	"testing"
	"time"

	"github.com/relayd/relayd/internal/mailbox"
	"github.com/relayd/relayd/internal/simulator"
)

// Where folders are labels, a message is gone from all of them, and the bin keeps what
// the owner put there.
func TestDeleteAtGmail(t *testing.T) {
	t.Parallel()
	const jane, password = "jane@acme.example", "abcdefghijklmnop"
	s, err := simulator.Start(t.Context(), simulator.Options{Personality: simulator.Gmail(),
		Accounts: []simulator.Account{{Address: jane, Password: password}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	o := at(t, s)
	o.Password = password
	m := enter(t, o)
	put := func(folder, id string) uint32 {
		content := strings.Replace(letter, "<1@", "<"+id+"@", 1)
		uid, err := m.Append(t.Context(), folder, mailbox.Upload{Size: int64(len(content)), Content: strings.NewReader(content), Date: time.Now()})
		if err != nil || uid == 0 {
			t.Fatal(uid, err)
		}
		return uid
	}
	count := func(folder string) int {
		found, err := s.Messages(t.Context(), jane, folder)
		if err != nil {
			t.Fatal(err)
		}
		return len(found)
	}
	put("[Gmail]/Trash", "thrown away")
	put("INBOX", "kept")
	uid := put("INBOX", "ours")
	put("[Gmail]/Sent Mail", "ours")
	for range 2 { // the second time it is gone already
		if err := m.Delete(t.Context(), "INBOX", uid); err != nil {
			t.Fatal(err)
		}
		if count("INBOX") != 1 || count("[Gmail]/Sent Mail") != 0 || count("[Gmail]/All Mail") != 1 || count("[Gmail]/Trash") != 1 {
			t.Errorf("INBOX %d, Sent %d, All %d, Trash %d", count("INBOX"), count("[Gmail]/Sent Mail"), count("[Gmail]/All Mail"), count("[Gmail]/Trash"))
		}
	}
}

// What the server says about the bin is believed only as far as it can be ours.
func TestDeleteByBin(t *testing.T) {
	t.Parallel()
	const begin script = `
		S: * OK ready
		C: CAPABILITY
		S: * CAPABILITY IMAP4rev1
		S: TAG OK done
		C: LOGIN "jane" "secret"
		S: TAG OK [CAPABILITY IMAP4rev1 UIDPLUS MOVE X-GM-EXT-1] welcome
		C: CAPABILITY
		S: * CAPABILITY IMAP4rev1 UIDPLUS MOVE X-GM-EXT-1
		S: TAG OK done
		C: SELECT INBOX
		S: * 2 EXISTS
		S: * OK [UIDVALIDITY 1] valid
		S: TAG OK [READ-WRITE] done
		C: LIST "" "*"
	`
	const gmail script = `
		S: * LIST (\All) "/" "[Gmail]/All Mail"
		S: * LIST (\Trash) "/" "[Gmail]/Bin"
		S: TAG OK done
		C: UID MOVE 7 "[Gmail]/Bin"
	`
	const opened script = `
		S: * 1 EXPUNGE
		S: TAG OK done
		C: SELECT "[Gmail]/Bin"
		S: * 9 EXISTS
		S: * OK [UIDVALIDITY 5] valid
		S: TAG OK [READ-WRITE] done
	`
	const removed script = `
		C: UID STORE 7 +FLAGS.SILENT (\Deleted)
		S: TAG OK done
		C: UID EXPUNGE 7
		S: TAG OK done
	`
	for name, s := range map[string]script{
		"named":                  gmail + "S: * OK [COPYUID 5 7 70] moved\n" + opened + script(strings.ReplaceAll(string(removed), " 7", " 70")),
		"not named":              gmail + "S: * 1 EXPUNGE\nS: TAG OK done\n",
		"more than were moved":   gmail + "S: * OK [COPYUID 5 7 1:4000000000] moved\nS: * 1 EXPUNGE\nS: TAG OK done\n",
		"of another bin":         gmail + "S: * OK [COPYUID 4 7 70] moved\n" + opened,
		"no labels":              "S: * LIST (\\Trash) \"/\" \"Trash\"\nS: TAG OK done\n" + removed,
		"no bin":                 "S: * LIST (\\All) \"/\" \"All\"\nS: TAG OK done\n" + removed,
		"a list that is refused": "S: TAG NO later\n" + removed,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := open(t, begin+s+"silence")
			if err := m.Delete(t.Context(), "INBOX", 7); err != nil {
				t.Error(err)
			}
		})
	}
	m := open(t, begin+gmail+"S: TAG NO [OVERQUOTA] no room")
	if err := m.Delete(t.Context(), "INBOX", 7); err == nil || !strings.Contains(err.Error(), "no room") {
		t.Errorf("a refused move: %v", err)
	}
}
