package storetest

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
)

// DirectoryEngine starts the engine under test.
type DirectoryEngine struct {
	// Open gives an empty directory; the suite closes it.
	Open func(t *testing.T) store.Directory
	// Reopen closes a directory and opens it again with what it holds.
	Reopen func(t *testing.T, d store.Directory) store.Directory
}

// RunDirectory proves that an engine keeps the promises of store.Directory.
func RunDirectory(t *testing.T, engine DirectoryEngine) {
	for name, test := range map[string]func(*testing.T, DirectoryEngine){
		"every field survives":        directoryKeepsFields,
		"revisions":                   directoryRevisions,
		"unique values":               directoryUnique,
		"unique values move":          directoryUniqueMoves,
		"references":                  directoryReferences,
		"what is set up for accounts": directorySetup,
		"aliases":                     directoryAliases,
		"look-ups":                    directoryLookups,
		"look-ups after a change":     directoryLookupsFollow,
		"lists":                       directoryLists,
		"records belong to callers":   directoryOwnership,
		"changes are told":            directoryChanges,
		"a refused change is silent":  directoryRefusedIsSilent,
		"one of many writers wins":    directoryRace,
		"closed":                      directoryClosed,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, engine)
		})
	}
}

func openDirectory(t *testing.T, engine DirectoryEngine) store.Directory {
	t.Helper()
	d := engine.Open(t)
	t.Cleanup(func() { _ = d.Close() })
	return d
}

// fill puts one record of each kind, every field set.
func fill(t *testing.T, d store.Directory) (*relay.Organisation, *relay.User, *relay.Account, *relay.Submitter, *relay.Key, *relay.Token) {
	t.Helper()
	o, u, a := &relay.Organisation{}, &relay.User{}, &relay.Account{}
	s, k, tok := &relay.Submitter{}, &relay.Key{}, &relay.Token{}
	for i, rec := range []any{o, u, a, s, k, tok} {
		setFields(reflect.ValueOf(rec).Elem(), fmt.Sprintf("%d", i))
	}
	o.ID, u.Organisation, a.Organisation, s.Organisation, k.Organisation, tok.Organisation = "o1", "o1", "o1", "o1", "o1", "o1"
	u.ID, a.User, a.App, a.Candidate.App = "u1", "u1", "", ""
	put(t, d.Organisations(), o)
	put(t, d.Users(), u)
	put(t, d.Accounts(), a)
	put(t, d.Submitters(), s)
	put(t, d.Keys(), k)
	put(t, d.Tokens(), tok)
	return o, u, a, s, k, tok
}

// setFields gives every field a value of its own, so that a field which an engine
// forgets is noticed, also one that is added later. Revisions stay 0.
func setFields(v reflect.Value, seed string) {
	for i := range v.NumField() {
		if name := v.Type().Field(i).Name; name != "Revision" {
			setField(v.Field(i), strings.ToLower(seed+name), i)
		}
	}
}

func setField(f reflect.Value, text string, i int) {
	switch f.Kind() {
	case reflect.Struct:
		if f.Type() == reflect.TypeFor[time.Time]() {
			f.Set(reflect.ValueOf(time.Date(2026, 11, 21, 1, 2, 3+i, 456_000_000, time.UTC)))
			return
		}
		setFields(f, text)
	case reflect.Pointer:
		f.Set(reflect.New(f.Type().Elem()))
		setField(f.Elem(), text, i)
	case reflect.String:
		f.SetString(text)
	case reflect.Bool:
		f.SetBool(true)
	case reflect.Int, reflect.Int64:
		f.SetInt(int64(len(text)))
	case reflect.Uint64:
		f.SetUint(uint64(len(text)))
	case reflect.Slice:
		if f.Type().Elem().Kind() == reflect.Uint8 {
			f.SetBytes([]byte("\x00\xff" + text))
			return
		}
		f.Set(reflect.MakeSlice(f.Type(), 2, 2))
		setField(f.Index(0), text+"1", i)
		setField(f.Index(1), text+"2", i)
	default:
		panic("storetest: give setField a value for " + f.Kind().String())
	}
}

