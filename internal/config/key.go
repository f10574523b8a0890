package config

import (
	"net/netip"
	"reflect"
	"strings"
	"time"
)

// field is one field of a section, with its name in the file.
type field struct {
	name  string
	value reflect.StructField
}

// fields gives the fields of a section in the order of the struct.
func fields(section reflect.Type) []field {
	var out []field
	for i := range section.NumField() {
		f := section.Field(i)
		out = append(out, field{f.Tag.Get("yaml"), f})
	}
	return out
}

func find(section reflect.Type, name string) (field, bool) {
	for _, f := range fields(section) {
		if f.name == name {
			return f, true
		}
	}
	return field{}, false
}

// isSection reports whether a type is a group of keys and not a value.
func isSection(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && t != reflect.TypeFor[netip.Prefix]() && t != reflect.TypeFor[netip.AddrPort]()
}

// isRecords reports whether a type is a list of groups of keys.
func isRecords(t reflect.Type) bool { return t.Kind() == reflect.Slice && isSection(t.Elem()) }

// key is one value of the configuration.
type key struct {
	path  string // "queue.retry_then"
	field reflect.StructField
	value reflect.Value
}

// variable is the name of a key in the environment.
func (k *key) variable() string {
	return variablePrefix + strings.ToUpper(strings.ReplaceAll(k.path, ".", "_"))
}

// keys lists every key of a configuration with its value, in the order of the
// structs. A list of sections is one key.
func keys(c *Config) []key { return walk("", reflect.ValueOf(c).Elem()) }

func walk(prefix string, section reflect.Value) []key {
	var out []key
	for i, f := range fields(section.Type()) {
		path, v := prefix+f.name, section.Field(i)
		if isSection(v.Type()) {
			out = append(out, walk(path+".", v)...)
			continue
		}
		out = append(out, key{path, f.value, v})
	}
	return out
}

// kindOf says in an operator's words what a value must be.
func kindOf(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[time.Duration]():
		return "time"
	case reflect.TypeFor[Size]():
		return "size"
	case reflect.TypeFor[netip.Prefix]():
		return "network"
	case reflect.TypeFor[netip.AddrPort]():
		return "IP address and port"
	}
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Slice:
		return "list of " + plural(kindOf(t.Elem()))
	case reflect.Struct:
		return "section"
	case reflect.String:
		return "text"
	}
	return "whole number"
}

func plural(kind string) string {
	switch kind {
	case "text":
		return "texts"
	case "IP address and port":
		return "IP addresses and ports"
	}
	return kind + "s"
}
