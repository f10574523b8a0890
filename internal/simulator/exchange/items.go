package exchange

import (
	"encoding/base64"
	"net/mail"
	"slices"
	"time"
)

func itemID(f folder, id string) *node {
	return types("ItemId").with("Id", packID(f.address, f.id, id)).with("ChangeKey", changeKey)
}

// item finds what an ItemId means.
func (c *call) item(target *node) (folder, Item, error) {
	if target.space != typesSpace || target.local != "ItemId" {
		return folder{}, Item{}, refuse("ErrorInvalidRequest", "An ItemId was expected.")
	}
	parts, ok := unpackID(target.attr("Id"), 3)
	if !ok {
		return folder{}, Item{}, refuse("ErrorInvalidIdMalformed", "Id is malformed.")
	}
	f, err := c.folder(types("DistinguishedFolderId", types("Mailbox", types("EmailAddress").saying(parts[0]))).with("Id", parts[1]))
	if err != nil {
		return folder{}, Item{}, err
	}
	items, err := c.list(f)
	if err != nil {
		return folder{}, Item{}, err
	}
	i := slices.IndexFunc(items, func(item Item) bool { return item.ID == parts[2] })
	if i < 0 {
		return folder{}, Item{}, ErrNoItem
	}
	return f, items[i], nil
}

// getItem gives an item with what the request's shape asks for.
func (c *call) getItem(target *node) ([]*node, error) {
	f, item, err := c.item(target)
	if err != nil {
		return nil, err
	}
	return []*node{c.shown(f, item, true)}, nil
}

// deleteItem takes an item out: for good, or into the deleted items.
func (c *call) deleteItem(target *node) ([]*node, error) {
	f, item, err := c.item(target)
	if err != nil {
		return nil, err
	}
	switch c.request.attr("DeleteType") {
	case "HardDelete", "SoftDelete":
	case "MoveToDeletedItems":
		if f.id == deletedItems {
			break
		}
		if _, err := c.server.options.Mailboxes.Put(c.context, f.address, deletedItems, item); err != nil {
			return nil, err
		}
	default:
		return nil, refuse("ErrorInvalidRequest", "The DeleteType is not known.")
	}
	return nil, c.server.options.Mailboxes.Delete(c.context, f.address, f.id, item.ID)
}

// property is what can be asked of an item, and searched for.
type property struct {
	uri    string
	normal bool // part of the shape Default
	single bool // only GetItem gives it
	// value is what is compared; shown, if given, is the element to send instead of
	// the value as text.
	value func(Item, message) string
	shown func(folder, Item, message) *node
}

// properties stand in the order of the schema.
func properties() []property {
	return []property{
		{uri: "item:MimeContent", single: true, shown: func(_ folder, i Item, _ message) *node {
			return types("MimeContent").with("CharacterSet", "UTF-8").saying(base64.StdEncoding.EncodeToString(i.Content))
		}},
		{uri: "item:ItemId", normal: true, shown: func(f folder, i Item, _ message) *node { return itemID(f, i.ID) }},
		{uri: "item:ParentFolderId", shown: func(f folder, _ Item, _ message) *node { return f.idNode("ParentFolderId") }},
		{uri: "item:ItemClass", value: func(Item, message) string { return "IPM.Note" }},
		{uri: "item:Subject", normal: true, value: func(_ Item, m message) string { return m.subject() }},
		{uri: "item:Body", normal: true, single: true, shown: func(_ folder, _ Item, m message) *node {
			text, html := m.body()
			if html {
				return types("Body").with("BodyType", "HTML").saying(text)
			}
			return types("Body").with("BodyType", "Text").saying(text)
		}},
		{uri: "item:DateTimeReceived", value: func(i Item, _ message) string { return stamp(i.Received) }},
		{uri: "item:Size", normal: true, value: func(_ Item, m message) string { return itoa(m.size()) }},
		{uri: "item:DateTimeSent", normal: true, value: func(i Item, m message) string {
			if sent, err := m.header.Date(); err == nil {
				return stamp(sent)
			}
			return stamp(i.Received)
		}},
		{uri: "item:DateTimeCreated", normal: true, value: func(i Item, _ message) string { return stamp(i.Received) }},
		{uri: "message:ToRecipients", normal: true, single: true, shown: recipientsOf("ToRecipients", "To")},
		{uri: "message:CcRecipients", normal: true, single: true, shown: recipientsOf("CcRecipients", "Cc")},
		{uri: "message:BccRecipients", normal: true, single: true, shown: recipientsOf("BccRecipients", "Bcc")},
		{uri: "message:From", normal: true, value: firstAddress("From"), shown: func(_ folder, _ Item, m message) *node {
			list := mailboxes(m, "From")
			if len(list) == 0 {
				return nil
			}
			return types("From", list[0])
		}},
		{uri: "message:InternetMessageId", normal: true, value: func(_ Item, m message) string { return m.header.Get("Message-Id") }},
		{uri: "message:IsRead", normal: true, value: func(i Item, _ message) string {
			if i.Read {
				return "true"
			}
			return "false"
		}},
	}
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func firstAddress(field string) func(Item, message) string {
	return func(_ Item, m message) string {
		list, err := m.addresses(field)
		if err != nil || len(list) == 0 {
			return ""
		}
		return list[0].Address
	}
}

func recipientsOf(local, field string) func(folder, Item, message) *node {
	return func(_ folder, _ Item, m message) *node {
		list := mailboxes(m, field)
		if len(list) == 0 {
			return nil
		}
		return types(local, list...)
	}
}

func mailboxes(m message, field string) []*node {
	list, err := m.addresses(field)
	if err != nil {
		return nil
	}
	var all []*node
	for _, a := range list {
		all = append(all, mailboxNode(*a))
	}
	return all
}

func mailboxNode(a mail.Address) *node {
	name := a.Name
	if name == "" {
		name = a.Address
	}
	return types("Mailbox", types("Name").saying(name), types("EmailAddress").saying(a.Address),
		types("RoutingType").saying("SMTP"), types("MailboxType").saying("Mailbox"))
}

// element names a property as an element: what follows the colon.
func (p property) element() string {
	for i := range p.uri {
		if p.uri[i] == ':' {
			return p.uri[i+1:]
		}
	}
	return p.uri
}

// shown gives an item as the request's shape wants it. One that was found in a
// search lacks some properties, as everywhere.
func (c *call) shown(f folder, item Item, single bool) *node {
	shape := c.request.find(messagesSpace, "ItemShape")
	withMIME := shape.find(typesSpace, "IncludeMimeContent").content() == "true"
	all, m, n := isAll(shape), lenient(item.Content), types("Message")
	for _, p := range properties() {
		wanted := p.uri == "item:ItemId" || (all && p.normal) || asksFor(shape, p.uri)
		if p.uri == "item:MimeContent" { // large, so no shape includes it
			wanted = withMIME || lists(shape, p.uri)
		}
		if !wanted || (p.single && !single) {
			continue
		}
		if p.shown != nil {
			if e := p.shown(f, item, m); e != nil {
				n.add(e)
			}
			continue
		}
		if v := p.value(item, m); v != "" {
			n.add(types(p.element()).saying(v))
		}
	}
	return n
}
