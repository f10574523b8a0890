package webmail_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/relayd/relayd/internal/webmail"
	"github.com/relayd/relayd/relay"
)

// BenchmarkSend shows what a message of 1 MiB costs here. The server is part of the
// process, and does no more than to read.
func BenchmarkSend(b *testing.B) {
	text := message + strings.Repeat("x", 1<<20)
	for _, way := range []relay.Way{relay.WayEWS, relay.WayGraph, relay.WayGmailAPI} {
		b.Run(string(way), func(b *testing.B) {
			client := discarding(b, way)
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := client.Send(b.Context(), content(text)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// discarding gives a client of a service that takes everything.
func discarding(b *testing.B, way relay.Way) webmail.Client {
	b.Helper()
	answers := map[relay.Way]http.HandlerFunc{
		relay.WayEWS:      say(200, "text/xml", success("CreateItem", "")),
		relay.WayGraph:    say(202, "", ""),
		relay.WayGmailAPI: sayJSON(200, `{"id":"1"}`),
	}
	x := serveExchange(b)
	x.schemes = []string{"Basic"}
	signIn, answer := x.service.answer, answers[way]
	x.server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if way == relay.WayEWS && r.ContentLength < 4096 {
			signIn(w, r)
			return
		}
		io.Copy(io.Discard, r.Body)
		answer(w, r)
	})
	c := bearer(way)
	if way == relay.WayEWS {
		c = x.credentials()
		c.Account.EWS.Login = x.user
	}
	return x.open(c, way)
}
