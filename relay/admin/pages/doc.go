// Package pages is what a person sees who followed a one-time link: the mailbox that
// needs attention is signed in to again, connected for the first time, or bound to its
// user by a code.
//
// One visit:
//  1. the link's token is checked; it stays good until what it is for has been done,
//     because programs that look at mail open every link in it;
//  2. the page shows whose account it is, and asks for the one thing that is needed: a
//     password, a press on the button that leads to the provider, or a code;
//  3. what was given is saved and proved; a page that reloads itself shows the steps;
//  4. when the account works, the link is used up.
//
// Whoever has a link may do this one thing to this one account, and sees of it no more
// than its address and why it does not work. A GET changes nothing
// but that the link is used up when the account works; no page needs a script, and no secret is ever written into a page. What comes back from a provider
// is tied to the browser that left by a cookie.
//
// The pages are plain: they work in every browser and with the keyboard alone.
package pages
