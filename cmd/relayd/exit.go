package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/relayd/relayd/internal/apiclient"
)

// The exit codes.
const (
	exitDone        = 0
	exitFailed      = 1 // what was asked for did not work
	exitUsage       = 2 // the command line is wrong
	exitUnreachable = 3 // the command needs a running relayd, and none answers
)

// usageError is a wrong command line.
type usageError struct {
	command string
	problem string
}

func (e *usageError) Error() string {
	return fmt.Sprintf("%s. See: %s --help", e.problem, e.command)
}

// unreachableError adds to apiclient.ErrUnreachable where relayd was looked for.
type unreachableError struct {
	place  string // the socket or URL
	socket bool
	cause  error
}

func (e *unreachableError) Error() string {
	switch {
	case e.socket && errors.Is(e.cause, fs.ErrPermission):
		return fmt.Sprintf("you may not open the socket %s. Run this as the user of relayd or as root, or use --url with a token", e.place)
	case e.socket:
		return fmt.Sprintf("relayd does not run: nobody answers on %s. Start it with: relayd serve", e.place)
	}
	return fmt.Sprintf("nobody answers at %s. Check the URL, and that relayd runs there", e.place)
}

func (e *unreachableError) Unwrap() error { return e.cause }

// exitCode tells an error to a person and gives the exit code. The end of the
// program by a signal is told by the command itself.
func exitCode(stderr io.Writer, err error) int {
	if err == nil {
		return exitDone
	}
	fmt.Fprintf(stderr, "relayd: %s\n", err) //nolint:errcheck // there is nowhere else to tell it
	var usage *usageError
	switch {
	case errors.As(err, &usage):
		return exitUsage
	case errors.Is(err, apiclient.ErrUnreachable):
		return exitUnreachable
	}
	return exitFailed
}
