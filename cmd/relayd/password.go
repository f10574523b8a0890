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

// question asks for one secret.
type question struct {
	prompt string
	what   string // what it asks for, such as "password"
	flags  string // how it is given without a terminal
}

// password reads a password. See secret.
func (e *environment) password(ctx context.Context, prompt string, fromStdin bool) (relay.Secret, error) {
	return e.secret(ctx, question{prompt: prompt, what: "password", flags: "--password-stdin"}, fromStdin)
}

// secret reads a secret: from the first line of standard input if that was asked for,
// else from the terminal without echo. It never comes from a flag: flags stand in the
// list of processes and in the shell's history.
func (e *environment) secret(ctx context.Context, q question, fromStdin bool) (relay.Secret, error) {
	if fromStdin {
		return firstLine(e.stdin, q.what)
	}
	f, ok := e.stdin.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return "", fmt.Errorf("there is no terminal to ask for the %s on: give it with %s", q.what, q.flags)
	}
	if _, err := fmt.Fprint(e.stderr, q.prompt); err != nil {
		return "", err
	}
	p, err := readHidden(ctx, int(f.Fd()))
	fmt.Fprintln(e.stderr) //nolint:errcheck // the line break that was not echoed
	if err != nil {
		return "", fmt.Errorf("read the %s: %w", q.what, err)
	}
	return notEmpty(string(p), q.what)
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

func firstLine(r io.Reader, what string) (relay.Secret, error) {
	text, err := bufio.NewReader(io.LimitReader(r, maxPassword)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read the %s: %w", what, err)
	}
	return notEmpty(strings.TrimRight(text, "\r\n"), what)
}

func notEmpty(p, what string) (relay.Secret, error) {
	if p == "" {
		return "", fmt.Errorf("the %s is empty", what)
	}
	return relay.Secret(p), nil
}

// maxSecretFile is how large a file with a secret may be; the API takes as much.
const maxSecretFile = 16 << 10

// secretFile reads a secret of several lines, such as a key in JSON.
func secretFile(name string) (relay.Secret, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", fmt.Errorf("read the secret: %w", err)
	}
	defer func() { _ = f.Close() }() // it was only read
	text, err := io.ReadAll(io.LimitReader(f, maxSecretFile+1))
	if err != nil {
		return "", fmt.Errorf("read the secret: %w", err)
	}
	if len(text) > maxSecretFile {
		return "", fmt.Errorf("the file %s is too large for a secret", name)
	}
	return notEmpty(strings.TrimSpace(string(text)), "file with the secret")
}
