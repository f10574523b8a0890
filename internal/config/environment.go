package config

import (
	"reflect"
	"strconv"
	"strings"
)

const variablePrefix = "RELAYD_"

// foreignVariables begin with RELAYD_ too but are read by the command line.
func foreignVariables() []string { return []string{"RELAYD_CONFIG", "RELAYD_TOKEN", "RELAYD_URL"} }

// readEnvironment finds the values that RELAYD_ variables give. viper would leave
// out variables that it does not know, and empty ones, without a word.
func (s *source) readEnvironment(environ []string) (map[string]any, []error) {
	known := map[string]key{}
	for _, k := range keys(Default()) {
		known[k.variable()] = k
	}
	for _, name := range foreignVariables() {
		known[name] = key{}
	}
	values := map[string]any{}
	var errs []error
	for _, entry := range environ {
		name, text, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, variablePrefix) {
			continue
		}
		k, ok := known[name]
		switch {
		case !ok:
			errs = append(errs, &Problem{Key: name, What: "unknown variable", Remedy: nearestVariable(known, name)})
		case k.path == "": // a foreign one
		case isRecords(k.value.Type()):
			errs = append(errs, &Problem{Key: name, What: "cannot be given by a variable", Remedy: "write " + k.path + " into the configuration file"})
		default:
			s.variables[k.path] = name
			values[k.path] = typed(text, k.value.Type())
		}
	}
	return values, errs
}

// typed gives a variable's text the type that YAML would give it, so that decoding
// stays strict; a text that is none of the expected type stays text and is refused
// there.
func typed(text string, t reflect.Type) any {
	if t.Kind() == reflect.Slice {
		list := []any{}
		for item := range strings.SplitSeq(text, ",") {
			if item = strings.TrimSpace(item); item != "" {
				list = append(list, typed(item, t.Elem()))
			}
		}
		return list
	}
	switch kindOf(t) {
	case "true or false":
		if text == "true" || text == "false" {
			return text == "true"
		}
	case "whole number":
		if n, err := strconv.Atoi(text); err == nil {
			return n
		}
	}
	return text
}

func nearestVariable(known map[string]key, wrong string) string {
	best, distance := "", 3 // two slips at most
	for name := range known {
		if d := editDistance(wrong, name); d < distance || (d == distance && name < best) {
			best, distance = name, d
		}
	}
	if best == "" {
		return "unset it, or see docs/configuration.md for the variables that there are"
	}
	return "did you mean " + best + "?"
}
