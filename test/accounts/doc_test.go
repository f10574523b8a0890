// Package accounts runs the built program with a thousand people's accounts, of which
// three hundred are broken, each in one of a dozen ways:
//
//	                             ┌--SMTP--> well: a sink             (700 accounts)
//	applications --SMTP--> relayd┼--SMTP--> wrong password: a sink   (25 accounts)
//	                             ┼--SMTP--> refused: nobody listens  (25 accounts)
//	                             └ … twelve ways in all
//
//	accounts_test.go  the story: mail while everybody is well, mail while some are not, the end
//	silence_test.go   more accounts whose servers say nothing than relayd has places
//	ways_test.go      the ways in which a provider or an account breaks
//	line_test.go      lines that are dead or slow
//	world_test.go     the installation
//	load_test.go      the applications, and how long the mail of the 700 is under way
//	person_test.go    what people see of broken accounts, and do about them
//	judge_test.go     nothing is lost, doubled without need, or out of order
//
// It is the proof of promise G6 at the size of a company, and of G3 and G7 beside it. The
// times are told and not judged, for machines differ: what is judged is that the mail
// of the 700 has arrived while every one of the others is still broken.
package accounts
