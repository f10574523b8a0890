//go:build !linux

package safeio

import "os"

func datasync(f *os.File) error { return f.Sync() }
