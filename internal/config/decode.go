package config

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"reflect"
	"strings"
	"time"

	"github.com/go-viper/mapstructure/v2"
)

// strict makes decoding take each value only in the form that its type has: by
// default viper reads 30 as 30 nanoseconds and "12" as 12.
func strict(d *mapstructure.DecoderConfig) {
	d.WeaklyTypedInput = false
	d.ZeroFields = true
	d.TagName = "yaml"
	d.DecodeHook = decodeText
}

// formatError says that a value has the wrong form for its key.
type formatError struct{ what, remedy string }

func (e *formatError) Error() string { return e.what + "; " + e.remedy }

// decodeText reads the types that are written as text, and refuses what the
// decoder would cut off: 12.5 for a whole number, 70000 for a port.
func decodeText(from, to reflect.Type, data any) (any, error) {
	if from == to {
		return data, nil // a default
	}
	text := fmt.Sprint(data)
	switch to {
	case reflect.TypeFor[time.Duration]():
		return read(text, ParseDuration, "a time with a unit", "write one such as 30s, 5m, 1h30m or 5d")
	case reflect.TypeFor[Size]():
		return read(text, ParseSize, "a size with a unit", "write one such as 25MiB, 64KiB or 500B")
	case reflect.TypeFor[netip.Prefix]():
		return readNetwork(text)
	case reflect.TypeFor[netip.AddrPort]():
		return read(text, netip.ParseAddrPort, "an IP address and port", "write one such as 127.0.0.1:587, 0.0.0.0:587 or [::]:587")
	}
	switch to.Kind() {
	case reflect.Int:
		if n, isInt := data.(int); isInt {
			return n, nil
		}
		return nil, &formatError{fmt.Sprintf("%q is not a whole number", text), "write one such as 100, without quotes"}
	case reflect.Uint16:
		if n, isInt := data.(int); isInt && n >= 0 && n <= math.MaxUint16 {
			return n, nil
		}
		return nil, &formatError{fmt.Sprintf("%q is not a port", text), "write one from 1 to 65535, without quotes"}
	}
	return data, nil
}

func read[T any](text string, parse func(string) (T, error), wanted, remedy string) (any, error) {
	v, err := parse(text)
	if err != nil {
		return nil, &formatError{fmt.Sprintf("%q is not %s", text, wanted), remedy}
	}
	return v, nil
}

func readNetwork(text string) (any, error) {
	p, err := netip.ParsePrefix(text)
	switch {
	case err != nil:
		return nil, &formatError{fmt.Sprintf("%q is not a network", text), "write one such as 192.168.1.0/24 or fd00:1::/32"}
	case p != p.Masked():
		return nil, &formatError{fmt.Sprintf("%q is an address inside a network", text), "write the network itself, " + p.Masked().String()}
	}
	return p, nil
}

// decodeProblems turns the decoder's error into Problems of their keys.
func (s *source) decodeProblems(err error) []error {
	var out []error
	for _, bad := range leaves(err) {
		var format *formatError
		if errors.As(bad, &format) {
			out = append(out, s.problem(bad.Name(), format.what, format.remedy))
			continue
		}
		out = append(out, s.problem(bad.Name(), "has the wrong type", kindOf(typeOf(bad.Name()))+" is expected here"))
	}
	if len(out) == 0 {
		out = append(out, &Problem{File: s.file, What: err.Error()})
	}
	return out
}

// leaves gives the innermost decode errors of a tree of errors: one for each value
// that is wrong.
func leaves(err error) []*mapstructure.DecodeError {
	//nolint:errorlint // the tree is walked node by node; errors.As would stop at the first
	switch e := err.(type) {
	case nil:
		return nil
	case interface{ Unwrap() []error }:
		var out []*mapstructure.DecodeError
		for _, inner := range e.Unwrap() {
			out = append(out, leaves(inner)...)
		}
		return out
	case *mapstructure.DecodeError:
		if inner := leaves(e.Unwrap()); len(inner) > 0 {
			return inner
		}
		return []*mapstructure.DecodeError{e}
	}
	return leaves(errors.Unwrap(err))
}

// typeOf finds the type of the value at path.
func typeOf(path string) reflect.Type {
	t := reflect.TypeFor[Config]()
	for name := range strings.SplitSeq(path, ".") {
		name, _, inList := strings.Cut(name, "[")
		f, ok := find(t, name)
		if !ok {
			return t
		}
		if t = f.value.Type; inList {
			t = t.Elem()
		}
	}
	return t
}