func put[T any](t *testing.T, table store.Table[T], rec *T) {
	t.Helper()
	if err := table.Put(t.Context(), rec); err != nil {
		t.Fatal(err)
	}
}

func wantError(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: error %v, want %v", what, err, want)
	}
}

func wantRecord[T any](t *testing.T, table store.Table[T], id string, want *T) {
	t.Helper()
	got, err := table.Get(t.Context(), id)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("Get(%q) = %+v, %v, want %+v", id, got, err, want)
	}
}

func directoryKeepsFields(t *testing.T, engine DirectoryEngine) {
	d := engine.Open(t)
	o, u, a, s, k, tok := fill(t, d)
	for range 2 {
		wantRecord(t, d.Organisations(), o.ID, o)
		wantRecord(t, d.Users(), u.ID, u)
		wantRecord(t, d.Accounts(), a.ID, a)
		wantRecord(t, d.Submitters(), s.ID, s)
		wantRecord(t, d.Keys(), k.ID, k)
		wantRecord(t, d.Tokens(), tok.ID, tok)
		d = engine.Reopen(t, d)
	}
	wantError(t, "close", d.Close(), nil)
}

func directoryRevisions(t *testing.T, engine DirectoryEngine) {
	d := openDirectory(t, engine)
	table, ctx := d.Organisations(), t.Context()
	o := &relay.Organisation{ID: "o1", Name: "one"}
	put(t, table, o)
	first := *o
	if first.Revision == 0 {
		t.Error("a written record has revision 0")
	}
	wantError(t, "made twice", table.Put(ctx, &relay.Organisation{ID: "o1"}), store.ErrExists)
	o.Name = "two"
	put(t, table, o)
	if o.Revision == first.Revision {
		t.Error("the revision did not change")
	}
	wantError(t, "an older revision", table.Put(ctx, &first), store.ErrStale)
	wantError(t, "never made", table.Put(ctx, &relay.Organisation{ID: "o2", Revision: 1}), store.ErrStale)
	wantRecord(t, table, "o1", o)

	wantError(t, "delete", table.Delete(ctx, "o1"), nil)
	wantError(t, "delete twice", table.Delete(ctx, "o1"), store.ErrNotFound)
	wantError(t, "changed after it was deleted", table.Put(ctx, o), store.ErrStale)
	put(t, table, &relay.Organisation{ID: "o1"})
	wantError(t, "a revision from before it was deleted", table.Put(ctx, &first), store.ErrStale)
	if err := table.Put(ctx, &relay.Organisation{}); err == nil {
		t.Error("a record without an ID was kept")
	}
}

func address(local string) relay.Address {
	return relay.Address{Local: local, Domain: "acme.example"}
}

func directoryUnique(t *testing.T, engine DirectoryEngine) {
	d := openDirectory(t, engine)
	ctx := t.Context()
	put(t, d.Organisations(), &relay.Organisation{ID: "o1", Domains: []string{"acme.example", "acme.test"}})
	put(t, d.Users(), &relay.User{ID: "u1", Organisation: "o1", Address: address("jane")})
	put(t, d.Accounts(), &relay.Account{ID: "a1", Address: address("jane")})
	put(t, d.Submitters(), &relay.Submitter{ID: "s1", Login: "crm"})
	put(t, d.Keys(), &relay.Key{ID: "k1", Domain: "acme.example", Selector: "s"})
	put(t, d.Keys(), &relay.Key{ID: "k2", Domain: "acme.example", Selector: "t"})
	for what, tc := range map[string]struct {
		err   error
		names string
	}{
		"domain":   {d.Organisations().Put(ctx, &relay.Organisation{ID: "o2", Domains: []string{"x.example", "acme.test"}}), "acme.test"},
		"user":     {d.Users().Put(ctx, &relay.User{ID: "u2", Organisation: "o1", Address: address("JANE")}), "jane@acme.example"},
		"account":  {d.Accounts().Put(ctx, &relay.Account{ID: "a2", Address: address("Jane")}), "jane@acme.example"},
		"login":    {d.Submitters().Put(ctx, &relay.Submitter{ID: "s2", Login: "crm"}), "crm"},
		"selector": {d.Keys().Put(ctx, &relay.Key{ID: "k3", Domain: "acme.example", Selector: "s"}), "acme.example"},
	} {
		wantError(t, what, tc.err, store.ErrExists)
		if tc.err != nil && !strings.Contains(tc.err.Error(), tc.names) {
			t.Errorf("%s: the error %q does not name %q", what, tc.err, tc.names)
		}
	}
	_, err := d.OrganisationOf(ctx, "x.example")
	wantError(t, "a value of a refused record", err, store.ErrNotFound)
}

