package direct

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/relayd/relayd/internal/resolver"
	"github.com/relayd/relayd/internal/resolver/resolvertest"
	"github.com/relayd/relayd/relay"
)

// zone is the DNS of all tests.
const zone = `
	world.example.       MX 10 mx1.world.example.
	world.example.       MX 20 mx2.world.example.
	mx1.world.example.   A 192.0.2.1
	mx2.world.example.   A 192.0.2.2
	one.example.         MX 10 mx1.world.example.
	bare.example.        A 192.0.2.3
	empty.example.       TXT "no mail here"
	null.example.        MX 0 .
	loop.example.        MX 10 relay.example.
	backup.example.      MX 10 mx1.world.example.
	backup.example.      MX 20 Backup.relay.example.
	backup.example.      MX 30 mx2.world.example.
	private.example.     MX 10 inner.example.
	private.example.     MX 20 gone.example.
	inner.example.       A 10.0.0.1
	half.example.        MX 10 inner.example.
	half.example.        MX 20 servfail.example.
	number.example.      MX 10 192.0.2.9.
	odd.example.         MX 10 mail!.odd.example.
	odd.example.         A 192.0.2.3
	many.example.        MX 10 many1.example.
	many.example.        MX 20 many2.example.
	many.example.        MX 30 many3.example.
	many1.example.       A 192.0.2.11
	many1.example.       A 192.0.2.12
	many1.example.       A 192.0.2.13
	many1.example.       A 192.0.2.14
	many1.example.       A 192.0.2.15
	many2.example.       A 192.0.2.21
	many2.example.       A 192.0.2.22
	many2.example.       A 192.0.2.23
	many2.example.       A 192.0.2.24
	many3.example.       A 192.0.2.31
`

// simple classifies as the rules of relay/provider do, as far as the tests go.
type simple struct{}

func (simple) Classify(a relay.Answer) relay.Class {
	class := func(action relay.Action) relay.Class {
		return relay.Class{Rule: string(a.Where) + "." + string(action), Action: action}
	}
	switch code := a.Reply.Code; {
	case code == 0 && a.Where == relay.AtAfterDot:
		return class(relay.ActionUnknown)
	case code == 421:
		c := class(relay.ActionSlow)
		c.Pause = 5 * time.Minute
		return c
	case code == 452 && a.Reply.Enhanced == relay.Enhanced{4, 5, 3}:
		return class(relay.ActionSplit)
	case code < 500 || a.Where == relay.AtConnect || a.Where == relay.AtTLS:
		return class(relay.ActionRetry)
	case a.Where == relay.AtRcpt:
		return class(relay.ActionFailRecipient)
	}
	return class(relay.ActionFailMessage)
}

// fixture is a Deliverer in a world with a DNS.
type fixture struct {
	*world
	dns *resolvertest.Server
	d   *Deliverer
}

func setUp(t *testing.T, change ...func(*Options)) *fixture {
	t.Helper()
	f := &fixture{world: newWorld(t), dns: resolvertest.New(t, zone)}
	f.dns.Trouble("servfail.example", resolvertest.ServFail)
	o := Options{
		Dialer: f.world, Classifier: simple{}, Hostname: "relay.example", OwnNames: []string{"backup.relay.example"},
		Resolver: resolver.New(resolver.Options{Dialer: &net.Dialer{}, Servers: []string{f.dns.Addr()}, Timeout: 10 * time.Second, Rounds: 1}),
	}
	for _, c := range change {
		c(&o)
	}
	f.d = New(o)
	f.hangUp = func() { _ = f.d.Close() }
	t.Cleanup(f.hangUp)
	return f
}

// delivery is a letter from jane; dots are what BeforeDot was told.
func delivery(dots *[]string, to ...string) *relay.Delivery {
	m := &relay.Message{ID: relay.NewID(time.Now()), From: jane, Envelope: relay.Envelope{ReturnPath: jane, EightBit: true}}
	d := &relay.Delivery{Message: m, Route: relay.Route{Kind: relay.RouteDirect}, Body: text(letter)}
	for i, a := range to {
		local, domain, _ := strings.Cut(a, "@")
		m.Envelope.Recipients = append(m.Envelope.Recipients, relay.Recipient{Address: relay.Address{Local: local, Domain: domain}})
		d.Recipients = append(d.Recipients, i)
	}
	d.BeforeDot = func(_ context.Context, recipients []int) error {
		if dots != nil {
			*dots = append(*dots, fmt.Sprint(recipients))
		}
		return nil
	}
	return d
}

