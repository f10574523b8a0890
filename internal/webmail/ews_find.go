package webmail

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/relayd/relayd/relay"
)

const (
	maxFolders  = 500 // of a mailbox that are searched
	folderBatch = 50  // that are searched by one request
)

// Find restricts a search to the Message-ID.
func (e *ewsClient) Find(ctx context.Context, f Folder, headerID string) ([]Item, error) {
	if !sendable(headerID) {
		return nil, failure(relay.WayEWS, ErrBadValue)
	}
	return e.find(ctx, f, `<t:IsEqualTo><t:FieldURI FieldURI="message:InternetMessageId"/><t:FieldURIOrConstant><t:Constant Value="`+
		escape(headerID)+`"/></t:FieldURIOrConstant></t:IsEqualTo>`, byHeaderID(headerID))
}

// FindSubject restricts a search to a part of the subject.
func (e *ewsClient) FindSubject(ctx context.Context, f Folder, text string) ([]Item, error) {
	if !sendable(text) {
		return nil, failure(relay.WayEWS, ErrBadValue)
	}
	return e.find(ctx, f, `<t:Contains ContainmentMode="Substring" ContainmentComparison="IgnoreCase"><t:FieldURI FieldURI="item:Subject"/>`+
		`<t:Constant Value="`+escape(text)+`"/></t:Contains>`, bySubject(text))
}

// place is a folder to search in, as it is written and as it is called.
type place struct {
	xml  string
	name Folder
}

func (e *ewsClient) find(ctx context.Context, f Folder, restriction string, wanted func(*Item) bool) ([]Item, error) {
	places := []place{{e.folder(ewsFolderID(f)), f}}
	if f == FolderAnywhere {
		var err error
		if places, err = e.places(ctx); err != nil {
			return nil, err
		}
	}
	var items []Item
	for len(places) > 0 && len(items) < MaxFound {
		batch := places[:min(len(places), folderBatch)]
		places = places[len(batch):]
		found, err := e.search(ctx, batch, restriction, wanted)
		if err != nil {
			return nil, err
		}
		items = append(items, found...)
	}
	items = settle(items)
	return items, e.complete(ctx, items)
}

// places lists the folders for mail: EWS searches several of them at a time, but
// knows no search of all.
func (e *ewsClient) places(ctx context.Context) ([]place, error) {
	reply, err := e.invoke(ctx, "FindFolder", `<m:FindFolder Traversal="Deep"><m:FolderShape><t:BaseShape>IdOnly</t:BaseShape>`+
		`<t:AdditionalProperties><t:FieldURI FieldURI="folder:DisplayName"/></t:AdditionalProperties></m:FolderShape>`+
		`<m:IndexedPageFolderView MaxEntriesReturned="`+strconv.Itoa(maxFolders)+`" Offset="0" BasePoint="Beginning"/>`+
		`<m:ParentFolderIds>`+e.folder("msgfolderroot")+`</m:ParentFolderIds></m:FindFolder>`)
	if err != nil {
		return nil, err
	}
	if err := reply.failed(); err != nil {
		return nil, err
	}
	var places []place
	for _, m := range reply.messages {
		for _, folder := range m.Folders {
			if folder.ID.ID != "" && len(places) < maxFolders {
				places = append(places, place{`<t:FolderId Id="` + escape(folder.ID.ID) + `"/>`, Folder(relay.Printable(folder.Name))})
			}
		}
	}
	return places, nil
}

