package likeness

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// fold brings a text to lower-case letters without diacritics, Cyrillic and Greek in
// Latin letters.
func fold(s string) string {
	var b strings.Builder
	// ου is one sound, written with two letters in both alphabets.
	for _, r := range strings.ReplaceAll(norm.NFKD.String(strings.ToLower(s)), "ου", "ou") {
		switch latin, known := letterOf(r); {
		case unicode.Is(unicode.Mn, r):
		case known:
			b.WriteString(latin)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// foldUmlauts is fold for those who write two letters for one with a mark.
func foldUmlauts(s string) string {
	return fold(strings.NewReplacer("ä", "ae", "ö", "oe", "ü", "ue", "å", "aa", "ø", "oe").Replace(norm.NFKC.String(strings.ToLower(s))))
}

// letterOf gives the Latin letters for what has no decomposition. Cyrillic follows the
// usual English way, without its signs.
func letterOf(r rune) (string, bool) {
	const letters = "øo łl đd ðd ıi æae œoe ßss þth ŋn " +
		"аa бb вv гg дd еe жzh зz иi кk лl мm нn оo пp рr сs тt уu фf хkh цts чch шsh щshch ъ ыy ь эe юyu яya " +
		"іi єe ґg ўu ђdj јj љlj њnj ћc џdz " +
		"αa βv γg δd εe ζz ηi θth ιi κk λl μm νn ξx οo πp ρr σs ςs τt υy φf χch ψps ωo"
	if r < 0x80 {
		return "", false
	}
	_, rest, known := strings.Cut(letters, string(r))
	latin, _, _ := strings.Cut(rest, " ")
	return latin, known
}

// transliterated reports whether a text has letters that can be written in Latin in
// more than one way.
func transliterated(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return unicode.In(r, unicode.Cyrillic, unicode.Greek) })
}

// loosen makes the ways of writing the same sound equal: Sergey, Sergej and Sergei,
// Khokhlov and Hohlov, Yuliya and Julia.
func loosen(s string) string {
	s = strings.NewReplacer("y", "i", "j", "i", "kh", "h", "ts", "c", "ph", "f", "w", "v", "x", "ks").Replace(s)
	var b strings.Builder
	last := rune(0)
	for _, r := range s {
		if r != last {
			b.WriteRune(r)
		}
		last = r
	}
	return b.String()
}