// results writes an attempt as a line, "outcome reply" for each recipient, and
// checks that every recipient has exactly one.
func results(t *testing.T, del *relay.Delivery, a relay.Attempt) string {
	t.Helper()
	var lines []string
	var seen []int
	for _, r := range a.Results {
		seen = append(seen, r.Recipient)
		if r.Rule == "" && r.Outcome != relay.Delivered {
			t.Errorf("recipient %d has no rule", r.Recipient)
		}
		lines = append(lines, strings.TrimSpace(r.Outcome.String()+" "+r.Reply.String()))
	}
	if !slices.Equal(seen, del.Recipients) {
		t.Errorf("results for %v; want %v", seen, del.Recipients)
	}
	if a.Started.IsZero() || a.Ended.Before(a.Started) {
		t.Errorf("from %v to %v", a.Started, a.Ended)
	}
	return strings.Join(lines, "; ")
}

// Parts of dialogues.
const (
	hello   = "S: 220 mx ready\nC: EHLO relay.example\nS: 250-mx greets\nS: 250-PIPELINING\nS: 250 8BITMIME\n"
	toBob   = "C: MAIL FROM:<jane@acme.example> BODY=8BITMIME\nC: RCPT TO:<bob@\nC: DATA\nS: 250 ok\nS: 250 ok\nS: 354 go\nBODY\n"
	kept    = "S: 250 2.0.0 kept\n"
	tlsPart = "S: 220 mx ready\nC: EHLO relay.example\nS: 250-mx\nS: 250 STARTTLS\nC: STARTTLS\nS: 220 go\n"
	inTLS   = "TLS\nC: EHLO relay.example\nS: 250-mx greets\nS: 250-PIPELINING\nS: 250 8BITMIME\n"
)

// Each new connection is told, with its end before the first dot; one that lay idle is
// not.
func TestConnectingIsTold(t *testing.T) {
	t.Parallel()
	f := setUp(t)
	f.exchanger("192.0.2.1:25", hello+toBob+kept+toBob+kept)
	var told []string
	for range 2 {
		del := delivery(&told, "bob@one.example")
		del.Connecting = func() func() {
			told = append(told, "begin")
			return func() { told = append(told, "end") }
		}
		if got := results(t, del, f.d.Deliver(t.Context(), del)); got != "delivered 250 2.0.0 kept" {
			t.Errorf("got %s", got)
		}
	}
	if got := fmt.Sprint(told); got != "[begin end [0] [0]]" {
		t.Errorf("told %s", got)
	}
}

