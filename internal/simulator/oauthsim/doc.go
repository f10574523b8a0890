// Package oauthsim is an OAuth 2.0 authorisation server for the simulator. It
// behaves as Google's or Microsoft's does, with their addresses and error texts.
//
// A person connects a mailbox:
//  1. the application sends the browser to the authorisation endpoint, with PKCE
//     (RFC 7636), a redirect address that is registered, and a state;
//  2. a page shows who can sign in and what is asked for; Allow makes a code;
//  3. the token endpoint exchanges the code for an access token, and where the
//     application asked for offline access for a refresh token;
//  4. whoever is shown the access token asks [Server.Token] what it allows.
//
// Beside the code flow there are the device flow (RFC 8628), client credentials
// with an administrator's consent, assertions of a service account (RFC 7523), and
// revocation (RFC 7009). Everything is in memory.
package oauthsim
