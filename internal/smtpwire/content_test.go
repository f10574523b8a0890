package smtpwire

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"
)

// naive is DATA as RFC 5321 §4.1.1.4 and §4.5.2 write it, octet by octet: the
// reference for the reader that works by lines.
func naive(wire string) (text string, bad bool, rest string, whole bool) {
	end := strings.Index("\r\n"+wire, "\r\n.\r\n")
	if end < 0 {
		return "", false, "", false
	}
	raw, rest := wire[:end], wire[end+3:]
	var b strings.Builder
	for i := range len(raw) {
		c := raw[i]
		if c == '.' && (i == 0 || (i > 1 && raw[i-2:i] == "\r\n")) {
			continue
		}
		switch {
		case c == 0, c == '\r' && (i+1 == len(raw) || raw[i+1] != '\n'), c == '\n' && (i == 0 || raw[i-1] != '\r'):
			bad = true
		}
		b.WriteByte(c)
	}
	return b.String(), bad, rest, true
}

// readData reads wire with the real reader, through pieces and into parts of the
// sizes given.
func readData(wire string, piece func() int, part int) (text string, bad bool, rest string, whole bool) {
	r := NewReader(&pieces{strings.NewReader(wire), piece}, 64)
	msg := &content{src: &dataSource{r: r}, limit: 1 << 30, slack: 1 << 30}
	var b bytes.Buffer
	_, err := io.CopyBuffer(onlyWriter{&b}, onlyReader{msg}, make([]byte, part))
	whole = msg.finish()
	left, _ := io.ReadAll(r)
	return b.String(), errors.Is(msg.err, ErrBadContent), string(left), whole && (err == nil || errors.Is(err, ErrBadContent))
}

type onlyReader struct{ io.Reader }
type onlyWriter struct{ io.Writer }

// pieces cuts a stream as a network might.
type pieces struct {
	r    io.Reader
	size func() int
}

func (p *pieces) Read(b []byte) (int, error) { return p.r.Read(b[:min(len(b), max(1, p.size()))]) }

func checkData(t *testing.T, wire string, piece func() int, part int) {
	t.Helper()
	text, bad, rest, whole := naive(wire)
	gotText, gotBad, gotRest, gotWhole := readData(wire, piece, part)
	switch {
	case whole != gotWhole:
		t.Fatalf("%q: whole %v; want %v", wire, gotWhole, whole)
	case !whole:
	case bad != gotBad || rest != gotRest || (!bad && text != gotText):
		t.Fatalf("%q, parts of %d:\n got %q, bad %v, rest %q\nwant %q, bad %v, rest %q", wire, part, gotText, gotBad, gotRest, text, bad, rest)
	}
}

func TestDataAgainstTheReference(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	tokens := []string{"\r\n", "\r\n", ".", ".", "\r", "\n", "\x00", "a", "text", "\r\n.\r\n", "\r\n..", strings.Repeat("x", 70)}
	for range 20000 {
		var b strings.Builder
		for range rng.IntN(12) {
			// Bad octets are rare, so that good messages are met as well.
			i := rng.IntN(len(tokens))
			if n := len(tokens[i]); n == 1 && tokens[i] != "." && tokens[i] != "a" && rng.IntN(4) > 0 {
				continue
			}
			b.WriteString(tokens[i])
		}
		b.WriteString("\r\n.\r\nQUIT\r\n")
		checkData(t, b.String(), func() int { return rng.IntN(9) }, 1+rng.IntN(40))
	}
}

func FuzzData(f *testing.F) {
	for _, row := range smuggling {
		f.Add([]byte("a\r\n"+row.bytes+"b\r\n.\r\n"), uint8(3), uint8(2))
	}
	f.Add([]byte(".\r\nQUIT\r\n"), uint8(1), uint8(1))
	f.Fuzz(func(t *testing.T, wire []byte, piece, part uint8) {
		checkData(t, string(wire), func() int { return int(piece) }, 1+int(part))
	})
}

// smuggling is attack class 1: none of these ends a message.
var smuggling = []struct {
	id, bytes string
	good      bool
}{
	{"S1", "\n.\n", false},
	{"S2", "\n.\r", false},
	{"S3", "\r.\n", false},
	{"S4", "\r.\r", false},
	{"S5", "\n.\r\n", false},
	{"S6", "\r.\r\n", false},
	{"S7", "\r\n.\n", false},
	{"S8 space", "\r\n. \r\n", true},
	{"S8 tab", "\r\n.\t\r\n", true},
	{"S9", "\r\n.\rtext", false},
	{"S10", "\r\n\x00.\r\n", false},
	{"S11", "\r\n.\x00\r\n", false},
}

