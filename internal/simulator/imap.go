package simulator

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"slices"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"
	"github.com/emersion/go-sasl"

	"github.com/relayd/relayd/internal/simulator/oauthsim"
)

// session is one connection to the mailboxes: go-imap's memory server, with the
// special use of folders, with tokens and with faults.
type session struct {
	*imapmemserver.UserSession // nil before the sign-in

	provider *Simulator
	conn     *imapserver.Conn
	user     *user
	private  bool // came through the simulator's own door
}

var (
	_ imapserver.SessionIMAP4rev2 = (*session)(nil)
	_ imapserver.SessionSASL      = (*session)(nil)
)

// imapServer makes a server. Without a configuration it takes a connection for
// secured.
func (s *Simulator) imapServer(starttls *tls.Config, private bool) *imapserver.Server {
	return imapserver.New(&imapserver.Options{
		NewSession: func(c *imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
			return s.newIMAPSession(c, private)
		},
		Caps:         s.imapCaps(),
		TLSConfig:    starttls,
		InsecureAuth: starttls == nil,
		Logger:       logger{s.options.Logger},
	})
}

func (s *Simulator) newIMAPSession(c *imapserver.Conn, private bool) (imapserver.Session, *imapserver.GreetingData, error) {
	if !private {
		if fault, hit := s.Strike(s.life, AtIMAPDial); hit {
			e := imapReply(fault.Reply)
			e.Type = imap.StatusResponseTypeBye
			return nil, nil, e
		}
	}
	return &session{provider: s, conn: c, private: private}, &imapserver.GreetingData{}, nil
}

func (s *Simulator) imapCaps() imap.CapSet {
	caps := imap.CapSet{
		imap.CapIMAP4rev1: {}, imap.CapNamespace: {}, imap.CapUIDPlus: {}, imap.CapESearch: {},
		imap.CapListExtended: {}, imap.CapListStatus: {}, imap.CapMove: {}, imap.CapStatusSize: {},
		imap.CapSpecialUse: {}, imap.CapCreateSpecialUse: {}, imap.CapLiteralPlus: {},
	}
	if s.options.Personality.HideSpecialUse {
		delete(caps, imap.CapSpecialUse)
		delete(caps, imap.CapCreateSpecialUse)
	}
	if s.options.Personality.NoUIDPlus {
		delete(caps, imap.CapUIDPlus)
	}
	return caps
}

// strike answers with a fault, or closes the connection.
func (s *session) strike(at Place, names ...string) error {
	if s.private {
		return nil
	}
	if s.user != nil {
		names = append(names, s.user.account.Login)
	}
	fault, hit := s.provider.Strike(s.provider.life, at, names...)
	if !hit {
		return nil
	}
	if fault.Hangup {
		s.conn.NetConn().Close() //nolint:errcheck // that is the fault
	}
	return imapReply(fault.Reply)
}

// Close ends the session.
func (s *session) Close() error {
	if s.UserSession == nil {
		return nil
	}
	return s.UserSession.Close()
}

// Login signs in with a password.
func (s *session) Login(login, password string) error {
	return s.signIn(login, func() (*user, error) {
		if s.private {
			if u := s.provider.byLogin(login); u != nil {
				return u, nil
			}
			return nil, errRefused
		}
		return s.provider.byPassword(login, password)
	})
}

// AuthenticateMechanisms are those of the provider.
func (s *session) AuthenticateMechanisms() []string {
	return s.provider.options.Personality.Mechanisms
}

// Authenticate starts a sign-in with a mechanism.
func (s *session) Authenticate(mechanism string) (sasl.Server, error) {
	p := s.provider.options.Personality
	if !slices.Contains(p.Mechanisms, mechanism) {
		return nil, imapReply("NO Unsupported authentication mechanism")
	}
	return saslServer(mechanism, p.BearerChallenge, s.Login, func(name, token string) error {
		return s.signIn(name, func() (*user, error) { return s.provider.byToken(name, token, oauthsim.UseIMAP) })
	})
}

func (s *session) signIn(login string, open func() (*user, error)) error {
	if err := s.strike(AtLogin, login); err != nil {
		return err
	}
	u, err := open()
	switch {
	case errors.Is(err, errNeedsAppPassword):
		return imapReply("NO [ALERT] Application-specific password required: https://support.google.com/accounts/answer/185833 (Failure)")
	case err != nil:
		return imapReply(s.provider.options.Personality.LoginRefusal)
	}
	s.user, s.UserSession = u, imapmemserver.NewUserSession(u.store)
	return nil
}

