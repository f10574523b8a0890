package route

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
)

func account(state relay.AccountState, proved bool) *relay.Account {
	a := &relay.Account{ID: "a1", Organisation: "acme", State: state, Settings: relay.Settings{IMAP: relay.Server{Host: "imap.example"}}}
	if proved {
		a.Card.VerifiedAt = time.Unix(1, 0)
	}
	return a
}

// Every row of the rules that decide.
func TestDecide(t *testing.T) {
	t.Parallel()
	hold := relay.Policy{FallBack: relay.FallBackHold}
	noIMAP := account(relay.AccountVerified, true)
	noIMAP.IMAP = relay.Server{}
	const never, proved = false, true
	for name, tc := range map[string]struct {
		facts   Facts
		kind    relay.RouteKind
		account string
		rule    string
	}{
		"no account":               {Facts{}, relay.RouteDirect, "", "account.none"},
		"never proved":             {Facts{Account: account(relay.AccountUnverified, never)}, relay.RouteDirect, "", "account.unverified"},
		"verified":                 {Facts{Account: account(relay.AccountVerified, proved)}, relay.RouteAccount, "a1", "account.verified"},
		"degraded":                 {Facts{Account: account(relay.AccountDegraded, proved)}, relay.RouteAccount, "a1", "account.degraded"},
		"parked":                   {Facts{Account: account(relay.AccountParked, proved)}, relay.RouteHold, "a1", "account.parked"},
		"parked, card lost":        {Facts{Account: account(relay.AccountParked, never)}, relay.RouteHold, "a1", "account.parked"},
		"being proved again":       {Facts{Account: account(relay.AccountUnverified, proved)}, relay.RouteHold, "a1", "account.reverify"},
		"alias that lapsed":        {Facts{Lapsed: true, Account: account(relay.AccountVerified, proved)}, relay.RouteHold, "a1", "account.reverify"},
		"lapsed, given up":         {Facts{Lapsed: true, Policy: relay.Policy{Broken: relay.BrokenDirect, BrokenAfter: time.Nanosecond}, Account: account(relay.AccountVerified, proved), Now: time.Now()}, relay.RouteHold, "a1", "account.reverify"},
		"report to such an alias":  {Facts{Kind: relay.KindReport, NullSender: true, Lapsed: true, Account: account(relay.AccountVerified, proved)}, relay.RouteDirect, "", "report.direct"},
		"a state of later":         {Facts{Account: account("reconnecting", proved)}, relay.RouteHold, "a1", "account.reverify"},
		"no account, held":         {Facts{Policy: hold}, relay.RouteHold, "", "policy.fall_back"},
		"never proved, held":       {Facts{Policy: hold, Account: account(relay.AccountUnverified, never)}, relay.RouteHold, "a1", "policy.fall_back"},
		"verified, policy hold":    {Facts{Policy: hold, Account: account(relay.AccountVerified, proved)}, relay.RouteAccount, "a1", "account.verified"},
		"same organisation":        {Facts{Organisation: "acme", Account: account(relay.AccountVerified, proved)}, relay.RouteAccount, "a1", "account.verified"},
		"other organisation":       {Facts{Organisation: "b", Account: account(relay.AccountVerified, proved)}, relay.RouteDirect, "", "account.other_organisation"},
		"other's parked account":   {Facts{Organisation: "b", Account: account(relay.AccountParked, proved)}, relay.RouteDirect, "", "account.other_organisation"},
		"other organisation, held": {Facts{Organisation: "b", Policy: hold, Account: account(relay.AccountVerified, proved)}, relay.RouteHold, "", "policy.fall_back"},
		"null sender":              {Facts{NullSender: true, Account: account(relay.AccountVerified, proved)}, relay.RouteDirect, "", "sender.null"},
		"no direct delivery":       {Facts{NoDirect: true}, relay.RouteHold, "", "policy.no_direct"},
		"no direct, verified":      {Facts{NoDirect: true, Account: account(relay.AccountVerified, proved)}, relay.RouteAccount, "a1", "account.verified"},
		"null sender, parked":      {Facts{NullSender: true, Account: account(relay.AccountParked, proved)}, relay.RouteDirect, "", "sender.null"},
		"null sender, policy hold": {Facts{NullSender: true, Policy: hold}, relay.RouteDirect, "", "sender.null"},
		"report, verified":         {Facts{Kind: relay.KindReport, NullSender: true, Account: account(relay.AccountVerified, proved)}, relay.RouteInbox, "a1", "report.inbox"},
		"report, degraded":         {Facts{Kind: relay.KindReport, NullSender: true, Account: account(relay.AccountDegraded, proved)}, relay.RouteDirect, "", "report.direct"},
		"report, parked":           {Facts{Kind: relay.KindReport, NullSender: true, Account: account(relay.AccountParked, proved)}, relay.RouteDirect, "", "report.direct"},
		"report, unverified":       {Facts{Kind: relay.KindReport, NullSender: true, Account: account(relay.AccountUnverified, never)}, relay.RouteDirect, "", "report.direct"},
		"report, no IMAP":          {Facts{Kind: relay.KindReport, NullSender: true, Account: noIMAP}, relay.RouteDirect, "", "report.direct"},
		"notice":                   {Facts{Kind: relay.KindNotice, Account: account(relay.AccountParked, proved), Policy: hold}, relay.RouteDirect, "", "notice.direct"},
		"notice, null sender":      {Facts{Kind: relay.KindNotice, NullSender: true}, relay.RouteDirect, "", "notice.direct"},
		"notice, no direct":        {Facts{Kind: relay.KindNotice, NoDirect: true}, relay.RouteHold, "", "policy.no_direct"},
		"report, no account":       {Facts{Kind: relay.KindReport, NullSender: true, Policy: hold}, relay.RouteDirect, "", "report.direct"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := Decide(tc.facts)
			if got.Kind != tc.kind || got.Account != tc.account || got.Rule != tc.rule || got.Reason == "" {
				t.Errorf("Decide = %v %q %q (%s), want %v %q %q", got.Kind, got.Account, got.Rule, got.Reason, tc.kind, tc.account, tc.rule)
			}
		})
	}
}

