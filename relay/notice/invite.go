package notice

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/relayd/relayd/relay"
)

// The errors of SendCode and Invite, beside those of queue and directory.
var (
	// ErrTooMany means that as many were sent about this account as one mailbox has to
	// bear. It may work later.
	ErrTooMany = errors.New("too many of these mails were sent about this account")
	// ErrNoPages means that there is no Options.BaseURL to which a link could lead.
	ErrNoPages = errors.New("links lead nowhere: the address of the pages is not configured")
)

// How many mails of one kind an account may cause. Without a limit anybody who may
// ask for them could flood a mailbox, or guess codes as long as he likes.
const (
	MaxCodes       = 3 // in CodeLifetime
	MaxInvitations = 5 // in a day
)

// Request asks for a code or an invitation.
type Request struct {
	Account      string        // id; it need not be verified
	Organisation string        // id
	To           relay.Address // the mailbox
	By           string        // who asked, as the mail names him; may be empty
}

// SendCode mails a code that binds an address to its user. The token is for who
// asked, never for the mailbox: it goes to Links.UseCode together with the code. When
// SendCode returns, link and mail are durable; after an error neither is of use.
func (s *Service) SendCode(ctx context.Context, r Request) (token string, link *relay.Link, err error) {
	s.asking.Lock()
	defer s.asking.Unlock()
	if err := s.permit(ctx, relay.LinkCode, r, CodeLifetime, MaxCodes); err != nil {
		return "", nil, fmt.Errorf("send a code about account %s: %w", r.Account, err)
	}
	token, code, link, err := s.links.MakeCode(ctx, r.Account, r.Organisation)
	if err != nil {
		return "", nil, err
	}
	l := asked(KindCode, r, "Your code for "+s.o.Hostname, codeWords(s.o.Hostname, r, code))
	if err := s.putOrForget(ctx, l, link.ID); err != nil {
		return "", nil, err
	}
	return token, link, nil
}

// Invite mails a link by which a person connects an account. When Invite returns,
// link and mail are durable; after an error neither is of use.
func (s *Service) Invite(ctx context.Context, r Request) (*relay.Link, error) {
	s.asking.Lock()
	defer s.asking.Unlock()
	if s.o.BaseURL == "" {
		return nil, ErrNoPages
	}
	if err := s.permit(ctx, relay.LinkConnect, r, 24*time.Hour, MaxInvitations); err != nil {
		return nil, fmt.Errorf("invite to account %s: %w", r.Account, err)
	}
	token, link, err := s.links.Make(ctx, relay.LinkConnect, r.Account, r.Organisation, s.o.ConnectLifetime)
	if err != nil {
		return nil, err
	}
	words := invitationWords(s.o.Hostname, r, s.url(token), link.Expires)
	l := asked(KindInvitation, r, "Connect your mail account "+relay.Printable(r.To.String()), words)
	if err := s.putOrForget(ctx, l, link.ID); err != nil {
		return nil, err
	}
	return link, nil
}

func (s *Service) permit(ctx context.Context, purpose relay.LinkPurpose, r Request, within time.Duration, most int) error {
	if r.To.IsZero() {
		return &relay.FieldError{Field: "address", Message: "The address of the mailbox is needed."}
	}
	n, err := s.links.recent(ctx, purpose, r.Account, time.Now().Add(-within))
	if err != nil {
		return err
	}
	if n >= most {
		return ErrTooMany
	}
	return nil
}

// asked is a letter that a person asked for. It is a new one each time.
func asked(kind string, r Request, subject string, words []piece) *letter {
	return &letter{
		kind: kind, id: relay.NewID(time.Now()), organisation: r.Organisation, account: r.Account,
		to: []relay.Address{r.To}, subject: subject, pieces: words,
	}
}

// putOrForget puts the letter into the queue; if it cannot be put, its link goes as
// well. Should that fail too, the link ends by itself, and nobody ever had it.
func (s *Service) putOrForget(ctx context.Context, l *letter, link string) error {
	err := s.put(ctx, l)
	if err == nil {
		return nil
	}
	if e := s.o.Links.Delete(ctx, link); e != nil {
		s.o.Observer.Fault("notice.links", l.id, fmt.Errorf("remove link %s, whose mail was not sent: %w", link, e))
	}
	return err
}
