package programtest

import (
	"flag"
	"fmt"
	"os"
	"testing"
)

// sideBySide is how many tests of a package run at one time: most of them wait most
// of the time, for a message whose outcome is unknown.
const sideBySide = "8"

// Main is the TestMain of a package: it builds relayd once, gives its path to take,
// runs the tests and ends the process.
func Main(m *testing.M, take func(binary string)) {
	flag.Parse()
	os.Exit(buildAndRun(m, take))
}

func buildAndRun(m *testing.M, take func(binary string)) int {
	if err := flag.Set("test.parallel", sideBySide); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	dir, err := os.MkdirTemp("", "relayd-program-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir) //nolint:errcheck // the system clears it away
	binary, err := Build(dir)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	take(binary)
	return m.Run()
}
