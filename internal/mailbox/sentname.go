package mailbox

import (
	_ "embed"
	"slices"
	"strings"

	"golang.org/x/text/unicode/norm"
)

// sentNames is the list of names of Sent folders, and of the words that may stand
// beside them, by language.
//
//go:embed sentnames.txt
var sentNames string

// namespace is where the user's own folders live (RFC 2342).
type namespace struct {
	prefix string // such as "INBOX."; empty at most servers
	delim  rune
}

// chosen finds the folder that a person named: exactly as written; else without
// regard to case and to the prefix of the namespace.
func chosen(folders []Folder, space namespace, choice string) (Folder, bool) {
	for _, f := range folders {
		if f.Selectable && f.Name == choice {
			return f, true
		}
	}
	want := fold(choice)
	for _, f := range folders {
		if f.Selectable && (fold(f.Name) == want || fold(strings.TrimPrefix(f.Name, space.prefix)) == want) {
			return f, true
		}
	}
	return Folder{}, false
}

// sentAmong finds the Sent folder without a person: by its special use, else by
// its name. Of several names the one that stands first in the list wins, then the
// one nearest to the top.
func sentAmong(folders []Folder, space namespace) (Folder, bool) {
	for _, f := range folders {
		if f.Selectable && f.Use == UseSent {
			return f, true
		}
	}
	names, fillers := parseNames(sentNames)
	best, found := Folder{}, false
	bestRank, bestDepth := 0, 0
	for _, f := range folders {
		if !f.Selectable || f.Use != "" {
			continue // a folder with another special use is not for sent mail
		}
		base, depth := lastPart(f, space)
		rank := slices.Index(names, withoutFillers(base, fillers))
		if rank < 0 {
			continue
		}
		if !found || rank < bestRank || (rank == bestRank && depth < bestDepth) {
			best, found, bestRank, bestDepth = f, true, rank, depth
		}
	}
	return best, found
}

// lastPart gives the last part of a folder's name in comparable form, and how deep
// it lies below the user's own folders. Whole names are compared: "Sent" below
// "Old/2019" counts, though less; "Sent to clients" does not.
func lastPart(f Folder, space namespace) (string, int) {
	name := strings.TrimPrefix(f.Name, space.prefix)
	if f.Delim == 0 {
		return fold(name), 0
	}
	parts := strings.Split(name, string(f.Delim))
	return fold(parts[len(parts)-1]), len(parts) - 1
}

// withoutFillers takes away words such as "items" and "mail", unless nothing would
// remain.
func withoutFillers(name string, fillers []string) string {
	words := strings.Fields(name)
	kept := slices.DeleteFunc(slices.Clone(words), func(w string) bool { return slices.Contains(fillers, w) })
	if len(kept) == 0 {
		kept = words
	}
	return strings.Join(kept, " ")
}

// fold brings a name to the form in which names are compared.
func fold(name string) string {
	return strings.TrimSpace(strings.ToLower(norm.NFKC.String(name)))
}

// parseNames reads the list: lines "language: name, name", "fillers: word, word",
// and comments after #. The names lose their fillers, as the folders' names do.
func parseNames(text string) (names, fillers []string) {
	var whole []string
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		language, list, _ := strings.Cut(line, ":")
		for word := range strings.SplitSeq(list, ",") {
			if word = fold(word); word == "" {
				continue
			}
			if language == "fillers" {
				fillers = append(fillers, word)
			} else {
				whole = append(whole, word)
			}
		}
	}
	for _, name := range whole {
		names = append(names, withoutFillers(name, fillers))
	}
	return names, fillers
}
