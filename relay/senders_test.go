package relay

import (
	"strings"
	"testing"
)

func TestMaySend(t *testing.T) {
	t.Parallel()
	acme := &Organisation{ID: "acme", Name: "Acme", Domains: []string{"acme.example", "acme.test"}}
	jane := Address{Local: "Jane", Domain: "acme.example"}
	free := Address{Local: "jane", Domain: "free.example"}
	own := func(s Senders) *Submitter { return &Submitter{Organisation: "acme", Senders: s} }
	operator := func(s Senders) *Submitter { return &Submitter{Senders: s} }
	for name, tc := range map[string]struct {
		claim Claim
		want  bool
		why   string
	}{
		"nothing granted":       {Claim{own(Senders{}), acme, false, jane}, false, "list of senders"},
		"address":               {Claim{own(Senders{Addresses: []string{"jane@ACME.example"}}), acme, false, jane}, true, "this address"},
		"another address":       {Claim{own(Senders{Addresses: []string{"joe@acme.example"}}), acme, false, jane}, false, "list of senders"},
		"plus is another":       {Claim{own(Senders{Addresses: []string{"jane+x@acme.example"}}), acme, false, jane}, false, "list of senders"},
		"domain":                {Claim{own(Senders{Domains: []string{"acme.example"}}), acme, false, jane}, true, "every address"},
		"another domain":        {Claim{own(Senders{Domains: []string{"acme.test"}}), acme, false, jane}, false, "list of senders"},
		"parent domain":         {Claim{own(Senders{Domains: []string{"example"}}), acme, false, jane}, false, "list of senders"},
		"whole organisation":    {Claim{own(Senders{Organisation: true}), acme, false, jane}, true, "whole organisation"},
		"subdomain is not own":  {Claim{own(Senders{Organisation: true}), acme, false, Address{"a", "x.acme.example"}}, false, "neither owns"},
		"not own, listed":       {Claim{own(Senders{Addresses: []string{"jane@free.example"}}), acme, false, free}, false, "neither owns"},
		"not own, its domain":   {Claim{own(Senders{Domains: []string{"free.example"}}), acme, false, free}, false, "neither owns"},
		"not own, whole":        {Claim{own(Senders{Organisation: true}), acme, false, free}, false, "neither owns"},
		"proved, listed":        {Claim{own(Senders{Addresses: []string{"jane@free.example"}}), acme, true, free}, true, "has proved"},
		"proved, whole":         {Claim{own(Senders{Organisation: true}), acme, true, free}, true, "has proved"},
		"proved, not granted":   {Claim{own(Senders{}), acme, true, free}, false, "list of senders"},
		"organisation gone":     {Claim{own(Senders{Organisation: true}), nil, true, jane}, false, "not known"},
		"another organisation":  {Claim{own(Senders{Organisation: true}), &Organisation{ID: "b", Domains: acme.Domains}, true, jane}, false, "not known"},
		"operator, listed":      {Claim{operator(Senders{Domains: []string{"free.example"}}), nil, false, free}, true, "every address"},
		"operator, not listed":  {Claim{operator(Senders{Domains: []string{"acme.test"}}), nil, false, free}, false, "list of senders"},
		"operator has no whole": {Claim{operator(Senders{Organisation: true}), nil, true, free}, false, "list of senders"},
		"null sender":           {Claim{&Submitter{NullSender: true}, nil, false, Address{}}, true, "null return path"},
		"no null sender":        {Claim{own(Senders{Organisation: true}), acme, true, Address{}}, false, "null return path"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, why := MaySend(tc.claim)
			if got != tc.want || !strings.Contains(why, tc.why) || strings.HasPrefix(why, ",") {
				t.Errorf("MaySend = %v, %q, want %v, %q", got, why, tc.want, tc.why)
			}
		})
	}
}

func TestRefuseSender(t *testing.T) {
	t.Parallel()
	err := RefuseSender(Address{Local: "a b", Domain: "x.example"})
	if err.Code != 550 || err.Enhanced != (Enhanced{5, 7, 1}) || !strings.Contains(err.Public, `<"a b"@x.example>`) {
		t.Errorf("RefuseSender = %v", err)
	}
}
