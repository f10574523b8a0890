package promises

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"github.com/relayd/relayd/test/programtest"
)

// binary is the program, built once.
var binary string

// sideBySide is how many tests run at one time: they wait most of the time.
const sideBySide = "8"

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	if err := flag.Set("test.parallel", sideBySide); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	dir, err := os.MkdirTemp("", "relayd-promises-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir) //nolint:errcheck // the system clears it away
	if binary, err = programtest.Build(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}
