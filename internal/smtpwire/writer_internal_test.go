package smtpwire

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// FuzzFindEightBit compares with a plain reading, in any pieces.
func FuzzFindEightBit(f *testing.F) {
	for _, seed := range []string{"", "a: b\r\n\r\nh\xc3\xb6\r\n", "a: \xff\r\n\r\n", "\r\n\xff", "\xff\r\n\r", "a\r\n\r\n\r\n\xff", "no end \xff"} {
		f.Add([]byte(seed), 1)
		f.Add([]byte(seed), 5)
	}
	f.Fuzz(func(t *testing.T, content []byte, size int) {
		wantHeader, wantBody := content, []byte(nil)
		if i := bytes.Index(append([]byte("\r\n"), content...), []byte("\r\n\r\n")); i >= 0 {
			wantHeader, wantBody = content[:i+2], content[i+2:]
		}
		over := func(p []byte) bool { return bytes.ContainsFunc(p, func(r rune) bool { return r >= 0x80 }) }
		r := bytes.NewReader(content)
		header, body, err := findEightBit(t.Context(), r, make([]byte, 1+size&15))
		if err != nil || header != over(wantHeader) || body != over(wantBody) {
			t.Fatalf("%q: header %t, body %t, %v", content, header, body, err)
		}
	})
}

// FuzzDotRoundTrip: what our client writes is what our server reads, and nothing
// behind the final dot belongs to it.
func FuzzDotRoundTrip(f *testing.F) {
	for _, seed := range []string{"", ".\r\n", "..\r\n.x\r\n\r\n.\r\n", "a\r\nb", strings.Repeat("line\r\n.dot\r\n", 5000)} {
		f.Add([]byte(seed), false)
	}
	f.Fuzz(func(t *testing.T, sent []byte, slow bool) {
		const next = "QUIT\r\n"
		var wire bytes.Buffer
		w := NewDotWriter(&wire, nil)
		if _, err := w.Write(sent); err != nil {
			return
		}
		if err := w.Finish(); err != nil {
			return
		}
		wire.WriteString(next)
		var src io.Reader = &wire
		if slow {
			src = iotest.OneByteReader(src)
		}
		r := NewReader(src, 64)
		c := &content{src: &dataSource{r: r}, limit: int64(len(sent)) + 2}
		got, err := io.ReadAll(c)
		want := sent
		if len(sent) > 0 && !bytes.HasSuffix(sent, []byte("\r\n")) {
			want = append(bytes.Clone(sent), '\r', '\n')
		}
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%q became %q: %v", sent, got, err)
		}
		if line, err := r.ReadLine(100); err != nil || string(line)+"\r\n" != next {
			t.Fatalf("behind the dot: %q, %v", line, err)
		}
	})
}
