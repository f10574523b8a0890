package accounts

import (
	"testing"

	"github.com/relayd/relayd/test/programtest"
)

// binary is the program, built once.
var binary string

func TestMain(m *testing.M) {
	programtest.Main(m, func(built string) { binary = built })
}
