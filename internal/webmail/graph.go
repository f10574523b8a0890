package webmail

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"

	"github.com/relayd/relayd/relay"
)

// graphClient speaks to one mailbox over Microsoft Graph.
type graphClient struct {
	*rest
	user []string // path of the mailbox
}

// graphUser is the mailbox in Graph's addresses. The token of a consent is the
// person's own, so it is "me", unless the mailbox is one that several people share. A
// token of an application opens any mailbox and must name it.
func graphUser(a *relay.Account) []string {
	if a.SignIn == relay.SignInApp || a.User == "" {
		return []string{"users", a.Address.String()}
	}
	return []string{"me"}
}

// of gives an address below the mailbox.
func (g *graphClient) of(query string, elements ...string) string {
	return g.url(query, append(append([]string(nil), g.user...), elements...)...)
}

// Check reads the Sent folder, and who the token belongs to where that is told.
func (g *graphClient) Check(ctx context.Context) (About, error) {
	var folder struct{ ID string }
	err := g.get(ctx, g.of(parameter("$select", "id"), "mailFolders", "sentitems"), &folder)
	about := g.link.about()
	if err == nil && folder.ID == "" {
		err = g.link.unclear(&request{}, ErrAnswer)
	}
	if err != nil && !errors.Is(err, ErrNotPermitted) || g.user[0] != "me" {
		return about, err
	}
	var me struct{ Mail, UserPrincipalName string }
	// The profile is a matter of one scope more: without it the check is good all the
	// same.
	if whose := g.get(ctx, g.of(parameter("$select", "mail,userPrincipalName")), &me); whose != nil && !errors.Is(whose, ErrNotPermitted) {
		return about, whose
	}
	if about.Address = me.Mail; about.Address == "" {
		about.Address = me.UserPrincipalName
	}
	about.Address = relay.Printable(about.Address)
	return about, err
}

// Send hands the message over as base64, the only form of sendMail that keeps it byte
// for byte. The sender is the mailbox of the address; the From field has no say.
func (g *graphClient) Send(ctx context.Context, c Content) (Receipt, error) {
	if err := checkContent(relay.WayGraph, c); err != nil {
		return Receipt{}, err
	}
	body := newEncoder(&exact{source: c.Reader(), left: c.Size})
	q := g.upload(g.of("", "sendMail"), "text/plain", body, int64(base64.StdEncoding.EncodedLen(int(c.Size))))
	a, err := g.link.do(ctx, q)
	switch {
	case err != nil:
		return Receipt{}, err
	case a.status != http.StatusAccepted: // with 200 mail was seen not to be sent
		return Receipt{}, g.refused(q, a)
	case !a.whole:
		return Receipt{}, g.link.unclear(q, errEarly)
	}
	text := "Accepted"
	if id := a.header.Get("Request-Id"); id != "" { // what Microsoft's support asks for
		text += " (request-id " + id + ")"
	}
	return Receipt{Reply: relay.Reply{Code: a.status, Text: relay.Printable(text)}}, nil
}

// Delete takes messages out for good.
func (g *graphClient) Delete(ctx context.Context, items ...Item) error {
	for _, item := range items {
		if !sendable(item.ID) {
			return failure(relay.WayGraph, ErrBadValue)
		}
		if err := g.remove(ctx, item.ID); err != nil && !isGone(err) {
			return err
		}
	}
	return nil
}

// remove prefers permanentDelete. The national clouds do not have it: there the
// message goes to the deleted ones.
func (g *graphClient) remove(ctx context.Context, id string) error {
	err := g.call(ctx, g.request(http.MethodPost, g.of("", "messages", id, "permanentDelete")), http.StatusNoContent, nil)
	if err == nil || isGone(err) || !lacksMethod(err) {
		return err
	}
	return g.call(ctx, g.request(http.MethodDelete, g.of("", "messages", id)), http.StatusNoContent, nil)
}

// isGone: the message is not there any more.
func isGone(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Reply.Code == http.StatusNotFound && hasCode(e, "ErrorItemNotFound")
}

// lacksMethod: the service does not know what it was asked for.
func lacksMethod(err error) bool {
	var e *Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Reply.Code {
	case http.StatusBadRequest, http.StatusNotFound, http.StatusMethodNotAllowed:
		return true
	}
	return false
}
