// Package likeness judges whether a display name looks as if it belonged to a mail
// address. Receivers do the same: mail in a name that has nothing to do with its
// address is often a forgery, and is treated as one.
//
// The rule, on texts that are folded (lower case, without diacritics, Cyrillic and
// Greek in Latin letters):
//  1. a name that holds a mail address has the likeness of that address alone; if it
//     is another one that is always warned of;
//  2. the name is cut into words; the local part, and the first label of the
//     registered domain, into tokens;
//  3. name and address are alike if a word and a token are equal, or one of three
//     letters or more begins or ends the other, or a word of five letters or more
//     stands anywhere in a token;
//  4. or if the local part is initials and a word of the name (jdoe, doej), or the
//     initials alone (jd);
//  5. a name in a script that is not compared with Latin letters, such as Han or
//     Arabic, with an address in Latin letters is not judged, and neither is an empty
//     name: nobody is warned without a reason.
package likeness

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/net/publicsuffix"

	"github.com/relayd/relayd/relay"
)

// Verdict is how a name stands to an address.
type Verdict int

// The verdicts.
const (
	Unjudged     Verdict = iota // nothing to compare
	Alike                       // the name looks as if it belonged to the address
	Unlike                      // it does not
	OtherAddress                // it holds another address
)

// maxName bounds what is looked at; a display name of RFC 5322 that people read is
// far shorter.
const maxName = 512

// Of judges a display name, in plain text and not encoded.
func Of(name string, a relay.Address) Verdict {
	if len(name) > maxName {
		name = strings.ToValidUTF8(name[:maxName], "")
	}
	shown := addressesIn(name)
	own := slices.Contains(shown, fold(a.Key())) || slices.Contains(shown, fold(unicodeAddress(a)))
	switch {
	case len(shown) > 1 || (len(shown) == 1 && !own):
		return OtherAddress
	case own:
		return Alike
	}
	words := wordsOf(name)
	locals := tokensOf(a.Local)
	tokens := append(slices.Clone(locals), tokensOf(domainLabel(a.Domain))...)
	if len(words) == 0 || len(tokens) == 0 {
		return Unjudged
	}
	for _, w := range words {
		if slices.ContainsFunc(tokens, w.like) {
			return Alike
		}
	}
	if initials(words, strings.Join(locals, "")) {
		return Alike
	}
	if !slices.ContainsFunc(words, word.comparable) && isASCII(a.Local) {
		return Unjudged
	}
	return Unlike
}

// Warning is the sentence for the person; empty if there is nothing to warn of.
func (v Verdict) Warning(name string, a relay.Address) string {
	switch v {
	case Unlike:
		return fmt.Sprintf("The name %q has no likeness to %s: receivers may treat such mail as forged.", relay.Printable(name), a)
	case OtherAddress:
		return fmt.Sprintf("The name %q shows another address than %s: receivers may treat such mail as forged.", relay.Printable(name), a)
	}
	return ""
}

// addressesIn gives the mail addresses that a name shows, folded, each once.
func addressesIn(name string) []string {
	var out []string
	for _, part := range strings.FieldsFunc(fold(name), func(r rune) bool {
		return unicode.IsSpace(r) || strings.ContainsRune(`<>()[]{}",;:'|`, r)
	}) {
		local, domain, found := strings.Cut(part, "@")
		domain = strings.Trim(domain, ".!?")
		if found && local != "" && strings.Contains(domain, ".") && !slices.Contains(out, local+"@"+domain) {
			out = append(out, local+"@"+domain)
		}
	}
	return out
}

// unicodeAddress is the address as people write it.
func unicodeAddress(a relay.Address) string {
	domain, err := idna.ToUnicode(a.Domain)
	if err != nil {
		domain = a.Domain
	}
	return strings.ToLower(a.Local) + "@" + domain
}

// domainLabel is the first label of the registered domain, as people write it.
func domainLabel(domain string) string {
	owned, err := publicsuffix.EffectiveTLDPlusOne(domain)
	if err != nil {
		return ""
	}
	label, _, _ := strings.Cut(owned, ".")
	if readable, err := idna.ToUnicode(label); err == nil {
		return readable
	}
	return label
}

// word is one word of a name, in every form in which an address may have it.
type word struct {
	forms  []string // folded; ä as a and as ae
	loose  string   // of a transliterated word: its sound, roughly; else empty
	script rune     // one letter of it
}

// wordsOf cuts a name into words.
func wordsOf(name string) []word {
	var out []word
	for _, text := range strings.FieldsFunc(name, notWord) {
		plain := fold(text)
		if strings.Trim(plain, "0123456789") == "" {
			continue
		}
		first, _ := utf8.DecodeRuneInString(text)
		w := word{forms: []string{plain}, script: first}
		if umlauts := foldUmlauts(text); umlauts != plain {
			w.forms = append(w.forms, umlauts)
		}
		if transliterated(text) {
			w.loose = loosen(plain)
		}
		out = append(out, w)
	}
	return out
}

// tokensOf cuts a local part or a label into tokens.
func tokensOf(s string) []string {
	return strings.FieldsFunc(fold(s), func(r rune) bool { return notWord(r) || unicode.IsDigit(r) })
}

func notWord(r rune) bool {
	return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.Is(unicode.M, r)
}

// comparable reports whether the word can be compared with Latin letters.
func (w word) comparable() bool {
	return unicode.In(w.script, unicode.Latin, unicode.Cyrillic, unicode.Greek)
}

// like is part 3 of the rule.
func (w word) like(token string) bool {
	for _, form := range w.forms {
		if alike(form, token) {
			return true
		}
	}
	return w.loose != "" && alike(w.loose, loosen(token))
}

const (
	affix = 3 // letters of which one text may begin or end the other
	inner = 5 // letters of which a word may stand anywhere in a token
)

func alike(form, token string) bool {
	short, long := form, token
	if letters(short) > letters(long) {
		short, long = long, short
	}
	switch n := letters(short); {
	case form == token:
		return n >= 2
	case n >= affix && (strings.HasPrefix(long, short) || strings.HasSuffix(long, short)):
		return true
	}
	return letters(form) >= inner && strings.Contains(token, form)
}

// initials is part 4 of the rule: local is the first letters of some words and the
// whole of another, in either order, or the first letters alone.
func initials(words []word, local string) bool {
	for form := range 2 {
		firsts := ""
		for _, w := range words {
			first, _ := utf8.DecodeRuneInString(w.form(form))
			firsts += string(first)
		}
		if letters(firsts) >= 2 && local == firsts {
			return true
		}
		for _, w := range words {
			whole := w.form(form)
			before, isLast := strings.CutSuffix(local, whole)
			after, isFirst := strings.CutPrefix(local, whole)
			if letters(whole) >= 2 && ((isLast && within(before, firsts)) || (isFirst && within(after, firsts))) {
				return true
			}
		}
	}
	return false
}

func (w word) form(i int) string { return w.forms[min(i, len(w.forms)-1)] }

// within reports whether part is not empty, and its letters stand in all in this order.
func within(part, all string) bool {
	rest := all
	for _, r := range part {
		i := strings.IndexRune(rest, r)
		if i < 0 {
			return false
		}
		rest = rest[i+utf8.RuneLen(r):]
	}
	return part != ""
}

func letters(s string) int { return utf8.RuneCountInString(s) }

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r >= utf8.RuneSelf })
}
