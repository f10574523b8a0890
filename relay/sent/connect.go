package sent

import (
	"context"
	"errors"

	"github.com/relayd/relayd/internal/mailbox"
	"github.com/relayd/relayd/relay"
)

// with runs work in a session of the account. An idle session whose server hung up
// meanwhile, and a folder that has gone, cost one more try and no failure.
func (f *Filer) with(ctx context.Context, c *relay.Credentials, work func(*session) error) error {
	leave, err := f.pool.enter(ctx, c.Account.ID)
	if err != nil {
		return err
	}
	defer leave()
	for fresh := false; ; fresh = true {
		s, err := f.pool.take(ctx, c, fresh)
		if err != nil {
			return err
		}
		reused, known := s.again, s.folder != ""
		err = work(s)
		gone := folderGone(err)
		if gone {
			s.folder = ""
		}
		lost := !s.Usable() && !maySaved(err)
		f.pool.put(s)
		if err == nil || ctx.Err() != nil || fresh {
			return err
		}
		if !(reused && lost) && !(known && gone) {
			return err
		}
	}
}

// maySaved reports whether an APPEND may have been carried out though it failed.
func maySaved(err error) bool {
	var e *mailbox.Error
	return errors.As(err, &e) && e.Step == mailbox.StepAppend && e.Status == ""
}

// folderGone reports whether the server says that the folder does not exist.
func folderGone(err error) bool {
	var e *mailbox.Error
	return errors.As(err, &e) && (e.Code == "TRYCREATE" || e.Code == "NONEXISTENT")
}

// open opens a session of an account.
func (f *Filer) open(ctx context.Context, c *relay.Credentials) (*mailbox.Mailbox, error) {
	return mailbox.Open(ctx, mailbox.Options{
		Dialer:           f.o.Dialer,
		Server:           c.Account.IMAP,
		Login:            c.IMAPLogin(),
		Password:         c.Password,
		Roots:            f.o.Roots,
		PlainAllowed:     f.o.PlainAllowed,
		ConnectTimeout:   f.o.ConnectTimeout,
		OperationTimeout: f.o.OperationTimeout,
		UploadRate:       f.o.UploadRate,
		AnswerLimit:      f.o.AnswerLimit,
	})
}
