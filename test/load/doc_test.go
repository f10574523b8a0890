// Package load measures relayd against Postfix, both in the same run on the same
// machine, turn by turn:
//
//	generator --SMTP--> relayd  --SMTP--> sink      (account route, plaintext, no
//	generator --SMTP--> Postfix --SMTP--> sink       DKIM, no Sent copy, all durable)
//
// Generator and sink live in the test process; what is measured of a server comes
// from /proc. The figures are ratios between two programs under the same load, and
// never a pass or a fail: these machines are shared. make bench prints the table;
// docs/performance.md keeps it.
package load
