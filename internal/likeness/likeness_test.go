package likeness_test

import (
	"strings"
	"testing"

	"github.com/relayd/relayd/internal/likeness"
	"github.com/relayd/relayd/internal/mailaddr"
	"github.com/relayd/relayd/relay"
)

func TestOf(t *testing.T) {
	t.Parallel()
	const (
		alike, unlike, other, unjudged = likeness.Alike, likeness.Unlike, likeness.OtherAddress, likeness.Unjudged
	)
	for _, c := range []struct {
		name, address string
		want          likeness.Verdict
	}{
		// a word in the local part
		{"Jane Doe", "jane@acme.example", alike},
		{"Jane Doe", "jane.doe@acme.example", alike},
		{"Jane Doe", "doe@acme.example", alike},
		{"JANE DOE", "Jane_Doe+crm@acme.example", alike},
		{"Doe, Jane", "j.doe@acme.example", alike},
		{"Jane Doe (Sales)", "sales@acme.example", alike},
		{"Jane Doe", "janedoe1984@acme.example", alike},
		{"Jane Smith", "contactsmithers@acme.example", alike},
		{"Alexander Bell", "alex@acme.example", alike},
		{"Jo", "jo@acme.example", alike},
		{"Anne-Marie O'Neill", "oneill@acme.example", alike},
		{"Ann Smith", "planning@acme.example", unlike},
		{"Jane Doe", "x7@other.example", unlike},
		{"Bill Gates", "jane@acme.example", unlike},
		{"The Director", "jane@acme.example", unlike},
		// a word in the domain
		{"Acme Support", "info@acme.example", alike},
		{"Acme", "x@mail.acme.co.uk", alike},
		{"Mail Service", "x@mail.acme.co.uk", unlike},
		{"Example", "x@acme.example", unlike},
		{"Bücher Müller", "x@xn--bcher-kva.example", alike},
		// initials
		{"Jane Doe", "jdoe@acme.example", alike},
		{"Jane Ng", "jng@acme.example", alike},
		{"Jane Ng", "ngj@acme.example", alike},
		{"Jane B. Ng", "jbng@acme.example", alike},
		{"Bo Li", "b.li@acme.example", alike},
		{"Bo Li", "xli@other.example", unlike},
		{"John Doe", "jd@other.example", alike},
		{"John Doe", "dx@other.example", unlike},
		// diacritics
		{"Jürgen Müller", "mueller@acme.example", alike},
		{"Jürgen Müller", "muller@acme.example", alike},
		{"Łukasz Żółć", "lukasz@acme.example", alike},
		{"Søren Kierkegård", "soeren@acme.example", alike},
		{"Søren Kierkegård", "soren@acme.example", alike},
		{"Straße GmbH", "strasse@acme.example", alike},
		{"Nguyễn Thị Hạnh", "nguyen@acme.example", alike},
		{"José", "maria@acme.example", unlike},
		{"Ｊａｎｅ", "jane@acme.example", alike}, // full width
		// other scripts
		{"Иван Петров", "ivan.petrov@acme.example", alike},
		{"Сергей Хохлов", "sergej@acme.example", alike},
		{"Сергей Хохлов", "hohlov@acme.example", alike},
		{"Юлия", "julia@acme.example", alike},
		{"Юлия", "yuliya@acme.example", alike},
		{"Иван Петров", "maria@acme.example", unlike},
		{"Γιώργος Παπαδόπουλος", "g.papadopoulos@acme.example", alike},
		{"Γιώργος Παπαδόπουλος", "maria@acme.example", unlike},
		{"王小明", "wang.xm@acme.example", unjudged},
		{"王小明", "王小明@acme.example", alike},
		{"王小明", "李雷@acme.example", unlike},
		{"山田 太郎 (Yamada)", "yamada@acme.example", alike},
		{"山田 太郎 (Yamada)", "suzuki@acme.example", unlike},
		{"محمد علي", "mohammed@acme.example", unjudged},
		{"דוד כהן", "david@acme.example", unjudged},
		{"สมชาย", "somchai@acme.example", unjudged},
		// addresses in the name
		{"jane@acme.example", "jane@acme.example", alike},
		{"Bill Gates (jane@acme.example)", "jane@acme.example", alike},
		{"JANE@ACME.EXAMPLE", "jane@acme.example", alike},
		{"jane@bücher.example", "jane@xn--bcher-kva.example", alike},
		{"ceo@bank.example", "jane@acme.example", other},
		{"Jane Doe <ceo@bank.example>", "jane@acme.example", other},
		{"jane@acme.example ceo@bank.example", "jane@acme.example", other},
		{"jane@acme.example.evil.example", "jane@acme.example", other},
		{"Jane ceo＠bank.example", "jane@acme.example", other},
		{"Jane @ Acme", "jane@acme.example", alike},
		// nothing to judge
		{"", "jane@acme.example", unjudged},
		{"--- 123", "jane@acme.example", unjudged},
		{"Jane", "123@[192.0.2.1]", unjudged},
	} {
		a, err := mailaddr.Parse(c.address)
		if err != nil {
			t.Fatal(err)
		}
		got := likeness.Of(c.name, a)
		if got != c.want {
			t.Errorf("%q and %s: %d, want %d", c.name, c.address, got, c.want)
		}
		if warns := got.Warning(c.name, a) != ""; warns != (got == unlike || got == other) {
			t.Errorf("%q and %s: warning %v", c.name, c.address, warns)
		}
	}
}

func TestWarningIsSafeToShow(t *testing.T) {
	t.Parallel()
	a := relay.Address{Local: "jane", Domain: "acme.example"}
	name := "Bill\r\nBcc: x\u202e" + strings.Repeat("x", 10000)
	text := likeness.Of(name, a).Warning(name, a)
	if !strings.Contains(text, "jane@acme.example") || len(text) > 1000 || strings.ContainsAny(text, "\r\n\u202e") {
		t.Errorf("%q", text)
	}
}

func FuzzOf(f *testing.F) {
	f.Add("Jane Doe", "jane")
	f.Add("Ünï ου ςß", "\u0301")
	f.Add("a@b.c d@e.f", "a")
	f.Fuzz(func(t *testing.T, name, local string) {
		a := relay.Address{Local: local, Domain: "acme.example"}
		if v := likeness.Of(name, a); (v.Warning(name, a) == "") != (v == likeness.Alike || v == likeness.Unjudged) {
			t.Errorf("%q %q: %d", name, local, v)
		}
	})
}
