package config

import (
	"fmt"
	"reflect"
	"strings"
)

// Problem is one thing that is wrong with a configuration.
type Problem struct {
	File   string // path of the file; empty: not from a file
	Line   int    // in File; 0 if unknown
	Key    string // "queue.retry_then", or the name of a variable
	What   string // what is wrong
	Remedy string // what to do about it; may be empty
}

// Error is the problem in one line, the place first, as editors and people look
// for it.
func (p *Problem) Error() string {
	var b strings.Builder
	if p.File != "" {
		b.WriteString(p.File)
		if p.Line > 0 {
			fmt.Fprintf(&b, ":%d", p.Line)
		}
		b.WriteString(": ")
	}
	if p.Key != "" {
		b.WriteString(p.Key + ": ")
	}
	b.WriteString(p.What)
	if p.Remedy != "" {
		b.WriteString("; " + p.Remedy)
	}
	return b.String()
}

// source knows where each value came from.
type source struct {
	file      string
	lines     map[string]int    // key path to line
	variables map[string]string // key path to the variable that set it
}

// problem makes a Problem of the key at path, which may point inside a list.
func (s *source) problem(path, what, remedy string) *Problem {
	for at := path; at != ""; at = parent(at) {
		if v := s.variables[at]; v != "" {
			return &Problem{Key: v, What: what, Remedy: remedy}
		}
		if line := s.lines[at]; line != 0 {
			return &Problem{File: s.file, Line: line, Key: path, What: what, Remedy: remedy}
		}
	}
	return &Problem{File: s.file, Key: path, What: what, Remedy: remedy}
}

// parent cuts the last element from a path: "listeners[0].name" to "listeners[0]"
// to "listeners".
func parent(path string) string {
	return path[:max(0, strings.LastIndexAny(path, ".["))]
}

// suggest gives the name nearest to a mistyped one, or nothing.
func suggest(section reflect.Type, wrong string) string {
	best, distance := "", 3 // two slips at most
	for _, f := range fields(section) {
		if d := editDistance(strings.ToLower(wrong), f.name); d < distance {
			best, distance = f.name, d
		}
	}
	if best != "" {
		return fmt.Sprintf("did you mean %q?", best)
	}
	return elsewhere(wrong)
}

// elsewhere looks for a key of this name in other sections.
func elsewhere(name string) string {
	for _, k := range keys(Default()) {
		if strings.HasSuffix(k.path, "."+name) {
			return fmt.Sprintf("there is %q", k.path)
		}
	}
	return "remove it, or see config.example.yaml for the keys that there are"
}

// editDistance counts insertions, deletions and changes between two short words.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
