package config

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"reflect"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write config.example.yaml and docs/configuration.md anew")

const (
	examplePath = "../../config.example.yaml"
	manualPath  = "../../docs/configuration.md"
)

// TestDocuments: config.example.yaml and docs/configuration.md say what the structs
// say. After a change of the structs: go test ./internal/config -run Documents -update
func TestDocuments(t *testing.T) {
	t.Parallel()
	comments := readComments(t)
	for path, want := range map[string]string{examplePath: renderExample(comments), manualPath: renderManual(comments)} {
		if *update {
			if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != want {
			t.Errorf("%s is not what the structs say; run: go test ./internal/config -run Documents -update", path)
		}
	}
}

// TestExampleHoldsEveryKeyWithItsDefault reads the example as an operator's file:
// it must load, hold every key, and change nothing.
func TestExampleHoldsEveryKeyWithItsDefault(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile(examplePath)
	if err != nil {
		t.Fatal(err)
	}
	src := &source{file: "config.example.yaml", lines: map[string]int{}, variables: map[string]string{}}
	if errs := src.checkForm(raw); len(errs) > 0 {
		t.Fatal(errs)
	}
	for _, k := range keys(Default()) {
		if src.lines[k.path] == 0 {
			t.Errorf("config.example.yaml lacks %s", k.path)
		}
	}
	c, errs := src.merge(raw, nil)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	if !reflect.DeepEqual(normal(c), normal(Default())) {
		t.Errorf("config.example.yaml gives\n%+v\nnot the defaults\n%+v", c, Default())
	}
}

// readComments gives the comment of every type and field of config.go, by
// "Type" and "Type.Field".
func readComments(t *testing.T) map[string]string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "config.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	comments := map[string]string{}
	for _, d := range file.Decls {
		gen, ok := d.(*ast.GenDecl)
		if !ok || gen.Tok != token.TYPE {
			continue
		}
		spec := gen.Specs[0].(*ast.TypeSpec)
		for _, f := range spec.Type.(*ast.StructType).Fields.List {
			name := spec.Name.Name + "." + f.Names[0].Name
			if comments[name] = strings.TrimSpace(f.Doc.Text()); comments[name] == "" {
				t.Errorf("%s has no comment", name)
			}
		}
	}
	return comments
}

func renderExample(comments map[string]string) string {
	var b strings.Builder
	b.WriteString("# The configuration of relayd: every key, with its default.\n" +
		"# A file needs only the keys that it changes; relayd check reads it and says what is wrong.\n" +
		"# Each key but the list of listeners can also be given by a variable: queue.retry_then is\n" +
		"# RELAYD_QUEUE_RETRY_THEN; lists are written with commas there.\n")
	renderSection(&b, comments, reflect.ValueOf(Default()).Elem(), "")
	return b.String()
}

func renderSection(b *strings.Builder, comments map[string]string, section reflect.Value, indent string) {
	for i, f := range fields(section.Type()) {
		v := section.Field(i)
		if i > 0 || indent == "" {
			b.WriteString("\n")
		}
		comment := comments[section.Type().Name()+"."+f.value.Name]
		for line := range strings.SplitSeq(comment+rangeNote(f), "\n") {
			b.WriteString(indent + "# " + line + "\n")
		}
		switch {
		case isSection(v.Type()):
			b.WriteString(indent + f.name + ":\n")
			renderSection(b, comments, v, indent+"  ")
		case isRecords(v.Type()):
			b.WriteString(indent + f.name + ":\n")
			renderRecords(b, comments, v, indent+"  ")
		default:
			b.WriteString(indent + f.name + ": " + yamlValue(v) + "\n")
		}
	}
}

// renderRecords writes a list of sections; the first one carries the comments.
func renderRecords(b *strings.Builder, comments map[string]string, list reflect.Value, indent string) {
	for i := range list.Len() {
		item := list.Index(i)
		mark := "- "
		for j, f := range fields(item.Type()) {
			if i == 0 {
				for line := range strings.SplitSeq(comments[item.Type().Name()+"."+f.value.Name], "\n") {
					b.WriteString(indent + "  # " + line + "\n")
				}
			}
			b.WriteString(indent + mark + f.name + ": " + yamlValue(item.Field(j)) + "\n")
			mark = "  "
		}
	}
}

