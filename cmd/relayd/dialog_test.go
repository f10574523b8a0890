package main

import (
	"bytes"
	"context"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// A dialog is a session at the command line, one instruction a line:
//
//	$ relayd user list      run this; words may stand in "quotes"
//	in: text                what standard input held (before the command)
//	out: text               standard output must contain this
//	err: text               standard error must contain this
//	not: text               neither may contain this
//	exit: 2                 the exit code; 0 if nothing is said
//	save name: regexp       remember the first group, found in standard output,
//	                        as {name} for the lines below
//	let name: text          {name} is this text from here on
//	# text                  a remark
type dialog struct {
	*testing.T
	environ []string
	saved   map[string]string

	line           string
	stdin          string
	stdout, stderr string
	code, wanted   int
}

// play runs a dialog against the relayd of the environment.
func play(t *testing.T, environ []string, text string) {
	t.Helper()
	d := &dialog{T: t, environ: environ, saved: map[string]string{}}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		for name, value := range d.saved {
			line = strings.ReplaceAll(line, "{"+name+"}", value)
		}
		d.instruction(line)
	}
	d.settle()
}

func (d *dialog) instruction(line string) {
	d.Helper()
	verb, rest, _ := strings.Cut(line, " ")
	switch verb {
	case "", "#":
	case "in:":
		d.settle()
		d.stdin = rest + "\n"
	case "$":
		d.settle()
		d.run(line, words(strings.TrimPrefix(rest, "relayd")))
	case "out:":
		d.contains("standard output", d.stdout, rest)
	case "err:":
		d.contains("standard error", d.stderr, rest)
	case "not:":
		if strings.Contains(d.stdout+d.stderr, rest) {
			d.Errorf("%s\nprinted %q:\n%s%s", d.line, rest, d.stdout, d.stderr)
		}
	case "exit:":
		n, err := strconv.Atoi(rest)
		if err != nil {
			d.Fatal(err)
		}
		d.wanted = n
	case "let":
		name, text, _ := strings.Cut(rest, ": ")
		d.saved[name] = text
	case "save":
		d.save(rest)
	default:
		d.Fatalf("no instruction: %s", line)
	}
}

// settle compares the exit code of the command before.
func (d *dialog) settle() {
	d.Helper()
	if d.line != "" && d.code != d.wanted {
		d.Errorf("%s\nexit code %d, want %d\n%s%s", d.line, d.code, d.wanted, d.stdout, d.stderr)
	}
	d.line = ""
}

func (d *dialog) run(line string, args []string) {
	var stdout, stderr bytes.Buffer
	e := &environment{stdin: strings.NewReader(d.stdin), stdout: &stdout, stderr: &stderr, environ: d.environ}
	ctx, cancel := context.WithCancel(d.Context())
	defer cancel()
	d.code = exitCode(&stderr, run(ctx, e, args))
	d.line, d.wanted, d.stdin = line, 0, ""
	d.stdout, d.stderr = stdout.String(), stderr.String()
}

func (d *dialog) contains(where, have, want string) {
	d.Helper()
	// Columns are for eyes: any number of spaces is one.
	if !strings.Contains(strings.Join(strings.Fields(have), " "), strings.Join(strings.Fields(want), " ")) {
		d.Errorf("%s\n%s has no %q:\n%s%s", d.line, where, want, d.stdout, d.stderr)
	}
}

func (d *dialog) save(rest string) {
	d.Helper()
	name, pattern, _ := strings.Cut(rest, ": ")
	m := regexp.MustCompile(pattern).FindStringSubmatch(d.stdout)
	if len(m) < 2 {
		d.Fatalf("%s\n%s is not in:\n%s", d.line, pattern, d.stdout)
	}
	d.saved[name] = m[1]
}

// words splits a command line at spaces outside of double quotes.
func words(line string) (out []string) {
	for i, part := range strings.Split(line, `"`) {
		if i%2 == 1 {
			out = append(out, part)
			continue
		}
		out = append(out, strings.Fields(part)...)
	}
	return out
}
