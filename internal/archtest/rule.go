package archtest

import (
	"fmt"
	"go/token"
	"slices"
	"strings"
)

// Finding is one place that breaks a rule.
type Finding struct {
	Rule string
	Path string
	Line int
	What string
}

// String is the finding as compilers write theirs.
func (f Finding) String() string {
	return fmt.Sprintf("%s:%d: %s (rule %s)", f.Path, f.Line, f.What, f.Rule)
}

// Rule is one promise about the source.
type Rule struct {
	Name  string
	Why   string
	check func(*Tree) []Finding
}

// Rules gives every rule.
func Rules() []Rule {
	return []Rule{
		{"steps", "steps meet in cmd/relayd only, so that each can be read and tested alone", checkSteps},
		{"vocabulary", "package relay is what all others speak, so it depends on nothing", checkVocabulary},
		{"support", "internal/... and store/... serve the steps and know none of them", checkSupport},
		{"home", "a library that is used in one place can be replaced in one place", checkHomes},
		{"helper", "what only tests need does not belong into the program", checkHelpers},
		{"init", "what starts by itself cannot be given options, and cannot be stopped", checkInit},
		{"state", "package-level state makes tests depend on each other", checkState},
		{"dial", "only netguard decides where the program connects to", checkDial},
		{"sleep", "nobody can wake a sleeper: wait for a channel, or a timer and a context", checkSleep},
		{"exit", "only cmd ends the program, after everything was closed", checkExit},
		{"setting", "a key that has no effect misleads whoever sets it", checkSettings},
		{"length", "what does not fit on a page or two is several things", checkLength},
		{"package comment", "go doc of a package says its job", checkPackageComment},
		{"unfinished", "what is left to do stands in an issue, not in the source", checkUnfinished},
	}
}

// exception lets a finding pass.
type exception struct {
	rule, path string // path: a file, or a folder with all below it
	why        string
}

// exceptions is the whole list. Keep it short.
func exceptions() []exception {
	return []exception{
		{"dial", "internal/apiclient", "speaks to relayd's own Unix socket, and to the API that its user names"},
		{"dial", "cmd/relayd/demo_submit.go", "plays the application that submits to relayd"},
	}
}

// Check holds a tree against every rule.
func Check(t *Tree) []Finding {
	var out []Finding
	for _, f := range checkAll(t) {
		if !slices.ContainsFunc(exceptions(), func(e exception) bool { return e.covers(f) }) {
			out = append(out, f)
		}
	}
	return out
}

func checkAll(t *Tree) []Finding {
	var out []Finding
	for _, r := range Rules() {
		for _, f := range r.check(t) {
			f.Rule = r.Name
			out = append(out, f)
		}
	}
	slices.SortStableFunc(out, func(a, b Finding) int { return strings.Compare(a.Path, b.Path) })
	return out
}

func (e exception) covers(f Finding) bool { return e.rule == f.Rule && within(f.Path, e.path) }

func (t *Tree) found(f *File, at token.Pos, format string, args ...any) Finding {
	return Finding{Path: f.Path, Line: t.line(at), What: fmt.Sprintf(format, args...)}
}
