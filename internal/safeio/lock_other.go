//go:build !unix

package safeio

import (
	"errors"
	"io"
)

// Lock is not available on this system.
func Lock(string) (io.Closer, error) { return nil, errors.ErrUnsupported }
