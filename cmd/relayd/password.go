package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/relayd/relayd/relay"
)

// maxPassword is how many octets of a line are read; the API takes 1,024 characters.
const maxPassword = 4096

// password reads a password: from the first line of standard input if that was
// asked for, else from the terminal without echo. It never comes from a flag: flags
// stand in the list of processes and in the shell's history.
func (e *environment) password(ctx context.Context, prompt string, fromStdin bool) (relay.Secret, error) {
	if fromStdin {
		return firstLine(e.stdin)
	}
	f, ok := e.stdin.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return "", errors.New("there is no terminal to ask for the password on: give it on standard input with --password-stdin")
	}
	if _, err := fmt.Fprint(e.stderr, prompt); err != nil {
		return "", err
	}
	p, err := readHidden(ctx, int(f.Fd()))
	fmt.Fprintln(e.stderr) //nolint:errcheck // the line break that was not echoed
	if err != nil {
		return "", fmt.Errorf("read the password: %w", err)
	}
	return notEmpty(string(p))
}

// readHidden reads a line without echo. A read from a terminal cannot be broken
// off, so after a signal it is left behind and only the echo is put back.
func readHidden(ctx context.Context, fd int) ([]byte, error) {
	before, err := term.GetState(fd)
	if err != nil {
		return nil, err
	}
	type line struct {
		text []byte
		err  error
	}
	read := make(chan line, 1)
	go func() {
		text, err := term.ReadPassword(fd)
		read <- line{text, err}
	}()
	select {
	case l := <-read:
		return l.text, l.err
	case <-ctx.Done():
		return nil, errors.Join(context.Cause(ctx), term.Restore(fd, before))
	}
}

func firstLine(r io.Reader) (relay.Secret, error) {
	text, err := bufio.NewReader(io.LimitReader(r, maxPassword)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read the password: %w", err)
	}
	return notEmpty(strings.TrimRight(text, "\r\n"))
}

func notEmpty(p string) (relay.Secret, error) {
	if p == "" {
		return "", errors.New("the password is empty")
	}
	return relay.Secret(p), nil
}
