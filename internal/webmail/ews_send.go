package webmail

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"strings"

	"github.com/relayd/relayd/relay"
)

// The two halves of CreateItem around the message. The folder of the copy is always
// named: without it some servers take the outbox.
const (
	beforeFolder = `<m:CreateItem MessageDisposition="SendAndSaveCopy"><m:SavedItemFolderId>`
	beforeMIME   = `</m:SavedItemFolderId><m:Items><t:Message><t:MimeContent CharacterSet="UTF-8">`
	afterMIME    = `</t:MimeContent></t:Message></m:Items></m:CreateItem>`
)

// Send has Exchange send the message and file its copy. It gives no id back.
func (e *ewsClient) Send(ctx context.Context, c Content) (Receipt, error) {
	if err := checkContent(relay.WayEWS, c); err != nil {
		return Receipt{}, err
	}
	if !e.signedIn() {
		// What can be wrong beside the message comes out before any of it leaves: the
		// scheme, the password, the version.
		if _, err := e.Check(ctx); err != nil {
			return Receipt{}, err
		}
	}
	before := e.before() + beforeFolder + e.folder("sentitems") + beforeMIME
	size := int64(len(before) + base64.StdEncoding.EncodedLen(int(c.Size)) + len(afterMIME) + len(afterBody))
	reply, err := e.carry(ctx, "CreateItem", func() *request {
		q := e.request(size)
		q.send = true
		q.body = io.MultiReader(
			strings.NewReader(before),
			newEncoder(&exact{source: c.Reader(), left: c.Size}),
			strings.NewReader(afterMIME+afterBody),
		)
		return q
	})
	if err != nil {
		return Receipt{}, err
	}
	if err := reply.failed(); err != nil {
		return Receipt{}, err
	}
	switch m := &reply.messages[0]; {
	case len(reply.messages) != 1 || m.XMLName.Local != "CreateItemResponseMessage":
		return Receipt{}, e.link.unclear(reply.request, fmt.Errorf("%w: it is not about the one message", ErrAnswer))
	case !reply.answer.whole:
		return Receipt{}, e.link.unclear(reply.request, errEarly)
	}
	return Receipt{Reply: relay.Reply{Code: reply.answer.status, Text: "NoError"}}, nil
}
