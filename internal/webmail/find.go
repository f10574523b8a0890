package webmail

import (
	"slices"
	"strings"

	"github.com/relayd/relayd/relay"
)

// A service's search is a help and no proof: what it gives is compared with what was
// looked for. That also makes harmless whatever a text could mean in its language of
// search.

// byHeaderID wants exactly that Message-ID.
func byHeaderID(id string) func(*Item) bool {
	id = strings.TrimSpace(id)
	return func(item *Item) bool { return item.ID != "" && strings.TrimSpace(item.HeaderID) == id }
}

// bySubject wants the text in the subject, in upper or lower case.
func bySubject(text string) func(*Item) bool {
	text = strings.ToLower(text)
	return func(item *Item) bool { return item.ID != "" && strings.Contains(strings.ToLower(item.Subject), text) }
}

// settle sorts what was found, newest first, and makes it safe to show.
func settle(items []Item) []Item {
	slices.SortStableFunc(items, func(a, b Item) int { return b.Arrived.Compare(a.Arrived) })
	for i := range items {
		item := &items[i]
		item.HeaderID, item.From, item.Subject = relay.Printable(item.HeaderID), relay.Printable(item.From), relay.Printable(item.Subject)
	}
	return items[:min(len(items), MaxFound)]
}

// hasCode reports whether an API named that error.
func hasCode(e *Error, code string) bool {
	return e.Reply.Text == code || strings.HasPrefix(e.Reply.Text, code+":")
}
