package simulator

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
)

// posting is a message on its way out.
type posting struct {
	mail   Mail
	copied []byte        // what is filed in Sent; nil means the content
	file   bool          // files a copy
	folder string        // there; empty means Sent
	delay  time.Duration // so much later
	twice  bool          // and once more
}

// post delivers submitted mail: a copy into Sent where that is the provider's way,
// then to the INBOXes of its own addresses, then everything else to the world. It
// gives the Message-ID under which it went.
func (s *Simulator) post(ctx context.Context, sender *user, p posting) (id string, err error) {
	defer s.changed()
	if p.copied == nil {
		p.copied = p.mail.Content
	}
	p.mail.Content, p.copied = s.asSent(p.mail.Content, sender), s.asSent(p.copied, sender)
	if at := s.options.Personality.NewIDs; at != "" {
		id := "<" + strings.ToLower(rand.Text()) + "@" + at + ">"
		p.mail.Content, p.copied = setField(p.mail.Content, "Message-ID", id), setField(p.copied, "Message-ID", id)
	}
	errs := []error{s.fileSent(sender, p)}
	trace := fmt.Sprintf("Received: from [127.0.0.1] by mail.example with ESMTPSA; %s\r\n", p.mail.At.Format(time.RFC1123Z))
	posted := append([]byte(trace), p.mail.Content...)
	var away []string
	for _, to := range p.mail.To {
		if u := s.byAddress(to); u != nil {
			errs = append(errs, u.put("INBOX", append([]byte("Return-Path: <"+p.mail.From+">\r\n"), posted...), p.mail.At))
		} else {
			away = append(away, to)
		}
	}
	s.mu.Lock()
	s.outbox = append(s.outbox, p.mail)
	s.mu.Unlock()
	if len(away) > 0 && s.options.Forward != nil {
		onward := p.mail
		onward.To, onward.Content = away, posted
		errs = append(errs, s.options.Forward(ctx, onward))
	}
	return field(p.mail.Content, "Message-ID"), errors.Join(errs...)
}

// asSent changes the header of a message as the provider does.
func (s *Simulator) asSent(content []byte, sender *user) []byte {
	p := &s.options.Personality
	if p.ForeignFrom == RewriteFrom {
		content = rewriteFrom(content, sender.account.Address, sender.allAliases())
	}
	return p.rewrite(content)
}

// setField replaces a field, or adds it.
func setField(content []byte, name, value string) []byte {
	if field(content, name) == "" {
		return append([]byte(name+": "+value+"\r\n"), content...)
	}
	return replaceField(content, name, value)
}

// fileSent puts the provider's own copy into Sent, now or later.
func (s *Simulator) fileSent(sender *user, p posting) error {
	folder := p.folder
	if folder == "" {
		folder, _ = sender.forUse(imap.MailboxAttrSent)
	}
	if !p.file || folder == "" {
		return nil
	}
	file := func() error {
		if s.options.Personality.AppendReplaces {
			_, err := sender.replace(folder, p.copied, &imap.AppendOptions{Time: p.mail.At, Flags: []imap.Flag{imap.FlagSeen}})
			return err
		}
		err := sender.put(folder, p.copied, p.mail.At, imap.FlagSeen)
		if err == nil && p.twice {
			err = sender.put(folder, p.copied, p.mail.At, imap.FlagSeen)
		}
		return err
	}
	if p.delay <= 0 {
		return file()
	}
	s.servers.later(p.delay, func() {
		if err := file(); err != nil {
			s.options.Logger.Warn("simulator: no copy in Sent", "error", err)
		}
		s.changed()
	})
	return nil
}
