package relay

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestIDsSortByAgeAndReadBack(t *testing.T) {
	t.Parallel()
	now := time.UnixMilli(1_790_000_000_123)
	older, younger := NewID(now), NewID(now.Add(time.Millisecond))
	if older.String() >= younger.String() {
		t.Errorf("%s does not sort before %s", older, younger)
	}
	if !older.Time().Equal(now) {
		t.Errorf("time %v, want %v", older.Time(), now)
	}
	back, err := ParseID(older.String())
	if err != nil || back != older {
		t.Errorf("read back %v, %v", back, err)
	}
	for _, bad := range []string{"", "x", strings.Repeat("z", 26), strings.ToUpper(older.String()), older.String() + "0", "../../../../../../etc/passw"} {
		if _, err := ParseID(bad); err == nil {
			t.Errorf("%q was taken for an id", bad)
		}
	}
}

func TestDerivedIDsAreStable(t *testing.T) {
	t.Parallel()
	id := NewID(time.Now())
	again, err := ParseID(id.String())
	if err != nil || again.Derive("failure") != id.Derive("failure") {
		t.Error("the same id and label give another id")
	}
	if id.Derive("failure") == id.Derive("delay") || id.Derive("x") == id {
		t.Error("derived ids do not differ")
	}
}

func TestAddressesAreWrittenFromThePair(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ local, want string }{
		{"jane", "jane@acme.example"},
		{"jane.doe+x", "jane.doe+x@acme.example"},
		{"jörg", "jörg@acme.example"},
		{"a b", `"a b"@acme.example`},
		{`a"b\c`, `"a\"b\\c"@acme.example`},
		{"user@evil.example", `"user@evil.example"@acme.example`},
		{".dot", `".dot"@acme.example`},
		{"two..dots", `"two..dots"@acme.example`},
		{"", `""@acme.example`},
		{"x> NOTIFY=NEVER", `"x> NOTIFY=NEVER"@acme.example`},
	} {
		if got := (Address{Local: test.local, Domain: "acme.example"}).String(); got != test.want {
			t.Errorf("%q is written %s, want %s", test.local, got, test.want)
		}
	}
	if (Address{}).Path() != "<>" || !(Address{}).IsZero() {
		t.Error("the null reverse-path is not <>")
	}
	if !(Address{Local: "Jane", Domain: "acme.example"}).Equal(Address{Local: "jane", Domain: "acme.example"}) {
		t.Error("case tells two mailboxes apart")
	}
}

func TestPrintableBoundsAndCleans(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"a\r\nb\tc":                "a b c",
		"\x1b[31mred":              "[31mred",
		"\xff\xfe":                 "\uFFFD",
		"left\u202eright\u2066":    "left right",
		"  spaces   everywhere   ": "spaces everywhere",
	} {
		if got := Printable(in); got != want {
			t.Errorf("Printable(%q) = %q, want %q", in, got, want)
		}
	}
	long := Printable(strings.Repeat("ü", 100_000))
	if n := utf8.RuneCountInString(long); n != MaxReplyText || !utf8.ValidString(long) {
		t.Errorf("%d characters remain", n)
	}
}

func FuzzPrintable(f *testing.F) {
	f.Add("550 5.1.1 \x00\r\n no")
	f.Fuzz(func(t *testing.T, s string) {
		got := Printable(s)
		if !utf8.ValidString(got) || utf8.RuneCountInString(got) > MaxReplyText || strings.ContainsFunc(got, func(r rune) bool { return r < ' ' }) {
			t.Errorf("Printable(%q) = %q", s, got)
		}
	})
}

func TestSecretsNeverShow(t *testing.T) {
	t.Parallel()
	const canary = "hunter2-canary"
	c := Credentials{Password: Secret(canary)}
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "password", c.Password, "all", c)
	encoded, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, shown := range []string{fmt.Sprint(c), fmt.Sprintf("%v %+v %#v %s %q", c, c, c, c.Password, c.Password), log.String(), string(encoded)} {
		if strings.Contains(shown, canary) {
			t.Errorf("shown: %s", shown)
		}
	}
	if c.Password.Reveal() != canary {
		t.Error("Reveal does not give the secret")
	}
}

func TestStateIsDoneWhenNothingIsLeft(t *testing.T) {
	t.Parallel()
	s := &State{Recipients: []RecipientState{{Outcome: Delivered, Reported: true}, {Outcome: Failed}}}
	if s.Done() {
		t.Error("done with an unreported failure")
	}
	s.Recipients[1].Reported = true
	s.Copy.Status = CopyPending
	if s.Done() {
		t.Error("done with a pending copy")
	}
	s.Copy.Status = CopyFiled
	if !s.Done() {
		t.Error("not done")
	}
	s.Recipients[0].Outcome = Unknown
	if s.Done() {
		t.Error("done with an unknown outcome")
	}
}

func TestCloneSharesNothingThatChanges(t *testing.T) {
	t.Parallel()
	s := &State{Recipients: make([]RecipientState, 1), Hold: &Hold{Reason: "a"}}
	c := s.Clone()
	c.Recipients[0].Attempts, c.Hold.Reason = 5, "b"
	if s.Recipients[0].Attempts != 0 || s.Hold.Reason != "a" {
		t.Error("the clone changed its origin")
	}
}

func TestNamesReadBack(t *testing.T) {
	t.Parallel()
	for o := Pending; o <= Cancelled; o++ {
		text, _ := o.MarshalText()
		var back Outcome
		if err := back.UnmarshalText(text); err != nil || back != o {
			t.Errorf("outcome %s reads back as %s, %v", o, back, err)
		}
	}
	for k := RouteNone; k <= RouteInbox; k++ {
		text, _ := k.MarshalText()
		var back RouteKind
		if err := back.UnmarshalText(text); err != nil || back != k {
			t.Errorf("route %s reads back as %s, %v", k, back, err)
		}
	}
	if (&[]Outcome{0}[0]).UnmarshalText([]byte("perhaps")) == nil {
		t.Error("an unknown outcome was taken")
	}
}

func TestNotifyDecidesWhatIsReported(t *testing.T) {
	t.Parallel()
	for notify, want := range map[Notify][3]bool{
		0:                             {true, true, false},
		NotifyNever:                   {false, false, false},
		NotifySuccess:                 {false, false, true},
		NotifyFailure | NotifyDelay:   {true, true, false},
		NotifySuccess | NotifyFailure: {true, false, true},
	} {
		got := []bool{notify.WantsFailure(), notify.WantsDelay(), notify.WantsSuccess()}
		if !slices.Equal(got, want[:]) {
			t.Errorf("NOTIFY %b: failure, delay, success %v, want %v", notify, got, want)
		}
	}
}
