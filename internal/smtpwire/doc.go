// Package smtpwire speaks SMTP on the wire, from both sides.
//
// What both sides share: [Reader], which takes CR LF and nothing else for a line
// end; [Reply]; and content that never holds a bare CR, a bare LF or a NUL.
//
// The server, one connection ([ServerConn]):
//  1. greet, or lead the TLS handshake first (implicit TLS);
//  2. read one command within its time; replies are collected, and written together
//     before a read would wait (RFC 2920);
//  3. look the command up among those that exist in the phase at hand: before a
//     required STARTTLS, before a sign-in, or ready to submit;
//  4. DATA and BDAT: hand the content to the [Session] as one reader, read to its
//     real end whatever the Session does, and answer;
//  5. end with one last reply, after too many errors, too much time, or QUIT.
//
// The server knows no step of a message's life and asks a Session everything. The
// client ([Client]) is led by its caller in the order of RFC 5321: greeting, EHLO,
// TLS, AUTH, then transactions.
package smtpwire
