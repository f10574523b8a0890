package programtest

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Usage is what a process takes from its machine.
type Usage struct {
	Goroutines, Files int
	Memory            int64 // resident now, in octets
	Peak              int64 // the most that was ever resident
}

// Usage asks the kernel, and the program's own metrics, about a process.
func (in *Installation) Usage(p *Process) Usage {
	in.tb.Helper()
	u, err := in.usage(p)
	if err != nil {
		in.tb.Fatal(err)
	}
	return u
}

func (in *Installation) usage(p *Process) (u Usage, err error) {
	proc := fmt.Sprintf("/proc/%d", p.Pid())
	files, err := os.ReadDir(filepath.Join(proc, "fd"))
	if err != nil {
		return u, err
	}
	u.Files = len(files)
	status, err := os.ReadFile(filepath.Join(proc, "status")) //nolint:gosec // of our own process
	if err != nil {
		return u, err
	}
	for line := range strings.Lines(string(status)) {
		name, value, _ := strings.Cut(line, ":")
		switch kb, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64); name {
		case "VmRSS":
			u.Memory = kb << 10
		case "VmHWM":
			u.Peak = kb << 10
		}
	}
	u.Goroutines, err = in.goroutines()
	return u, err
}

// goroutines reads a metric over the admin socket, which needs no token.
func (in *Installation) goroutines() (int, error) {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", filepath.Join(in.Data, "admin.sock"))
	}
	transport := &http.Transport{DialContext: dial, DisableKeepAlives: true}
	request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "http://localhost/metrics", nil)
	if err != nil {
		return 0, err
	}
	answer, err := transport.RoundTrip(request)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close() //nolint:errcheck // it was read
	lines := bufio.NewScanner(answer.Body)
	for lines.Scan() {
		if value, ok := strings.CutPrefix(lines.Text(), "go_goroutines "); ok {
			return strconv.Atoi(value)
		}
	}
	return 0, fmt.Errorf("the metrics have no go_goroutines: status %s", answer.Status)
}
