package programtest

import (
	"bufio"
	"net"
	"strings"
	"testing"
)

// Script lets a sink be a provider in trouble. Its functions are called by many
// connections at one time; either may be nil.
type Script struct {
	// Line gives the connection that is spoken over: with TLS, or one that is slow or
	// dead. It must not wait for ever: the sink waits for it at its end.
	Line func(net.Conn) net.Conn
	// Say is asked what to say in the place of the sink: a reply, Hangup, or nothing, and
	// then the sink goes on. A 421 ends the connection (RFC 5321 §3.8). argument is that
	// of AUTH, or the address of MAIL FROM.
	Say func(at Moment, argument string) string
}

// Moment is where in the dialogue a script is asked.
type Moment string

// The moments.
const (
	AtGreeting Moment = "greeting"
	AtAuth     Moment = "auth"
	AtMail     Moment = "mail"
	AtDot      Moment = "dot"   // the content has come, and is not taken yet
	AtTaken    Moment = "taken" // it is taken, and not yet answered
)

// Hangup ends the connection without a word.
const Hangup = "hang up"

// StartScriptedSink is StartSinkAt with a script.
func StartScriptedSink(tb testing.TB, address string, script Script) *Sink {
	tb.Helper()
	return startSink(tb, address, nil, script)
}

func (s Script) line(c net.Conn) net.Conn {
	if s.Line == nil {
		return c
	}
	return s.Line(c)
}

// act asks the script. answered means that the sink has nothing to say any more, and
// goOn that the connection lives.
func (s *Sink) act(at Moment, argument string, w *bufio.Writer) (answered, goOn bool) {
	if s.script.Say == nil {
		return false, true
	}
	switch reply := s.script.Say(at, argument); reply {
	case "":
		return false, true
	case Hangup:
		return true, false
	default:
		s.say(w, reply)
		return true, !strings.HasPrefix(reply, "421")
	}
}
