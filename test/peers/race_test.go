//go:build race

package peers

// buildFlags build the program as these tests are built: with the race detector.
var buildFlags = []string{"-race"}
