package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/relayd/relayd/internal/api"
	"github.com/relayd/relayd/relay"
)

// story prints a message and its timeline in lines that a person reads from top to
// bottom: what it is, how each recipient stands, what happened in order.
func story(w io.Writer, m *api.MessageDetail) {
	pairs(w, "Message", m.ID, "Status", m.Status, "Kind", m.Kind, "Accepted", when(m.Accepted), "Settled", whenever(m.Retired),
		"Submitter", m.Submitter, "Protocol", m.Protocol, "From", m.From, "Return path", returnPath(m),
		"Message-ID", m.MessageID, "Size", size(m.Size), "Route", routeText(&m.Route),
		"Held", holdText(m.Hold), "Sent copy", copyText(&m.Copy))
	line(w, "")
	var rows [][]string
	for _, rcpt := range m.Recipients {
		rows = append(rows, []string{rcpt.Address, rcpt.Outcome, fmt.Sprint(rcpt.Attempts), whenever(rcpt.Next), rcpt.Reply})
	}
	table(w, []string{"RECIPIENT", "OUTCOME", "DEFERRED", "NEXT", "LAST REPLY"}, rows)
	line(w, "")
	for i := range m.Timeline {
		event(w, &m.Timeline[i])
	}
}

func returnPath(m *api.MessageDetail) string {
	if m.ReturnPath == "" {
		return "<>"
	}
	return m.ReturnPath
}

func routeText(r *api.Route) string {
	text := r.Kind
	if r.Account != "" {
		text += " " + r.Account
	}
	if r.Reason != "" {
		text += ": " + r.Reason
	}
	return text
}

func holdText(h *api.Hold) string {
	if h == nil {
		return ""
	}
	text := h.Reason + " (since " + when(h.Since)
	if h.By != "" {
		text += ", by " + h.By
	}
	return text + ")"
}

func copyText(c *api.Copy) string {
	text := c.Status
	if c.Folder != "" {
		text += " in " + c.Folder
	}
	if c.UID != 0 {
		text += fmt.Sprintf(" as UID %d", c.UID)
	}
	if c.Reason != "" {
		text += ": " + c.Reason
	}
	return text
}

// event prints one line of the timeline and, below it, one line for each recipient
// concerned.
func event(w io.Writer, e *api.Event) {
	parts := []string{when(e.At), e.Kind}
	if e.By != "" {
		parts = append(parts, "by "+e.By)
	}
	if e.Route != nil {
		parts = append(parts, "route "+routeText(e.Route))
	}
	if p := e.Peer; p != nil {
		parts = append(parts, strings.TrimSpace("at "+relay.Peer{Host: p.Host, Addr: p.Addr}.String()))
		if p.TLS != "" {
			parts = append(parts, p.TLS)
		}
	}
	if e.Detail != "" && (e.Route == nil || e.Detail != e.Route.Reason) {
		parts = append(parts, e.Detail)
	}
	for i := range parts {
		parts[i] = relay.Printable(parts[i])
	}
	line(w, "%s", strings.Join(parts, "  "))
	for i := range e.Results {
		result(w, &e.Results[i])
	}
}

func result(w io.Writer, r *api.Result) {
	text := r.Recipient + "  " + r.Outcome
	if r.Reply != "" {
		text += "  " + r.Reply
	}
	line(w, "    %s", relay.Printable(text))
	if r.Hint != "" {
		line(w, "      %s", relay.Printable(r.Hint))
	}
}
