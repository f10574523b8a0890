//go:build unix

package safeio

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
)

// Lock takes the lock file at filename for this process, until it is closed or
// the process ends in whatever way. ErrLocked if another holds it. The file stays
// where it is: to remove it would let two processes hold two locks.
func Lock(filename string) (io.Closer, error) {
	f, err := os.OpenFile(filename, os.O_RDWR|os.O_CREATE, fileMode)
	if err != nil {
		return nil, fmt.Errorf("open lock file: %w", err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = ErrLocked
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", filename, err)
	}
	return f, nil
}
