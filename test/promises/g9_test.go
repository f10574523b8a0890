package promises

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/test/programtest"
)

// session --SMTP--> relayd --SMTP--> sink, through one account for each sender
//
// The application may send as everybody of its organisation. Envelope and header are
// both held to that, the answer names the address, and what is sent as a person goes
// through that person's account.
func TestG9NobodySendsAsSomebodyElse(t *testing.T) {
	t.Parallel()
	sink := programtest.StartSink(t, nil)
	in := programtest.New(t, programtest.Options{
		Binary: binary, Accounts: []programtest.Account{{Local: "jane", SMTP: sink.Addr()}, {Local: "mary", SMTP: sink.Addr()}},
	})
	p := in.Start()
	stranger := relay.Address{Local: "ceo", Domain: "stranger.example"}
	for name, test := range map[string]struct{ envelope, header relay.Address }{
		"both":         {stranger, stranger},
		"the envelope": {stranger, person("jane")},
		"the header":   {person("jane"), stranger},
	} {
		letter := programtest.NewLetter(strings.ReplaceAll(name, " ", "-"), test.header, "bob@world.example", 1, 500)
		letter.Envelope = &test.envelope
		_, err := dial(t, p).Submit(letter)
		var refusal *programtest.Refusal
		if !errors.As(err, &refusal) || !strings.HasPrefix(refusal.Line, "550 5.7.1 ") || !strings.Contains(refusal.Line, stranger.String()) {
			t.Errorf("%s of a stranger: %v, want 550 5.7.1 that names %s", name, err, stranger)
		}
	}
	// Mary's mail with Jane's return path is Mary's: it goes through her account.
	letter := programtest.NewLetter("mary", person("mary"), "bob@world.example", 1, 500)
	jane := person("jane")
	letter.Envelope = &jane
	submit(t, p, letter)
	drained(t, in)
	taken := sink.Taken()
	if len(taken) != 1 || taken[0].From != person("mary").String() || !slices.Equal(taken[0].To, letter.To) {
		t.Errorf("arrived: %+v, want one message from %s", taken, person("mary"))
	}
}
