// Package archtest holds the source to the rules of docs/architecture.md, so that
// they stay true without anybody remembering them.
//
//  1. [Load] parses every Go file of the module. It reads the files themselves: a
//     test that asked the go command would pass from the test cache after a change.
//  2. [Rules] looks at them: who imports whom, who keeps state, who dials, sleeps or
//     exits, and how long things are.
//  3. What a rule must let pass stands in exceptions, each with its reason.
//
// The package's own tests feed every rule a sample that breaks it.
package archtest

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// File is one parsed Go file.
type File struct {
	Path    string // from the root, with slashes
	Dir     string // its package's folder, "." for the root
	Test    bool   // a _test.go file
	Helper  bool   // in a package that only tests import: its folder's name ends in "test"
	Lines   int
	Syntax  *ast.File
	Imports map[string]string // local name to import path
}

// Tree is the source of a module.
type Tree struct {
	Module string
	Files  []*File
	set    *token.FileSet
}

// Load parses the module in root. Folders that the go command leaves out are left
// out here too.
func Load(root fs.FS) (*Tree, error) {
	gomod, err := fs.ReadFile(root, "go.mod")
	if err != nil {
		return nil, fmt.Errorf("read go.mod: %w", err)
	}
	first, _, _ := strings.Cut(string(gomod), "\n")
	module, ok := strings.CutPrefix(strings.TrimSpace(first), "module ")
	if !ok {
		return nil, fmt.Errorf("go.mod begins with %q, not with its module", first)
	}
	t := &Tree{Module: module, set: token.NewFileSet()}
	err = fs.WalkDir(root, ".", func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && p != "." && isLeftOut(d.Name()):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(p, ".go"):
			return nil
		}
		return t.add(root, p)
	})
	if err != nil {
		return nil, fmt.Errorf("walk the source: %w", err)
	}
	return t, nil
}

func isLeftOut(folder string) bool {
	switch folder {
	case "testdata", "vendor", "node_modules", "bin", "data":
		return true
	}
	return strings.HasPrefix(folder, ".") || strings.HasPrefix(folder, "_")
}

func (t *Tree) add(root fs.FS, p string) error {
	src, err := fs.ReadFile(root, p)
	if err != nil {
		return err
	}
	syntax, err := parser.ParseFile(t.set, p, src, parser.ParseComments)
	if err != nil {
		return err
	}
	f := &File{
		Path: p, Dir: path.Dir(p), Test: strings.HasSuffix(p, "_test.go"), Helper: isHelper(path.Dir(p)),
		Lines: bytes.Count(src, []byte("\n")), Syntax: syntax, Imports: map[string]string{},
	}
	for _, spec := range syntax.Imports {
		target, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return err
		}
		f.Imports[localName(spec, target)] = target
	}
	t.Files = append(t.Files, f)
	return nil
}

// isHelper tells packages such as store/storetest from those of the program.
func isHelper(dir string) bool {
	for d := range strings.SplitSeq(dir, "/") {
		if len(d) > len("test") && strings.HasSuffix(d, "test") {
			return true
		}
	}
	return false
}

// localName is the name by which a file speaks of an import: its own, or the last
// element of the path without version and "go-".
func localName(spec *ast.ImportSpec, target string) string {
	if spec.Name != nil {
		return spec.Name.Name
	}
	base := path.Base(target)
	if len(base) > 1 && base[0] == 'v' && strings.Trim(base[1:], "0123456789") == "" {
		base = path.Base(path.Dir(target))
	}
	return strings.TrimPrefix(base, "go-")
}

// line is the line of a position.
func (t *Tree) line(p token.Pos) int { return t.set.Position(p).Line }

// sources gives the files that are not tests; helpers of tests are among them.
func (t *Tree) sources() []*File { return t.filter(func(f *File) bool { return !f.Test }) }

// program gives the files that end up in the program.
func (t *Tree) program() []*File { return t.filter(func(f *File) bool { return !f.Test && !f.Helper }) }

func (t *Tree) filter(keep func(*File) bool) []*File {
	var out []*File
	for _, f := range t.Files {
		if keep(f) {
			out = append(out, f)
		}
	}
	return out
}

// within reports whether a folder is dir or lies below it.
func within(folder, dir string) bool {
	return folder == dir || strings.HasPrefix(folder, dir+"/")
}
