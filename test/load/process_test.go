package load

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// ticks per second of /proc/PID/stat: USER_HZ, which is 100 on every Linux that Go
// runs on.
const userHz = 100

// tree is a process with all its descendants, and those that it has waited for.
func tree(root int) []int {
	children := make(map[int][]int)
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		if fields := statFields(path); len(fields) > 1 {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			parent, _ := strconv.Atoi(fields[1])
			children[parent] = append(children[parent], pid)
		}
	}
	all := []int{root}
	for i := 0; i < len(all); i++ {
		all = append(all, children[all[i]]...)
	}
	return all
}

// statFields gives the fields of a stat file behind the program's name: state is
// the first of them.
func statFields(path string) []string {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	return strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
}

// cpu is the time that a server has used so far: of all its processes, and of those
// that have ended and were waited for.
func cpu(root int) time.Duration {
	var ticks int64
	for _, pid := range tree(root) {
		fields := statFields(fmt.Sprintf("/proc/%d/stat", pid))
		if len(fields) < 15 {
			continue
		}
		for _, f := range fields[11:15] { // utime, stime, cutime, cstime
			n, _ := strconv.ParseInt(f, 10, 64)
			ticks += n
		}
	}
	return time.Duration(ticks) * time.Second / userHz
}

// pss is the memory of a server: its processes' proportional set sizes, in bytes.
func pss(root int) (sum int64) {
	for _, pid := range tree(root) {
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(data)) {
			if rest, ok := strings.CutPrefix(line, "Pss:"); ok {
				kb, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
				sum += kb << 10
			}
		}
	}
	return sum
}

func TestProcessFiguresAreReal(t *testing.T) {
	t.Parallel()
	self := os.Getpid()
	if used := pss(self); used < 1<<20 || used > 8<<30 {
		t.Errorf("this process is said to use %d octets", used)
	}
	before := cpu(self)
	for sum, start := 0, time.Now(); time.Since(start) < 50*time.Millisecond; sum++ {
		if sum < 0 {
			t.Fatal("overflow")
		}
	}
	if cpu(self) <= before {
		t.Error("work costs no time")
	}
}
