// Package peers holds the tests of the whole program: the built binary with a real
// configuration file, administered through its own commands, between real clients
// and real servers.
//
//	swaks, our own client --submission--> relayd --submission--> Postfix+Dovecot --SMTP--> Postfix
//	                                         |                   the provider              the world's MX
//	                                         +--------------------SMTP, DKIM---------------^
//
// Each test has a world of its own, with addresses that nobody else uses, so that
// tests run side by side:
//
//	world_test.go      addresses, names, certificates
//	provider_test.go   the people's mail provider: Postfix and Dovecot on the same Maildirs
//	exchanger_test.go  the mail server of everybody else
//	relayd_test.go     the program: configuration, start, commands, end
//	submit_test.go     the applications
//	mail_test.go       messages as they lie in mailboxes
//
// The other files are the tests. They need root, as the servers do.
package peers