func TestDialogs(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		to   string
		mx1  []string // at 192.0.2.1
		mx2  []string // at 192.0.2.2
		want string
		dots string // what BeforeDot was told
	}{
		{"the first exchanger takes it", "bob@world.example",
			[]string{hello + toBob + kept}, nil, "delivered 250 2.0.0 kept", "[[0]]"},
		{"4xx greeting, so the second one", "bob@world.example",
			[]string{"S: 450 not now\n"}, []string{hello + toBob + kept}, "delivered 250 2.0.0 kept", "[[0]]"},
		{"421 greeting, so the second one", "bob@world.example",
			[]string{"S: 421 busy\n"}, []string{hello + toBob + kept}, "delivered 250 2.0.0 kept", "[[0]]"},
		{"5xx greeting says nothing about the message", "bob@world.example",
			[]string{"S: 554 go away\n"}, []string{hello + toBob + kept}, "delivered 250 2.0.0 kept", "[[0]]"},
		{"EHLO is refused, so HELO", "bob@one.example",
			[]string{"S: 220 mx\nC: EHLO\nS: 502 what\nC: HELO relay.example\nS: 250 mx\n"}, nil, "failed 5.6.3 The message holds 8-bit text, and the server does not take it", "[]"},
		{"hang-up before the greeting, so the second one", "bob@world.example",
			[]string{"DROP\n"}, []string{hello + toBob + kept}, "delivered 250 2.0.0 kept", "[[0]]"},
		{"refused at RCPT: final, no second one", "bob@world.example",
			[]string{hello + "C: MAIL\nC: RCPT\nC: DATA\nS: 250 ok\nS: 550 5.1.1 no such user\nS: 554 no\nC: RSET\nS: 250 ok\n"}, nil,
			"failed 550 5.1.1 no such user", "[]"},
		{"deferred at RCPT by both", "bob@world.example",
			[]string{hello + "C: MAIL\nC: RCPT\nC: DATA\nS: 250 ok\nS: 451 4.7.1 greylisted\nS: 554 no\nC: RSET\nS: 250 ok\n"},
			[]string{hello + "C: MAIL\nC: RCPT\nC: DATA\nS: 250 ok\nS: 450 4.2.0 later\nS: 554 no\nC: RSET\nS: 250 ok\n"},
			"deferred 450 4.2.0 later", "[]"},
		{"refused at MAIL: final", "bob@world.example",
			[]string{hello + "C: MAIL\nC: RCPT\nC: DATA\nS: 550 5.7.1 not you\nS: 503 no\nS: 503 no\n"}, nil, "failed 550 5.7.1 not you", "[]"},
		{"refused after the dot: final", "bob@world.example",
			[]string{hello + toBob + "S: 554 5.7.1 spam\n"}, nil, "failed 554 5.7.1 spam", "[[0]]"},
		{"deferred after the dot, so the second one", "bob@world.example",
			[]string{hello + toBob + "S: 451 4.3.0 disk\n"}, []string{hello + toBob + kept}, "delivered 250 2.0.0 kept", "[[0] [0]]"},
		{"hang-up after the dot: nobody knows", "bob@world.example",
			[]string{hello + toBob + "DROP\n"}, nil, "unknown local: connection lost after the final dot", "[[0]]"},
		{"hang-up before the dot, so the second one", "bob@world.example",
			[]string{hello + "C: MAIL\nC: RCPT\nC: DATA\nS: 250 ok\nS: 250 ok\nDROP\n"}, []string{hello + toBob + kept}, "delivered 250 2.0.0 kept", "[[0]]"},
		{"both recipients in one transaction", "bob@world.example, eve@world.example",
			[]string{hello + "C: MAIL\nC: RCPT TO:<bob@world.example>\nC: RCPT TO:<eve@world.example>\nC: DATA\nS: 250 ok\nS: 250 ok\nS: 550 5.1.1 no eve\nS: 354 go\nBODY\n" + kept}, nil,
			"delivered 250 2.0.0 kept; failed 550 5.1.1 no eve", "[[0]]"},
		{"one taken, one deferred: no second exchanger", "bob@world.example, eve@world.example",
			[]string{hello + "C: MAIL\nC: RCPT\nC: RCPT\nC: DATA\nS: 250 ok\nS: 250 ok\nS: 451 4.2.1 eve is full\nS: 354 go\nBODY\n" + kept}, nil,
			"delivered 250 2.0.0 kept; deferred 451 4.2.1 eve is full", "[[0]]"},
		{"too many recipients, so in two transactions", "bob@world.example, eve@world.example",
			[]string{hello + "C: MAIL\nC: RCPT\nC: RCPT\nC: DATA\nS: 250 ok\nS: 250 ok\nS: 452 4.5.3 too many\nS: 354 go\nBODY\n" + kept +
				"C: MAIL\nC: RCPT TO:<eve@\nC: DATA\nS: 250 ok\nS: 250 ok\nS: 354 go\nBODY\n" + kept}, nil,
			"delivered 250 2.0.0 kept; delivered 250 2.0.0 kept", "[[0] [1]]"},
		{"too many, even one: deferred", "bob@one.example",
			[]string{hello + "C: MAIL\nC: RCPT\nC: DATA\nS: 250 ok\nS: 452 4.5.3 too many\nS: 554 no\nC: RSET\nS: 250 ok\n"}, nil, "deferred 452 4.5.3 too many", "[]"},
		{"two destinations follow one another", "bob@one.example, eve@nowhere.example, bob@backup.example",
			[]string{hello + toBob + kept + toBob + kept}, nil,
			"delivered 250 2.0.0 kept; failed 5.1.2 local: dns no such domain; delivered 250 2.0.0 kept", "[[0] [2]]"},
		{"STARTTLS with a certificate that proves nothing", "bob@one.example",
			[]string{tlsPart + inTLS + toBob + kept}, nil, "delivered 250 2.0.0 kept", "[[0]]"},
		{"the handshake fails, so again in clear", "bob@one.example",
			[]string{tlsPart + "NOTLS\n", hello + toBob + kept}, nil, "delivered 250 2.0.0 kept", "[[0]]"},
		{"STARTTLS is refused, so again in clear", "bob@one.example",
			[]string{strings.Replace(tlsPart, "S: 220 go", "S: 454 4.7.0 not now", 1), hello + toBob + kept}, nil, "delivered 250 2.0.0 kept", "[[0]]"},
		{"the peer hangs up after the handshake, so again in clear", "bob@one.example",
			[]string{tlsPart + "TLS\nDROP\n", hello + toBob + kept}, nil, "delivered 250 2.0.0 kept", "[[0]]"},
		{"own host in the list: only those before it", "bob@backup.example",
			[]string{"S: 450 not now\n"}, nil, "deferred 450 not now", "[]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := setUp(t)
			if c.mx1 != nil {
				f.exchanger("192.0.2.1:25", c.mx1...)
			}
			if c.mx2 != nil {
				f.exchanger("192.0.2.2:25", c.mx2...)
			}
			dots := []string{}
			del := delivery(&dots, strings.Split(c.to, ", ")...)
			if got := results(t, del, f.d.Deliver(t.Context(), del)); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			if got := fmt.Sprint(dots); got != c.dots {
				t.Errorf("recorded %s; want %s", got, c.dots)
			}
		})
	}
}

