package smtpwire

import "io"

// dataSource reads the content of DATA up to its one end, CR LF . CR LF, or .
// CR LF as the first line (RFC 5321 §4.1.1.4), and takes the stuffed dots away
// (§4.5.2). It never takes an octet behind the end. Octets are looked at where
// they lie and copied once.
type dataSource struct {
	r       *Reader
	midLine bool // the next octet does not begin a line
	bad     bool
	done    bool
}

func (d *dataSource) isBad() bool { return d.bad }

// giveUp changes nothing: only the final dot ends DATA.
func (d *dataSource) giveUp() {}

// next fills p, which has room for at least two octets, with content.
func (d *dataSource) next(p []byte) (int, error) {
	total := 0
	for total < len(p)-1 && !d.done {
		n, why := d.run(p[total:])
		if total += n; d.step(why) {
			continue
		}
		if total > 0 {
			break // give out what is there before waiting for more
		}
		if err := d.fill(); err != nil {
			return 0, err
		}
	}
	if hasNUL(p[:total]) {
		d.bad = true
	}
	if total == 0 && d.done {
		return 0, io.EOF
	}
	return total, nil
}

// run copies good octets to p, and an octet that is bad with them: whatever is
// read counts against the limits.
func (d *dataSource) run(p []byte) (int, stop) {
	src := d.window()
	if len(src) > len(p) {
		src = src[:len(p)]
	}
	n, atStart, why := goodRun(src, !d.midLine, true)
	if why == stopBad {
		d.bad, atStart = true, false
		n++
	}
	copy(p, src[:n])
	d.r.start += n
	d.midLine = !atStart
	return n, why
}

// step gets over what ended a run; false means that more octets are needed.
func (d *dataSource) step(why stop) bool {
	src := d.window()
	switch {
	case why == stopDot:
		return d.dot(src)
	case len(src) == 1:
		return src[0] != '\r' // a final CR is looked at with what follows it
	default:
		return len(src) > 0
	}
}

// dot decides about a dot that stands first in its line.
func (d *dataSource) dot(src []byte) bool {
	switch {
	case len(src) > 1 && src[1] != '\r':
	case len(src) < 3:
		return false
	case src[2] == '\n':
		d.r.start += len(".\r\n")
		d.done = true
		return true
	}
	// RFC 5321 §4.5.2: any other first dot was added by the client.
	d.r.start++
	d.midLine = true
	return true
}

func (d *dataSource) window() []byte { return d.r.buf[d.r.start:d.r.end] }

// fill waits for more.
func (d *dataSource) fill() error {
	return notTheEnd(d.r.fill())
}