func TestSmugglingNeverEndsDATA(t *testing.T) {
	t.Parallel()
	const smuggled = "MAIL FROM:<smuggled@evil.example>\r\n"
	for _, row := range smuggling {
		for _, limit := range []int64{1 << 20, 4} { // S12: also after the size limit was passed
			for _, cut := range []int{1, 2, 3, 1000} {
				t.Run(fmt.Sprintf("%s limit %d pieces %d", row.id, limit, cut), func(t *testing.T) {
					t.Parallel()
					wire := "From: a@b\r\n\r\ntext" + row.bytes + smuggled + "\r\n.\r\nQUIT\r\n"
					r := NewReader(&pieces{strings.NewReader(wire), func() int { return cut }}, 64)
					msg := &content{src: &dataSource{r: r}, limit: limit, slack: 1 << 20}
					_, err := io.Copy(io.Discard, msg)
					if !msg.finish() {
						t.Fatal("the real end was not found")
					}
					if (msg.err == nil || errors.Is(msg.err, ErrTooLarge)) != row.good {
						t.Errorf("Read said %v, the verdict is %v", err, msg.err)
					}
					if rest, _ := io.ReadAll(r); string(rest) != "QUIT\r\n" {
						t.Errorf("behind the message stands %q", rest)
					}
				})
			}
		}
	}
}

func TestContentCutOffIsNeverWhole(t *testing.T) {
	t.Parallel()
	const wire = "From: a@b\r\n\r\n.text\r\n.\r\n"
	for n := range len(wire) - 1 {
		msg := &content{src: &dataSource{r: NewReader(strings.NewReader(wire[:n]), 64)}, limit: 1 << 20}
		if _, err := io.Copy(io.Discard, msg); !errors.Is(err, io.ErrUnexpectedEOF) || msg.ended {
			t.Errorf("after %d octets: %v, ended %v", n, err, msg.ended)
		}
	}
}

func TestContentTooLarge(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("0123456\r\n", 100)
	tests := []struct {
		name          string
		limit, slack  int64
		wire          string
		inStep, large bool
	}{
		{"fits", 900, 0, long + ".\r\n", true, false},
		{"one octet more", 899, 900, long + ".\r\n", true, true},
		{"beyond the slack", 100, 100, long + ".\r\n", false, true},
		{"endless CR", 100, 100, strings.Repeat("\r", 5000), false, true},
		{"endless dots", 100, 100, strings.Repeat("\r\n..", 5000), false, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			src := &counting{r: strings.NewReader(tt.wire)}
			msg := &content{src: &dataSource{r: NewReader(src, 64)}, limit: tt.limit, slack: tt.slack}
			n, err := io.Copy(io.Discard, msg)
			if n > tt.limit || (err != nil) != tt.large {
				t.Errorf("read %d octets, %v", n, err)
			}
			if got := msg.finish(); got != tt.inStep {
				t.Errorf("in step %v; want %v", got, tt.inStep)
			}
			if !tt.inStep && src.n > 2*(tt.limit+tt.slack)+8<<10 {
				t.Errorf("%d octets were read", src.n)
			}
		})
	}
}

type counting struct {
	r io.Reader
	n int64
}

func (c *counting) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

