package archtest

import (
	"go/ast"
	"go/token"
	"regexp"
	"strings"
)

// The limits of length. They hold for the program; a table of tests may be longer.
const (
	maxFunction = 80  // lines
	maxFile     = 500 // lines
	longish     = 50  // lines; at most longShare of all functions are longer
	longShare   = 0.03
	fewest      = 100 // functions, before a share means anything
)

func checkLength(t *Tree) []Finding {
	var out []Finding
	functions, long := 0, 0
	for _, f := range t.sources() {
		if f.Lines > maxFile {
			out = append(out, t.found(f, f.Syntax.Package, "the file has %d lines; %d are the limit", f.Lines, maxFile))
		}
		for _, d := range f.Syntax.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			n := t.lines(fn)
			functions++
			if n > longish {
				long++
			}
			if n > maxFunction {
				out = append(out, t.found(f, fn.Pos(), "%s has %d lines; %d are the limit", fn.Name.Name, n, maxFunction))
			}
		}
	}
	if functions >= fewest && float64(long) > longShare*float64(functions) {
		out = append(out, Finding{Path: ".", What: "more than 3 % of all functions have over 50 lines"})
	}
	return out
}

func (t *Tree) lines(n ast.Node) int { return t.line(n.End()) - t.line(n.Pos()) + 1 }

func checkPackageComment(t *Tree) []Finding {
	first, documented := map[string]*File{}, map[string]bool{}
	for _, f := range t.sources() {
		if first[f.Dir] == nil {
			first[f.Dir] = f
		}
		if f.Syntax.Doc != nil && strings.TrimSpace(f.Syntax.Doc.Text()) != "" {
			documented[f.Dir] = true
		}
	}
	var out []Finding
	for dir, f := range first {
		if !documented[dir] {
			out = append(out, t.found(f, f.Syntax.Package, "package %s has no comment", f.Syntax.Name.Name))
		}
	}
	return out
}

func checkUnfinished(t *Tree) []Finding {
	mark := regexp.MustCompile(`\b(TODO|FIXME|XXX|HACK)\b`)
	var out []Finding
	for _, f := range t.Files {
		for _, group := range f.Syntax.Comments {
			for _, c := range group.List {
				if at := mark.FindStringIndex(c.Text); at != nil {
					out = append(out, t.found(f, c.Pos()+token.Pos(at[0]), "%s", c.Text[at[0]:at[1]]))
				}
			}
		}
	}
	return out
}
