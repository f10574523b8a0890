package webmail

import (
	"context"
	"errors"
	"net/http"
	"net/mail"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/relayd/relayd/relay"
)

// Find searches by Gmail's operator for a Message-ID.
func (g *gmailClient) Find(ctx context.Context, f Folder, headerID string) ([]Item, error) {
	if !sendable(headerID) {
		return nil, failure(relay.WayGmailAPI, ErrBadValue)
	}
	return g.find(ctx, f, "rfc822msgid:"+strings.Trim(headerID, "<> "), byHeaderID(headerID))
}

// FindSubject searches by Gmail's operator for a phrase in the subject.
func (g *gmailClient) FindSubject(ctx context.Context, f Folder, text string) ([]Item, error) {
	if !sendable(text) {
		return nil, failure(relay.WayGmailAPI, ErrBadValue)
	}
	return g.find(ctx, f, `subject:"`+strings.ReplaceAll(text, `"`, " ")+`"`, bySubject(text))
}

// find asks for the ids first and then for each message: the list holds no more.
func (g *gmailClient) find(ctx context.Context, f Folder, search string, wanted func(*Item) bool) ([]Item, error) {
	query := parameter("q", search) + "&maxResults=" + strconv.Itoa(MaxFound) + "&includeSpamTrash=true"
	if label := gmailLabel(f); label != "" {
		query += "&labelIds=" + label
	}
	var list struct {
		Messages []struct {
			ID string `json:"id"`
		} `json:"messages"`
	}
	if err := g.get(ctx, g.of(query, "messages"), &list); err != nil {
		return nil, err
	}
	var items []Item
	for i := range min(len(list.Messages), MaxFound) {
		id := list.Messages[i].ID
		if !sendable(id) {
			continue
		}
		item, err := g.read(ctx, f, id)
		var e *Error
		if errors.As(err, &e) && e.Reply.Code == http.StatusNotFound {
			continue // it went away meanwhile
		}
		if err != nil {
			return nil, err
		}
		if wanted(&item) {
			items = append(items, item)
		}
	}
	return settle(items), nil
}

// read asks for three header fields of a message, its labels and its time.
func (g *gmailClient) read(ctx context.Context, f Folder, id string) (Item, error) {
	const query = "format=metadata&metadataHeaders=Message-ID&metadataHeaders=From&metadataHeaders=Subject"
	var m struct {
		ID           string   `json:"id"`
		LabelIDs     []string `json:"labelIds"`
		InternalDate string   `json:"internalDate"`
		Payload      struct {
			Headers []struct{ Name, Value string } `json:"headers"`
		} `json:"payload"`
	}
	if err := g.get(ctx, g.of(query, "messages", id), &m); err != nil {
		return Item{}, err
	}
	item := Item{ID: m.ID, Folder: f}
	if f == FolderAnywhere {
		item.Folder = folderOfLabels(m.LabelIDs)
	}
	if ms, err := strconv.ParseInt(m.InternalDate, 10, 64); err == nil {
		item.Arrived = time.UnixMilli(ms).UTC()
	}
	for _, h := range m.Payload.Headers {
		switch strings.ToLower(h.Name) {
		case "message-id":
			item.HeaderID = h.Value
		case "subject":
			item.Subject = h.Value
		case "from":
			if from, err := mail.ParseAddress(h.Value); err == nil {
				item.From = from.Address
			}
		}
	}
	return item, nil
}

// gmailLabel is the label that stands for a folder; empty for the whole mailbox.
func gmailLabel(f Folder) string {
	switch f {
	case FolderSent:
		return "SENT"
	case FolderInbox:
		return "INBOX"
	case FolderJunk:
		return "SPAM"
	}
	return ""
}

// folderOfLabels tells where people see the message. Mail to oneself is in Sent as
// well as in the inbox.
func folderOfLabels(labels []string) Folder {
	for _, f := range []Folder{FolderInbox, FolderJunk, FolderSent} {
		if slices.Contains(labels, gmailLabel(f)) {
			return f
		}
	}
	return FolderAnywhere
}