// search looks in several folders. The messages of the answer stand in their order.
func (e *ewsClient) search(ctx context.Context, places []place, restriction string, wanted func(*Item) bool) ([]Item, error) {
	var parents strings.Builder
	for _, p := range places {
		parents.WriteString(p.xml)
	}
	reply, err := e.invoke(ctx, "FindItem", `<m:FindItem Traversal="Shallow">`+itemShape+
		`<m:IndexedPageItemView MaxEntriesReturned="`+strconv.Itoa(MaxFound)+`" Offset="0" BasePoint="Beginning"/>`+
		`<m:Restriction>`+restriction+`</m:Restriction>`+
		`<m:SortOrder><t:FieldOrder Order="Descending"><t:FieldURI FieldURI="item:DateTimeReceived"/></t:FieldOrder></m:SortOrder>`+
		`<m:ParentFolderIds>`+parents.String()+`</m:ParentFolderIds></m:FindItem>`)
	if err != nil {
		return nil, err
	}
	// A folder that went away, or that is closed to the login, is no reason to find
	// nothing in the others.
	var tolerated []string
	if len(places) > 1 {
		tolerated = []string{"ErrorFolderNotFound", "ErrorItemNotFound", "ErrorAccessDenied"}
	}
	if err := reply.failed(tolerated...); err != nil {
		return nil, err
	}
	var items []Item
	for i := range min(len(reply.messages), len(places)) {
		for _, found := range reply.messages[i].Found {
			if item := found.item(places[i].name); wanted(&item) {
				items = append(items, item)
			}
		}
	}
	return items, nil
}

const itemShape = `<m:ItemShape><t:BaseShape>IdOnly</t:BaseShape><t:AdditionalProperties>` +
	`<t:FieldURI FieldURI="item:Subject"/><t:FieldURI FieldURI="item:DateTimeReceived"/>` +
	`<t:FieldURI FieldURI="message:From"/><t:FieldURI FieldURI="message:InternetMessageId"/>` +
	`</t:AdditionalProperties></m:ItemShape>`

func (i *ewsItem) item(f Folder) Item {
	item := Item{ID: i.ID.ID, ChangeKey: i.ID.ChangeKey, Folder: f, HeaderID: i.HeaderID, From: i.address(), Subject: i.Subject}
	if at, err := time.Parse(time.RFC3339, i.Received); err == nil {
		item.Arrived = at
	}
	return item
}

// address is the sender's, unless it is one that only Exchange's directory knows.
func (i *ewsItem) address() string {
	if !strings.Contains(i.From, "@") {
		return ""
	}
	return i.From
}

// complete asks for the senders' addresses: a search gives their names only. A
// message that went away meanwhile keeps what was found.
func (e *ewsClient) complete(ctx context.Context, items []Item) error {
	var ids strings.Builder
	for i := range items {
		if items[i].From == "" {
			ids.WriteString(items[i].xml(false))
		}
	}
	if ids.Len() == 0 {
		return nil
	}
	reply, err := e.invoke(ctx, "GetItem", `<m:GetItem>`+itemShape+`<m:ItemIds>`+ids.String()+`</m:ItemIds></m:GetItem>`)
	if err != nil {
		return err
	}
	from := map[string]string{}
	for i := range reply.messages {
		for _, got := range reply.messages[i].Items {
			from[got.ID.ID] = relay.Printable(got.address())
		}
	}
	for i := range items {
		if items[i].From == "" {
			items[i].From = from[items[i].ID]
		}
	}
	return nil
}

func (i *Item) xml(withKey bool) string {
	if !withKey || i.ChangeKey == "" {
		return `<t:ItemId Id="` + escape(i.ID) + `"/>`
	}
	return `<t:ItemId Id="` + escape(i.ID) + `" ChangeKey="` + escape(i.ChangeKey) + `"/>`
}

// Delete takes messages out for good.
func (e *ewsClient) Delete(ctx context.Context, items ...Item) error {
	if len(items) == 0 {
		return nil
	}
	var ids strings.Builder
	for i := range items {
		if !sendable(items[i].ID) {
			return failure(relay.WayEWS, ErrBadValue)
		}
		ids.WriteString(items[i].xml(true))
	}
	inner := `<m:DeleteItem DeleteType="HardDelete"><m:ItemIds>` + ids.String() + `</m:ItemIds></m:DeleteItem>`
	reply, err := e.invoke(ctx, "DeleteItem", inner)
	if err != nil {
		return err
	}
	return reply.failed("ErrorItemNotFound")
}

// ewsFolderID is the distinguished id of a folder.
func ewsFolderID(f Folder) string {
	switch f {
	case FolderInbox:
		return "inbox"
	case FolderJunk:
		return "junkemail"
	}
	return "sentitems"
}