func TestParkedSaysWhy(t *testing.T) {
	t.Parallel()
	a := account(relay.AccountParked, true)
	a.StateReason = "the password was refused"
	if got := Decide(Facts{Account: a}); !strings.Contains(got.Reason, a.StateReason) {
		t.Errorf("the reason %q does not hold %q", got.Reason, a.StateReason)
	}
}

// directory is a store.Directory of maps, as far as a Router looks.
type directory struct {
	organisations table[relay.Organisation]
	users         map[string]*relay.User
	accounts      map[string]*relay.Account
	submitters    map[string]*relay.Submitter
	broken        error
}

type table[T any] struct {
	store.Table[T]
	records map[string]*T
}

func (t table[T]) Get(_ context.Context, id string) (*T, error) { return pick(t.records, id, nil) }

func pick[T any](records map[string]*T, key string, broken error) (*T, error) {
	if broken != nil {
		return nil, broken
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
			return o, nil
		}
	}
	return nil, store.ErrNotFound
}
func (d *directory) UserByAddress(_ context.Context, a relay.Address) (*relay.User, error) {
	return pick(d.users, a.Key(), d.broken)
}
func (d *directory) AccountByAddress(_ context.Context, a relay.Address) (*relay.Account, error) {
	return pick(d.accounts, a.Key(), d.broken)
}
func (d *directory) SubmitterByLogin(_ context.Context, login string) (*relay.Submitter, error) {
	return pick(d.submitters, login, d.broken)
}

func at(local, domain string) relay.Address { return relay.Address{Local: local, Domain: domain} }

func owned(a *relay.Account, address relay.Address) *relay.Account {
	a.Address = address
	return a
}

