package sent

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/relayd/relayd/relay"
)

type spooled string

func (s spooled) Size() int64       { return int64(len(s)) }
func (s spooled) Reader() io.Reader { return strings.NewReader(string(s)) }

func TestCopyOf(t *testing.T) {
	t.Parallel()
	id := relay.NewID(time.Now())
	own := "Received: from x\r\n\tby y id " + id.String() + ";\r\n date\r\n"
	foreign := "Received: from x by z id 123; date\r\n"
	for _, test := range []struct {
		name, body, want string
		bcc              []string
	}{
		{"nothing to do", "From: a\r\n\r\nx\r\n", "From: a\r\n\r\nx\r\n", nil},
		{"our trace goes", own + "From: a\r\n\r\nx\r\n", "From: a\r\n\r\nx\r\n", nil},
		{"only ours, and only the first", own + foreign + "From: a\r\n\r\n", foreign + "From: a\r\n\r\n", nil},
		{"another's stays", foreign + own + "From: a\r\n\r\n", foreign + own + "From: a\r\n\r\n", nil},
		{"Bcc comes back", own + "From: a\r\n\r\n", "Bcc: b@x, c@x\r\nBcc: d@x\r\nFrom: a\r\n\r\n", []string{" b@x, c@x", "d@x"}},
		{"Bcc cannot end the header", "From: a\r\n\r\n", "Bcc: b@x Subject: y z\r\nFrom: a\r\n\r\n", []string{"b@x\r\nSubject: y\r\n\r\nz\x00"}},
		{"a trace without an end stays", "Received: " + id.String(), "Received: " + id.String(), nil},
		{"only our trace", own, "", nil},
		{"empty", "", "", nil},
	} {
		r, size, err := copyOf(&relay.Message{ID: id, Bcc: test.bcc}, spooled(test.body))
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		got, err := io.ReadAll(r)
		if err != nil || string(got) != test.want || size != int64(len(got)) {
			t.Errorf("%s: %q of %d octets, %v; want %q", test.name, got, size, err, test.want)
		}
	}
}

func FuzzCopyOf(f *testing.F) {
	id := relay.NewID(time.Unix(1, 0))
	f.Add([]byte("Received: x id "+id.String()+"\r\n y\r\nFrom: a\r\n\r\nb"), "boss@x")
	f.Add([]byte(strings.Repeat("Received: ", 1000)), "a\r\nb\x00")
	f.Fuzz(func(t *testing.T, body []byte, bcc string) {
		m := &relay.Message{ID: id, Bcc: []string{bcc}}
		r, size, err := copyOf(m, spooled(body))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(r)
		if err != nil || int64(len(got)) != size {
			t.Fatalf("%d octets announced, %d read, %v", size, len(got), err)
		}
		field := bccFields(m.Bcc)
		rest, found := bytes.CutPrefix(got, []byte(field))
		if !found || !bytes.HasSuffix(body, rest) {
			t.Fatalf("%q became %q", body, got)
		}
		for line := range strings.SplitSeq(strings.TrimSuffix(field, "\r\n"), "\r\n") {
			if strings.ContainsAny(line, "\r\n\x00") || !(strings.HasPrefix(line, "Bcc:") || strings.HasPrefix(line, " ")) {
				t.Fatalf("Bcc %q became %q", bcc, field)
			}
		}
	})
}
