// Package crash ends the built program in every way that it cannot prepare for, and
// looks for mail that was lost:
//
//	sessions --SMTP--> relayd (process) --SMTP, one account each--> sink
//	    |                                                            |
//	 ledger: fsynced after each 250 ---------- judge ---------- what arrived
//
//	kill_test.go    SIGKILL at random moments under load
//	flush_test.go   SIGKILL beside every flush of a message's life; a flush that fails
//	full_test.go    a disk without room
//	power_test.go   a filesystem that loses what was not flushed
//	index_test.go   an index that is gone
//
// judge_test.go knows what each ending may leave: every acknowledged message arrives with
// its body, nothing arrives that nobody submitted, and a second arrival needs an
// outcome that was unknown (promises G1, G2 and G4).
//
// One run is a sample; make torture repeats it.
package crash
