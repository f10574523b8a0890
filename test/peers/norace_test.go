//go:build !race

package peers

// buildFlags build the program as these tests are built.
var buildFlags []string
