package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/relayd/relayd/internal/config"
)

// documents are the pages that show how relayd is used.
func documents(t *testing.T) map[string]string {
	t.Helper()
	pages := map[string]string{}
	for _, pattern := range []string{"../../*.md", "../../docs/*.md", "../../docs/providers/*.md"} {
		names, err := filepath.Glob(pattern)
		if err != nil || len(names) == 0 {
			t.Fatalf("no documents at %s: %v", pattern, err)
		}
		for _, name := range names {
			raw, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			page := strings.TrimPrefix(filepath.ToSlash(name), "../../")
			pages[strings.TrimPrefix(page, "docs/")] = string(raw)
		}
	}
	return pages
}

var (
	codeFence  = regexp.MustCompile("(?ms)^```(\\w*)\n(.*?)^```$") //nolint:gocritic // with (?m) each line has its ^
	codeIndent = regexp.MustCompile(`(?m)^    (\S.*)$`)
	codeSpan   = regexp.MustCompile("`(relayd [^`\n]+)`")
)

// TestDocumentedCommandsExist: a command line of a document is one that this program
// understands, with its flags and arguments.
func TestDocumentedCommandsExist(t *testing.T) {
	t.Parallel()
	seen := 0
	for page, text := range documents(t) {
		lines := commandLines(text)
		for _, line := range lines {
			seen++
			if err := understand(line, true); err != nil {
				t.Errorf("%s: relayd %s: %v", page, strings.Join(line, " "), err)
			}
		}
		for _, m := range codeSpan.FindAllStringSubmatch(codeFence.ReplaceAllString(text, ""), -1) {
			line := words(m[1])[1:]
			if line[0] == "COMMAND" {
				continue // stands for all of them
			}
			seen++
			if err := understand(line, false); err != nil {
				t.Errorf("%s: %s: %v", page, m[1], err)
			}
		}
	}
	if seen < 50 {
		t.Errorf("only %d command lines were found", seen)
	}
}

// commandLines gives the arguments of every relayd in the code of a page.
func commandLines(text string) [][]string {
	var code strings.Builder
	for _, block := range codeFence.FindAllStringSubmatch(text, -1) {
		if !strings.ContainsAny(block[2], "─│") { // a picture
			code.WriteString(block[2])
		}
	}
	for _, line := range codeIndent.FindAllStringSubmatch(codeFence.ReplaceAllString(text, ""), -1) {
		code.WriteString(line[1] + "\n")
	}
	joined := strings.ReplaceAll(code.String(), "\\\n", " ")
	var out [][]string
	for _, line := range regexp.MustCompile(`\n|\||&&|;`).Split(joined, -1) {
		if args := afterRelayd(words(strings.ReplaceAll(line, "'", `"`))); len(args) > 0 {
			out = append(out, args)
		}
	}
	return out
}

// afterRelayd gives the arguments of relayd, run by its name, by go or in a
// container; nothing if the line runs another program.
func afterRelayd(line []string) []string {
	for len(line) > 0 && (line[0] == "$" || strings.Contains(line[0], "=")) {
		line = line[1:] // the prompt, and variables for this command
	}
	switch {
	case len(line) == 0:
	case line[0] == "relayd":
		return line[1:]
	case line[0] == "go" && slices.Contains(line, "./cmd/relayd") && line[1] == "run":
		return line[slices.Index(line, "./cmd/relayd")+1:]
	case line[0] == "docker" && slices.Contains(line, "exec"):
		for i, word := range slices.Backward(line) {
			if word == "relayd" {
				return line[i+1:]
			}
		}
	}
	return nil
}

// understand parses a command line as the program does, without running it.
func understand(args []string, whole bool) error {
	root := newRoot(&environment{stdin: strings.NewReader(""), stdout: io.Discard, stderr: io.Discard})
	command, rest, err := root.Find(args)
	if err != nil {
		return err
	}
	if err := command.ParseFlags(rest); err != nil {
		return err
	}
	if whole || command.HasSubCommands() {
		return command.ValidateArgs(command.Flags().Args())
	}
	return nil
}

