package config

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// issue is a Problem before its place in the file is known.
type issue struct{ path, what, remedy string }

// check gives every Problem of a decoded configuration.
func (s *source) check(c *Config) []error {
	var errs []error
	for _, i := range append(checkRanges(c), checkTogether(c)...) {
		errs = append(errs, s.problem(i.path, i.what, i.remedy))
	}
	return errs
}

// checkRanges holds each value against the min, max and oneof of its field.
func checkRanges(c *Config) []issue {
	var out []issue
	for _, k := range keys(c) {
		out = append(out, checkRange(k.path, k.value, k.field.Tag)...)
	}
	return out
}

func checkRange(path string, v reflect.Value, tag reflect.StructTag) []issue {
	if v.Kind() == reflect.Slice {
		var out []issue
		for i := range v.Len() {
			out = append(out, checkItem(fmt.Sprintf("%s[%d]", path, i), v.Index(i), tag)...)
		}
		return out
	}
	if choices := tag.Get("oneof"); choices != "" && !isOneOf(v.String(), choices) {
		return []issue{{path, strconv.Quote(v.String()) + " is not known", "write one of " + strings.ReplaceAll(choices, " ", ", ")}}
	}
	low, high := tag.Get("min"), tag.Get("max")
	if low == "" {
		return nil
	}
	if n := v.Int(); n < limit(low, v.Type()) || n > limit(high, v.Type()) {
		return []issue{{path, format(v) + " is out of range", fmt.Sprintf("write something from %s to %s", low, high)}}
	}
	return nil
}

func checkItem(path string, v reflect.Value, tag reflect.StructTag) []issue {
	if !isSection(v.Type()) {
		return checkRange(path, v, tag)
	}
	var out []issue
	for i, f := range fields(v.Type()) {
		out = append(out, checkRange(path+"."+f.name, v.Field(i), f.value.Tag)...)
	}
	return out
}

func isOneOf(s, choices string) bool {
	for _, c := range strings.Fields(choices) {
		if c == s {
			return true
		}
	}
	return false
}

// limit reads the min or max tag of a field; a test proves that every tag can be
// read.
func limit(tag string, t reflect.Type) int64 {
	switch t {
	case reflect.TypeFor[time.Duration]():
		d, _ := ParseDuration(tag)
		return int64(d)
	case reflect.TypeFor[Size]():
		n, _ := ParseSize(tag)
		return int64(n)
	}
	n, _ := strconv.ParseInt(tag, 10, 64)
	return n
}

// format writes a value as it stands in a file.
func format(v reflect.Value) string {
	switch x := v.Interface().(type) {
	case time.Duration:
		return formatDuration(x)
	case Size:
		return x.String()
	case string:
		return strconv.Quote(x)
	}
	if v.Kind() == reflect.Slice {
		items := make([]string, 0, v.Len())
		for i := range v.Len() {
			items = append(items, format(v.Index(i)))
		}
		return "[" + strings.Join(items, ", ") + "]"
	}
	return fmt.Sprint(v.Interface())
}
