package webmail

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/relayd/relayd/relay"
)

// errEarly: a service cannot have taken what it had not read.
var errEarly = fmt.Errorf("%w: it came before the message was complete", ErrAnswer)

// gmailClient speaks to one mailbox over the Gmail API. A token belongs to one
// mailbox, also that of a service account, so the mailbox is always "me".
type gmailClient struct{ *rest }

// of gives an address below the mailbox.
func (g *gmailClient) of(query string, elements ...string) string {
	return g.url(query, append([]string{"gmail", "v1", "users", "me"}, elements...)...)
}

// Check reads the profile. With the scope gmail.send alone that is not permitted.
func (g *gmailClient) Check(ctx context.Context) (About, error) {
	var profile struct{ EmailAddress string }
	err := g.get(ctx, g.of("", "profile"), &profile)
	about := g.link.about()
	if err == nil && profile.EmailAddress == "" {
		err = g.link.unclear(&request{}, ErrAnswer)
	}
	about.Address = relay.Printable(profile.EmailAddress)
	return about, err
}

// Send hands the message over as it is, at the address for uploads.
func (g *gmailClient) Send(ctx context.Context, c Content) (Receipt, error) {
	if err := checkContent(relay.WayGmailAPI, c); err != nil {
		return Receipt{}, err
	}
	address := g.url("uploadType=media", "upload", "gmail", "v1", "users", "me", "messages", "send")
	q := g.upload(address, "message/rfc822", &exact{source: c.Reader(), left: c.Size}, c.Size)
	a, err := g.link.do(ctx, q)
	switch {
	case err != nil:
		return Receipt{}, err
	case a.status != http.StatusOK:
		return Receipt{}, g.refused(q, a)
	case a.err != nil:
		return Receipt{}, g.link.unclear(q, a.err)
	case !a.whole:
		return Receipt{}, g.link.unclear(q, errEarly)
	}
	var sent struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(a.body, &sent); err != nil || sent.ID == "" {
		return Receipt{}, g.link.unclear(q, fmt.Errorf("%w: it names no message", ErrAnswer))
	}
	id := relay.Printable(sent.ID)
	return Receipt{ID: id, Reply: relay.Reply{Code: a.status, Text: relay.Printable("OK " + id)}}, nil
}

// Delete takes messages out for good. That needs the scope of the whole mailbox.
func (g *gmailClient) Delete(ctx context.Context, items ...Item) error {
	for _, item := range items {
		if !sendable(item.ID) {
			return failure(relay.WayGmailAPI, ErrBadValue)
		}
		var e *Error
		err := g.call(ctx, g.request(http.MethodDelete, g.of("", "messages", item.ID)), http.StatusNoContent, nil)
		if errors.As(err, &e) && e.Reply.Code == http.StatusNotFound {
			continue // it is gone
		}
		if err != nil {
			return err
		}
	}
	return nil
}
