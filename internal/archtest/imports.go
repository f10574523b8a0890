package archtest

import (
	"go/ast"
	"strconv"
	"strings"
)

// homes says where each foreign library may be imported. A library that is not
// listed is used nowhere yet: give it a home here first.
func homes() map[string][]string {
	return map[string][]string{
		"go.etcd.io/bbolt":                    {"store/embedded"},
		"github.com/jackc/pgx":                {"store/postgres"},
		"github.com/spf13/viper":              {"internal/config"},
		"github.com/go-viper/mapstructure":    {"internal/config"},
		"github.com/spf13/cobra":              {"cmd/relayd"},
		"github.com/danielgtaylor/huma":       {"relay/admin"},
		"github.com/prometheus/client_golang": {"internal/metrics"},
		"github.com/miekg/dns":                {"internal/resolver", "internal/simulator"},
		"github.com/Azure/go-ntlmssp":         {"internal/webmail"},
		"github.com/emersion/go-imap":         {"internal/mailbox", "internal/simulator"},
		"github.com/emersion/go-smtp":         {"relay/smtpd", "internal/simulator"},
		"github.com/emersion/go-msgauth":      {"relay/direct"},
		"github.com/emersion/go-message":      {"internal/mailbox", "internal/simulator", "relay/report", "relay/sent", "relay/account"},
		"github.com/emersion/go-sasl":         {"internal/smtpwire", "internal/mailbox", "internal/simulator", "relay/smtpd", "relay/upstream"},
		"go.yaml.in/yaml":                     {"internal/config", "relay/provider", "relay/oauth"},
		"golang.org/x":                        {"cmd", "internal", "relay", "store"}, // the standard library's outer part
	}
}

// eachImport calls do with every import of the program's files.
func (t *Tree) eachImport(do func(f *File, spec *ast.ImportSpec, target string)) {
	for _, f := range t.program() {
		for _, spec := range f.Syntax.Imports {
			if target, err := strconv.Unquote(spec.Path.Value); err == nil {
				do(f, spec, target)
			}
		}
	}
}

// own gives the folder of an import inside the module.
func (t *Tree) own(target string) (dir string, ok bool) {
	if target == t.Module {
		return ".", true
	}
	return strings.CutPrefix(target, t.Module+"/")
}

// stepOf gives the name of the step that a folder belongs to: relay/NAME/….
func stepOf(dir string) (string, bool) {
	rest, ok := strings.CutPrefix(dir, "relay/")
	if !ok {
		return "", false
	}
	name, _, _ := strings.Cut(rest, "/")
	return name, true
}

func checkSteps(t *Tree) []Finding {
	var out []Finding
	t.eachImport(func(f *File, spec *ast.ImportSpec, target string) {
		step, ok := stepOf(f.Dir)
		dir, ours := t.own(target)
		if !ok || !ours {
			return
		}
		other, isStep := stepOf(dir)
		switch {
		case isStep && other != step:
			out = append(out, t.found(f, spec.Pos(), "step %s imports step %s", step, other))
		case strings.HasPrefix(dir, "store/"):
			out = append(out, t.found(f, spec.Pos(), "step %s imports %s; a step sees the interfaces of store only", step, dir))
		case within(dir, "cmd"):
			out = append(out, t.found(f, spec.Pos(), "step %s imports %s", step, dir))
		}
	})
	return out
}

func checkVocabulary(t *Tree) []Finding {
	var out []Finding
	t.eachImport(func(f *File, spec *ast.ImportSpec, target string) {
		if f.Dir == "relay" && !isStandard(target) {
			out = append(out, t.found(f, spec.Pos(), "package relay imports %s", target))
		}
	})
	return out
}

func checkSupport(t *Tree) []Finding {
	var out []Finding
	t.eachImport(func(f *File, spec *ast.ImportSpec, target string) {
		dir, ours := t.own(target)
		if !ours || (!within(f.Dir, "internal") && !within(f.Dir, "store")) {
			return
		}
		if step, isStep := stepOf(dir); isStep {
			out = append(out, t.found(f, spec.Pos(), "%s imports step %s", f.Dir, step))
		}
		if within(dir, "cmd") || (within(f.Dir, "internal") && strings.HasPrefix(dir, "store/")) {
			out = append(out, t.found(f, spec.Pos(), "%s imports %s", f.Dir, dir))
		}
	})
	return out
}

func checkHomes(t *Tree) []Finding {
	var out []Finding
	t.eachImport(func(f *File, spec *ast.ImportSpec, target string) {
		if _, ours := t.own(target); ours || isStandard(target) {
			return
		}
		for library, allowed := range homes() {
			if !within(target, library) {
				continue
			}
			for _, dir := range allowed {
				if within(f.Dir, dir) {
					return
				}
			}
			out = append(out, t.found(f, spec.Pos(), "%s has its home in %s", library, strings.Join(allowed, ", ")))
			return
		}
		out = append(out, t.found(f, spec.Pos(), "%s has no home yet", target))
	})
	return out
}

func checkHelpers(t *Tree) []Finding {
	var out []Finding
	t.eachImport(func(f *File, spec *ast.ImportSpec, target string) {
		if dir, ours := t.own(target); ours && isHelper(dir) {
			out = append(out, t.found(f, spec.Pos(), "the program imports %s, a helper of tests", dir))
		}
	})
	return out
}

// isStandard: a path of the standard library has no dot in its first element.
func isStandard(target string) bool {
	first, _, _ := strings.Cut(target, "/")
	return !strings.Contains(first, ".")
}