func directoryUniqueMoves(t *testing.T, engine DirectoryEngine) {
	d := openDirectory(t, engine)
	ctx := t.Context()
	one := &relay.Organisation{ID: "o1", Domains: []string{"a.example", "b.example"}}
	two := &relay.Organisation{ID: "o2", Domains: []string{"c.example"}}
	put(t, d.Organisations(), one)
	put(t, d.Organisations(), two)
	one.Domains = []string{"b.example"}
	put(t, d.Organisations(), one)
	two.Domains = []string{"c.example", "a.example"}
	put(t, d.Organisations(), two)
	if o, err := d.OrganisationOf(ctx, "a.example"); err != nil || o.ID != "o2" {
		t.Errorf("the domain belongs to %+v, %v, want o2", o, err)
	}
	wantError(t, "delete", d.Organisations().Delete(ctx, "o2"), nil)
	one.Domains = []string{"a.example", "b.example", "c.example"}
	put(t, d.Organisations(), one)
}

func directoryReferences(t *testing.T, engine DirectoryEngine) {
	d := openDirectory(t, engine)
	ctx := t.Context()
	wantError(t, "user of no organisation", d.Users().Put(ctx, &relay.User{ID: "u1", Organisation: "none"}), store.ErrNotFound)
	wantError(t, "account of no user", d.Accounts().Put(ctx, &relay.Account{ID: "a1", User: "none"}), store.ErrNotFound)
	_, _, a, s, k, tok := fill(t, d)
	wantError(t, "organisation in use", d.Organisations().Delete(ctx, "o1"), store.ErrInUse)
	wantError(t, "user in use", d.Users().Delete(ctx, "u1"), store.ErrInUse)
	wantError(t, "delete account", d.Accounts().Delete(ctx, a.ID), nil)
	wantError(t, "delete user", d.Users().Delete(ctx, "u1"), nil)
	wantError(t, "delete submitter", d.Submitters().Delete(ctx, s.ID), nil)
	wantError(t, "delete token", d.Tokens().Delete(ctx, tok.ID), nil)
	wantError(t, "organisation in use by a key", d.Organisations().Delete(ctx, "o1"), store.ErrInUse)
	k.Organisation = "" // the operator's own
	put(t, d.Keys(), k)
	wantError(t, "organisation free", d.Organisations().Delete(ctx, "o1"), nil)
}

func directoryLookups(t *testing.T, engine DirectoryEngine) {
	d := openDirectory(t, engine)
	ctx := t.Context()
	o, u, a, s, k, _ := fill(t, d)
	for range 2 { // the second time from whatever the engine remembers
		if got, err := d.OrganisationOf(ctx, o.Domains[1]); err != nil || !reflect.DeepEqual(got, o) {
			t.Errorf("OrganisationOf = %+v, %v", got, err)
		}
		if got, err := d.UserByAddress(ctx, u.Address); err != nil || !reflect.DeepEqual(got, u) {
			t.Errorf("UserByAddress = %+v, %v", got, err)
		}
		upper := relay.Address{Local: strings.ToUpper(a.Address.Local), Domain: a.Address.Domain}
		if got, err := d.AccountByAddress(ctx, upper); err != nil || !reflect.DeepEqual(got, a) {
			t.Errorf("AccountByAddress = %+v, %v", got, err)
		}
		if got, err := d.SubmitterByLogin(ctx, s.Login); err != nil || !reflect.DeepEqual(got, s) {
			t.Errorf("SubmitterByLogin = %+v, %v", got, err)
		}
		if got, err := d.KeysOf(ctx, k.Domain); err != nil || len(got) != 1 || !reflect.DeepEqual(&got[0], k) {
			t.Errorf("KeysOf = %+v, %v", got, err)
		}
	}
	_, err := d.OrganisationOf(ctx, "sub."+o.Domains[1])
	wantError(t, "subdomain", err, store.ErrNotFound)
	_, err = d.AccountByAddress(ctx, relay.Address{})
	wantError(t, "null address", err, store.ErrNotFound)
	_, err = d.SubmitterByLogin(ctx, "")
	wantError(t, "empty login", err, store.ErrNotFound)
	_, err = d.SubmitterByLogin(ctx, strings.Repeat("x", 100_000))
	wantError(t, "huge login", err, store.ErrNotFound)
	if got, err := d.KeysOf(ctx, k.Domain[:3]); err != nil || len(got) != 0 {
		t.Errorf("keys of another domain: %+v, %v", got, err)
	}
}

