// Package providers proves on the built program that accounts work at every kind of
// provider, break in every way, and are mended by a person in a few clicks.
//
// relayd runs as a process against the personalities of internal/simulator, and is
// driven through public doors only: SMTP submission, the API over its socket, the
// pages of one-time links by a browser without scripts, and the provider's own
// consent page. Mail that goes the direct way reaches a mail server of the test's
// own. Each test opens with its topology.
//
//	world_test.go       what stands around relayd, and its configuration
//	api_test.go         an administrator at the API
//	browser_test.go     a person at the pages
//	evidence_test.go    what was shown to anybody, and the search for secrets in it
package providers
