package peers

import (
	"bufio"
	"net/textproto"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// letter is a message as it lies in a Maildir, with the line ends of the wire.
type letter struct {
	header textproto.MIMEHeader
	head   string // the header as it stands
	body   string
	flags  string // Maildir's: S is seen
}

// read reads the messages of a Maildir, in no order. A folder that does not exist
// has none.
func read(t *testing.T, maildir string) []letter {
	t.Helper()
	var all []letter
	for _, sub := range []string{"new", "cur"} {
		files, err := os.ReadDir(filepath.Join(maildir, sub))
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		for _, f := range files {
			data, err := os.ReadFile(filepath.Join(maildir, sub, f.Name()))
			if os.IsNotExist(err) {
				return read(t, maildir) // its flags changed meanwhile
			}
			if err != nil {
				t.Fatal(err)
			}
			_, flags, _ := strings.Cut(f.Name(), ":2,")
			all = append(all, parse(t, string(data), flags))
		}
	}
	return all
}

func parse(t *testing.T, content, flags string) letter {
	t.Helper()
	content = strings.ReplaceAll(strings.ReplaceAll(content, "\r\n", "\n"), "\n", "\r\n")
	head, body, found := strings.Cut(content, "\r\n\r\n")
	if !found {
		t.Fatalf("a message without an end of its header: %.500q", content)
	}
	fields, err := textproto.NewReader(bufio.NewReader(strings.NewReader(head + "\r\n\r\n"))).ReadMIMEHeader()
	if err != nil {
		t.Fatalf("read the header: %v\n%s", err, head)
	}
	return letter{header: fields, head: head + "\r\n", body: body, flags: flags}
}

// withSubject leaves the letters with this subject.
func withSubject(all []letter, subject string) []letter {
	return slices.DeleteFunc(all, func(l letter) bool { return l.header.Get("Subject") != subject })
}

// about waits for a message with this subject, and checks that it is the only one.
func about(t *testing.T, subject string, mailbox func() []letter) letter {
	t.Helper()
	found := eventually(t, func() []letter { return withSubject(mailbox(), subject) })
	if len(found) != 1 {
		t.Fatalf("%d messages with the subject %q, want 1", len(found), subject)
	}
	return found[0]
}
