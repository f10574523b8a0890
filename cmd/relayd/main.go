// Command relayd is the mail relay that sends through the sender's own account.
//
// The program is a shell around its commands:
//  1. main gives run the arguments, the streams and the environment;
//  2. run finds the command, which returns an error or nil;
//  3. exit.go turns the error into a sentence and an exit code.
//
// serve.go wires the steps of a message's life together; the commands beside it
// (organisation, user, account, submitter, queue, dkim, token, explain) are thin
// clients of the API that the running relayd serves. No command knows mail.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	e := &environment{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, environ: os.Environ()}
	code := exitCode(e.stderr, run(ctx, e, os.Args[1:]))
	stop()
	os.Exit(code)
}

// run executes the command that args name. Tests call it in place of main.
func run(ctx context.Context, e *environment, args []string) error {
	root := newRoot(e)
	root.SetArgs(args)
	return root.ExecuteContext(ctx)
}