func directoryLookupsFollow(t *testing.T, engine DirectoryEngine) {
	d := openDirectory(t, engine)
	ctx := t.Context()
	a := &relay.Account{ID: "a1", Address: address("jane"), State: relay.AccountUnverified}
	put(t, d.Accounts(), a)
	if _, err := d.AccountByAddress(ctx, address("jane")); err != nil {
		t.Fatal(err)
	}
	a.State = relay.AccountVerified
	put(t, d.Accounts(), a)
	if got, err := d.AccountByAddress(ctx, address("jane")); err != nil || got.State != relay.AccountVerified {
		t.Errorf("after a change: %+v, %v", got, err)
	}
	a.Address = address("jane.doe")
	put(t, d.Accounts(), a)
	_, err := d.AccountByAddress(ctx, address("jane"))
	wantError(t, "the address that it had", err, store.ErrNotFound)
	if got, err := d.AccountByAddress(ctx, address("jane.doe")); err != nil || got.ID != "a1" {
		t.Errorf("the address that it has: %+v, %v", got, err)
	}
	wantError(t, "delete", d.Accounts().Delete(ctx, "a1"), nil)
	_, err = d.AccountByAddress(ctx, address("jane.doe"))
	wantError(t, "by address after delete", err, store.ErrNotFound)
	_, err = d.Accounts().Get(ctx, "a1")
	wantError(t, "by ID after delete", err, store.ErrNotFound)
}

func directoryLists(t *testing.T, engine DirectoryEngine) {
	d := openDirectory(t, engine)
	ctx := t.Context()
	for _, id := range []string{"c", "a", "e", "b", "d"} {
		put(t, d.Tokens(), &relay.Token{ID: id})
	}
	for _, tc := range []struct {
		after string
		limit int
		want  string
	}{
		{"", 10, "abcde"}, {"", 2, "ab"}, {"b", 2, "cd"}, {"bb", 2, "cd"}, {"d", 5, "e"}, {"e", 5, ""}, {"", 0, "abcde"},
	} {
		records, err := d.Tokens().List(ctx, tc.after, tc.limit)
		got := ""
		for _, rec := range records {
			got += rec.ID
		}
		if err != nil || got != tc.want {
			t.Errorf("List(%q, %d) = %q, %v, want %q", tc.after, tc.limit, got, err, tc.want)
		}
	}
}

func directoryOwnership(t *testing.T, engine DirectoryEngine) {
	d := openDirectory(t, engine)
	s := &relay.Submitter{ID: "s1", Login: "crm", Networks: []string{"10.0.0.0/8"}, PasswordHash: []byte("hash")}
	put(t, d.Submitters(), s)
	want := *s
	want.Networks, want.PasswordHash = []string{"10.0.0.0/8"}, []byte("hash")
	s.Networks[0], s.PasswordHash[0] = "changed", 'X'
	for range 2 {
		wantRecord(t, d.Submitters(), "s1", &want)
		got, err := d.SubmitterByLogin(t.Context(), "crm")
		if err != nil {
			t.Fatal(err)
		}
		got.Networks[0], got.PasswordHash[0], got.Disabled = "changed", 'X', true
	}
}

