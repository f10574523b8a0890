package programtest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// program is what Build compiles.
const program = "github.com/relayd/relayd/cmd/relayd"

// Build compiles relayd into the directory and returns its path. It is for TestMain,
// so that the tests of a package share one binary.
func Build(dir string) (string, error) {
	binary := filepath.Join(dir, "relayd")
	build := exec.CommandContext(context.Background(), "go", "build", "-o", binary, program)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build relayd: %w\n%s", err, out)
	}
	return binary, nil
}
