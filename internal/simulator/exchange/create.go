package exchange

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
)

// The values of MessageDisposition.
const (
	saveOnly        = "SaveOnly"
	sendOnly        = "SendOnly"
	sendAndSaveCopy = "SendAndSaveCopy"
)

// createItem sends a message, or makes a draft of it.
func (c *call) createItem(item *node) ([]*node, error) {
	if item.space != typesSpace || item.local != "Message" {
		return nil, refuse("ErrorInvalidRequest", "Only messages can be made here.")
	}
	disposition := c.request.attr("MessageDisposition")
	standard := outbox // what a server takes that looks at nothing but the request
	switch disposition {
	case "":
		return nil, refuse("ErrorMessageDispositionRequired", "The MessageDisposition is missing.")
	case saveOnly:
		standard = drafts
	case sendOnly, sendAndSaveCopy:
	default:
		return nil, refuse("ErrorInvalidRequest", "The MessageDisposition is not known.")
	}
	target, err := c.savedItemFolder(standard)
	if err != nil {
		return nil, err
	}
	m, err := c.readItem(item)
	if err != nil {
		return nil, err
	}
	if disposition == saveOnly {
		id, err := c.put(target, m)
		return []*node{types("Message", itemID(target, id))}, err
	}
	if disposition == sendOnly {
		return nil, c.post(m, nil)
	}
	return nil, c.post(m, &target)
}

// readItem takes the message out of an item and makes it complete.
func (c *call) readItem(item *node) (message, error) {
	mime := item.find(typesSpace, "MimeContent")
	if mime == nil {
		content, err := compose(item)
		if err != nil {
			return message{}, err
		}
		return c.complete(content)
	}
	content, err := decodeBase64(mime.text)
	if err != nil {
		return message{}, refuse("ErrorMimeContentInvalidBase64String", "Invalid base64 string for MIME content.")
	}
	c.server.note(func(l *Last) { l.Message = content })
	return c.complete(content)
}

func (c *call) complete(content []byte) (message, error) {
	if int64(len(content)) > c.server.options.MaxMessage {
		return message{}, refuse("ErrorMessageSizeExceeded", "The message exceeds the maximum supported size.")
	}
	m, err := readMessage(content)
	if err != nil {
		return message{}, err
	}
	return m.completed(c.owner, rand.Text(), c.server.now()), nil
}

// decodeBase64 takes the white space that XML allows.
func decodeBase64(text []byte) ([]byte, error) {
	text = bytes.Map(func(r rune) rune {
		switch r {
		case ' ', '\t', '\r', '\n':
			return -1
		}
		return r
	}, text)
	return base64.StdEncoding.AppendDecode(nil, text)
}

// savedItemFolder is where the request wants the copy.
func (c *call) savedItemFolder(standard string) (folder, error) {
	saved := c.request.find(messagesSpace, "SavedItemFolderId")
	if saved == nil || len(saved.nodes) == 0 {
		return folder{address: c.owner.Address}.at(standard), nil
	}
	f, err := c.folder(saved.nodes[0])
	if err == nil && !f.holds {
		err = refuse("ErrorCreateItemAccessDenied", "The folder takes no items.")
	}
	return f, err
}

func (c *call) put(f folder, m message) (string, error) {
	return c.server.options.Mailboxes.Put(c.context, f.address, f.id, Item{Received: c.server.now(), Read: true, Content: m.content})
}

// post sends a message and keeps a copy, if a folder is given. Whoever stands in To,
// Cc or Bcc gets it: EWS knows no other envelope.
func (c *call) post(m message, copyTo *folder) error {
	if err := c.maySendAs(m); err != nil {
		return err
	}
	to, err := m.recipients()
	if err != nil {
		return err
	}
	if err := c.server.options.Mailboxes.Deliver(c.context, Mail{From: c.owner.Address, To: to, Content: m.without("Bcc")}); err != nil {
		return err
	}
	if copyTo == nil {
		return nil
	}
	_, err = c.put(*copyTo, m)
	return err
}

// maySendAs: every address in From must be the mailbox's own, or of a mailbox that
// lets it.
func (c *call) maySendAs(m message) error {
	denied := refuse("ErrorSendAsDenied", "The user account which was used to submit this request does not have the right to send mail on behalf of the specified sending account.")
	from, err := m.addresses("From")
	if err != nil {
		return denied
	}
	for _, a := range from {
		if c.owner.owns(a.Address) {
			continue
		}
		other, err := c.server.options.Mailboxes.Find(c.context, a.Address)
		if err != nil || !other.owns(a.Address) || !other.admits(c.owner) {
			return denied
		}
	}
	return nil
}

// sendItem sends what was kept before, and takes it out of its folder.
func (c *call) sendItem(target *node) ([]*node, error) {
	f, item, err := c.item(target)
	if err != nil {
		return nil, err
	}
	var copyTo *folder
	if c.request.attr("SaveItemToFolder") == "true" {
		to, err := c.savedItemFolder(sentItems)
		if err != nil {
			return nil, err
		}
		copyTo = &to
	}
	if err := c.post(lenient(item.Content), copyTo); err != nil {
		return nil, err
	}
	return nil, c.server.options.Mailboxes.Delete(c.context, f.address, f.id, item.ID)
}
