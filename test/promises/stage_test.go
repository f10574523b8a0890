package promises

import (
	"bytes"
	"net/mail"
	"testing"
	"time"

	"github.com/relayd/relayd/internal/relaytest"
	"github.com/relayd/relayd/internal/simulator"
	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/test/programtest"
)

// oftenRetried tries Sent copies again at once.
const oftenRetried = "{enabled: true, retry: [1s, 1s, 1s, 1s, 1s, 1s, 1s, 1s, 1s, 1s, 1s, 1s]}"

// person is an address of the organisation.
func person(local string) relay.Address {
	return relay.Address{Local: local, Domain: programtest.Domain}
}

// startProvider runs a provider with an account for each person, and gives the
// accounts as relayd knows them.
func startProvider(t *testing.T, how simulator.Personality, locals ...string) (*simulator.Simulator, []programtest.Account) {
	t.Helper()
	o := simulator.Options{Personality: how}
	for _, local := range locals {
		o.Accounts = append(o.Accounts, simulator.Account{Address: person(local).String(), Password: programtest.Password()})
	}
	provider, err := simulator.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(provider.Close)
	var accounts []programtest.Account
	for _, local := range locals {
		accounts = append(accounts, programtest.Account{
			Local: local, SMTP: provider.SubmissionAddr(), IMAP: provider.IMAPAddr(), TLS: relay.TLSStartTLS,
			Roots: provider.RootPEM(), FilesSent: how.FilesSent,
		})
	}
	return provider, accounts
}

// submit gets one letter acknowledged, on a connection of its own.
func submit(t *testing.T, p *programtest.Process, l *programtest.Letter) string {
	t.Helper()
	s := dial(t, p)
	id, err := s.Submit(l)
	if err != nil {
		t.Fatalf("submit %s: %v", l.HeaderID, err)
	}
	return id
}

func dial(t *testing.T, p *programtest.Process) *programtest.Session {
	t.Helper()
	s, err := programtest.Dial(t.Context(), p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// soon waits until a condition holds.
func soon(t *testing.T, holds func() bool) {
	t.Helper()
	relaytest.Eventually(t, programtest.Patience, func() []struct{} {
		if holds() {
			return make([]struct{}, 1)
		}
		return nil
	})
}

// drained waits until nothing is left to do, and does not wait for clocks.
func drained(t *testing.T, in *programtest.Installation) {
	t.Helper()
	soon(t, func() bool {
		waiting, err := in.Hurry(t.Context())
		return err == nil && waiting == 0
	})
}

// arrivals counts how often each Message-ID came to a sink.
func arrivals(s *programtest.Sink) map[string]int {
	times := map[string]int{}
	for _, a := range s.Taken() {
		times[a.HeaderID]++
	}
	return times
}

// headerID reads the Message-ID of a message.
func headerID(t *testing.T, content []byte) string {
	t.Helper()
	m, err := mail.ReadMessage(bytes.NewReader(content))
	if err != nil {
		t.Fatalf("a message that cannot be read: %v", err)
	}
	return m.Header.Get("Message-ID")
}

// wait lets time pass in which something must not happen.
func wait(t *testing.T, d time.Duration) {
	t.Helper()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-t.Context().Done():
	case <-timer.C:
	}
}