func withAlias(alias relay.Address, proved time.Time) *relay.Account {
	a := owned(account(relay.AccountVerified, true), at("jane", "acme.example"))
	a.Aliases = []relay.Alias{{Address: alias, ProvedAt: proved}}
	return a
}

func testDirectory() *directory {
	hold := relay.Policy{FallBack: relay.FallBackHold}
	return &directory{
		organisations: table[relay.Organisation]{records: map[string]*relay.Organisation{
			"acme":  {ID: "acme", Name: "Acme", Domains: []string{"acme.example"}},
			"guard": {ID: "guard", Name: "Guard", Domains: []string{"guard.example"}, Policy: hold},
		}},
		users: map[string]*relay.User{
			"jane@acme.example": {ID: "u1", Organisation: "acme"},
			"eve@free.example":  {ID: "u2", Organisation: "guard"},
		},
		accounts: map[string]*relay.Account{
			"jane@acme.example":  owned(account(relay.AccountVerified, true), at("jane", "acme.example")),
			"sales@acme.example": withAlias(at("sales", "acme.example"), time.Unix(1, 0)),
			"boss@acme.example":  withAlias(at("boss", "acme.example"), time.Time{}),
			"max@acme.example":   {ID: "a2", Organisation: "acme", Address: at("max", "acme.example"), State: relay.AccountParked},
		},
		submitters: map[string]*relay.Submitter{
			"crm":   {ID: "s1", Login: "crm", Organisation: "acme", Senders: relay.Senders{Organisation: true}},
			"off":   {ID: "s2", Login: "off", Organisation: "acme", Senders: relay.Senders{Organisation: true}, Disabled: true},
			"guard": {ID: "s3", Login: "guard", Organisation: "guard", Senders: relay.Senders{Organisation: true}},
		},
	}
}

func TestRoute(t *testing.T) {
	t.Parallel()
	router := New(Options{Directory: testDirectory()})
	jane, some := at("jane", "acme.example"), at("a", "b.example")
	for name, tc := range map[string]struct {
		message relay.Message
		kind    relay.RouteKind
		rule    string
	}{
		"header From decides, not the envelope": {
			relay.Message{From: jane, Organisation: "acme", Envelope: relay.Envelope{ReturnPath: at("max", "acme.example")}}, relay.RouteAccount, "account.verified",
		},
		"proved alias":                           {relay.Message{From: at("sales", "acme.example"), Organisation: "acme", Envelope: relay.Envelope{ReturnPath: some}}, relay.RouteAccount, "account.verified"},
		"alias without a proof":                  {relay.Message{From: at("boss", "acme.example"), Organisation: "acme", Envelope: relay.Envelope{ReturnPath: some}}, relay.RouteDirect, "account.none"},
		"notice from an account's address":       {relay.Message{Kind: relay.KindNotice, From: jane, Envelope: relay.Envelope{ReturnPath: some}}, relay.RouteDirect, "notice.direct"},
		"policy of the user's organisation":      {relay.Message{From: at("eve", "free.example"), Envelope: relay.Envelope{ReturnPath: some}}, relay.RouteHold, "policy.fall_back"},
		"policy of the domain's organisation":    {relay.Message{From: at("x", "guard.example"), Organisation: "acme", Envelope: relay.Envelope{ReturnPath: some}}, relay.RouteHold, "policy.fall_back"},
		"policy of the submitter's organisation": {relay.Message{From: some, Organisation: "guard", Envelope: relay.Envelope{ReturnPath: some}}, relay.RouteHold, "policy.fall_back"},
		"nobody's policy":                        {relay.Message{From: some, Envelope: relay.Envelope{ReturnPath: some}}, relay.RouteDirect, "account.none"},
		"null sender":                            {relay.Message{From: jane, Organisation: "acme"}, relay.RouteDirect, "sender.null"},
		"report by its recipient": {
			relay.Message{Kind: relay.KindReport, From: at("postmaster", "relay.example"), Envelope: relay.Envelope{Recipients: []relay.Recipient{{Address: jane}}}},
			relay.RouteInbox, "report.inbox",
		},
		"report to elsewhere": {
			relay.Message{Kind: relay.KindReport, From: jane, Envelope: relay.Envelope{Recipients: []relay.Recipient{{Address: some}}}},
			relay.RouteDirect, "report.direct",
		},
		"report to nobody": {relay.Message{Kind: relay.KindReport, From: jane}, relay.RouteDirect, "report.direct"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := router.Route(t.Context(), &tc.message)
			if err != nil || got.Kind != tc.kind || got.Rule != tc.rule {
				t.Errorf("Route = %+v, %v, want %v %s", got, err, tc.kind, tc.rule)
			}
		})
	}
}

