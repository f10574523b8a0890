package archtest

import (
	"go/ast"
	"go/token"
)

func checkInit(t *Tree) []Finding {
	var out []Finding
	for _, f := range t.sources() {
		for _, d := range f.Syntax.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				out = append(out, t.found(f, fn.Pos(), "func init"))
			}
		}
	}
	return out
}

// checkState refuses package-level variables that change: those that the package
// writes to, and those made to be changed (locks, atomics, pools, channels). Error
// values, embedded files and tables that are only read are fine.
func checkState(t *Tree) []Finding {
	vars := map[string]map[string]*ast.ValueSpec{} // folder, name
	var out []Finding
	for _, f := range t.sources() {
		for _, d := range f.Syntax.Decls {
			gen, ok := d.(*ast.GenDecl)
			if !ok || gen.Tok != token.VAR {
				continue
			}
			for _, s := range gen.Specs {
				spec := s.(*ast.ValueSpec)
				if what := changeable(f, spec); what != "" {
					out = append(out, t.found(f, spec.Pos(), "package-level variable %s is %s", spec.Names[0].Name, what))
				}
				for _, name := range spec.Names {
					if vars[f.Dir] == nil {
						vars[f.Dir] = map[string]*ast.ValueSpec{}
					}
					vars[f.Dir][name.Name] = spec
				}
			}
		}
	}
	for _, f := range t.sources() {
		out = append(out, t.writes(f, vars[f.Dir])...)
	}
	return out
}

// changeable says what makes a variable one that is meant to change.
func changeable(f *File, spec *ast.ValueSpec) (what string) {
	look := func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncLit:
			return false // what happens inside happens when it is called
		case *ast.ChanType:
			what = "a channel"
		case *ast.CallExpr:
			if id, ok := n.Fun.(*ast.Ident); ok && (id.Name == "make" || id.Name == "new") {
				what = "made empty, to be filled"
			}
		case *ast.SelectorExpr:
			switch id, _ := n.X.(*ast.Ident); {
			case id == nil:
			case f.Imports[id.Name] == "sync", f.Imports[id.Name] == "sync/atomic":
				what = "a " + id.Name + "." + n.Sel.Name
			case f.Imports[id.Name] == "flag":
				what = "a flag"
			}
		}
		return true
	}
	if spec.Type != nil {
		ast.Inspect(spec.Type, look)
		if spec.Values == nil && what == "" {
			what = "declared without a value, to be set later"
		}
		if isEmbedded(f, spec) {
			return ""
		}
	}
	for _, v := range spec.Values {
		ast.Inspect(v, look)
	}
	return what
}

// isEmbedded: the compiler fills the variable from a file (//go:embed).
func isEmbedded(f *File, spec *ast.ValueSpec) bool {
	if f.Imports["embed"] == "" && f.Imports["_"] != "embed" {
		return false
	}
	for _, group := range f.Syntax.Comments {
		for _, c := range group.List {
			if len(c.Text) > 10 && c.Text[:10] == "//go:embed" && c.Pos() < spec.Pos() && spec.Pos()-group.End() < 20 {
				return true
			}
		}
	}
	return false
}

// writes finds where a file changes one of the package's variables.
func (t *Tree) writes(f *File, vars map[string]*ast.ValueSpec) []Finding {
	var out []Finding
	note := func(target ast.Expr) {
		id := root(target)
		if id == nil || id.Name == "_" {
			return
		}
		spec := vars[id.Name]
		if spec == nil || (id.Obj != nil && id.Obj.Decl != spec) {
			return // not a variable of the package, or hidden by a local one
		}
		out = append(out, t.found(f, target.Pos(), "package-level variable %s is changed here", id.Name))
	}
	ast.Inspect(f.Syntax, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			if n.Tok != token.DEFINE {
				for _, target := range n.Lhs {
					note(target)
				}
			}
		case *ast.IncDecStmt:
			note(n.X)
		case *ast.UnaryExpr:
			if n.Op == token.AND {
				note(n.X)
			}
		case *ast.CallExpr:
			if id, ok := n.Fun.(*ast.Ident); ok && (id.Name == "delete" || id.Name == "clear" || id.Name == "copy") && id.Obj == nil {
				note(n.Args[0])
			}
		}
		return true
	})
	return out
}

// root is the variable at the bottom of an expression such as x.f[i].
func root(e ast.Expr) *ast.Ident {
	switch e := e.(type) {
	case *ast.Ident:
		return e
	case *ast.SelectorExpr:
		return root(e.X)
	case *ast.IndexExpr:
		return root(e.X)
	case *ast.SliceExpr:
		return root(e.X)
	case *ast.StarExpr:
		return root(e.X)
	case *ast.ParenExpr:
		return root(e.X)
	}
	return nil
}
