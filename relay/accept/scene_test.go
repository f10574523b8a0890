package accept

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"testing"

	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
)

// The scene of the tests: Acme owns acme.example and has proved jane@free.example;
// the submitter crm may send as all of Acme. Rival owns rival.example.

// directory is a store.Directory of maps, as far as an Acceptor looks.
type directory struct {
	organisations table
	users         map[string]*relay.User
	accounts      map[string]*relay.Account
	broken        error
}

type table struct {
	store.Table[relay.Organisation]
	d       *directory
	records map[string]*relay.Organisation
}

func (t table) Get(_ context.Context, id string) (*relay.Organisation, error) {
	return pick(t.d, t.records, id)
}

func pick[T any](d *directory, records map[string]*T, key string) (*T, error) {
	if d.broken != nil {
		return nil, d.broken
	}
	if rec, ok := records[key]; ok {
		return rec, nil
	}
	return nil, store.ErrNotFound
}

func (d *directory) Organisations() store.Table[relay.Organisation] { return d.organisations }

func (d *directory) OrganisationOf(_ context.Context, domain string) (*relay.Organisation, error) {
	for _, o := range d.organisations.records {
		if o.Owns(domain) {
			return o, d.broken
		}
	}
	return nil, errors.Join(store.ErrNotFound, d.broken)
}

func (d *directory) UserByAddress(_ context.Context, a relay.Address) (*relay.User, error) {
	return pick(d, d.users, a.Key())
}

func (d *directory) AccountByAddress(_ context.Context, a relay.Address) (*relay.Account, error) {
	return pick(d, d.accounts, a.Key())
}

// spool keeps the last message, as a store.Queue would, and fails on demand.
type spool struct {
	message      *relay.Message
	key          relay.SubmissionKey
	hasKey       bool
	content      string
	acknowledged []relay.ID
	usage        store.Usage
	fails        error    // instead of keeping the message
	first        relay.ID // the submission is a repetition of this one
}

func (s *spool) Put(_ context.Context, m *relay.Message, key func() relay.SubmissionKey, content io.Reader) (relay.ID, error) {
	text, err := io.ReadAll(content)
	if err != nil {
		return relay.ID{}, fmt.Errorf("spool: %w", err)
	}
	if s.fails != nil {
		return relay.ID{}, s.fails
	}
	s.message, s.content, s.hasKey = m, string(text), key != nil
	if key != nil {
		s.key = key()
	}
	if !s.first.IsZero() {
		return s.first, nil
	}
	return m.ID, nil
}

func (s *spool) Acknowledged(id relay.ID) { s.acknowledged = append(s.acknowledged, id) }
func (s *spool) Usage() store.Usage       { return s.usage }

type scene struct {
	*Acceptor
	directory *directory
	spool     *spool
}

func newScene(t testing.TB, change func(*Options)) *scene {
	t.Helper()
	d := &directory{
		users: map[string]*relay.User{
			"jane@acme.example": {ID: "u1", Organisation: "acme", HeaderName: "Jane Doe, Acme"},
			"max@acme.example":  {ID: "u2", Organisation: "acme"},
		},
		accounts: map[string]*relay.Account{
			"jane@free.example":  {ID: "a1", Organisation: "acme", State: relay.AccountVerified},
			"joe@free.example":   {ID: "a2", Organisation: "acme", State: relay.AccountUnverified},
			"rival@free.example": {ID: "a3", Organisation: "rival", State: relay.AccountVerified},
		},
	}
	d.organisations = table{d: d, records: map[string]*relay.Organisation{
		"acme":  {ID: "acme", Name: "Acme", Domains: []string{"acme.example"}},
		"rival": {ID: "rival", Name: "Rival", Domains: []string{"rival.example"}},
	}}
	s := &scene{directory: d, spool: &spool{}}
	o := Options{Spool: s.spool, Directory: d, Hostname: "mail.relay.test", LoopKey: []byte("key")}
	if change != nil {
		change(&o)
	}
	a, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	s.Acceptor = a
	return s
}

func crm() *relay.Submitter {
	return &relay.Submitter{ID: "s1", Login: "crm", Organisation: "acme", Senders: relay.Senders{Organisation: true}}
}

func at(local, domain string) relay.Address { return relay.Address{Local: local, Domain: domain} }

// submission is one of max@acme.example to one recipient.
func submission() *relay.Submission {
	return &relay.Submission{
		Client:    relay.Client{Addr: netip.MustParseAddrPort("192.0.2.7:4711"), Hello: "crm.acme.example"},
		Submitter: crm(),
		Protocol:  "ESMTPSA",
		Envelope: relay.Envelope{
			ReturnPath: at("max", "acme.example"),
			Recipients: []relay.Recipient{{Address: at("bob", "other.example")}},
		},
	}
}

// crlf lets tests be written with plain line ends.
func crlf(text string) string { return strings.ReplaceAll(text, "\n", "\r\n") }

// take submits and gives what was spooled, without the Received field.
func (s *scene) take(t *testing.T, sub *relay.Submission, content string) string {
	t.Helper()
	id, err := s.Accept(t.Context(), sub, strings.NewReader(content))
	if err != nil {
		t.Fatalf("refused: %v", err)
	}
	if id != s.spool.message.ID {
		t.Errorf("ID %s, spooled as %s", id, s.spool.message.ID)
	}
	return s.withoutReceived(t)
}

func (s *scene) withoutReceived(t *testing.T) string {
	t.Helper()
	received := s.received(submission(), s.spool.message)
	rest, ok := strings.CutPrefix(s.spool.content, received)
	if !ok {
		t.Fatalf("the content does not begin with\n%s\nbut is\n%s", received, s.spool.content)
	}
	return rest
}

// refused submits and gives the refusal.
func (s *scene) refused(t *testing.T, sub *relay.Submission, content string) *relay.Error {
	t.Helper()
	_, err := s.Accept(t.Context(), sub, strings.NewReader(content))
	var refusal *relay.Error
	if !errors.As(err, &refusal) {
		t.Fatalf("error %v, want a *relay.Error", err)
	}
	if s.spool.message != nil {
		t.Error("refused, and spooled all the same")
	}
	return refusal
}
