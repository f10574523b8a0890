package config

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Size is a number of octets.
type Size int64

// The units of a Size.
const (
	KiB Size = 1 << 10
	MiB Size = 1 << 20
	GiB Size = 1 << 30
	TiB Size = 1 << 40
)

type unit[T ~int64] struct {
	name string
	size T
}

// sizeUnits and timeUnits stand from large to small.
var (
	sizeUnits = []unit[Size]{
		{"TiB", TiB}, {"GiB", GiB}, {"MiB", MiB}, {"KiB", KiB},
		{"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}, {"B", 1},
	}
	timeUnits = []unit[time.Duration]{
		{"d", day}, {"h", hour}, {"m", minute}, {"s", time.Second}, {"ms", time.Millisecond},
	}
)

var (
	errSize     = errors.New("not a size with a unit; write one such as 25MiB, 64KiB or 500B")
	errDuration = errors.New("not a time with a unit; write one such as 30s, 5m, 1h30m or 5d")
)

// ParseSize reads a whole number with a unit.
func ParseSize(s string) (Size, error) {
	n, rest, err := number[Size](s, sizeUnits)
	if err != nil || rest != "" {
		return 0, errSize
	}
	return n, nil
}

// String writes the size with the largest unit that leaves a whole number.
func (s Size) String() string {
	for _, u := range sizeUnits[:4] {
		if s != 0 && s%u.size == 0 {
			return strconv.FormatInt(int64(s/u.size), 10) + u.name
		}
	}
	return strconv.FormatInt(int64(s), 10) + "B"
}

// ParseDuration reads whole numbers with units, from large to small: 5d, 1h30m.
func ParseDuration(s string) (time.Duration, error) {
	if s == "" {
		return 0, errDuration
	}
	var total time.Duration
	smallest := time.Duration(math.MaxInt64)
	for rest := s; rest != ""; {
		n, after, u, err := term(rest, timeUnits)
		if err != nil || u >= smallest || total > math.MaxInt64-n {
			return 0, errDuration
		}
		total, smallest, rest = total+n, u, after
	}
	return total, nil
}

// formatDuration writes a duration as ParseDuration reads it.
func formatDuration(d time.Duration) string {
	if d == 0 {
		return "0s"
	}
	var b strings.Builder
	for _, u := range timeUnits {
		if n := int64(d / u.size); n > 0 {
			fmt.Fprintf(&b, "%d%s", n, u.name)
			d %= u.size
		}
	}
	return b.String()
}

func number[T ~int64](s string, units []unit[T]) (n T, rest string, err error) {
	n, rest, _, err = term(s, units)
	return n, rest, err
}

// term reads one number and its unit from the front of s.
func term[T ~int64](s string, units []unit[T]) (value T, rest string, size T, err error) {
	end := 0
	for end < len(s) && s[end] >= '0' && s[end] <= '9' {
		end++
	}
	n, err := strconv.ParseInt(s[:end], 10, 64)
	if err != nil {
		return 0, "", 0, err
	}
	s = s[end:]
	end = 0
	for end < len(s) && (s[end] < '0' || s[end] > '9') {
		end++
	}
	for _, u := range units {
		if u.name != s[:end] {
			continue
		}
		if n > math.MaxInt64/int64(u.size) {
			return 0, "", 0, strconv.ErrRange
		}
		return T(n) * u.size, s[end:], u.size, nil
	}
	return 0, "", 0, strconv.ErrSyntax
}
