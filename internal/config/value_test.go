package config

import (
	"math"
	"reflect"
	"testing"
	"time"
)

func TestParseDuration(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"30s": 30 * time.Second, "5m": 5 * time.Minute, "1h30m": 90 * time.Minute, "5d": 5 * day,
		"1d12h": 36 * time.Hour, "250ms": 250 * time.Millisecond, "0s": 0, "1s500ms": 1500 * time.Millisecond,
	} {
		if got, err := ParseDuration(text); got != want || err != nil {
			t.Errorf("ParseDuration(%q) = %s, %v; want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"", "30", "m", "-5m", "1.5h", "5 m", "5M", "5m1h", "5m5m", "99999999999999999999s", "200000d", "106751d106751d", "5µs", "1m "} {
		if got, err := ParseDuration(text); err == nil {
			t.Errorf("ParseDuration(%q) = %s", text, got)
		}
	}
}

func TestParseSize(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Size{
		"0B": 0, "500B": 500, "64KiB": 64 * KiB, "25MiB": 25 * MiB, "20GiB": 20 * GiB, "2TiB": 2 * TiB,
		"1kB": 1000, "3MB": 3e6, "4GB": 4e9, "5TB": 5e12,
	} {
		if got, err := ParseSize(text); got != want || err != nil {
			t.Errorf("ParseSize(%q) = %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "25", "MiB", "-1B", "1.5MiB", "25 MiB", "25M", "25mib", "1MiB1KiB", "99999999TiB"} {
		if got, err := ParseSize(text); err == nil {
			t.Errorf("ParseSize(%q) = %d", text, got)
		}
	}
}

// FuzzValues: whatever is read is written back as something that reads the same.
func FuzzValues(f *testing.F) {
	for _, s := range []string{"5d", "1h30m", "25MiB", "1000kB", "9223372036854775807B", "0s"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if d, err := ParseDuration(s); err == nil {
			if again, err := ParseDuration(formatDuration(d)); again != d || err != nil || d < 0 {
				t.Errorf("%q is %d, written %q, read %d, %v", s, d, formatDuration(d), again, err)
			}
		}
		if n, err := ParseSize(s); err == nil {
			if again, err := ParseSize(n.String()); again != n || err != nil || n < 0 {
				t.Errorf("%q is %d, written %q, read %d, %v", s, n, n, again, err)
			}
		}
	})
}

// TestTags: every min and max can be read, in order, and every default lies within.
func TestTags(t *testing.T) {
	t.Parallel()
	for _, k := range keys(Default()) {
		low, high := k.field.Tag.Get("min"), k.field.Tag.Get("max")
		typ := k.value.Type()
		if typ.Kind() == reflect.Slice {
			typ = typ.Elem()
		}
		if (low == "") != (high == "") {
			t.Errorf("%s has only one of min and max", k.path)
		}
		if low == "" {
			if kind := kindOf(typ); (kind == "whole number" && typ.Kind() == reflect.Int) || kind == "time" || kind == "size" {
				t.Errorf("%s, a %s, has no limits", k.path, kind)
			}
			continue
		}
		if l, h := limit(low, typ), limit(high, typ); l > h || h <= 0 || h == math.MaxInt64 || (l == 0 && low[0] != '0') {
			t.Errorf("%s has the limits %q and %q", k.path, low, high)
		}
	}
	src := &source{}
	if errs := src.check(Default()); len(errs) > 0 {
		t.Errorf("the defaults: %v", errs)
	}
}

// TestNoMaps: viper splits the keys of a map at dots and puts them in lower case, so
// names that an operator chooses must never be keys.
func TestNoMaps(t *testing.T) {
	t.Parallel()
	var look func(path string, typ reflect.Type)
	look = func(path string, typ reflect.Type) {
		switch typ.Kind() {
		case reflect.Map, reflect.Pointer, reflect.Interface:
			t.Errorf("%s is a %s", path, typ.Kind())
		case reflect.Slice:
			look(path+"[]", typ.Elem())
		case reflect.Struct:
			if isSection(typ) {
				for _, f := range fields(typ) {
					look(path+"."+f.name, f.value.Type)
				}
			}
		}
	}
	look("", reflect.TypeFor[Config]())
}
