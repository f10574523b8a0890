package safeio

import (
	"os"
	"syscall"
)

// datasync flushes the bytes, and of the metadata only what is needed to read them
// again (fdatasync(2)).
func datasync(f *os.File) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var flush error
	err = conn.Control(func(fd uintptr) {
		// A signal that comes meanwhile is no failed flush.
		for flush = syscall.EINTR; flush == syscall.EINTR; {
			flush = syscall.Fdatasync(int(fd))
		}
	})
	if err != nil {
		return err
	}
	if flush != nil {
		return os.NewSyscallError("fdatasync", flush)
	}
	return nil
}