func TestDestinationsWithoutPeer(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ to, want, dialled string }{
		{"bob@nowhere.example", "failed 5.1.2 local: dns no such domain", ""},
		{"bob@empty.example", "failed 5.1.2 local: dns no such domain", ""},
		{"bob@null.example", "failed 5.1.10 local: dns null MX", ""},
		{"bob@loop.example", "failed 5.4.6 local: dns mail loop", ""},
		{"bob@servfail.example", "deferred local: dns no answer", ""},
		{"bob@private.example", "failed 5.4.4 local: address refused", "10.0.0.1:25"},
		{"bob@half.example", "deferred local: dns no answer", "10.0.0.1:25"},
		{"bob@number.example", "failed 5.4.4 local: address refused", ""},
		{"bob@odd.example", "failed 5.4.4 local: address refused", ""}, // RFC 5321 §5.1: not its own address
		{"bob@bare.example", "deferred local: refused", "192.0.2.3:25"},
		{"bob@world.example", "deferred local: refused", "192.0.2.1:25 192.0.2.2:25"},
		{"bob@[192.0.2.1]", "failed 5.1.2 local: address refused an address literal", ""},
	} {
		t.Run(c.to, func(t *testing.T) {
			t.Parallel()
			f := setUp(t)
			f.refused["10.0.0.1:25"] = true
			del := delivery(nil, c.to)
			a := f.d.Deliver(t.Context(), del)
			if got := results(t, del, a); got != c.want || f.calls() != c.dialled {
				t.Errorf("got %s after %q; want %s after %q", got, f.calls(), c.want, c.dialled)
			}
			if Hint(a.Results[0].Rule) == "" && a.Results[0].Outcome == relay.Failed {
				t.Errorf("nothing explains %s", a.Results[0].Rule)
			}
		})
	}
}

// A10 of the attack list: one destination cannot make us try for ever.
func TestA10TriesAreBounded(t *testing.T) {
	t.Parallel()
	f := setUp(t)
	f.d.Deliver(t.Context(), delivery(nil, "bob@many.example"))
	calls := strings.Fields(f.calls())
	if len(calls) != DefaultMaxAddresses {
		t.Fatalf("%d addresses were tried: %v", len(calls), calls)
	}
	for i, call := range calls {
		if want := []string{"192.0.2.1", "192.0.2.2"}[i/DefaultMaxPerHost]; !strings.HasPrefix(call, want) || len(call) != len("192.0.2.11:25") {
			t.Errorf("call %d went to %s", i, call)
		}
	}
}

func TestLiterals(t *testing.T) {
	t.Parallel()
	f := setUp(t, func(o *Options) { o.Literals = true })
	f.exchanger("192.0.2.1:25", hello+toBob+kept)
	f.exchanger("[2001:db8::1]:25", hello+toBob+kept)
	for _, to := range []string{"bob@[192.0.2.1]", "bob@[IPv6:2001:db8::1]"} {
		del := delivery(nil, to)
		if got := results(t, del, f.d.Deliver(t.Context(), del)); got != "delivered 250 2.0.0 kept" {
			t.Errorf("%s: %s", to, got)
		}
	}
	del := delivery(nil, "bob@[x]")
	if got := results(t, del, f.d.Deliver(t.Context(), del)); !strings.HasPrefix(got, "failed 5.1.2") {
		t.Error(got)
	}
}

