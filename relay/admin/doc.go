// Package admin is the JSON API by which people and programs administer relayd.
//
// One request:
//  1. take it from the TCP listener or from the Unix socket, within the limits of
//     connections, header, body and time;
//  2. refuse what a browser was tricked into sending: a foreign Host, a
//     cross-site change, a body that is not JSON;
//  3. learn who asks: a bearer token over TCP; whoever may open the socket, which
//     only relayd's own user and root may;
//  4. find the record within the reach of the caller: what lies outside is "not
//     found", exactly like what does not exist;
//  5. check the input, and name the field that is wrong;
//  6. act, on the revision that the caller has seen;
//  7. leave a line in the audit log: who, what, from where.
//
// The package decides nothing about mail. It declares what it needs of the other
// steps in interfaces.go; cmd/relayd joins them.
package admin
