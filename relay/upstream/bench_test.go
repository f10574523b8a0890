package upstream_test

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"

	"github.com/relayd/relayd/relay"
)

// BenchmarkDeliver is one attempt on an open connection over loopback, without
// TLS: what the client side itself costs.
func BenchmarkDeliver(b *testing.B) {
	for name, size := range map[string]int{"4KiB": 4 << 10, "64KiB": 64 << 10, "1MiB": 1 << 20} {
		b.Run(name, func(b *testing.B) {
			w := newWorldFor(b, account("jane", loop(b, "jane")))
			del := delivery(1)
			del.Body = sameBytes(strings.Repeat(strings.Repeat("x", 70)+"\r\n", size/72))
			b.SetBytes(del.Body.Size())
			b.ReportAllocs()
			for b.Loop() {
				if a := w.Deliver(context.Background(), del); a.Results[0].Outcome != relay.Delivered {
					b.Fatalf("%+v", a)
				}
			}
		})
	}
}

// sameBytes is content that costs nothing to read again.
type sameBytes []byte

func (b sameBytes) Size() int64       { return int64(len(b)) }
func (b sameBytes) Reader() io.Reader { return bytes.NewReader(b) }
