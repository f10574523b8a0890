package smtpwire

import (
	"bytes"
	"encoding/binary"
)

// stop says why a run of content ended.
type stop uint8

const (
	stopMore stop = iota // all that is there was looked at; a final CR may be left over
	stopDot              // a dot stands first in its line
	stopBad              // a CR without LF or an LF without CR comes next
)

// goodRun measures how many octets at the front of src are whole text with
// proper line ends. atStart tells whether src begins a line, and next whether
// what follows the run begins one. With dots set the run ends before a dot
// that stands first in its line. A CR at the very end of src is left out: what
// follows it is not known yet.
func goodRun(src []byte, atStart, dots bool) (n int, next bool, why stop) {
	for n < len(src) {
		if dots && atStart && src[n] == '.' {
			return n, atStart, stopDot
		}
		line := src[n:]
		lf := bytes.IndexByte(line, '\n')
		if lf < 0 {
			m, why := goodTail(line)
			return n + m, atStart && m == 0, why
		}
		if cr := bytes.IndexByte(line[:lf], '\r'); cr < 0 || cr != lf-1 {
			m := badAt(cr, lf)
			return n + m, atStart && m == 0, stopBad
		}
		n += lf + 1
		atStart = true
	}
	return n, atStart, stopMore
}

// goodTail measures a rest without LF.
func goodTail(rest []byte) (int, stop) {
	switch cr := bytes.IndexByte(rest, '\r'); {
	case cr < 0:
		return len(rest), stopMore
	case cr == len(rest)-1:
		return cr, stopMore
	default:
		return cr, stopBad
	}
}

// badAt is where the first wrong octet of a line stands: its CR, or its LF if
// there is no CR.
func badAt(cr, lf int) int {
	if cr < 0 {
		return lf
	}
	return cr
}

// HasEightBit reports whether p holds an octet over 127. It looks at eight at a time.
func HasEightBit(p []byte) bool {
	const high = 0x8080808080808080
	for len(p) >= 8 {
		if binary.NativeEndian.Uint64(p)&high != 0 {
			return true
		}
		p = p[8:]
	}
	for _, c := range p {
		if c >= 0x80 {
			return true
		}
	}
	return false
}