// A directory that cannot be asked decides nothing: above all not "no account".
func TestRouteKeepsErrors(t *testing.T) {
	t.Parallel()
	d := testDirectory()
	d.broken = store.ErrUnknown
	router := New(Options{Directory: d})
	if r, err := router.Route(t.Context(), &relay.Message{}); !errors.Is(err, store.ErrUnknown) || r.Kind != relay.RouteNone {
		t.Errorf("Route = %v, %v, want none and ErrUnknown", r, err)
	}
	if _, err := router.Explain(t.Context(), "crm", at("jane", "acme.example"), nil); !errors.Is(err, store.ErrUnknown) {
		t.Errorf("Explain: %v, want ErrUnknown", err)
	}
}

func TestExplain(t *testing.T) {
	t.Parallel()
	router := New(Options{Directory: testDirectory()})
	rcpts := []relay.Address{at("a", "b.example"), at("c", "d.example")}
	for name, tc := range map[string]struct {
		login   string
		from    relay.Address
		allowed bool
		refusal string
		rule    string
		lanes   string
		steps   string // a piece of the last step
	}{
		"account":        {"crm", at("jane", "acme.example"), true, "", "account.verified", "account:a1 account:a1", "owns an account that is verified"},
		"direct":         {"crm", at("new", "acme.example"), true, "", "account.none", "domain:b.example domain:d.example", "delivered directly"},
		"parked":         {"crm", at("max", "acme.example"), true, "", "account.parked", "", "needs attention"},
		"policy":         {"guard", at("x", "guard.example"), true, "", "policy.fall_back", "", "holds such mail"},
		"not allowed":    {"guard", at("jane", "acme.example"), false, "550 5.7.1 This login may not send as <jane@acme.example>", "", "", "neither owns"},
		"disabled":       {"off", at("jane", "acme.example"), false, "the submitter is disabled: every sign-in is refused", "", "", "disabled"},
		"no null sender": {"crm", relay.Address{}, false, "550 5.7.1 This login may not use the null return path <>", "", "", "null return path"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, err := router.Explain(t.Context(), tc.login, tc.from, rcpts)
			if err != nil {
				t.Fatal(err)
			}
			if e.Allowed != tc.allowed || e.Refusal != tc.refusal || e.Route.Rule != tc.rule || strings.Join(e.Lanes, " ") != tc.lanes {
				t.Errorf("Explain = %+v, want %+v", e, tc)
			}
			if n := len(e.Steps); n == 0 || !strings.Contains(e.Steps[n-1], tc.steps) {
				t.Errorf("steps %q, want the last to hold %q", e.Steps, tc.steps)
			}
		})
	}
	e, err := router.Explain(t.Context(), "crm", at("jane", "acme.example"), rcpts)
	if err != nil || e.User != "u1" || e.Account != "a1" {
		t.Errorf("owner: %+v, %v, want user u1 and account a1", e, err)
	}
	if _, err := router.Explain(t.Context(), "nobody", at("jane", "acme.example"), rcpts); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("unknown login: %v, want ErrNotFound", err)
	}
}
