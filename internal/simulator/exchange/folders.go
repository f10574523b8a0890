package exchange

import (
	"encoding/base64"
	"slices"
	"strings"
)

// The folders that hold messages, by distinguished id.
const (
	inbox        = "inbox"
	sentItems    = "sentitems"
	drafts       = "drafts"
	outbox       = "outbox"
	deletedItems = "deleteditems"
	junkEmail    = "junkemail"
)

// folderKind is a folder that every mailbox has.
type folderKind struct {
	id, name, parent string
	holds            bool // messages; else only folders
}

func folderKinds() []folderKind {
	return []folderKind{
		{"root", "", "", false},
		{"msgfolderroot", "Top of Information Store", "root", false},
		{inbox, "Inbox", "msgfolderroot", true},
		{sentItems, "Sent Items", "msgfolderroot", true},
		{drafts, "Drafts", "msgfolderroot", true},
		{outbox, "Outbox", "msgfolderroot", true},
		{deletedItems, "Deleted Items", "msgfolderroot", true},
		{junkEmail, "Junk Email", "msgfolderroot", true},
	}
}

// folder is one of a certain mailbox.
type folder struct {
	folderKind
	address string
}

func (f folder) at(id string) folder {
	i := slices.IndexFunc(folderKinds(), func(k folderKind) bool { return k.id == id })
	return folder{folderKinds()[i], f.address}
}

// children are the folders right below; all of them, where deep is set.
func (f folder) children(deep bool) []folder {
	var found []folder
	for _, k := range folderKinds() {
		if k.parent != f.id {
			continue
		}
		child := folder{k, f.address}
		found = append(found, child)
		if deep {
			found = append(found, child.children(true)...)
		}
	}
	return found
}

// Ids are opaque to a client. The change key never changes: nothing is edited here.
const changeKey = "AQAAAA=="

func packID(parts ...string) string {
	return base64.StdEncoding.EncodeToString([]byte(strings.Join(parts, "\x00")))
}

func unpackID(id string, parts int) ([]string, bool) {
	raw, err := base64.StdEncoding.DecodeString(id)
	if err != nil {
		return nil, false
	}
	split := strings.Split(string(raw), "\x00")
	return split, len(split) == parts
}

func (f folder) idNode(local string) *node {
	return types(local).with("Id", packID(f.address, f.id)).with("ChangeKey", changeKey)
}

// folder finds what a DistinguishedFolderId or FolderId means, and whether the owner
// may open it.
func (c *call) folder(target *node) (folder, error) {
	address, id := c.owner.Address, strings.ToLower(target.attr("Id"))
	switch {
	case target.space == typesSpace && target.local == "DistinguishedFolderId":
		if mailbox := target.find(typesSpace, "Mailbox", "EmailAddress").content(); mailbox != "" {
			address = mailbox
		}
	case target.space == typesSpace && target.local == "FolderId":
		parts, ok := unpackID(target.attr("Id"), 2)
		if !ok {
			return folder{}, refuse("ErrorInvalidIdMalformed", "Id is malformed.")
		}
		address, id = parts[0], parts[1]
	default:
		return folder{}, refuse("ErrorInvalidRequest", "A folder was expected.")
	}
	owner, err := c.mailbox(address)
	if err != nil {
		return folder{}, err
	}
	i := slices.IndexFunc(folderKinds(), func(k folderKind) bool { return k.id == id })
	if i < 0 {
		return folder{}, refuse("ErrorFolderNotFound", "The specified folder could not be found in the store.")
	}
	return folder{folderKinds()[i], owner.Address}, nil
}

// mailbox gives the owner of a mailbox that the one who acts may open.
func (c *call) mailbox(address string) (Owner, error) {
	owner, err := c.server.options.Mailboxes.Find(c.context, address)
	if err != nil {
		return Owner{}, err
	}
	if !owner.admits(c.owner) {
		return Owner{}, refuse("ErrorAccessDenied", "Access is denied. Check credentials and try again.")
	}
	return owner, nil
}

func (c *call) list(f folder) ([]Item, error) {
	if !f.holds {
		return nil, nil
	}
	return c.server.options.Mailboxes.List(c.context, f.address, f.id)
}

// getFolder describes a folder.
func (c *call) getFolder(target *node) ([]*node, error) {
	f, err := c.folder(target)
	if err != nil {
		return nil, err
	}
	described, err := c.describe(f)
	return []*node{described}, err
}

// describe gives what the request's shape asks for, in the order of the schema.
func (c *call) describe(f folder) (*node, error) {
	shape := c.request.find(messagesSpace, "FolderShape")
	wanted := func(uri string) bool { return asksFor(shape, uri) }
	n := types("Folder", f.idNode("FolderId"))
	if f.parent != "" && wanted("folder:ParentFolderId") {
		n.add(f.at(f.parent).idNode("ParentFolderId"))
	}
	if f.holds && wanted("folder:FolderClass") {
		n.add(types("FolderClass").saying("IPF.Note"))
	}
	all := isAll(shape)
	if all || wanted("folder:DisplayName") {
		n.add(types("DisplayName").saying(f.name))
	}
	items, err := c.list(f)
	if err != nil {
		return nil, err
	}
	if all || wanted("folder:TotalCount") {
		n.add(types("TotalCount").saying(itoa(len(items))))
	}
	if all || wanted("folder:ChildFolderCount") {
		n.add(types("ChildFolderCount").saying(itoa(len(f.children(false)))))
	}
	if f.holds && (all || wanted("folder:UnreadCount")) {
		unread := slices.DeleteFunc(slices.Clone(items), func(i Item) bool { return i.Read })
		n.add(types("UnreadCount").saying(itoa(len(unread))))
	}
	return n, nil
}

// isAll reports whether a shape is more than the id and what is listed.
func isAll(shape *node) bool {
	base := shape.find(typesSpace, "BaseShape").content()
	return base == "Default" || base == "AllProperties"
}

// asksFor reports whether a shape lists a property, or asks for all of them.
func asksFor(shape *node, uri string) bool {
	if shape.find(typesSpace, "BaseShape").content() == "AllProperties" {
		return true
	}
	return lists(shape, uri)
}

// lists reports whether a shape names a property.
func lists(shape *node, uri string) bool {
	list := shape.find(typesSpace, "AdditionalProperties")
	return list != nil && slices.ContainsFunc(list.nodes, func(n *node) bool {
		return n.space == typesSpace && n.local == "FieldURI" && n.attr("FieldURI") == uri
	})
}

// findFolder lists the folders below one.
func (c *call) findFolder(target *node) ([]*node, error) {
	f, err := c.folder(target)
	if err != nil {
		return nil, err
	}
	list := types("Folders")
	children := f.children(c.request.attr("Traversal") == "Deep")
	p, err := c.page("IndexedPageFolderView", len(children))
	if err != nil {
		return nil, err
	}
	for _, child := range children[p.from:p.to] {
		described, err := c.describe(child)
		if err != nil {
			return nil, err
		}
		list.add(described)
	}
	return []*node{p.root(list)}, nil
}
