// Package oauth keeps people's consents and makes access tokens of them (RFC 6749).
//
// Consent of a person (code flow with PKCE):
//  1. Begin remembers who asks, for which account and address, and gives the address
//     of the vendor's page; its state works once, for the same login, for 10 minutes;
//  2. the vendor sends the browser back, and Finish exchanges the code;
//  3. the address that the vendor names must be the one that is being connected, and
//     the permissions must be those that were asked for;
//  4. the consent is stored, its refresh token sealed, before it is used for anything.
//
// Where no browser can come back, BeginDevice shows a code to type at the vendor, and
// asks there until the person has done so. An application that opens the mailboxes of
// a whole tenant needs its administrator once: AdminConsentURL, FinishAdminConsent.
//
// A consent that is tried beside the one in force (BeginRequest.Candidate) has a record
// of its own, until Adopt puts it in the place of the other.
//
// Access tokens (Token):
//  1. the account, its application and its consent are read; what has ended, and what
//     is not bound to its user, gets none, and the vendor is not asked;
//  2. a token in memory is good until its end, and replaced 5 minutes before it;
//  3. otherwise one request is made, however many wait for it, and one at a time for
//     each consent, because a refresh token is replaced when it is used;
//  4. the new refresh token is durable before the access token is given out: were it
//     lost, the old one might work no more, and the account would be dead;
//  5. a refusal of the consent ends it for good, one of the application concerns all
//     its accounts, and every other failure is tried again after a pause.
//
// Errors of Token are *[relay.TokenError]: their Reply is what the reply rules read
// for relay.AtToken. Secrets never stand in an error: what a vendor says is cut,
// cleaned, and searched for the secrets that were sent to it.
//
// What vendors are like is data: vendors.yaml.
package oauth