// TestUnderstandRefuses: the check above notices what is wrong.
func TestUnderstandRefuses(t *testing.T) {
	t.Parallel()
	for _, line := range []string{
		"nothing", "queue nothing", "queue show", "user create a@b.example more", "queue list --nothing", "serve now",
	} {
		if understand(words(line), true) == nil {
			t.Errorf("relayd %s passes", line)
		}
	}
}

// TestEveryCommandIsDocumented: the reference in docs/operations.md has every
// command, and no other.
func TestEveryCommandIsDocumented(t *testing.T) {
	t.Parallel()
	_, table, found := strings.Cut(documents(t)["operations.md"], "\n## The commands\n")
	if !found {
		t.Fatal("docs/operations.md has no list of commands")
	}
	var listed []string
	for row := range strings.Lines(table) {
		listed = append(listed, commandsOf(row)...)
	}
	there := leaves(newRoot(&environment{}), "relayd")
	for _, name := range there {
		if !slices.Contains(listed, name) {
			t.Errorf("docs/operations.md does not list %q", name)
		}
	}
	for _, name := range listed {
		if !slices.Contains(there, name) {
			t.Errorf("docs/operations.md lists %q, which does not exist", name)
		}
	}
}

// commandsOf reads one row: `relayd user create`, `list`, `show`.
func commandsOf(row string) (names []string) {
	cell, _, _ := strings.Cut(strings.TrimPrefix(row, "|"), "|")
	group := ""
	for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cell, -1) {
		name := m[1]
		if !strings.HasPrefix(name, "relayd ") {
			name = group + " " + name
		}
		group = name[:strings.LastIndex(name, " ")]
		if strings.HasPrefix(row, "|") {
			names = append(names, name)
		}
	}
	return names
}

// leaves gives every command that does something.
func leaves(c *cobra.Command, name string) (names []string) {
	if !c.HasSubCommands() {
		return []string{name}
	}
	for _, sub := range c.Commands() {
		names = append(names, leaves(sub, name+" "+sub.Name())...)
	}
	return names
}

// TestDocumentedConfigurationsLoad: what a reader copies into a configuration is
// one.
func TestDocumentedConfigurationsLoad(t *testing.T) {
	t.Parallel()
	heredoc := regexp.MustCompile(`(?ms)^cat >config.yaml <<'END'\n(.*?)^END$`) //nolint:gocritic // with (?m) each line has its ^
	seen := 0
	for page, text := range documents(t) {
		var samples []string
		for _, m := range heredoc.FindAllStringSubmatch(text, -1) {
			samples = append(samples, m[1])
		}
		for _, m := range codeFence.FindAllStringSubmatch(text, -1) {
			if m[1] == "yaml" && !strings.HasPrefix(m[2], "scrape_configs:") {
				samples = append(samples, m[2])
			}
		}
		for _, sample := range samples {
			seen++
			load(t, page, sample)
		}
	}
	if seen < 3 {
		t.Errorf("only %d configurations were found", seen)
	}
}

func load(t *testing.T, page, sample string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(file, []byte(sample), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := config.Load(file, []string{"HOME=/home/relayd"}); err != nil {
		t.Errorf("%s: a configuration is refused: %v\n%s", page, err, sample)
	}
}

// TestWelcomeNamesRealCommands: what the first start proposes can be typed.
func TestWelcomeNamesRealCommands(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	(&environment{stdout: &out}).welcome(&program{cfg: &config.Config{}})
	lines := commandLines(out.String())
	for _, m := range regexp.MustCompile(`(?m)^  (relayd .*)$`).FindAllStringSubmatch(out.String(), -1) {
		lines = append(lines, words(m[1])[1:])
	}
	if len(lines) < 3 {
		t.Fatalf("the welcome proposes %d commands:\n%s", len(lines), out.String())
	}
	for _, line := range lines {
		if err := understand(line, true); err != nil {
			t.Errorf("relayd %s: %v", strings.Join(line, " "), err)
		}
	}
}