// List tells the special use of folders, which the memory server does not.
func (s *session) List(w *imapserver.ListWriter, ref string, patterns []string, options *imap.ListOptions) error {
	if err := s.strike(AtList); err != nil {
		return err
	}
	return s.user.list(w, ref, patterns, options, s.provider.options.Personality.HideSpecialUse)
}

// Create makes a folder and keeps its special use.
func (s *session) Create(name string, options *imap.CreateOptions) error {
	f := folder{name: name}
	if options != nil && len(options.SpecialUse) > 0 {
		f.use = options.SpecialUse[0]
	}
	return s.user.create(f)
}

// Delete removes a folder.
func (s *session) Delete(name string) error { return s.user.remove(name) }

// Rename gives a folder another name.
func (s *session) Rename(from, to string, _ *imap.RenameOptions) error {
	return s.user.rename(from, to)
}

// Move takes messages to another folder. Without any it says nothing: the memory server
// would name an empty set.
func (s *session) Move(w *imapserver.MoveWriter, set imap.NumSet, to string) error {
	if uids, ok := set.(imap.UIDSet); ok {
		found, err := s.UserSession.Search(imapserver.NumKindUID, &imap.SearchCriteria{UID: []imap.UIDSet{uids}}, &imap.SearchOptions{})
		if err != nil {
			return err
		}
		if all, ok := found.All.(imap.UIDSet); !ok || len(all) == 0 {
			return nil
		}
	}
	if err := s.UserSession.Move(w, set, to); err != nil {
		return err
	}
	return s.binned(to)
}

// Copy puts messages into another folder as well.
func (s *session) Copy(set imap.NumSet, to string) (*imap.CopyData, error) {
	data, err := s.UserSession.Copy(set, to)
	if err != nil {
		return nil, err
	}
	return data, s.binned(to)
}

// binned: where folders are labels, what lies in the bin lies nowhere else.
func (s *session) binned(folder string) error {
	bin, _ := s.user.forUse(imap.MailboxAttrTrash)
	if s.user.all == "" || folder != bin {
		return nil
	}
	found, err := s.provider.Messages(s.provider.life, s.user.account.Address, bin)
	if err != nil {
		return err
	}
	for _, m := range found {
		if err := s.user.removeElsewhere(bin, field(m.Content, "Message-ID")); err != nil {
			return err
		}
	}
	return nil
}

// Append stores a message, unless a fault is due before or after.
func (s *session) Append(name string, r imap.LiteralReader, options *imap.AppendOptions) (*imap.AppendData, error) {
	if err := s.strike(AtAppend); err != nil {
		return nil, err
	}
	data, err := s.append(name, r, options)
	if err != nil {
		return nil, err
	}
	s.provider.changed()
	if err := s.strike(AfterAppend); err != nil {
		return nil, err
	}
	if s.provider.options.Personality.NoUIDPlus {
		return nil, nil // the memory server would tell the UID all the same
	}
	return data, nil
}

// append stores a message as the personality does.
func (s *session) append(name string, r imap.LiteralReader, options *imap.AppendOptions) (*imap.AppendData, error) {
	p := &s.provider.options.Personality
	if !p.AppendReplaces && p.AllFolder == "" {
		return s.UserSession.Append(name, r, options)
	}
	var content bytes.Buffer
	if _, err := content.ReadFrom(io.LimitReader(r, s.provider.options.MessageSize+1)); err != nil {
		return nil, err
	}
	if int64(content.Len()) > s.provider.options.MessageSize {
		return nil, imapReply("NO [TOOBIG] Message too large")
	}
	if !s.user.has(name) {
		return nil, imapReply("NO [TRYCREATE] No such mailbox")
	}
	if p.AppendReplaces {
		return s.user.replace(name, content.Bytes(), options)
	}
	return s.user.add(name, content.Bytes(), options)
}

// Search searches, unless a fault is due.
func (s *session) Search(kind imapserver.NumKind, criteria *imap.SearchCriteria, options *imap.SearchOptions) (*imap.SearchData, error) {
	if err := s.strike(AtSearch); err != nil {
		return nil, err
	}
	return s.UserSession.Search(kind, criteria, options)
}