func closed(channel <-chan struct{}) bool {
	select {
	case <-channel:
		return true
	default:
		return false
	}
}

func directoryChanges(t *testing.T, engine DirectoryEngine) {
	d := openDirectory(t, engine)
	tokens, ctx := d.Tokens(), t.Context()
	token := &relay.Token{ID: "t1"}
	for _, step := range []struct {
		what   string
		change func() error
	}{
		{"made", func() error { return tokens.Put(ctx, token) }},
		{"replaced", func() error { token.Name = "new"; return tokens.Put(ctx, token) }},
		{"deleted", func() error { return tokens.Delete(ctx, "t1") }},
		{"made again", func() error { return tokens.Put(ctx, &relay.Token{ID: "t1"}) }},
	} {
		record, kind := d.Changed(store.KindToken, "t1"), d.Changed(store.KindToken, "")
		elsewhere, otherKind := d.Changed(store.KindToken, "t2"), d.Changed(store.KindUser, "t1")
		if err := step.change(); err != nil {
			t.Fatalf("%s: %v", step.what, err)
		}
		if !closed(record) || !closed(kind) {
			t.Errorf("%s: not told", step.what)
		}
		if closed(elsewhere) || closed(otherKind) || closed(d.Changed(store.KindToken, "t1")) {
			t.Errorf("%s: told to others or again", step.what)
		}
	}
}

func directoryRefusedIsSilent(t *testing.T, engine DirectoryEngine) {
	d := openDirectory(t, engine)
	s := &relay.Submitter{ID: "s1", Login: "crm"}
	put(t, d.Submitters(), s)
	changed := d.Changed(store.KindSubmitter, "")
	rec := &relay.Submitter{ID: "s2", Login: "crm"}
	wantError(t, "same login", d.Submitters().Put(t.Context(), rec), store.ErrExists)
	wantError(t, "not there", d.Submitters().Delete(t.Context(), "s2"), store.ErrNotFound)
	if rec.Revision != 0 {
		t.Error("a refused record got a revision")
	}
	if closed(changed) {
		t.Error("a refused change was told")
	}
	wantRecord(t, d.Submitters(), "s1", s)
}

func directoryRace(t *testing.T, engine DirectoryEngine) {
	d := openDirectory(t, engine)
	put(t, d.Tokens(), &relay.Token{ID: "t1"})
	seen, err := d.Tokens().Get(t.Context(), "t1")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	var winner *relay.Token
	for i := range 8 {
		wg.Go(func() {
			rec := *seen
			rec.Name = fmt.Sprint(i)
			err := d.Tokens().Put(t.Context(), &rec)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil && winner == nil:
				winner = &rec
			case !errors.Is(err, store.ErrStale):
				t.Errorf("writer %d: %v, want one winner and ErrStale for the others", i, err)
			}
		})
		wg.Go(func() { _, _ = d.Tokens().Get(t.Context(), "t1") })
	}
	wg.Wait()
	if winner == nil {
		t.Fatal("nobody won")
	}
	wantRecord(t, d.Tokens(), "t1", winner)
}

func directoryClosed(t *testing.T, engine DirectoryEngine) {
	d := engine.Open(t)
	put(t, d.Tokens(), &relay.Token{ID: "t1"})
	if _, err := d.Tokens().Get(t.Context(), "t1"); err != nil {
		t.Error(err)
	}
	wantError(t, "close", d.Close(), nil)
	wantError(t, "close twice", d.Close(), nil)
	_, err := d.Tokens().Get(t.Context(), "t1")
	wantError(t, "get", err, store.ErrClosed)
	_, err = d.Tokens().List(t.Context(), "", 1)
	wantError(t, "list", err, store.ErrClosed)
	_, err = d.KeysOf(t.Context(), "acme.example")
	wantError(t, "keys", err, store.ErrClosed)
	wantError(t, "put", d.Tokens().Put(t.Context(), &relay.Token{ID: "t2"}), store.ErrClosed)
	wantError(t, "delete", d.Tokens().Delete(t.Context(), "t1"), store.ErrClosed)
}
