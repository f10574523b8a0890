package simulator

import (
	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"
)

// session is one connection to the mailboxes: go-imap's memory server, with the
// special use of folders and with faults.
type session struct {
	*imapmemserver.UserSession // nil before the sign-in

	provider *Simulator
	conn     *imapserver.Conn
	user     *user
}

var _ imapserver.SessionIMAP4rev2 = (*session)(nil)

func (s *Simulator) newIMAPSession(c *imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
	if fault, hit := s.faults.strike(AtIMAPDial); hit {
		e := fault.imapError()
		e.Type = imap.StatusResponseTypeBye
		return nil, nil, e
	}
	return &session{provider: s, conn: c}, &imapserver.GreetingData{}, nil
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
func (s *session) strike(at Place) error {
	var login string
	if s.user != nil {
		login = s.user.account.Login
	}
	fault, hit := s.provider.faults.strike(at, login)
	if !hit {
		return nil
	}
	if fault.Hangup {
		s.conn.NetConn().Close() //nolint:errcheck // that is the fault
	}
	return fault.imapError()
}

// Close ends the session.
func (s *session) Close() error {
	if s.UserSession == nil {
		return nil
	}
	return s.UserSession.Close()
}

// Login signs in.
func (s *session) Login(login, password string) error {
	if fault, hit := s.provider.faults.strike(AtLogin, login); hit {
		if fault.Hangup {
			s.conn.NetConn().Close() //nolint:errcheck // that is the fault
		}
		return fault.imapError()
	}
	u := s.provider.byLogin(login)
	if u == nil || !u.passwordIs(password) {
		return imapserver.ErrAuthFailed
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

// Append stores a message, unless a fault is due before or after.
func (s *session) Append(name string, r imap.LiteralReader, options *imap.AppendOptions) (*imap.AppendData, error) {
	if err := s.strike(AtAppend); err != nil {
		return nil, err
	}
	data, err := s.UserSession.Append(name, r, options)
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

// Search searches, unless a fault is due.
func (s *session) Search(kind imapserver.NumKind, criteria *imap.SearchCriteria, options *imap.SearchOptions) (*imap.SearchData, error) {
	if err := s.strike(AtSearch); err != nil {
		return nil, err
	}
	return s.UserSession.Search(kind, criteria, options)
}
