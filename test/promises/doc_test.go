// Package promises lists which tests hold relayd to its promises G1 to G9, and has
// the whole-program tests of those that stand nowhere else:
//
//	g4_test.go        a message is kept once, and sent twice only after an unknown outcome
//	g5_test.go        the Sent copy is one, whatever happens, and causes no resend
//	g6_test.go        the trouble of one account or destination delays no other
//	g7_linux_test.go  nothing that a client does makes relayd grow
//	g9_test.go        nobody sends as somebody else
//
// The list in promises_test.go is checked: a test that is renamed or removed is
// missed.
package promises
