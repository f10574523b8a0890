package archtest

import (
	"go/ast"
	"strings"
)

// eachSelector calls do with every use of a name of an imported package, such as
// time.Sleep.
func eachSelector(f *File, do func(at ast.Node, target, name string)) {
	ast.Inspect(f.Syntax, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if id, ok := sel.X.(*ast.Ident); ok && id.Obj == nil {
			if target := f.Imports[id.Name]; target != "" {
				do(sel, target, sel.Sel.Name)
			}
		}
		return true
	})
}

// checkDial finds whatever opens a connection, or asks the system's resolver, other
// than through netguard.
func checkDial(t *Tree) []Finding {
	var out []Finding
	for _, f := range t.program() {
		if within(f.Dir, "internal/netguard") {
			continue
		}
		eachSelector(f, func(at ast.Node, target, name string) {
			if dials(target, name) {
				out = append(out, t.found(f, at.Pos(), "%s.%s connects without internal/netguard", target, name))
			}
		})
	}
	return out
}

func dials(target, name string) bool {
	switch {
	case target == "net" && (strings.HasPrefix(name, "Lookup") || name == "DefaultResolver" || name == "Resolver"):
		return true
	case target == "net/http":
		switch name {
		case "Get", "Post", "PostForm", "Head", "DefaultClient", "DefaultTransport":
			return true
		}
		return false
	case target == "net/smtp":
		return name == "SendMail" || name == "Dial"
	case within(target, "github.com/miekg/dns"):
		return strings.HasPrefix(name, "Dial") || strings.HasPrefix(name, "Exchange")
	}
	return (target == "net" || target == "crypto/tls" || strings.Contains(target, ".")) && strings.HasPrefix(name, "Dial") && !strings.Contains(target, "/internal/")
}

// checkSleep also looks at tests: those that need to pass time use testing/synctest,
// where a sleep takes none.
func checkSleep(t *Tree) []Finding {
	var out []Finding
	for _, f := range t.Files {
		if f.Test && f.Imports["synctest"] == "testing/synctest" {
			continue
		}
		eachSelector(f, func(at ast.Node, target, name string) {
			if target == "time" && name == "Sleep" {
				out = append(out, t.found(f, at.Pos(), "time.Sleep"))
			}
		})
	}
	return out
}

func checkExit(t *Tree) []Finding {
	var out []Finding
	for _, f := range t.program() {
		if within(f.Dir, "cmd") {
			continue
		}
		eachSelector(f, func(at ast.Node, target, name string) {
			switch {
			case target == "os" && name == "Exit", target == "runtime" && name == "Goexit",
				target == "log" && (strings.HasPrefix(name, "Fatal") || strings.HasPrefix(name, "Panic")):
				out = append(out, t.found(f, at.Pos(), "%s.%s outside cmd", target, name))
			}
		})
	}
	return out
}
