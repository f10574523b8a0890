package smtpwire

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestReadLine(t *testing.T) {
	t.Parallel()
	type result struct {
		line string
		err  error
	}
	tests := []struct {
		name, in string
		want     []result
	}{
		{"lines", "EHLO x\r\n\r\nQUIT\r\n", []result{{"EHLO x", nil}, {"", nil}, {"QUIT", nil}, {"", io.EOF}}},
		{"empty", "", []result{{"", io.EOF}}},
		{"cut off", "QUI", []result{{"", io.ErrUnexpectedEOF}}},
		{"cut off in the line end", "QUIT\r", []result{{"", io.ErrUnexpectedEOF}}},
		{"bare LF", "A\nB\r\n", []result{{"", ErrBareLineEnd}, {"B", nil}}},
		{"bare LF alone", "\nB\r\n", []result{{"", ErrBareLineEnd}, {"B", nil}}},
		{"bare CR", "A\rB\r\nC\r\n", []result{{"A\rB", ErrBareLineEnd}, {"C", nil}}},
		{"two CR", "A\r\r\nC\r\n", []result{{"A\r", ErrBareLineEnd}, {"C", nil}}},
		{"CR first", "\r\r\n", []result{{"\r", ErrBareLineEnd}, {"", io.EOF}}},
		{"just fits", "12345678\r\n", []result{{"12345678", nil}}},
		{"too long", "123456789\r\n", []result{{"", ErrLineTooLong}}},
		{"too long with bare LF", "1234567890\n", []result{{"", ErrLineTooLong}}},
		{"endless", strings.Repeat("x", 100), []result{{"", ErrLineTooLong}, {"", ErrLineTooLong}}},
	}
	for _, tt := range tests {
		for how, wrap := range map[string]func(io.Reader) io.Reader{
			"whole": func(r io.Reader) io.Reader { return r }, "bytes": iotest.OneByteReader, "error with data": iotest.DataErrReader,
		} {
			t.Run(tt.name+" "+how, func(t *testing.T) {
				t.Parallel()
				r := NewReader(wrap(strings.NewReader(tt.in)), 0)
				for i, want := range tt.want {
					line, err := r.ReadLine(8)
					if string(line) != want.line || !errors.Is(err, want.err) {
						t.Fatalf("line %d = %q, %v; want %q, %v", i, line, err, want.line, want.err)
					}
				}
			})
		}
	}
}

func TestReadLineGrowsOnlyToTheLimit(t *testing.T) {
	t.Parallel()
	r := NewReader(strings.NewReader(strings.Repeat("x", 5<<20)), 128)
	if _, err := r.ReadLine(12288); !errors.Is(err, ErrLineTooLong) {
		t.Fatalf("err = %v; want ErrLineTooLong", err)
	}
	if len(r.buf) != 12290 {
		t.Errorf("the buffer has %d octets; want 12290", len(r.buf))
	}
}

func TestReaderStopsOnASourceWithoutProgress(t *testing.T) {
	t.Parallel()
	r := NewReader(stuck{}, 0)
	if _, err := r.ReadLine(8); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("err = %v; want io.ErrNoProgress", err)
	}
}

type stuck struct{}

func (stuck) Read([]byte) (int, error) { return 0, nil }

func TestUseBufferKeepsWhatIsBuffered(t *testing.T) {
	t.Parallel()
	r := NewReader(strings.NewReader("one\r\ntwo\r\nthree\r\n"), 0)
	if line, err := r.ReadLine(8); string(line) != "one" || err != nil {
		t.Fatalf("%q, %v", line, err)
	}
	small := make([]byte, 4)
	if got := r.useBuffer(small); &got[0] != &small[0] {
		t.Error("a buffer that is too small was taken")
	}
	r.useBuffer(make([]byte, 1<<16))
	for _, want := range []string{"two", "three"} {
		if line, err := r.ReadLine(8); string(line) != want || err != nil {
			t.Fatalf("%q, %v; want %q", line, err, want)
		}
	}
}

func FuzzReadLine(f *testing.F) {
	f.Add([]byte("EHLO x\r\nA\rB\r\nC\nD\r\n"), byte(3))
	f.Add([]byte("\r\n\r\r\n\n"), byte(1))
	f.Fuzz(func(t *testing.T, in []byte, size byte) {
		var got []byte
		r := NewReader(iotest.OneByteReader(strings.NewReader(string(in))), int(size))
		for {
			line, err := r.ReadLine(16)
			if err == nil && strings.ContainsAny(string(line), "\r\n") {
				t.Fatalf("a line end inside %q", line)
			}
			if err != nil && !errors.Is(err, ErrBareLineEnd) {
				break
			}
			if len(line) > 16 {
				t.Fatalf("%d octets over the limit", len(line))
			}
			got = append(append(got, line...), '\n')
		}
		if len(got) > len(in)+1 {
			t.Fatalf("%q became longer: %q", in, got)
		}
	})
}