// yamlValue quotes what YAML would read as something else.
func yamlValue(v reflect.Value) string {
	text := format(v)
	if v.Kind() == reflect.String && len(text) > 2 && !strings.ContainsAny(text, ":#{}[] ") {
		return strings.Trim(text, `"`)
	}
	return text
}

func rangeNote(f field) string {
	switch tag := f.value.Tag; {
	case tag.Get("oneof") != "":
		return "\nOne of " + strings.ReplaceAll(tag.Get("oneof"), " ", ", ") + "."
	case tag.Get("min") != "":
		return fmt.Sprintf("\nFrom %s to %s.", tag.Get("min"), tag.Get("max"))
	}
	return ""
}

func renderManual(comments map[string]string) string {
	var b strings.Builder
	b.WriteString(manualHead)
	root := reflect.ValueOf(Default()).Elem()
	b.WriteString("\n## Top level\n\n" + tableHead)
	for i, f := range fields(root.Type()) {
		if v := root.Field(i); !isSection(v.Type()) && !isRecords(v.Type()) {
			renderRow(&b, comments["Config."+f.value.Name], f.name, f, v, true)
		}
	}
	for i, f := range fields(root.Type()) {
		v := root.Field(i)
		if !isSection(v.Type()) && !isRecords(v.Type()) {
			continue
		}
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n%s", f.name, oneLine(comments["Config."+f.value.Name]), tableHead)
		prefix, section := f.name+".", v
		if isRecords(v.Type()) {
			prefix, section = f.name+"[].", v.Index(0)
		}
		for j, g := range fields(section.Type()) {
			renderRow(&b, comments[section.Type().Name()+"."+g.value.Name], prefix+g.name, g, section.Field(j), !isRecords(v.Type()))
		}
	}
	return b.String()
}

func renderRow(b *strings.Builder, comment, path string, f field, v reflect.Value, variable bool) {
	name, value := "", "`"+format(v)+"`"
	if variable {
		k := key{path: path}
		name = "`" + k.variable() + "`"
	} else {
		value = "" // each listener has its own
	}
	limits := strings.TrimSuffix(strings.TrimPrefix(rangeNote(f), "\n"), ".")
	if limits == "" {
		limits = kindOf(f.value.Type)
	}
	fmt.Fprintf(b, "| `%s` | %s | %s | %s | %s |\n", path, value, limits, name, oneLine(comment))
}

func oneLine(comment string) string { return strings.ReplaceAll(comment, "\n", " ") }

const tableHead = "| key | default | values | variable | meaning |\n|---|---|---|---|---|\n"

const manualHead = `# Configuration

relayd runs without any configuration: it then serves this machine only, on loopback and on
ports that need no rights. A configuration is one YAML file, given by ` + "`--config`" + `; each value may
also come from a variable of the environment, which wins over the file.
` + "`config.example.yaml`" + ` holds every key with its default and can be used as it is.
This page is made from the same source, and a test keeps both true.

The file is read strictly, since a setting that is silently ignored is worse than a program that
does not start:

- an unknown key, a key written twice or in upper case, and a key without a value are refused;
- times have units (` + "`30s`, `5m`, `1h30m`, `5d`" + `) and so have sizes (` + "`500B`, `64KiB`, `25MiB`, `20GiB`" + `); a
  bare number is refused, because nobody can tell what ` + "`timeout: 30`" + ` means;
- nothing is converted: ` + "`\"12\"`" + ` is a text and ` + "`yes`" + ` is not ` + "`true`" + `;
- networks are written as CIDR (` + "`192.168.1.0/24`" + `), endpoints as IP address and port (` + "`0.0.0.0:587`, `[::]:587`" + `);
- a list in the file replaces the default list as a whole; in a variable its items are parted by
  commas. Listeners can be given in the file only;
- an unknown variable that begins with ` + "`RELAYD_`" + ` is refused. ` + "`RELAYD_CONFIG`, `RELAYD_URL` and `RELAYD_TOKEN`" + `
  belong to the command line.

` + "`relayd check`" + ` reads the configuration without starting anything and reports every problem with
file and line, key and remedy. SIGHUP reads it again; one that is wrong changes nothing.
`
