package promises

import (
	"testing"

	"github.com/relayd/relayd/internal/simulator"
	"github.com/relayd/relayd/test/programtest"
)

// session --SMTP--> relayd --SMTP--> sink
//
// A client that hung up before the answer comes again, also after a restart: it gets
// the first id, and the message is sent once. Once it has seen the answer, the same
// content is a message of its own.
func TestG4RepeatedSubmissionIsKeptOnce(t *testing.T) {
	t.Parallel()
	for name, restart := range map[string]bool{"at once": false, "after kill -9": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sink := programtest.StartSink(t, nil)
			in := programtest.New(t, programtest.Options{Binary: binary, Accounts: []programtest.Account{{Local: "jane", SMTP: sink.Addr()}}})
			p := in.Start()
			letter := programtest.NewLetter("once", person("jane"), "bob@world.example", 1, 2000)
			hasty := dial(t, p)
			if err := hasty.Post(letter); err != nil {
				t.Fatal(err)
			}
			hasty.Close()
			soon(t, func() bool { return len(sink.Taken()) == 1 })
			drained(t, in)
			if restart {
				p.Kill()
				p = in.Start()
			}
			patient := dial(t, p)
			first := mustSubmit(t, patient, letter)
			again := mustSubmit(t, patient, letter)
			if again == first {
				t.Error("an acknowledged submission was taken for a repetition")
			}
			soon(t, func() bool { return len(sink.Taken()) == 2 })
			drained(t, in)
			if n := len(sink.Taken()); n != 2 {
				t.Errorf("%d arrivals, want the repeated one and the one after it", n)
			}
		})
	}
}

func mustSubmit(t *testing.T, s *programtest.Session, l *programtest.Letter) string {
	t.Helper()
	id, err := s.Submit(l)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// session --SMTP--> relayd --SMTP--> provider, which takes the message and hangs up
//
// The provider files sent mail itself, so relayd can look: the message is there, and
// is not sent again.
func TestG4UnknownOutcomeIsLookedUpBeforeItIsSentAgain(t *testing.T) {
	t.Parallel()
	provider, accounts := startProvider(t, simulator.Personality{FilesSent: true}, "jane")
	in := programtest.New(t, programtest.Options{Binary: binary, Accounts: accounts, Config: map[string]string{"sent": oftenRetried}})
	p := in.Start()
	provider.Inject(simulator.Fault{At: simulator.AfterData, Times: 1, Hangup: true})
	id := submit(t, p, programtest.NewLetter("looked-up", person("jane"), "bob@world.example", 1, 2000))
	drained(t, in)
	if n := len(provider.Outbox()); n != 1 {
		t.Errorf("sent %d times, want once", n)
	}
	m, err := in.API.Message(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if r := m.Recipients[0]; r.Outcome != "delivered" || r.Rule != "unknown.found_in_sent" {
		t.Errorf("the recipient stands at %s by rule %s", r.Outcome, r.Rule)
	}
}

// session --SMTP--> relayd --SMTP--> sink, which takes the message and hangs up
//
// Where nobody can look the message is sent again: the same Message-ID, the same
// bytes.
func TestG4UnknownOutcomeThatCannotBeLookedUpIsSentAgainUnchanged(t *testing.T) {
	t.Parallel()
	sink := programtest.StartSink(t, nil)
	in := programtest.New(t, programtest.Options{Binary: binary, Accounts: []programtest.Account{{Local: "jane", SMTP: sink.Addr()}}})
	p := in.Start()
	sink.Mute.Store(true)
	letter := programtest.NewLetter("twice", person("jane"), "bob@world.example", 1, 2000)
	submit(t, p, letter)
	soon(t, func() bool { return len(sink.Taken()) == 1 })
	sink.Mute.Store(false)
	drained(t, in)
	taken := sink.Taken()
	if len(taken) != 2 {
		t.Fatalf("%d arrivals, want 2", len(taken))
	}
	for _, a := range taken {
		if a.HeaderID != letter.HeaderID || a.Sum != letter.Sum() || a.Whole != taken[0].Whole {
			t.Errorf("the message changed between its arrivals: %+v", a)
		}
	}
}
