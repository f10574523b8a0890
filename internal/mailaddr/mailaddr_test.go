package mailaddr

import (
	"errors"
	"strings"
	"testing"

	"github.com/relayd/relayd/relay"
)

func TestParse(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 64)
	tests := []struct {
		name, in      string
		local, domain string
	}{
		{"plain", "jane@acme.example", "jane", "acme.example"},
		{"case of the domain", "Jane@ACME.Example", "Jane", "acme.example"},
		{"dots", "a.b.c@acme.example", "a.b.c", "acme.example"},
		{"atext", "!#$%&'*+-/=?^_`{|}~@acme.example", "!#$%&'*+-/=?^_`{|}~", "acme.example"},
		{"quoted needlessly", `"jane"@acme.example`, "jane", "acme.example"},
		{"quoted space", `"jane doe"@acme.example`, "jane doe", "acme.example"},
		{"quoted pair", `"a\"b\\c"@acme.example`, `a"b\c`, "acme.example"},
		{"A4 quoted @", `"user@evil.example"@relay.example`, "user@evil.example", "relay.example"},
		{"A3 percent", "user%evil.example@relay.example", "user%evil.example", "relay.example"},
		{"A3 bang", "evil.example!user@relay.example", "evil.example!user", "relay.example"},
		{"A11 shell text", `";sleep 5;"@acme.example`, ";sleep 5;", "acme.example"},
		{"one label", "root@localhost", "root", "localhost"},
		{"digits and hyphens", "a@1-2.3com", "a", "1-2.3com"},
		{"longest local part", long + "@acme.example", long, "acme.example"},
		{"U-label", "jane@bücher.example", "jane", "xn--bcher-kva.example"},
		{"A-label", "jane@XN--BCHER-KVA.example", "jane", "xn--bcher-kva.example"},
		{"A9 sharp s is a letter", "a@straße.example", "a", "xn--strae-oqa.example"},
		{"A9 fullwidth domain", "a@ａcme.example", "a", "acme.example"},
		{"A9 NFD becomes NFC", "jose\u0301@acme.example", "jos\u00e9", "acme.example"},
		{"A9 Cyrillic", "\u0430dmin@acme.example", "\u0430dmin", "acme.example"},
		{"quoted UTF-8", "\"j\u00e9 x\"@acme.example", "j\u00e9 x", "acme.example"},
		{"IPv4 literal", "a@[127.0.0.1]", "a", "[127.0.0.1]"},
		{"IPv6 literal", "a@[ipv6:2001:DB8:0::1]", "a", "[IPv6:2001:db8::1]"},
		{"mapped literal", "a@[IPv6:::ffff:10.0.0.1]", "a", "[IPv6:::ffff:10.0.0.1]"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := Parse(tt.in)
			want := relay.Address{Local: tt.local, Domain: tt.domain}
			if err != nil || got != want {
				t.Fatalf("Parse(%q) = %#v, %v; want %#v", tt.in, got, err, want)
			}
			again, err := Parse(got.String())
			if err != nil || again != got {
				t.Errorf("Parse(%q) = %#v, %v; the way back must be the identity", got.String(), again, err)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, in string }{
		{"empty", ""},
		{"no @", "jane"},
		{"no local part", "@acme.example"},
		{"no domain", "jane@"},
		{"final dot", "jane@acme.example."},
		{"first dot", ".jane@acme.example"},
		{"dot before @", "jane.@acme.example"},
		{"two dots", "ja..ne@acme.example"},
		{"space", "jane doe@acme.example"},
		{"space at the end", "jane@acme.example "},
		{"brackets", "<jane@acme.example>"},
		{"A2 source route", "@a.example,@b.example:user@c.example"},
		{"A3 two @", "user@evil.example@relay.example"},
		{"A5 command in a quoted part", `"victim@evil.example> NOTIFY=NEVER ORCPT=rfc822;x"@good.example`},
		{"A5 short", `"ceo@corp.example> X"@good.example`},
		{"A5 with a quoted pair", `"ceo@corp.example\> X"@good.example`},
		{"A6 CR", "a@b\rX"},
		{"A6 NUL", "a\x00@b.example"},
		{"A6 NUL in quotes", "\"a\x00\"@b.example"},
		{"A6 quoted CR", "\"a\\\rb\"@b.example"},
		{"A6 invalid UTF-8", "\xff\xfe@b.example"},
		{"A6 invalid UTF-8 in the domain", "a@\xff\xfe.example"},
		{"DEL", "\"a\x7f\"@b.example"},
		{"A9 right-to-left override", "a\u202eb@acme.example"},
		{"A9 fullwidth @", "admin\uff20evil@acme.example"},
		{"A9 small @", "admin\ufe6bevil@acme.example"},
		{"A9 zero-width joiner", "ad\u200dmin@acme.example"},
		{"A9 zero-width space", "ad\u200bmin@acme.example"},
		{"A9 soft hyphen", "ad\u00admin@acme.example"},
		{"A9 variation selector", "admin\ufe0f@acme.example"},
		{"A9 no-break space", "ad\u00a0min@acme.example"},
		{"A9 Greek question mark, which NFC makes a semicolon", "a\u037eb@acme.example"},
		{"C1 control", "a\u0085b@acme.example"},
		{"no end of quotes", `"jane@acme.example`},
		{"empty quotes", `""@acme.example`},
		{"text after quotes", `"jane"x@acme.example`},
		{"backslash at the end", `"jane\`},
		{"underscore in the domain", "jane@ac_me.example"},
		{"hyphen first", "jane@-acme.example"},
		{"hyphen last", "jane@acme-.example"},
		{"two dots in the domain", "jane@acme..example"},
		{"a bare address", "jane@127.0.0.1"},
		{"bad A-label", "jane@xn--a\u00e9.example"},
		{"A-label of nothing", "jane@xn--.example"},
		{"A-label of ASCII", "jane@xn--abc-.example"},
		{"long label", "jane@" + strings.Repeat("a", 64) + ".example"},
		{"long local part", strings.Repeat("a", 65) + "@acme.example"},
		{"long local part by quotes", `"` + strings.Repeat(" ", 63) + `"@acme.example`},
		{"long path", "jane@" + strings.Repeat("abcdefghi.", 25) + "example"},
		{"endless", strings.Repeat("a", 1<<20)},
		{"literal without end", "a@[127.0.0.1"},
		{"literal with text behind", "a@[127.0.0.1]x"},
		{"literal with a zone", "a@[IPv6:fe80::1%eth0]"},
		{"literal without tag", "a@[::1]"},
		{"IPv4 with tag", "a@[IPv6:127.0.0.1]"},
		{"octal literal", "a@[0177.0.0.1]"},
		{"other literal", "a@[x-net:1]"},
		{"empty literal", "a@[]"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got, err := Parse(tt.in); !errors.Is(err, ErrInvalid) || !got.IsZero() {
				t.Errorf("Parse(%.80q) = %#v, %v; want ErrInvalid", tt.in, got, err)
			}
		})
	}
}

func TestCyrillicIsAnotherMailbox(t *testing.T) {
	t.Parallel()
	cyrillic, err := Parse("\u0430dmin@acme.example")
	if err != nil {
		t.Fatal(err)
	}
	if cyrillic.Equal(relay.Address{Local: "admin", Domain: "acme.example"}) {
		t.Error("a Cyrillic look-alike equals the Latin address")
	}
}

func TestParseDomain(t *testing.T) {
	t.Parallel()
	tests := []struct{ in, want string }{
		{"ACME.example", "acme.example"},
		{"bücher.example", "xn--bcher-kva.example"},
		{"BÜCHER。example", "xn--bcher-kva.example"},
		{"", ""},
		{"[127.0.0.1]", ""},
		{"acme.example.", ""},
		{"a b.example", ""},
		{"a\u200db.example", ""},
		{strings.Repeat("é", 2000) + ".example", ""},
	}
	for _, tt := range tests {
		got, err := ParseDomain(tt.in)
		if got != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("ParseDomain(%.40q) = %q, %v; want %q", tt.in, got, err, tt.want)
		}
	}
}

// FuzzParse holds the promise that an address is read the same way from what
// is written from it, and that what is written is safe inside a command line.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"jane@acme.example", `"a\"b"@acme.example`, "jos\u0301e@bücher.example", "a@[IPv6:::1]",
		`"victim@evil.example> X"@good.example`, "a\u037eb@x", "\u1fef@x", "a@xn--bcher-kva.example", "\"\u212a\"@K",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := Parse(s)
		if err != nil {
			if !a.IsZero() {
				t.Fatalf("an address beside an error: %#v", a)
			}
			return
		}
		written := a.String()
		if len(written) > maxPath || strings.ContainsAny(written, "\r\n\x00<>") {
			t.Fatalf("Parse(%q) is written as %q", s, written)
		}
		if again, err := Parse(written); err != nil || again != a {
			t.Fatalf("Parse(%q) = %#v; written %q, read again %#v, %v", s, a, written, again, err)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	for b.Loop() {
		if _, err := Parse("jane.doe@mail.acme.example"); err != nil {
			b.Fatal(err)
		}
	}
}
