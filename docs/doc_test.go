// Package docs_test holds the documents to what they speak of: a sentence that can
// be checked is checked.
//
//	doc_test.go              how documents are read
//	links_test.go            links, paths, make targets, the README, the decisions
//	source_test.go           RFCs, log events, metrics and tests that the documents name
//	providers_test.go        the pages about providers, and the presets
//	providers_words_test.go  the same, and the program: servers, rules, words
//
// The commands in the documents are checked in cmd/relayd, which knows them.
package docs_test

import (
	"bytes"
	"io/fs"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"
)

// root is the folder of the module.
func root() fs.FS { return os.DirFS("..") }

// document is one page in Markdown.
type document struct {
	path  string // from the root
	text  string
	prose string // text without its fenced code
	code  string // the fenced code
}

// documents reads every page.
func documents(t *testing.T) []document {
	t.Helper()
	var docs []document
	err := fs.WalkDir(root(), ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && p != "." && p != "docs" && !strings.HasPrefix(p, "docs/") {
			return fs.SkipDir
		}
		if !d.IsDir() && path.Ext(p) == ".md" {
			docs = append(docs, read(t, p))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(docs) < 10 {
		t.Fatalf("only %d documents were found", len(docs))
	}
	return docs
}

func read(t *testing.T, p string) document {
	t.Helper()
	raw, err := fs.ReadFile(root(), p)
	if err != nil {
		t.Fatal(err)
	}
	d := document{path: p, text: string(raw)}
	fenced := false
	for line := range bytes.Lines(raw) {
		switch {
		case bytes.HasPrefix(line, []byte("```")):
			fenced = !fenced
		case fenced:
			d.code += string(line)
		default:
			d.prose += string(line)
			if bytes.Count(line, []byte("`"))%2 != 0 {
				t.Errorf("%s: what stands in backticks must end on its line: %s", p, line)
			}
		}
	}
	if fenced {
		t.Errorf("%s: a block of code is not closed", p)
	}
	return d
}

// spans gives what stands between backticks in the prose.
func (d document) spans() []string {
	var out []string
	for _, m := range regexp.MustCompile("`([^`\n]+)`").FindAllStringSubmatch(d.prose, -1) {
		out = append(out, m[1])
	}
	return out
}

// section gives the text below a heading, up to the next one of its level.
func (d document) section(t *testing.T, heading string) document {
	t.Helper()
	_, rest, found := strings.Cut(d.prose, "\n"+heading+"\n")
	if !found {
		t.Fatalf("%s has no heading %q", d.path, heading)
	}
	level, _, _ := strings.Cut(heading, " ")
	rest, _, _ = strings.Cut(rest, "\n"+level+" ")
	return document{path: d.path, prose: rest}
}

// firstColumn gives the spans in the first column of the tables.
func (d document) firstColumn() []string {
	var out []string
	for line := range strings.Lines(d.prose) {
		if cell, _, found := strings.Cut(strings.TrimPrefix(line, "|"), "|"); found && strings.HasPrefix(line, "|") {
			out = append(out, document{prose: cell}.spans()...)
		}
	}
	return out
}
