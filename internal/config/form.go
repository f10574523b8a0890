package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxFile bounds a configuration file; a real one has a few kilobytes.
const maxFile = 1 << 20

// readFile reads a file and checks its form: known keys, in lower case, each once,
// each with a value. viper would take the last of two keys that differ in case
// only, and leave out keys without a value, without a word.
func readFile(path string) ([]byte, *source, []error) {
	src := &source{file: path, lines: map[string]int{}, variables: map[string]string{}}
	f, err := os.Open(path)
	if err != nil {
		return nil, src, []error{fmt.Errorf("open the configuration: %w", err)}
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, src, []error{fmt.Errorf("read the configuration %s: %w", path, err)}
	}
	errs := src.checkForm(raw)
	return raw, src, errs
}

func (s *source) checkForm(raw []byte) []error {
	if len(raw) > maxFile {
		return []error{&Problem{File: s.file, What: "larger than 1 MiB", Remedy: "give the path of a relayd configuration"}}
	}
	if len(bytes.Trim(raw, "\x00 \t\r\n")) == 0 {
		// A power cut can leave such a file. The defaults would begin a fresh relayd.
		return []error{&Problem{File: s.file, What: "is empty", Remedy: "put the configuration back; to run on the defaults, name no file"}}
	}
	var root, more yaml.Node
	dec := yaml.NewDecoder(bytes.NewReader(raw))
	if err := dec.Decode(&root); errors.Is(err, io.EOF) {
		return nil // comments only: all defaults
	} else if err != nil {
		return []error{s.syntax(err)}
	}
	if err := dec.Decode(&more); !errors.Is(err, io.EOF) {
		return []error{&Problem{File: s.file, What: "holds more than one document", Remedy: `remove the line "---" and what follows it`}}
	}
	return s.checkNode(root.Content[0], reflect.TypeFor[Config](), "")
}

func (s *source) syntax(err error) error {
	what := strings.TrimPrefix(err.Error(), "yaml: ")
	return &Problem{File: s.file, What: "not YAML: " + what, Remedy: "check the indentation and the colons there"}
}

func (s *source) checkNode(n *yaml.Node, t reflect.Type, path string) []error {
	if path != "" && s.lines[path] == 0 {
		s.lines[path] = n.Line
	}
	switch {
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		return []error{s.problem(path, "anchors and aliases are not read here", "write the value out")}
	case isSection(t):
		return s.checkSection(n, t, path)
	case t.Kind() == reflect.Slice:
		return s.checkList(n, t, path)
	case isNull(n):
		return []error{s.problem(path, "has no value", `give it one ("" is an empty text), or remove the key`)}
	case n.Kind != yaml.ScalarNode:
		return []error{s.problem(path, "is not a single value", kindOf(t)+" is expected here")}
	}
	return nil
}

func (s *source) checkSection(n *yaml.Node, t reflect.Type, path string) []error {
	if isNull(n) {
		return nil // all its keys are commented out
	}
	if n.Kind != yaml.MappingNode {
		return []error{s.problem(path, "is a section, not a value", `write its keys below it, such as "`+fields(t)[0].name+`: …"`)}
	}
	var errs []error
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		name := n.Content[i]
		at := strings.TrimPrefix(path+"."+name.Value, ".")
		if !seen[name.Value] {
			s.lines[at] = name.Line
		}
		f, known := find(t, name.Value)
		switch {
		case seen[name.Value]:
			errs = append(errs, &Problem{File: s.file, Line: name.Line, Key: at, What: "stands here twice", Remedy: "keep one of them"})
		case !known && name.Value != strings.ToLower(name.Value):
			errs = append(errs, s.problem(at, "unknown key", "keys are written in lower case"))
		case !known:
			errs = append(errs, s.problem(at, "unknown key", suggest(t, name.Value)))
		default:
			errs = append(errs, s.checkNode(n.Content[i+1], f.value.Type, at)...)
		}
		seen[name.Value] = true
	}
	return errs
}

func (s *source) checkList(n *yaml.Node, t reflect.Type, path string) []error {
	if n.Kind != yaml.SequenceNode {
		return []error{s.problem(path, "is not a list", "write a "+kindOf(t)+": [a, b], or [] for none")}
	}
	var errs []error
	for i, item := range n.Content {
		at := fmt.Sprintf("%s[%d]", path, i)
		if isNull(item) {
			s.lines[at] = item.Line
			errs = append(errs, s.problem(at, "is empty", "remove it"))
			continue
		}
		errs = append(errs, s.checkNode(item, t.Elem(), at)...)
	}
	return errs
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }
