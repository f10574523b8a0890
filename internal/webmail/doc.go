// Package webmail is relayd's client for mail accounts that are reached over an
// HTTP API instead of SMTP and IMAP: Exchange Web Services (EWS), Microsoft Graph
// and the Gmail API.
//
// The three have two things in common. They know no envelope: whoever stands in To,
// Cc or Bcc of the message gets it. And they file the Sent copy by themselves. So
// [Prepare] decides first whether a message may go this way at all, and what is
// handed over.
//
// One Send:
//  1. connect, and verify the certificate. Connections without TLS exist only
//     towards addresses that the caller permits. One client has one connection;
//  2. sign in. EWS: a small request finds the scheme (NTLM or Basic), the version
//     that the server speaks, and whether the password is right, before any octet of
//     the message leaves. The others send their access token with each request;
//  3. hand the message over, read and encoded as it leaves and never held in memory;
//  4. read the answer, of bounded size, and tell apart: carried out, refused, and
//     unknown. Only the one documented sign of success counts as success.
//
// Whatever fails is an [*Error]. Its Unknown tells whether the message may have been
// sent all the same: the answer was lost or not understood after the whole message
// had left. Then Find looks for it before anybody sends again.
//
// Nothing that a service says is trusted: its answers are bounded in size, time and
// nesting, redirects are not followed, found messages are compared with what was
// looked for, and its words are cut and cleaned before anybody sees them.
package webmail
