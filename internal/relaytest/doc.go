// Package relaytest is what tests of several packages share: real servers with a
// configuration of their own on loopback (Dovecot, Postfix), certificates, and
// waiting without sleeping.
//
// A test that needs a program which is not installed is skipped with a line that
// says so; with CI=true in the environment it fails instead, so that a green run
// means that everything was tried.
package relaytest
