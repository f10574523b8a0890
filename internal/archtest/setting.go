package archtest

import (
	"go/ast"
	"strings"
)

// Where the configuration is declared, and where it is read.
const (
	configFile = "internal/config/config.go"
	configType = "Config"
	readers    = "cmd"
)

// checkSettings finds keys of the configuration that nothing reads: whoever sets
// one believes in an effect that is not there.
func checkSettings(t *Tree) []Finding {
	var declared *File
	for _, f := range t.Files {
		if f.Path == configFile {
			declared = f
		}
	}
	if declared == nil {
		return nil
	}
	structs := structsOf(declared)
	sections := map[string]string{} // field of Config to the type of its section
	for _, f := range structs[configType] {
		if name := sectionType(f.Type); structs[name] != nil {
			sections[f.Names[0].Name] = name
		}
	}
	read := t.settingsRead(sections)
	var out []Finding
	for name, fields := range structs {
		for _, f := range fields {
			if field := f.Names[0].Name; !read[name+"."+field] && !(name == configType && sections[field] != "") {
				out = append(out, t.found(declared, f.Pos(), "%s.%s is read nowhere in %s", name, field, readers))
			}
		}
	}
	return out
}

// structsOf gives the fields of every struct type of a file.
func structsOf(f *File) map[string][]*ast.Field {
	structs := map[string][]*ast.Field{}
	ast.Inspect(f.Syntax, func(n ast.Node) bool {
		if spec, ok := n.(*ast.TypeSpec); ok {
			if s, ok := spec.Type.(*ast.StructType); ok {
				structs[spec.Name.Name] = s.Fields.List
			}
		}
		return true
	})
	return structs
}

// sectionType is the name in T or []T.
func sectionType(e ast.Expr) string {
	if list, ok := e.(*ast.ArrayType); ok {
		e = list.Elt
	}
	if id, ok := e.(*ast.Ident); ok {
		return id.Name
	}
	return ""
}

// settingsRead gives "Section.Field" for what the readers use: cfg.Section.Field in
// one go, or by a variable that stands for the section.
func (t *Tree) settingsRead(sections map[string]string) map[string]bool {
	read := map[string]bool{}
	for _, f := range t.program() {
		if !within(f.Dir, readers) {
			continue
		}
		for _, d := range f.Syntax.Decls {
			aliases := aliasesIn(d, sections)
			ast.Inspect(d, func(n ast.Node) bool {
				sel, ok := n.(*ast.SelectorExpr)
				if !ok {
					return true
				}
				if section := sections[lastName(sel.X)]; section != "" && isField(sel.X) {
					read[section+"."+sel.Sel.Name] = true
				}
				if id, ok := sel.X.(*ast.Ident); ok && aliases[id.Name] != "" {
					read[aliases[id.Name]+"."+sel.Sel.Name] = true
				}
				if isConfigName(lastName(sel.X)) {
					read[configType+"."+sel.Sel.Name] = true
				}
				return true
			})
		}
	}
	return read
}

// aliasesIn finds the variables of a declaration that stand for a section:
// q := cfg.Queue, or for _, l := range cfg.Listeners.
func aliasesIn(d ast.Decl, sections map[string]string) map[string]string {
	aliases := map[string]string{}
	note := func(left, right ast.Expr) {
		if unary, ok := right.(*ast.UnaryExpr); ok {
			right = unary.X
		}
		id, ok := left.(*ast.Ident)
		if section := sections[lastName(right)]; ok && section != "" && isField(right) {
			aliases[id.Name] = section
		}
	}
	ast.Inspect(d, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			for i := range min(len(n.Lhs), len(n.Rhs)) {
				note(n.Lhs[i], n.Rhs[i])
			}
		case *ast.RangeStmt:
			if n.Value != nil {
				note(n.Value, n.X)
			}
		}
		return true
	})
	return aliases
}

// isField reports whether e is a field of something: cfg.X, p.cfg.X or cfg.X[i].
func isField(e ast.Expr) bool {
	if index, ok := e.(*ast.IndexExpr); ok {
		e = index.X
	}
	_, ok := e.(*ast.SelectorExpr)
	return ok
}

func isConfigName(name string) bool {
	return name == "c" || name == "cfg" || strings.HasSuffix(strings.ToLower(name), "config")
}

// lastName is the name at the end of a.b.c or of a plain name.
func lastName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	case *ast.IndexExpr:
		return lastName(e.X)
	}
	return ""
}
