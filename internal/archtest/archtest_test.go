package archtest

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// TestTheSourceKeepsTheRules is the architecture test of relayd.
func TestTheSourceKeepsTheRules(t *testing.T) {
	t.Parallel()
	tree, err := Load(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	if len(tree.Files) < 50 {
		t.Fatalf("only %d files were found: this is not the module", len(tree.Files))
	}
	why := map[string]string{}
	for _, r := range Rules() {
		why[r.Name] = r.Why
	}
	for _, f := range Check(tree) {
		t.Errorf("%s: %s", f, why[f.Rule])
	}
}

// TestExceptionsAreNeeded: one that lets nothing pass is a hole for later.
func TestExceptionsAreNeeded(t *testing.T) {
	t.Parallel()
	tree, err := Load(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	found := checkAll(tree)
	for _, e := range exceptions() {
		if !slices.ContainsFunc(found, e.covers) {
			t.Errorf("nothing in %s breaks rule %q: take the exception out", e.path, e.rule)
		}
	}
}

// sample is a small module.
func sample(files map[string]string) fstest.MapFS {
	out := fstest.MapFS{"go.mod": {Data: []byte("module m.example/m\n\ngo 1.26\n")}}
	for name, src := range files {
		out[name] = &fstest.MapFile{Data: []byte(src)}
	}
	return out
}

// bad is one sample for every way to break a rule.
var bad = []struct{ name, rule, path, src string }{
	{"a step imports a step", "steps", "relay/a/a.go", `import _ "m.example/m/relay/b"`},
	{"a part of a step imports a step", "steps", "relay/a/deep/a.go", `import _ "m.example/m/relay/b/part"`},
	{"a step imports an engine", "steps", "relay/a/a.go", `import _ "m.example/m/store/embedded"`},
	{"a step imports the program", "steps", "relay/a/a.go", `import _ "m.example/m/cmd/relayd"`},
	{"the vocabulary imports support", "vocabulary", "relay/a.go", `import _ "m.example/m/internal/x"`},
	{"the vocabulary imports a library", "vocabulary", "relay/a.go", `import _ "golang.org/x/text"`},
	{"support imports a step", "support", "internal/a/a.go", `import _ "m.example/m/relay/b"`},
	{"support imports an engine", "support", "internal/a/a.go", `import _ "m.example/m/store/embedded"`},
	{"an engine imports a step", "support", "store/a/a.go", `import _ "m.example/m/relay/b"`},
	{"a library away from home", "home", "relay/a/a.go", `import _ "go.etcd.io/bbolt"`},
	{"a part of a library away from home", "home", "relay/a/a.go", `import _ "github.com/emersion/go-imap/v2/imapclient"`},
	{"a library without a home", "home", "internal/a/a.go", `import _ "github.com/somebody/leftpad"`},
	{"a helper of tests in the program", "helper", "relay/a/a.go", `import _ "m.example/m/internal/xtest"`},
	{"init", "init", "internal/a/a.go", `func init() {}`},
	{"a variable that is assigned", "state", "internal/a/a.go", "var n = 1\nfunc f() { n = 2 }"},
	{"a variable that is counted", "state", "internal/a/a.go", "var n = 1\nfunc f() { n++ }"},
	{"a table that is filled", "state", "internal/a/a.go", "var m = map[string]int{}\nfunc f() { m[\"a\"] = 1 }"},
	{"a table that is emptied", "state", "internal/a/a.go", "var m = map[string]int{}\nfunc f() { delete(m, \"a\") }"},
	{"a field that is set", "state", "internal/a/a.go", "var s = struct{ n int }{1}\nfunc f() { s.n = 2 }"},
	{"an address that is given away", "state", "internal/a/a.go", "var n = 1\nfunc f() *int { return &n }"},
	{"a lock", "state", "internal/a/a.go", "import \"sync\"\nvar mu sync.Mutex"},
	{"a pool", "state", "internal/a/a.go", "import \"sync\"\nvar p = sync.Pool{New: nil}"},
	{"an atomic", "state", "internal/a/a.go", "import \"sync/atomic\"\nvar n atomic.Int64"},
	{"a channel", "state", "internal/a/a.go", "var c = make(chan int)"},
	{"a made map", "state", "internal/a/a.go", "var m = make(map[string]int)"},
	{"a variable to be set", "state", "internal/a/a.go", "var logger *int"},
	{"a flag", "state", "internal/a/a.go", "import \"flag\"\nvar v = flag.Bool(\"v\", false, \"\")"},
	{"net.Dial", "dial", "internal/a/a.go", "import \"net\"\nfunc f() { _, _ = net.Dial(\"tcp\", \"x:1\") }"},
	{"net.Dialer", "dial", "relay/a/a.go", "import \"net\"\nvar d = net.Dialer{}"},
	{"under another name", "dial", "relay/a/a.go", "import other \"net\"\nvar d = other.Dialer{}"},
	{"the system's resolver", "dial", "relay/a/a.go", "import \"net\"\nvar f = net.LookupMX"},
	{"tls.Dial", "dial", "relay/a/a.go", "import \"crypto/tls\"\nvar f = tls.Dial"},
	{"http.DefaultClient", "dial", "relay/a/a.go", "import \"net/http\"\nfunc f() { _ = http.DefaultClient }"},
	{"imapclient.DialTLS", "dial", "internal/mailbox/a.go", "import \"github.com/emersion/go-imap/v2/imapclient\"\nvar f = imapclient.DialTLS"},
	{"smtp.Dial of go-smtp", "dial", "relay/smtpd/a.go", "import \"github.com/emersion/go-smtp\"\nvar f = smtp.Dial"},
	{"dns.Exchange", "dial", "internal/resolver/a.go", "import \"github.com/miekg/dns\"\nvar f = dns.Exchange"},
	{"a sleep", "sleep", "relay/a/a.go", "import \"time\"\nfunc f() { time.Sleep(1) }"},
	{"a sleep in a test", "sleep", "relay/a/a_test.go", "import \"time\"\nfunc f() { time.Sleep(1) }"},
	{"os.Exit", "exit", "relay/a/a.go", "import \"os\"\nfunc f() { os.Exit(1) }"},
	{"log.Fatal", "exit", "internal/a/a.go", "import \"log\"\nfunc f() { log.Fatalf(\"x\") }"},
	{"a long function", "length", "relay/a/a.go", "func f() {\n" + strings.Repeat("_ = 1\n", 80) + "}"},
	{"a long file", "length", "relay/a/a.go", strings.Repeat("// line\n", 500)},
	{"something left to do", "unfinished", "relay/a/a.go", "// TODO: the rest"},
	{"something left to do in a test", "unfinished", "relay/a/a_test.go", "var x = 1 // FIXME"},
}

func TestEveryRuleFindsItsSample(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{"package comment": true, "setting": true} // they have tests of their own
	for _, b := range bad {
		seen[b.rule] = true
		tree, err := Load(sample(map[string]string{b.path: "// Package a is a sample.\npackage a\n" + b.src + "\n"}))
		if err != nil {
			t.Errorf("%s: %v", b.name, err)
			continue
		}
		found := Check(tree)
		if len(found) != 1 || found[0].Rule != b.rule || found[0].Path != b.path || found[0].Line < 2 {
			t.Errorf("%s: found %v, want rule %q once in %s", b.name, found, b.rule, b.path)
		}
	}
	for _, r := range Rules() {
		if !seen[r.Name] {
			t.Errorf("rule %q has no sample", r.Name)
		}
	}
}

// good is what the rules must leave alone.
var good = map[string]string{
	"relay/b.go":                 "import _ \"strings\"",
	"relay/a/a.go":               "import (\n_ \"m.example/m/relay\"\n_ \"m.example/m/store\"\n_ \"m.example/m/internal/x\"\n_ \"m.example/m/relay/a/part\"\n)",
	"relay/a/a_test.go":          "import (\n_ \"m.example/m/relay/b\"\n_ \"github.com/somebody/testlib\"\n\"net\"\n)\nvar d = net.Dialer{}\nvar state int\nfunc g() { state++ }",
	"relay/a/timed_test.go":      "import (\n\"testing/synctest\"\n\"time\"\n)\nfunc h() { synctest.Wait(); time.Sleep(1) }",
	"cmd/relayd/main.go":         "import (\n\"os\"\n_ \"m.example/m/relay/a\"\n_ \"m.example/m/relay/b\"\n_ \"github.com/spf13/cobra\"\n)\nfunc main() { os.Exit(1) }",
	"internal/netguard/dial.go":  "import \"net\"\nvar _ = net.Dialer{}",
	"internal/apiclient/c.go":    "import \"net\"\nvar f = net.Dial",
	"internal/config/c.go":       "import _ \"github.com/spf13/viper\"",
	"internal/x/x.go":            "import (\n\"errors\"\n\"regexp\"\n)\nvar ErrX = errors.New(\"x\")\nvar table = map[string]int{\"a\": 1}\nvar re = regexp.MustCompile(\"a\")\nfunc f(table []int) { table[0] = 1; n := 1; n++ }\nvar call = func() { m := make(map[string]int); m[\"a\"] = 1 }",
	"internal/x/embed.go":        "import _ \"embed\"\n\n//go:embed x.txt\nvar text string",
	"internal/x/local.go":        "func g() { var ErrX error; ErrX = nil; _ = ErrX; re := 1; re++ }",
	"store/embedded/b.go":        "import _ \"go.etcd.io/bbolt/errors\"",
	"internal/xtest/x.go":        "import (\n\"net\"\n_ \"m.example/m/internal/ytest\"\n_ \"github.com/somebody/testlib\"\n)\nvar f = net.Dial",
	"internal/x/ignored.go":      "var i = 1\nfunc k(b []int) { _, _ = b[0], i; _ = b[1:2] }",
	"internal/x/testdata/bad.go": "func init() {}",
	"internal/x/length.go":       "func h() {\n" + strings.Repeat("_ = 1\n", 78) + "}",
	"internal/dnsuser/use.go":    "type x struct{}\nfunc (x) Dial() {}\nfunc f(time x) { time.Sleep() }\nfunc (x) Sleep() {}",
}

func TestGoodSamplesPass(t *testing.T) {
	t.Parallel()
	files := map[string]string{}
	for path, src := range good {
		files[path] = "// Package a is a sample.\npackage a\n" + src + "\n"
	}
	tree, err := Load(sample(files))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range Check(tree) {
		t.Errorf("found %s", f)
	}
}

func TestPackageComment(t *testing.T) {
	t.Parallel()
	tree, err := Load(sample(map[string]string{
		"relay/a/a.go": "package a\n", "relay/a/a_test.go": "// Package a is only described in its test.\npackage a\n",
		"relay/b/a.go": "package b\n", "relay/b/doc.go": "// Package b is described.\npackage b\n",
	}))
	if err != nil {
		t.Fatal(err)
	}
	if found := Check(tree); len(found) != 1 || found[0].Rule != "package comment" || found[0].Path != "relay/a/a.go" {
		t.Errorf("found %v", found)
	}
}

func TestSettingThatNobodyReads(t *testing.T) {
	t.Parallel()
	tree, err := Load(sample(map[string]string{
		"internal/config/config.go": "// Package config is a sample.\npackage config\ntype Config struct {\nName string\nUnused int\nQueue Queue\nLists []List\nOther Other\n}\n" +
			"type Queue struct {\nWorkers int\nForgotten int\n}\ntype List struct {\nA int\nB int\n}\ntype Other struct {\nWorkers int\nDirect int\n}\n",
		"cmd/relayd/main.go": "// Package main is a sample.\npackage main\nfunc f(p struct{ cfg int }) {\n_ = p.cfg.Name\nq := p.cfg.Queue\n_ = q.Workers\n" +
			"for _, l := range p.cfg.Lists {\n_ = l.A\n}\n_ = p.cfg.Lists[0].B\n_ = p.cfg.Other.Direct\nvar x struct{ Forgotten int }\n_ = x.Forgotten\n}\n",
	}))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range Check(tree) {
		got = append(got, f.Rule+": "+f.What)
	}
	slices.Sort(got)
	want := []string{
		"setting: Config.Unused is read nowhere in cmd",
		"setting: Other.Workers is read nowhere in cmd",
		"setting: Queue.Forgotten is read nowhere in cmd",
	}
	if !slices.Equal(got, want) {
		t.Errorf("found %q, want %q", got, want)
	}
}

func TestShareOfLongFunctions(t *testing.T) {
	t.Parallel()
	var src strings.Builder
	src.WriteString("// Package a is a sample.\npackage a\n")
	for i := range fewest {
		fmt.Fprintf(&src, "func f%d() {}\n", i)
	}
	files := map[string]string{"relay/a/a.go": src.String()}
	for i := range 4 {
		files[fmt.Sprintf("relay/a/long%d.go", i)] = fmt.Sprintf("package a\nfunc long%d() {\n%s}\n", i, strings.Repeat("_ = 1\n", 60))
	}
	tree, err := Load(sample(files))
	if err != nil {
		t.Fatal(err)
	}
	if found := Check(tree); len(found) != 1 || found[0].Rule != "length" {
		t.Errorf("found %v", found)
	}
}

func TestLoadRefusesWhatItCannotRead(t *testing.T) {
	t.Parallel()
	for name, tree := range map[string]fstest.MapFS{
		"no go.mod":     {"a.go": {Data: []byte("package a")}},
		"no module":     {"go.mod": {Data: []byte("go 1.26\n")}},
		"broken source": sample(map[string]string{"a.go": "package"}),
	} {
		if _, err := Load(tree); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
