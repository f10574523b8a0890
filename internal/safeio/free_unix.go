//go:build linux || darwin

package safeio

import (
	"fmt"
	"syscall"
)

// free is what is left for this user, not what is left for root.
func free(path string) (int64, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(path, &s); err != nil {
		return 0, fmt.Errorf("free room of %s: %w", path, err)
	}
	return int64(s.Bavail) * s.Bsize, nil
}
