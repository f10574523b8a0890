package gmailsim

import (
	"bytes"
	"encoding/base64"
	"net/http"
	"net/mail"
	"slices"
	"strconv"
	"strings"

	"github.com/relayd/relayd/internal/simulator/web"
)

// maxResults is how many messages one answer lists.
const maxResults = 500

// labels are Gmail's names for uses.
func labels() map[web.Use]string {
	return map[web.Use]string{web.Inbox: "INBOX", web.Sent: "SENT", web.Drafts: "DRAFT", web.Junk: "SPAM", web.Trash: "TRASH"}
}

// profile tells whose mailbox it is.
func (s *service) profile(w http.ResponseWriter, r *http.Request, address string) {
	messages, ok := s.read(r, address, web.Uses())
	if !ok {
		unavailable(w)
		return
	}
	web.JSON(w, http.StatusOK, map[string]any{"emailAddress": address, "messagesTotal": len(messages)})
}

// list finds messages, newest first.
func (s *service) list(w http.ResponseWriter, r *http.Request, address string) {
	uses, match, ok := parseQuery(r.URL.Query().Get("q"))
	if !ok {
		refuse(w, http.StatusBadRequest, "invalidArgument", "The simulator knows rfc822msgid: and in: only")
		return
	}
	messages, ok := s.read(r, address, uses)
	if !ok {
		unavailable(w)
		return
	}
	found := []map[string]string{}
	for _, m := range slices.Backward(messages) {
		if match(m) && len(found) < maxResults {
			found = append(found, map[string]string{"id": m.ID(), "threadId": m.ID()})
		}
	}
	web.JSON(w, http.StatusOK, map[string]any{"messages": found, "resultSizeEstimate": len(found)})
}

// parseQuery reads a search such as "in:sent rfc822msgid:id@host". Spam and trash
// are searched on demand only.
func parseQuery(q string) (uses []web.Use, match func(web.Message) bool, ok bool) {
	uses = []web.Use{web.Inbox, web.Sent, web.Drafts}
	id := ""
	for _, word := range strings.Fields(q) {
		key, value, _ := strings.Cut(word, ":")
		switch key {
		case "rfc822msgid":
			id = strings.Trim(value, "<>")
		case "in":
			switch value {
			case "anywhere":
				uses = web.Uses()
			case "inbox":
				uses = []web.Use{web.Inbox}
			case "sent":
				uses = []web.Use{web.Sent}
			case "spam":
				uses = []web.Use{web.Junk}
			case "trash":
				uses = []web.Use{web.Trash}
			default:
				return nil, nil, false
			}
		default:
			return nil, nil, false
		}
	}
	return uses, func(m web.Message) bool { return id == "" || messageID(m.Content) == id }, true
}

func messageID(content []byte) string {
	parsed, err := mail.ReadMessage(bytes.NewReader(content))
	if err != nil {
		return ""
	}
	return strings.Trim(parsed.Header.Get("Message-Id"), "<> ")
}

// get gives one message: its header, or with format=raw its octets.
func (s *service) get(w http.ResponseWriter, r *http.Request, address string) {
	m, ok := s.message(w, r, address)
	if !ok {
		return
	}
	answer := map[string]any{
		"id": m.ID(), "threadId": m.ID(), "labelIds": []string{s.label(address, m.Folder)},
		"internalDate": strconv.FormatInt(m.Date.UnixMilli(), 10), "sizeEstimate": len(m.Content),
	}
	switch r.URL.Query().Get("format") {
	case "raw":
		answer["raw"] = base64.URLEncoding.EncodeToString(m.Content)
	case "minimal":
	default:
		answer["payload"] = map[string]any{"headers": headers(m.Content)}
	}
	web.JSON(w, http.StatusOK, answer)
}

func headers(content []byte) []map[string]string {
	out := []map[string]string{}
	parsed, err := mail.ReadMessage(bytes.NewReader(content))
	if err != nil {
		return out
	}
	for name, values := range parsed.Header {
		for _, value := range values {
			out = append(out, map[string]string{"name": name, "value": value})
		}
	}
	slices.SortFunc(out, func(a, b map[string]string) int { return strings.Compare(a["name"], b["name"]) })
	return out
}

// remove takes a message away for good.
func (s *service) remove(w http.ResponseWriter, r *http.Request, address string) {
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

func (s *service) message(w http.ResponseWriter, r *http.Request, address string) (web.Message, bool) {
	if folder, uid, ok := web.ParseID(r.PathValue("id")); ok {
		if messages, err := s.provider.Read(r.Context(), address, folder); err == nil {
			if i := slices.IndexFunc(messages, func(m web.Message) bool { return m.UID == uid }); i >= 0 {
				return messages[i], true
			}
		}
	}
	refuse(w, http.StatusNotFound, "notFound", "Requested entity was not found.")
	return web.Message{}, false
}

// newest gives the identifier of the copy of what was just sent.
func (s *service) newest(r *http.Request, address string, sent web.Message) string {
	messages, err := s.provider.Read(r.Context(), address, sent.Folder)
	if err != nil || len(messages) == 0 {
		return sent.ID()
	}
	for _, m := range slices.Backward(messages) {
		if messageID(m.Content) == messageID(sent.Content) {
			return m.ID()
		}
	}
	return messages[len(messages)-1].ID()
}

func (s *service) read(r *http.Request, address string, uses []web.Use) ([]web.Message, bool) {
	var out []web.Message
	for _, use := range uses {
		name, ok := s.provider.Folder(address, use)
		if !ok {
			continue
		}
		messages, err := s.provider.Read(r.Context(), address, name)
		if err != nil {
			return nil, false
		}
		out = append(out, messages...)
	}
	slices.SortStableFunc(out, func(a, b web.Message) int { return a.Date.Compare(b.Date) })
	return out, true
}

func (s *service) label(address, folder string) string {
	for use, label := range labels() {
		if name, ok := s.provider.Folder(address, use); ok && name == folder {
			return label
		}
	}
	return folder
}

func unavailable(w http.ResponseWriter) {
	refuse(w, http.StatusServiceUnavailable, "backendError", "The service is currently unavailable.")
}
