// Package exchange is an Exchange server on loopback, for tests, demonstrations and
// for trying applications out: the web services (EWS) of a server on one's own
// premises, and its Autodiscover.
//
// A request passes:
//  1. the limits: size, and the form of its address;
//  2. sign-in: NTLM, which holds for the connection, or Basic, which holds for the
//     request;
//  3. the SOAP reader: namespaces, version asked for, impersonation;
//  4. faults that were injected for the operation;
//  5. the operation, once for each item or folder that it names. Every one has its
//     own result, and a failed one comes with HTTP status 200.
//
// What it keeps, it keeps in a [Mailboxes]: those of the provider around it, or a
// [Memory] of its own. What goes wrong is a [Fault], injected while it runs.
//
// It serves loopback addresses only: it gives anybody who asks a mailbox with a
// well-known password.
package exchange
