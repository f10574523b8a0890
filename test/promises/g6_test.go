package promises

import (
	"fmt"
	"net"
	"testing"

	"github.com/relayd/relayd/internal/simulator"
	"github.com/relayd/relayd/test/programtest"
)

// crowd is how much mail meets a server that says nothing: more than relayd delivers
// at one time.
const crowd = 150

// session --SMTP--> relayd --SMTP--> a provider that says nothing   (jane)
//
//	--SMTP--> sink                          (nick)
//
// Patience is far below the time after which a silent server is given up, so a
// message that waits for another account's server does not arrive in time.
func TestG6HangingProviderDelaysNoOtherAccount(t *testing.T) {
	t.Parallel()
	dead, sink := programtest.StartSink(t, nil), programtest.StartSink(t, nil)
	dead.Hang.Store(true)
	in := programtest.New(t, programtest.Options{
		Binary:   binary,
		Accounts: []programtest.Account{{Local: "jane", SMTP: dead.Addr()}, {Local: "nick", SMTP: sink.Addr()}},
		Config:   map[string]string{"queue": "{workers: 20}"},
	})
	p := in.Start()
	s := dial(t, p)
	for i := range crowd {
		mustSubmit(t, s, programtest.NewLetter(fmt.Sprint("stuck", i), person("jane"), "bob@world.example", 1, 500))
	}
	mustSubmit(t, s, programtest.NewLetter("free", person("nick"), "bob@world.example", 2, 500))
	soon(t, func() bool { return len(sink.Taken()) == 1 })
}

// session --SMTP--> relayd --by MX--> dead.example, which says nothing
//
//	--by MX--> alive.example
func TestG6HangingDestinationDelaysNoOther(t *testing.T) {
	t.Parallel()
	sink := programtest.StartSinkAt(t, "127.0.6.1:0", nil)
	port := sink.Addr().(*net.TCPAddr).Port
	dead := programtest.StartSinkAt(t, fmt.Sprintf("127.0.6.2:%d", port), nil)
	dead.Hang.Store(true)
	dns, err := simulator.StartDNS(t.Context(), "127.0.0.1",
		"alive.example. MX 10 mx.alive.example.\nmx.alive.example. A 127.0.6.1\ndead.example. MX 10 mx.dead.example.\nmx.dead.example. A 127.0.6.2\n")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(dns.Close)
	in := programtest.New(t, programtest.Options{Binary: binary, Config: map[string]string{
		"queue":  "{workers: 20}",
		"direct": fmt.Sprintf("{port: %d}", port),
		"dns":    fmt.Sprintf("{servers: ['%s']}", dns.Addr()),
	}})
	p := in.Start()
	s := dial(t, p)
	for i := range crowd {
		mustSubmit(t, s, programtest.NewLetter(fmt.Sprint("stuck", i), person("jane"), "bob@dead.example", 1, 500))
	}
	mustSubmit(t, s, programtest.NewLetter("free", person("jane"), "bob@alive.example", 2, 500))
	soon(t, func() bool { return len(sink.Taken()) == 1 })
}
