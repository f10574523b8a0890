package docs_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// source is what the documents are compared with.
type source struct {
	texts     map[string]string          // of the program, by path: Go without tests, and data
	files     map[string]*ast.File       // the Go files among them
	tests     map[string]bool            // names of tests and fuzz targets
	selectors map[string]map[string]bool // x.NAME: in which folders NAME is selected
}

func readSource(t *testing.T) *source {
	t.Helper()
	s := &source{
		texts: map[string]string{}, files: map[string]*ast.File{},
		tests: map[string]bool{}, selectors: map[string]map[string]bool{},
	}
	for _, dir := range []string{"cmd", "relay", "store", "internal", "test", "docs"} {
		err := fs.WalkDir(root(), dir, func(p string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || (path.Ext(p) != ".go" && path.Ext(p) != ".yaml") {
				return err
			}
			return s.add(p)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// add reads one file.
func (s *source) add(p string) error {
	raw, err := fs.ReadFile(root(), p)
	if err != nil {
		return err
	}
	if strings.HasSuffix(p, "_test.go") {
		for _, m := range regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)`).FindAllStringSubmatch(string(raw), -1) {
			s.tests[m[1]] = true
		}
		return nil
	}
	if strings.HasPrefix(p, "test/") {
		return nil
	}
	s.texts[p] = string(raw)
	if path.Ext(p) != ".go" {
		return nil
	}
	file, err := parser.ParseFile(token.NewFileSet(), p, raw, parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	s.files[p] = file
	ast.Inspect(file, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok {
			if s.selectors[sel.Sel.Name] == nil {
				s.selectors[sel.Sel.Name] = map[string]bool{}
			}
			s.selectors[sel.Sel.Name][path.Dir(p)] = true
		}
		return true
	})
	return nil
}

// usedOutside reports whether a method of this name is used in another folder.
func (s *source) usedOutside(method, home string) bool {
	for dir := range s.selectors[method] {
		if dir != home {
			return true
		}
	}
	return false
}

// TestSpecificationsAreComplete: the source cites an RFC if and only if the list of
// specifications has it.
func TestSpecificationsAreComplete(t *testing.T) {
	t.Parallel()
	cited := map[string]string{}
	for p, text := range readSource(t).texts {
		for _, m := range regexp.MustCompile(`RFC\s+(?://\s*)?(\d{3,5})`).FindAllStringSubmatch(text, -1) {
			cited[m[1]] = p
		}
	}
	listed := map[string]bool{}
	page := read(t, "docs/specifications.md")
	for _, m := range regexp.MustCompile(`RFC\s+(\d+)`).FindAllStringSubmatch(page.prose, -1) {
		listed[m[1]] = true
	}
	for number, p := range cited {
		if !listed[number] {
			t.Errorf("%s cites RFC %s, which docs/specifications.md does not have", p, number)
		}
	}
	for number := range listed {
		if cited[number] == "" {
			t.Errorf("docs/specifications.md has RFC %s, which nothing cites", number)
		}
	}
	says := regexp.MustCompile(`^\| RFC \d+ \| [^|]+ \| (Full|Partial|Data|As RFC \d+|Not followed)`)
	for line := range strings.Lines(page.prose) {
		if strings.HasPrefix(line, "| RFC ") && line != "| RFC | about | followed |\n" && !says.MatchString(line) {
			t.Errorf("docs/specifications.md does not say how far this is followed: %s", line)
		}
	}
}

// TestLogEvents: what the runbook lets an operator search for is written, and the
// events of internal/maillog that are written are in the runbook.
func TestLogEvents(t *testing.T) {
	t.Parallel()
	written, events := readSource(t).events()
	listed := read(t, "docs/operations.md").section(t, "## The log").firstColumn()
	if len(listed) < 20 {
		t.Fatalf("only %d events are listed", len(listed))
	}
	for _, event := range listed {
		if !written[event] {
			t.Errorf("docs/operations.md names the event %q, which nothing writes", event)
		}
	}
	for _, event := range events {
		if !slices.Contains(listed, event) {
			t.Errorf("docs/operations.md does not tell of the event %q", event)
		}
	}
}

// events gives every text that is the name of a line of the log; mail are those of
// internal/maillog.
func (s *source) events() (written map[string]bool, mail []string) {
	const home = "internal/maillog"
	written = map[string]bool{}
	for p, file := range s.files {
		for _, decl := range file.Decls {
			method, ok := decl.(*ast.FuncDecl)
			if !ok || (path.Dir(p) == home && !s.usedOutside(method.Name.Name, home)) {
				continue
			}
			for _, event := range eventsOf(method) {
				written[event] = true
				if path.Dir(p) == home {
					mail = append(mail, event)
				}
			}
		}
	}
	return written, mail
}

// eventsOf gives the names of the log lines that a function writes.
func eventsOf(f *ast.FuncDecl) []string {
	place := map[string]int{ // of the name among the arguments
		"Debug": 0, "Info": 0, "Warn": 0, "Error": 0, "InfoContext": 1, "WarnContext": 1, "ErrorContext": 1,
		"Log": 2, "LogAttrs": 2, "write": 1,
	}
	var out []string
	ast.Inspect(f, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		sel, ok := call.Fun.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if i, logs := place[sel.Sel.Name]; logs && i < len(call.Args) {
			if text, isText := literal(call.Args[i]); isText {
				out = append(out, text)
			}
		}
		return true
	})
	return out
}

func literal(e ast.Expr) (string, bool) {
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", false
	}
	text, err := strconv.Unquote(lit.Value)
	return text, err == nil
}

// TestMetrics: the page has every metric that the program counts, and no other.
func TestMetrics(t *testing.T) {
	t.Parallel()
	there := map[string]bool{}
	for p, text := range readSource(t).texts {
		if path.Dir(p) != "internal/metrics" {
			continue
		}
		for _, m := range regexp.MustCompile(`"(relayd_[a-z_]+)"`).FindAllStringSubmatch(text, -1) {
			there[m[1]] = true
		}
	}
	listed := read(t, "docs/operations.md").section(t, "## Metrics and alerts").firstColumn()
	for _, name := range listed {
		if !there[name] {
			t.Errorf("docs/operations.md names the metric %s, which does not exist", name)
		}
	}
	for name := range there {
		if !slices.Contains(listed, name) {
			t.Errorf("docs/operations.md does not have the metric %s", name)
		}
	}
}

// TestNamedTestsExist: a test that a document calls a proof is there.
func TestNamedTestsExist(t *testing.T) {
	t.Parallel()
	s, named := readSource(t), 0
	for _, d := range documents(t) {
		for _, name := range regexp.MustCompile("`((?:Test|Fuzz)[A-Z]\\w+)`").FindAllStringSubmatch(d.prose, -1) {
			named++
			if !s.tests[name[1]] {
				t.Errorf("%s names the test %s, which is not there", d.path, name[1])
			}
		}
	}
	if named < 40 {
		t.Errorf("only %d tests are named", named)
	}
}
