// Package webhook tells programs what happened to accounts: each event is a call to
// every webhook that wants it.
//
// One event:
//  1. find the webhooks that want it, write its body once for all;
//  2. keep one call for each of them in the directory (store.Directory, table
//     WebhookCalls); then Emit returns;
//  3. in the webhook's lane, one call at a time: sign it with the secret, POST it;
//  4. what is answered 2xx is done and removed; what is not is tried again after the
//     pauses of Retries, and given up after the last; 410 switches the webhook off.
//
// The calls follow the Standard Webhooks specification: the headers webhook-id,
// webhook-timestamp and webhook-signature ("v1," and the base64 of an HMAC-SHA256
// over id, timestamp and body, with dots between), and a secret that begins with
// whsec_. The id stays the same over all tries, also after a restart: whoever hears
// of an event twice knows it by that. A body is
//
//	{"type": "account.parked", "timestamp": "2026-11-21T09:30:00Z", "data": {
//	  "account": "acc_…", "organisation": "org_…", "address": "jane@acme.example",
//	  "state": "parked", "rule": "auth.password_wrong", "reason": "…", "by": "…"}}
//
// with these names always and texts that may be empty. "type" is one of
// relay.AccountEventKind, or "ping" from Test.
//
// People choose the addresses, so every connection is made by the guarded dialer;
// there is no clear text but where the operator permits it, no redirect is followed,
// and of an answer little is read. A slow webhook holds up its own lane only: there is
// a worker for every lane that is due until Options.Workers are at work, and then the
// lane that was served longest ago comes first.
//
//	event.go     bodies, ids, Emit, and who wants what
//	observe.go   what accounts tell
//	lanes.go     which call is next
//	service.go   Run and one attempt
//	post.go      one HTTP call
//	secret.go    secrets, signatures, addresses
//	ping.go      Test
package webhook
