package smtpwire_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/relayd/relayd/internal/smtpwire"
)

// fakeConn is a connection to nowhere.
type fakeConn struct{}

func (fakeConn) Read([]byte) (int, error)         { return 0, io.EOF }
func (fakeConn) Write(p []byte) (int, error)      { return len(p), nil }
func (fakeConn) Close() error                     { return nil }
func (fakeConn) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (fakeConn) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (fakeConn) SetDeadline(time.Time) error      { return nil }
func (fakeConn) SetReadDeadline(time.Time) error  { return nil }
func (fakeConn) SetWriteDeadline(time.Time) error { return nil }

// slowStuff is the rule of RFC 5321 §4.5.2 octet by octet: the reference.
func slowStuff(content []byte) ([]byte, bool) {
	var out []byte
	start := true
	for i, c := range content {
		switch {
		case c == 0,
			c == '\n' && (i == 0 || content[i-1] != '\r'),
			c == '\r' && (i+1 == len(content) || content[i+1] != '\n'):
			return nil, false
		case c == '.' && start:
			out = append(out, '.')
		}
		out = append(out, c)
		start = c == '\n'
	}
	if !start {
		out = append(out, "\r\n"...)
	}
	return append(out, ".\r\n"...), true
}

// stuffed writes content in pieces of the sizes given, in turn.
func stuffed(content []byte, buffer int, sizes ...int) ([]byte, error) {
	var wire bytes.Buffer
	w := smtpwire.NewDotWriter(&wire, make([]byte, 0, buffer))
	for i := 0; len(content) > 0; i++ {
		n := min(max(sizes[i%len(sizes)], 1), len(content))
		if _, err := w.Write(content[:n]); err != nil {
			return wire.Bytes(), err
		}
		content = content[n:]
	}
	err := w.Finish()
	return wire.Bytes(), err
}

// badContents are the rows S1 to S14 of the smuggling attacks, as content on its
// way out.
var badContents = map[string]string{
	"S1": "x\n.\n", "S2": "x\n.\r", "S3": "x\r.\n", "S4": "x\r.\r", "S5": "x\n.\r\n",
	"S6": "x\r.\r\n", "S7": "x\r\n.\n", "S9": "x\r\n.\rtext\r\n", "S10": "x\r\n\x00.\r\n",
	"S11": "x\r\n.\x00\r\n", "S14": "Subject: x\r\n\n.\r\n\r\n", "LF first": "\nx\r\n", "CR at the end": "x\r\ny\r",
	"CR CR LF": "x\r\r\n", "LF LF": "x\r\n\n",
}

// TestNothingBadLeaves: in whatever pieces it comes, no octet of a bad piece and
// never a final dot is written.
func TestNothingBadLeaves(t *testing.T) {
	t.Parallel()
	for id, content := range badContents {
		for size := 1; size <= len(content); size++ {
			for _, before := range []string{"", strings.Repeat("good\r\n", 2000)} {
				wire, err := stuffed([]byte(before+content), 1<<10, append([]int{len(before)}, slices.Repeat([]int{size}, 20)...)...)
				if !errors.Is(err, smtpwire.ErrBadContent) {
					t.Fatalf("%s in pieces of %d: %v", id, size, err)
				}
				for i, c := range wire {
					bare := c == '\n' && (i == 0 || wire[i-1] != '\r') || c == '\r' && i+1 < len(wire) && wire[i+1] != '\n'
					if bare || c == 0 {
						t.Fatalf("%s in pieces of %d: %q left", id, size, wire[max(0, i-5):min(len(wire), i+5)])
					}
				}
				if bytes.HasSuffix(wire, []byte("\r\n.\r\n")) {
					t.Fatalf("%s in pieces of %d was finished", id, size)
				}
			}
		}
	}
}

// TestS8IsText: a dot with a space behind it ends nothing and is kept.
func TestS8IsText(t *testing.T) {
	t.Parallel()
	wire, err := stuffed([]byte("a\r\n. \r\n.\t\r\n"), 0, 3)
	if err != nil || string(wire) != "a\r\n.. \r\n..\t\r\n.\r\n" {
		t.Errorf("%q, %v", wire, err)
	}
}

// FuzzDotWriter compares with the reference, in any pieces and with any buffer.
func FuzzDotWriter(f *testing.F) {
	for _, content := range badContents {
		f.Add([]byte(content), 3, 0)
	}
	f.Add([]byte(""), 1, 0)
	f.Add([]byte(".\r\n..\r\n\r\n.x\r\n"), 2, 4)
	f.Add(bytes.Repeat([]byte(".\r\n"), 20000), 40000, 100)
	f.Fuzz(func(t *testing.T, content []byte, size, buffer int) {
		want, good := slowStuff(content)
		got, err := stuffed(content, max(buffer, 0)%100000, size, 1, 7)
		if good != (err == nil) || (good && !bytes.Equal(got, want)) {
			t.Fatalf("%q: %q, %v; want %q", content, got, err, want)
		}
		if !good && !errors.Is(err, smtpwire.ErrBadContent) {
			t.Fatal(err)
		}
	})
}

// lines is content of a size, with a dot at every thousandth line.
func lines(size int) []byte {
	var b bytes.Buffer
	for i := 0; b.Len() < size; i++ {
		if i%1000 == 0 {
			b.WriteByte('.')
		}
		b.WriteString(strings.Repeat("x", 70) + "\r\n")
	}
	return b.Bytes()
}

func BenchmarkDotWriter(b *testing.B) {
	for name, content := range map[string][]byte{
		"lines of 72": lines(1 << 20), "only dots": bytes.Repeat([]byte(".\r\n"), 1<<20/3), "long lines": bytes.Repeat([]byte(strings.Repeat("x", 990)+"\r\n"), 1<<20/992),
	} {
		b.Run(name, func(b *testing.B) {
			buf := make([]byte, 0, 64<<10)
			b.SetBytes(int64(len(content)))
			for b.Loop() {
				w := smtpwire.NewDotWriter(io.Discard, buf)
				if _, err := w.Write(content); err != nil {
					b.Fatal(err)
				}
				if err := w.Finish(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
