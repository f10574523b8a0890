package webmail

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/relayd/relayd/relay"
)

// graphMessage is a message as Graph tells it, with the properties that are asked
// for.
type graphMessage struct {
	ID                string    `json:"id"`
	InternetMessageID string    `json:"internetMessageId"`
	Subject           string    `json:"subject"`
	ReceivedDateTime  time.Time `json:"receivedDateTime"`
	ParentFolderID    string    `json:"parentFolderId"`
	From              struct {
		EmailAddress struct {
			Address string `json:"address"`
		} `json:"emailAddress"`
	} `json:"from"`
}

const graphProperties = "id,internetMessageId,subject,receivedDateTime,parentFolderId,from"

// Find filters by internetMessageId.
func (g *graphClient) Find(ctx context.Context, f Folder, headerID string) ([]Item, error) {
	if !sendable(headerID) {
		return nil, failure(relay.WayGraph, ErrBadValue)
	}
	return g.find(ctx, f, "internetMessageId eq "+quoted(headerID), byHeaderID(headerID))
}

// FindSubject filters by a part of the subject.
func (g *graphClient) FindSubject(ctx context.Context, f Folder, text string) ([]Item, error) {
	if !sendable(text) {
		return nil, failure(relay.WayGraph, ErrBadValue)
	}
	return g.find(ctx, f, "contains(subject,"+quoted(text)+")", bySubject(text))
}

// quoted writes a text of OData: a quotation mark in it is doubled.
func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// find asks without an order: together with such filters Graph refuses one.
func (g *graphClient) find(ctx context.Context, f Folder, filter string, wanted func(*Item) bool) ([]Item, error) {
	path := []string{"messages"}
	if name := graphFolder(f); name != "" {
		path = []string{"mailFolders", name, "messages"}
	}
	query := parameter("$filter", filter) + "&" + parameter("$select", graphProperties) + "&$top=" + strconv.Itoa(MaxFound)
	var list struct{ Value []graphMessage }
	if err := g.get(ctx, g.of(query, path...), &list); err != nil {
		return nil, err
	}
	items := make([]Item, 0, len(list.Value))
	names := map[string]Folder{}
	for i := range list.Value {
		m := &list.Value[i]
		item := Item{ID: m.ID, Folder: f, HeaderID: m.InternetMessageID, From: m.From.EmailAddress.Address, Subject: m.Subject, Arrived: m.ReceivedDateTime}
		if !wanted(&item) || len(items) == MaxFound {
			continue
		}
		if f == FolderAnywhere {
			item.Folder = g.nameOf(ctx, m.ParentFolderID, names)
		}
		items = append(items, item)
	}
	return settle(items), nil
}

// nameOf asks for the name of a folder. A message is found with or without it.
func (g *graphClient) nameOf(ctx context.Context, id string, known map[string]Folder) Folder {
	if name, ok := known[id]; ok || id == "" {
		return name
	}
	var folder struct{ DisplayName string }
	if err := g.get(ctx, g.of(parameter("$select", "displayName"), "mailFolders", id), &folder); err != nil {
		folder.DisplayName = ""
	}
	known[id] = Folder(relay.Printable(folder.DisplayName))
	return known[id]
}

// graphFolder is the well-known name of a folder; empty for the whole mailbox.
func graphFolder(f Folder) string {
	switch f {
	case FolderSent:
		return "sentitems"
	case FolderInbox:
		return "inbox"
	case FolderJunk:
		return "junkemail"
	}
	return ""
}