func TestChunks(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		chunks []string
		want   string
		err    error
	}{
		{"one", []string{"a\r\nb\r\n"}, "a\r\nb\r\n", nil},
		{"dots are text", []string{".\r\n", "..\r\n.\r\n"}, ".\r\n..\r\n.\r\n", nil},
		{"line end across chunks", []string{"a\r", "\nb\r\n"}, "a\r\nb\r\n", nil},
		{"empty chunks", []string{"", "a", "", "\r\n", ""}, "a\r\n", nil},
		{"nothing", []string{""}, "", nil},
		{"no line end at the end", []string{"a\r\nb"}, "a\r\nb\r\n", nil},
		{"bare LF", []string{"a\nb"}, "", ErrBadContent},
		{"bare LF first", []string{"a", "\nb"}, "", ErrBadContent},
		{"bare CR", []string{"a\rb"}, "", ErrBadContent},
		{"bare CR across chunks", []string{"a\r", "b"}, "", ErrBadContent},
		{"CR at the end", []string{"a\r"}, "", ErrBadContent},
		{"NUL", []string{"a\x00\r\n"}, "", ErrBadContent},
	}
	for _, row := range smuggling { // S13
		err := ErrBadContent
		if row.good {
			err = nil
		}
		tests = append(tests, struct {
			name   string
			chunks []string
			want   string
			err    error
		}{"S13 " + row.id, []string{"a" + row.bytes, "b\r\n"}, "a" + row.bytes + "b\r\n", err})
	}
	for _, tt := range tests {
		for _, part := range []int{1, 2, 3, 512} {
			t.Run(fmt.Sprintf("%s parts %d", tt.name, part), func(t *testing.T) {
				t.Parallel()
				var b bytes.Buffer
				_, err := io.CopyBuffer(onlyWriter{&b}, onlyReader{chunksOf(tt.chunks)}, make([]byte, part))
				if !errors.Is(err, tt.err) || (err == nil && b.String() != tt.want) {
					t.Errorf("%q, %v; want %q, %v", b.String(), err, tt.want, tt.err)
				}
			})
		}
	}
}

func chunksOf(chunks []string) *content {
	src := &chunkSource{r: NewReader(iotest.HalfReader(strings.NewReader(strings.Join(chunks, ""))), 64)}
	next := 0
	src.more = func() (int64, bool, error) {
		next++
		return int64(len(chunks[next-1])), next == len(chunks), nil
	}
	return &content{src: src, limit: 1 << 20}
}

func TestChunkCutOffIsNeverWhole(t *testing.T) {
	t.Parallel()
	src := &chunkSource{r: NewReader(strings.NewReader("text\r\n"), 64), left: 1000, last: true}
	msg := &content{src: src, limit: 1 << 20}
	if _, err := io.Copy(io.Discard, msg); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("err = %v", err)
	}
}

// repeating gives the same octets again and again without copying them first.
type repeating struct {
	text string
	at   int
}

func (r *repeating) Read(p []byte) (int, error) {
	n := copy(p, r.text[r.at:])
	r.at = (r.at + n) % len(r.text)
	return n, nil
}

// BenchmarkData streams bodies of base64 lines through the reader.
func BenchmarkData(b *testing.B) {
	for _, size := range []int{4 << 10, 64 << 10, 1 << 20} {
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			line := strings.Repeat("x", 76) + "\r\n"
			body := strings.Repeat(line, size/len(line))
			r := NewReader(&repeating{text: body + ".\r\n"}, contentBuffer)
			p := make([]byte, 32<<10)
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				msg := content{src: &dataSource{r: r}, limit: 1 << 30}
				if n, err := io.CopyBuffer(onlyWriter{io.Discard}, onlyReader{&msg}, p); err != nil || n != int64(len(body)) {
					b.Fatal(n, err)
				}
			}
		})
	}
}

// BenchmarkSHA256 is the yardstick: what hashing the same content costs.
func BenchmarkSHA256(b *testing.B) {
	p := make([]byte, 64<<10)
	b.SetBytes(int64(len(p)))
	for b.Loop() {
		sha256.Sum256(p)
	}
}

func TestCheckContent(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		in, want string
		err      error
	}{
		{"a\r\n.\r\nb\r\n", "a\r\n.\r\nb\r\n", nil},
		{"a", "a\r\n", nil},
		{"", "", nil},
		{"a\nb\r\n", "", ErrBadContent},
		{"a\r", "", ErrBadContent},
		{strings.Repeat("x", 1001), "", ErrTooLarge},
	} {
		got, err := io.ReadAll(CheckContent(iotest.HalfReader(strings.NewReader(tt.in)), 1000))
		if !errors.Is(err, tt.err) || (err == nil && string(got) != tt.want) {
			t.Errorf("%.20q: %.20q, %v; want %q, %v", tt.in, got, err, tt.want, tt.err)
		}
	}
	if _, err := io.ReadAll(CheckContent(iotest.TimeoutReader(iotest.OneByteReader(strings.NewReader("ab"))), 1000)); !errors.Is(err, iotest.ErrTimeout) {
		t.Errorf("err = %v; want that of the source", err)
	}
}
