package mailbox

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
)

const (
	// searchLimit is the budget of a SEARCH and of a FETCH of header fields: both
	// are asked for a few messages only.
	searchLimit = 256 << 10
	// maxCandidates is how many messages that a SEARCH names are looked at, the
	// newest first: SEARCH HEADER matches parts of a value (RFC 9051 §6.4.4).
	maxCandidates = 20
	// newestScanned is how many of the newest messages are looked at where SEARCH
	// finds nothing: some servers do not search header fields.
	newestScanned = 25
)

// Message is a message that a search found.
type Message struct {
	UID      uint32
	Validity uint32    // UIDVALIDITY of the folder, without which the UID means nothing
	Arrived  time.Time // its internal date (RFC 9051 §2.3.3); zero if the server told none
	Size     int64     // octets, as the server counts them; some only estimate
	Header   Header
}

// Header is some fields of a message's header: values by the field's name in lower
// case, unfolded, in the order of the header.
type Header map[string][]string

// Get gives the first value of a field, or nothing.
func (h Header) Get(field string) string {
	if values := h[strings.ToLower(field)]; len(values) > 0 {
		return values[0]
	}
	return ""
}

// Find looks in a folder for messages whose header has the field with exactly this
// value, and gives them with the other fields named, newest first. It changes
// nothing, not even what is marked as recent.
//
// The server's SEARCH is asked first. Where it finds nothing or fails, the newest
// messages are looked at: SEARCH by header cannot be relied on everywhere.
func (m *Mailbox) Find(ctx context.Context, folder, field, value string, others ...string) ([]Message, error) {
	if !sendable(field) || !sendable(value) {
		return nil, failure(StepSearch, ErrBadValue)
	}
	opened, err := m.open(ctx, folder, true)
	if err != nil || opened.NumMessages == 0 {
		return nil, err
	}
	fields := append([]string{field}, others...)
	found, err := m.find(ctx, opened.NumMessages, fields, value)
	for i := range found {
		found[i].Validity = opened.UIDValidity
	}
	return found, err
}

// find looks in the folder that is open and has count messages.
func (m *Mailbox) find(ctx context.Context, count uint32, fields []string, value string) ([]Message, error) {
	set, err := m.search(ctx, fields[0], value)
	if err == nil && set != nil {
		found, err := m.matching(ctx, set, fields, value)
		if err != nil || len(found) > 0 {
			return found, err
		}
	}
	if err != nil && !m.Usable() {
		return nil, err
	}
	newest := imap.SeqSet{}
	newest.AddRange(max(count, newestScanned)-newestScanned+1, count)
	return m.matching(ctx, newest, fields, value)
}

// search asks the server. It gives the newest UIDs, or nil if there are none.
func (m *Mailbox) search(ctx context.Context, field, value string) (imap.NumSet, error) {
	criteria := &imap.SearchCriteria{Header: []imap.SearchCriteriaHeaderField{{Key: field, Value: value}}}
	var data *imap.SearchData
	err := m.do(ctx, operation{step: StepSearch, limit: searchLimit}, func() (err error) {
		data, err = m.client.UIDSearch(criteria, nil).Wait()
		return err
	})
	if err != nil {
		return nil, err
	}
	uids := newestUIDs(data.All)
	if len(uids) == 0 {
		return nil, nil
	}
	return imap.UIDSetNum(uids...), nil
}

// newestUIDs takes at most maxCandidates from the end of a set. The set is never
// written out: an answer such as 1:4294967295 would fill the memory.
func newestUIDs(all imap.NumSet) []imap.UID {
	set, ok := all.(imap.UIDSet)
	if !ok {
		return nil
	}
	var uids []imap.UID
	for _, r := range slices.Backward(set) {
		for uid := r.Stop; uid >= r.Start && uid > 0 && len(uids) < maxCandidates; uid-- {
			uids = append(uids, uid)
		}
	}
	return uids
}

// matching fetches header fields and keeps the messages whose first field has the
// value.
func (m *Mailbox) matching(ctx context.Context, set imap.NumSet, fields []string, value string) ([]Message, error) {
	messages, err := m.fetch(ctx, set, fields)
	if err != nil {
		return nil, err
	}
	wanted := strings.TrimSpace(value)
	messages = slices.DeleteFunc(messages, func(found Message) bool {
		return !slices.Contains(found.Header[strings.ToLower(fields[0])], wanted)
	})
	slices.SortFunc(messages, func(a, b Message) int { return int(int64(b.UID) - int64(a.UID)) })
	return messages, nil
}

// fetch reads header fields of messages, with PEEK: nothing becomes seen.
func (m *Mailbox) fetch(ctx context.Context, set imap.NumSet, fields []string) ([]Message, error) {
	section := &imap.FetchItemBodySection{Specifier: imap.PartSpecifierHeader, HeaderFields: fields, Peek: true}
	options := &imap.FetchOptions{UID: true, InternalDate: true, RFC822Size: true, BodySection: []*imap.FetchItemBodySection{section}}
	var messages []Message
	err := m.do(ctx, operation{step: StepSearch, limit: searchLimit}, func() error {
		fetched, err := m.client.Fetch(set, options).Collect()
		for _, f := range fetched {
			if f.UID != 0 && len(f.BodySection) > 0 {
				messages = append(messages, Message{UID: uint32(f.UID), Arrived: f.InternalDate, Size: f.RFC822Size, Header: parseHeader(f.BodySection[0].Bytes)})
			}
		}
		return err
	})
	var e *Error
	if errors.As(err, &e) && e.Status != "" && len(messages) > 0 {
		err = nil // some servers say NO when one of the messages is just gone (RFC 2180 §4.1)
	}
	return messages, err
}

// parseHeader reads header fields as a server sends them. It never fails: what is
// no field is passed over.
func parseHeader(raw []byte) Header {
	header := Header{}
	name := ""
	for line := range bytes.Lines(raw) {
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			break
		}
		if values := header[name]; (line[0] == ' ' || line[0] == '\t') && len(values) > 0 {
			// Unfolding (RFC 5322 §2.2.3); a value that was folded at once begins here.
			values[len(values)-1] = strings.TrimSpace(values[len(values)-1] + " " + string(bytes.TrimSpace(line)))
			continue
		}
		field, value, found := bytes.Cut(line, []byte(":"))
		name = strings.ToLower(string(bytes.TrimRight(field, " \t")))
		if !found || !isFieldName(name) {
			name = ""
			continue
		}
		header[name] = append(header[name], string(bytes.TrimSpace(value)))
	}
	return header
}

// isFieldName is field-name of RFC 5322 §3.6.8.
func isFieldName(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == ':' })
}