func TestPeerIsNamed(t *testing.T) {
	t.Parallel()
	f := setUp(t)
	f.exchanger("192.0.2.1:25", tlsPart+inTLS+toBob+kept)
	a := f.d.Deliver(t.Context(), delivery(nil, "bob@one.example"))
	if a.Peer.Host != "mx1.world.example" || a.Peer.Addr != "192.0.2.1:25" || !strings.HasPrefix(a.Peer.TLS, "TLS 1.3") || a.Trouble != nil {
		t.Errorf("peer %+v, trouble %+v", a.Peer, a.Trouble)
	}
}

func TestDSNIsPassedOn(t *testing.T) {
	t.Parallel()
	f := setUp(t)
	f.exchanger("192.0.2.1:25", "S: 220 mx\nC: EHLO\nS: 250-mx\nS: 250-8BITMIME\nS: 250 DSN\n"+
		"C: MAIL FROM:<jane@acme.example> BODY=8BITMIME RET=HDRS ENVID=e+2B1\nS: 250 ok\n"+
		"C: RCPT TO:<bob@one.example> NOTIFY=SUCCESS ORCPT=rfc822;b\nS: 250 ok\nC: DATA\nS: 354 go\nBODY\n"+kept)
	del := delivery(nil, "bob@one.example")
	e := &del.Message.Envelope
	e.Ret, e.EnvID, e.Recipients[0].Notify, e.Recipients[0].ORcpt = relay.RetHeaders, "e+1", relay.NotifySuccess, "rfc822;b"
	a := f.d.Deliver(t.Context(), del)
	if got := results(t, del, a); got != "delivered 250 2.0.0 kept" || !a.Results[0].PeerReports {
		t.Errorf("%s; the peer reports: %t", got, a.Results[0].PeerReports)
	}
}

func TestMessageLeavesSigned(t *testing.T) {
	t.Parallel()
	keys := keyring{"acme.example": {newKey(t, "acme.example", "r1", AlgorithmRSA), newKey(t, "acme.example", "e1", AlgorithmEd25519)}}
	f := setUp(t, func(o *Options) { o.Keys = keys })
	mx := f.exchanger("192.0.2.1:25", hello+toBob+kept)
	f.d.Deliver(t.Context(), delivery(nil, "bob@one.example"))
	body := mx.received()[0]
	if !strings.HasSuffix(body, letter) || strings.Count(body, "DKIM-Signature:") != 2 {
		t.Fatalf("received\n%s", body)
	}
	parsed, err := f.d.signer.parse(keys["acme.example"])
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.TrimSuffix(body, letter)
	if err := verify([]byte(fields), text(letter), parsed); err != nil {
		t.Errorf("as it arrived: %v", err)
	}
}

func TestNothingLeavesUnsignedAfterAFault(t *testing.T) {
	t.Parallel()
	f := setUp(t, func(o *Options) { o.Keys = keyring{} })
	del := delivery(nil, "bob@one.example")
	del.Message.From.Domain = "fault.example"
	if got := results(t, del, f.d.Deliver(t.Context(), del)); got != "deferred local: signing" || f.calls() != "" {
		t.Errorf("%s after %q", got, f.calls())
	}
}

func TestUnrecordedDotIsNotSent(t *testing.T) {
	t.Parallel()
	f := setUp(t)
	mx := f.exchanger("192.0.2.1:25", hello+"C: MAIL\nC: RCPT\nC: DATA\nS: 250 ok\nS: 250 ok\nS: 354 go\nBODY\n")
	del := delivery(nil, "bob@world.example")
	del.BeforeDot = func(context.Context, []int) error { return errors.New("the journal failed") }
	if got := results(t, del, f.d.Deliver(t.Context(), del)); got != "deferred local: recording" || len(mx.received()) != 0 {
		t.Errorf("%s; %d messages arrived", got, len(mx.received()))
	}
	if f.calls() != "192.0.2.1:25" {
		t.Errorf("dialled %s", f.calls())
	}
}
