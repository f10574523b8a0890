package docs_test

import (
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strings"
	"testing"
)

// TestLinksLead: a link leads to a file, and its fragment to a heading there.
func TestLinksLead(t *testing.T) {
	t.Parallel()
	links := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	seen := 0
	for _, d := range documents(t) {
		for _, m := range links.FindAllStringSubmatch(d.prose, -1) {
			seen++
			target, fragment, _ := strings.Cut(m[1], "#")
			if strings.Contains(target, "://") {
				t.Errorf("%s: nobody checks the link %s; name the thing instead", d.path, m[1])
				continue
			}
			to := d.path
			if target != "" {
				to = path.Join(path.Dir(d.path), target)
			}
			if _, err := fs.Stat(root(), to); err != nil {
				t.Errorf("%s: the link %s leads nowhere", d.path, m[1])
				continue
			}
			if fragment != "" && !headings(read(t, to))[fragment] {
				t.Errorf("%s: the link %s names a heading that is not there", d.path, m[1])
			}
		}
	}
	if seen < 20 {
		t.Errorf("only %d links were found", seen)
	}
}

// headings gives the fragments by which the headings of a page can be reached.
func headings(d document) map[string]bool {
	out := map[string]bool{}
	drop := regexp.MustCompile(`[^\p{L}\p{N}\- _]`)
	for line := range strings.Lines(d.prose) {
		if text, ok := strings.CutPrefix(strings.TrimLeft(line, "#"), " "); ok && strings.HasPrefix(line, "#") {
			slug := drop.ReplaceAllString(strings.ToLower(strings.TrimSpace(text)), "")
			out[strings.ReplaceAll(slug, " ", "-")] = true
		}
	}
	return out
}

// TestEveryPageIsReached: the README leads to every page, to decisions and to those
// about providers by their first.
func TestEveryPageIsReached(t *testing.T) {
	t.Parallel()
	readme := read(t, "README.md").text
	for _, d := range documents(t) {
		switch path.Dir(d.path) {
		case "docs/decisions":
			continue
		case "docs/providers": // TestEveryProviderHasItsPages
			if path.Base(d.path) != "README.md" {
				continue
			}
		}
		if d.path == "README.md" {
			continue
		}
		if !strings.Contains(readme, "("+d.path+")") {
			t.Errorf("README.md does not lead to %s", d.path)
		}
	}
}

// TestNamedPathsExist: a path of the source that a document names is there.
func TestNamedPathsExist(t *testing.T) {
	t.Parallel()
	source := regexp.MustCompile(`^(cmd|relay|store|internal|test|docs|deploy|scripts|\.ci)/[\w./-]+$`)
	seen := 0
	for _, d := range documents(t) {
		for _, span := range d.spans() {
			if !source.MatchString(span) || strings.Contains(span, "...") {
				continue
			}
			seen++
			if _, err := fs.Stat(root(), strings.TrimSuffix(span, "/")); err != nil {
				t.Errorf("%s names %s, which is not there", d.path, span)
			}
		}
	}
	if seen < 50 {
		t.Errorf("only %d paths were found", seen)
	}
}

// TestMakeTargetsExist: what a document lets a reader make can be made.
func TestMakeTargetsExist(t *testing.T) {
	t.Parallel()
	makefile := read(t, "Makefile").text
	for _, d := range documents(t) {
		text := d.code + strings.Join(d.spans(), "\n")
		for _, m := range regexp.MustCompile(`(?m)^make ([a-z-]+)`).FindAllStringSubmatch(text, -1) {
			if !strings.Contains(makefile, "\n"+m[1]+":") {
				t.Errorf("%s: there is no target %q in the Makefile", d.path, m[1])
			}
		}
	}
}

// TestReadmeIsShort: it is a door, not a manual.
func TestReadmeIsShort(t *testing.T) {
	t.Parallel()
	const most = 150
	if n := strings.Count(read(t, "README.md").text, "\n"); n > most {
		t.Errorf("README.md has %d lines, more than %d", n, most)
	}
}

// TestDecisions: each is numbered in order and has its context, decision and cost.
func TestDecisions(t *testing.T) {
	t.Parallel()
	names, err := fs.Glob(root(), "docs/decisions/*")
	if err != nil || len(names) < 10 {
		t.Fatalf("%d decisions, %v", len(names), err)
	}
	for i, name := range names {
		number := fmt.Sprintf("%04d", i+1)
		if !regexp.MustCompile(`^` + number + `-[a-z0-9-]+\.md$`).MatchString(path.Base(name)) {
			t.Errorf("%s: its name must be %s-title.md", name, number)
		}
		d := read(t, name)
		if !strings.HasPrefix(d.text, "# "+number+": ") {
			t.Errorf("%s must begin with %q and its title", name, "# "+number+": ")
		}
		for _, heading := range []string{"## Context", "## Decision", "## Cost"} {
			if text := strings.TrimSpace(d.section(t, heading).prose); len(text) < 80 {
				t.Errorf("%s: %q says nothing: %q", name, heading, text)
			}
		}
	}
}

// TestEveryPackageIsPlaced: docs/architecture.md tells what each package is for. What
// only tests use needs no place there.
func TestEveryPackageIsPlaced(t *testing.T) {
	t.Parallel()
	text := read(t, "docs/architecture.md").text
	placed := 0
	for _, pattern := range []string{"cmd/*", "relay/*", "store/*", "internal/*"} {
		dirs, err := fs.Glob(root(), pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, dir := range dirs {
			sources, err := fs.Glob(root(), dir+"/*.go")
			if err != nil {
				t.Fatal(err)
			}
			if len(sources) == 0 || strings.HasSuffix(dir, "test") {
				continue
			}
			placed++
			if !strings.Contains(text, "`"+dir+"`") {
				t.Errorf("docs/architecture.md does not tell what %s is for", dir)
			}
		}
	}
	if placed < 20 {
		t.Errorf("only %d packages were found", placed)
	}
}
