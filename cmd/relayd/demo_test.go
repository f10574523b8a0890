package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
)

// application --SMTP--> relayd --SMTP--> simulated provider --> world's MX, and IMAP
// to Sent; and application --SMTP--> relayd --SMTP, DKIM--> world's MX
func TestDemoShowsTheMainJob(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var out, errs strings.Builder
	e := &environment{stdin: strings.NewReader(""), stdout: &out, stderr: &errs}
	if err := run(ctx, e, []string{"demo", "--once"}); err != nil {
		t.Fatalf("demo: %v\n%s\n%s", err, errs.String(), out.String())
	}
	for _, want := range []string{
		`jane@acme\.example is verified`,
		`S: 250 2\.0\.0 queued as [0-9a-z]{26}`,
		`Sent copy: +filed in Sent as UID [0-9]+`,
		`signed in as jane@acme\.example, MAIL FROM <jane@acme\.example>`,
		`Sent holds 1 message`,
		`Route: +direct: no account is connected for nick@acme\.example`,
		`DKIM-Signature: .*d=acme\.example`,
		`What bob@world\.example got:\n +From: jane@acme\.example`,
	} {
		if !regexp.MustCompile(want).MatchString(out.String()) {
			t.Errorf("the demo does not show %q:\n%s", want, out.String())
		}
	}
	place := regexp.MustCompile(`data in (\S*relayd-demo-\S+)`).FindStringSubmatch(out.String())
	if place == nil {
		t.Fatalf("the demo does not say where its data are:\n%s", out.String())
	}
	if _, err := os.Stat(place[1]); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the demo left %s behind: %v", place[1], err)
	}
}

// Ctrl-C in the middle of the story is an ordinary end.
func TestDemoEndsAtAnyMoment(t *testing.T) {
	t.Parallel()
	ctx, interrupt := context.WithTimeout(t.Context(), time.Minute)
	defer interrupt()
	var errs strings.Builder
	verifying := &trigger{text: "Sign in to the outgoing server", fire: interrupt}
	e := &environment{stdin: strings.NewReader(""), stdout: verifying, stderr: &errs}
	if err := run(ctx, e, []string{"demo"}); err != nil {
		t.Errorf("demo: %v", err)
	}
	if !verifying.fired || errs.Len() > 0 {
		t.Errorf("it was interrupted: %v; it says %q", verifying.fired, errs.String())
	}
}

// trigger is an output that does something when a text comes.
type trigger struct {
	text  string
	fire  func()
	fired bool
}

func (w *trigger) Write(p []byte) (int, error) {
	if strings.Contains(string(p), w.text) {
		w.fired = true
		w.fire()
	}
	return len(p), nil
}
