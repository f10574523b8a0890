package providers

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/relayd/relayd/internal/api"
	"github.com/relayd/relayd/internal/simulator"
	"github.com/relayd/relayd/test/programtest"
)

// app --SMTP--> relayd --SMTP--> provider, where Jane has another address
//
// Another address of an account is proved by a mail of its own. Before that its mail
// does not go through the account; afterwards it does. An address that the provider
// does not let her use is never proved, and one outside of the submitter's rights is
// refused.
func TestAlias(t *testing.T) {
	t.Parallel()
	const sales, foreign = "sales@acme.example", "ceo@acme.example"
	s := newScene(t, simulator.Plain(), nil)
	s.prepare(nil)
	account := s.person(jane, oldPassword)
	s.mustVerify(account)
	if err := s.provider.AddAlias(jane, sales); err != nil {
		t.Fatal(err)
	}
	aliases := "/accounts/" + account + "/aliases"
	for _, alias := range []string{sales, foreign} {
		call[api.Account](s, "POST", aliases, map[string]any{"address": alias})
	}
	_, early := s.send(sales)
	s.drained()
	s.same("before the proof", s.arrivals(sales), []string{early})
	if len(s.sent()) != 0 {
		t.Error("an address went through the account before its proof")
	}

	call[api.Verification](s, "POST", aliases+"/"+sales+"/verification", nil)
	if v := s.ended(account); v.State != "done" {
		t.Fatalf("the proof ended with %s: %s", v.State, v.Message)
	}
	call[api.Verification](s, "POST", aliases+"/"+foreign+"/verification", nil)
	if v := s.ended(account); v.State != "failed" || v.Message == "" {
		t.Errorf("the proof of an address that is not hers ended with %s", v.State)
	}
	proved := s.account(account).Aliases
	if len(proved) != 2 || proved[0].ProvedAt == nil || proved[1].ProvedAt != nil {
		t.Errorf("the aliases: %+v", proved)
	}
	id, headerID := s.send(sales)
	if m := s.settled(id); m.Route.Account != account || m.Copy.Status != "filed" {
		t.Errorf("it went by %+v, its copy is %s", m.Route, m.Copy.Status)
	}
	if out := s.sent(); len(out) != 1 || out[0].User != jane || !slices.Equal(s.copies(jane, "Sent"), []string{headerID}) {
		t.Errorf("the provider took %+v", out)
	}
	_, never := s.send(foreign)
	s.drained()
	s.same("the address that is not hers", s.arrivals(foreign), []string{never})
	if len(s.sent()) != 1 {
		t.Error("an address that is not hers went through the account")
	}
	session, err := programtest.Dial(t.Context(), s.p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	_, err = session.Submit(s.letter("jane@stranger.example"))
	var refusal *programtest.Refusal
	if !errors.As(err, &refusal) || !strings.HasPrefix(refusal.Line, "550 5.7.1 ") {
		t.Errorf("an address outside of the submitter's rights: %v", err)
	}
}
