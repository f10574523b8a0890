package graphsim

import (
	"bytes"
	"net/http"
	"net/mail"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/relayd/relayd/internal/simulator/web"
)

// wellKnown gives the use of a folder by Graph's name for it.
func wellKnown(name string) (web.Use, bool) {
	use, ok := map[string]web.Use{
		"inbox": web.Inbox, "sentitems": web.Sent, "drafts": web.Drafts, "junkemail": web.Junk, "deleteditems": web.Trash,
	}[strings.ToLower(name)]
	return use, ok
}

// find gives the folder of a request.
func (s *service) find(w http.ResponseWriter, r *http.Request, address string) (name string, ok bool) {
	use, known := wellKnown(r.PathValue("folder"))
	if known {
		name, known = s.provider.Folder(address, use)
	}
	if !known {
		refuse(w, http.StatusNotFound, "ErrorItemNotFound", "The specified object was not found in the store.")
	}
	return name, known
}

// folder describes a folder.
func (s *service) folder(w http.ResponseWriter, r *http.Request, address string) {
	name, ok := s.find(w, r, address)
	if !ok {
		return
	}
	messages, err := s.provider.Read(r.Context(), address, name)
	if err != nil {
		unavailable(w)
		return
	}
	web.JSON(w, http.StatusOK, map[string]any{"id": name, "displayName": name, "totalItemCount": len(messages)})
}

// list gives the messages of a folder, or of all of them, newest first.
func (s *service) list(w http.ResponseWriter, r *http.Request, address string) {
	q := r.URL.Query()
	match, ok := parseFilter(q.Get("$filter"))
	top := usualPage
	if given := q.Get("$top"); given != "" {
		var err error
		top, err = strconv.Atoi(given)
		ok = ok && err == nil && top >= 1 && top <= maxPage
	}
	if !ok {
		refuse(w, http.StatusBadRequest, "BadRequest", "Invalid filter clause, or a value out of range.")
		return
	}
	var folders []string
	if r.PathValue("folder") != "" {
		name, found := s.find(w, r, address)
		if !found {
			return
		}
		folders = []string{name}
	} else {
		folders = s.all(address)
	}
	found := []web.Message{}
	for _, name := range folders {
		messages, err := s.provider.Read(r.Context(), address, name)
		if err != nil {
			unavailable(w)
			return
		}
		found = append(found, slices.DeleteFunc(messages, func(m web.Message) bool { return !match(m) })...)
	}
	slices.SortStableFunc(found, func(a, b web.Message) int { return b.Date.Compare(a.Date) })
	value := []map[string]any{}
	for _, m := range found[:min(top, len(found))] {
		value = append(value, selected(describe(m), q.Get("$select")))
	}
	web.JSON(w, http.StatusOK, map[string]any{"value": value})
}

func (s *service) all(address string) []string {
	var out []string
	for _, use := range web.Uses() {
		if name, ok := s.provider.Folder(address, use); ok {
			out = append(out, name)
		}
	}
	return out
}

// get describes one message.
func (s *service) get(w http.ResponseWriter, r *http.Request, address string) {
	if m, ok := s.message(w, r, address); ok {
		web.JSON(w, http.StatusOK, selected(describe(m), r.URL.Query().Get("$select")))
	}
}

// raw gives the octets of one message.
func (s *service) raw(w http.ResponseWriter, r *http.Request, address string) {
	if m, ok := s.message(w, r, address); ok {
		w.Header().Set("Content-Type", "text/plain")
		_, _ = w.Write(m.Content) // who does not read it has left
	}
}

// remove takes a message to the deleted items.
func (s *service) remove(w http.ResponseWriter, r *http.Request, address string) {
	m, ok := s.message(w, r, address)
	if !ok {
		return
	}
	trash, ok := s.provider.Folder(address, web.Trash)
	if !ok || s.provider.Move(r.Context(), address, m.Folder, m.UID, trash) != nil {
		unavailable(w)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// destroy takes a message away for good.
func (s *service) destroy(w http.ResponseWriter, r *http.Request, address string) {
	m, ok := s.message(w, r, address)
	if !ok {
		return
	}
	if s.provider.Remove(address, m.Folder, m.UID) != nil {
		unavailable(w)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// message finds the message of a request.
func (s *service) message(w http.ResponseWriter, r *http.Request, address string) (web.Message, bool) {
	if folder, uid, ok := web.ParseID(r.PathValue("id")); ok {
		if messages, err := s.provider.Read(r.Context(), address, folder); err == nil {
			if i := slices.IndexFunc(messages, func(m web.Message) bool { return m.UID == uid }); i >= 0 {
				return messages[i], true
			}
		}
	}
	refuse(w, http.StatusNotFound, "ErrorItemNotFound", "The specified object was not found in the store.")
	return web.Message{}, false
}

func unavailable(w http.ResponseWriter) {
	refuse(w, http.StatusServiceUnavailable, "ErrorMailboxStoreUnavailable", "The mailbox database is temporarily unavailable.")
}

// describe gives what Graph tells about a message.
func describe(m web.Message) map[string]any {
	out := map[string]any{
		"id": m.ID(), "parentFolderId": m.Folder, "isRead": m.Seen, "receivedDateTime": m.Date.UTC().Format(time.RFC3339),
		"sentDateTime": m.Date.UTC().Format(time.RFC3339),
	}
	parsed, err := mail.ReadMessage(bytes.NewReader(m.Content))
	if err != nil {
		return out
	}
	out["internetMessageId"], out["subject"] = parsed.Header.Get("Message-Id"), parsed.Header.Get("Subject")
	out["from"] = first(people(parsed.Header, "From"))
	out["sender"] = out["from"]
	out["toRecipients"], out["ccRecipients"] = people(parsed.Header, "To"), people(parsed.Header, "Cc")
	out["bccRecipients"] = people(parsed.Header, "Bcc")
	out["internetMessageHeaders"] = fields(m.Content)
	return out
}

// fields gives the header in its order, unfolded.
func fields(content []byte) []map[string]string {
	out := []map[string]string{}
	for line := range bytes.Lines(content) {
		text := strings.TrimRight(string(line), "\r\n")
		name, value, isField := strings.Cut(text, ":")
		switch {
		case text == "":
			return out
		case (text[0] == ' ' || text[0] == '\t') && len(out) > 0:
			out[len(out)-1]["value"] += " " + strings.TrimSpace(text)
		case isField:
			out = append(out, map[string]string{"name": textproto.TrimString(name), "value": textproto.TrimString(value)})
		}
	}
	return out
}

func people(h mail.Header, name string) []map[string]any {
	out := []map[string]any{}
	list, err := h.AddressList(name)
	if err != nil {
		return out
	}
	for _, a := range list {
		out = append(out, map[string]any{"emailAddress": map[string]string{"name": a.Name, "address": a.Address}})
	}
	return out
}

func first(list []map[string]any) any {
	if len(list) == 0 {
		return nil
	}
	return list[0]
}

// selected keeps what $select names. The header is told only to those who ask.
func selected(m map[string]any, names string) map[string]any {
	if names == "" {
		delete(m, "internetMessageHeaders")
		return m
	}
	out := map[string]any{"id": m["id"]}
	for name := range strings.SplitSeq(names, ",") {
		if value, ok := m[strings.TrimSpace(name)]; ok {
			out[strings.TrimSpace(name)] = value
		}
	}
	return out
}
