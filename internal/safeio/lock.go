package safeio

import "errors"

// ErrLocked means that another process uses the directory.
var ErrLocked = errors.New("in use by another process")
