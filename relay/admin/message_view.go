package admin

import (
	"github.com/relayd/relayd/internal/api"
	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
)

func viewMessage(r *store.Record, waits []relay.Wait) api.Message {
	m, s := r.Message, r.State
	return api.Message{
		ID: m.ID.String(), Kind: m.Kind.String(), Status: status(r),
		Accepted: m.Accepted.UTC(), Retired: moment(r.Retired),
		Submitter: m.Submitter, Organisation: m.Organisation, Protocol: m.Protocol,
		ReturnPath: m.Envelope.ReturnPath.String(), From: m.From.String(), MessageID: m.HeaderID, Size: m.Size,
		Recipients: viewRecipients(m, s), Route: viewRoute(s.Route), Hold: viewHold(s.Hold), Copy: viewCopy(s.Copy),
		Waits: viewWaits(waits),
	}
}

// status is how the message stands in one word.
func status(r *store.Record) string {
	if !r.Retired.IsZero() || r.State.Done() {
		return "done"
	}
	if r.State.Hold != nil {
		return "held"
	}
	for i := range r.State.Recipients {
		if r.State.Recipients[i].Outcome == relay.Held {
			return "held"
		}
	}
	return "waiting"
}

func viewRecipients(m *relay.Message, s *relay.State) []api.Recipient {
	out := make([]api.Recipient, 0, len(s.Recipients))
	for i := range s.Recipients {
		r := &s.Recipients[i]
		out = append(out, api.Recipient{
			Address: recipient(m, i), Outcome: r.Outcome.String(), Attempts: r.Attempts,
			Next: moment(r.Next), Rule: r.Rule, Reply: r.Reply.String(), Peer: r.Peer, At: moment(r.At),
		})
	}
	return out
}

// recipient names a recipient by its index in the envelope.
func recipient(m *relay.Message, i int) string {
	if i < 0 || i >= len(m.Envelope.Recipients) {
		return ""
	}
	return m.Envelope.Recipients[i].Address.String()
}

func viewRoute(r relay.Route) api.Route {
	return api.Route{Kind: r.Kind.String(), Account: r.Account, Rule: r.Rule, Reason: r.Reason}
}

func viewHold(h *relay.Hold) *api.Hold {
	if h == nil {
		return nil
	}
	return &api.Hold{Reason: h.Reason, Rule: h.Rule, Account: h.Account, By: h.By, Since: h.Since.UTC()}
}

func viewWaits(waits []relay.Wait) []api.Wait {
	var out []api.Wait
	for _, w := range waits {
		out = append(out, api.Wait{Lane: w.Lane, Reason: w.Reason, Until: moment(w.Until)})
	}
	return out
}

func viewCopy(c relay.Copy) api.Copy {
	return api.Copy{
		Status: c.Status.String(), Account: c.Account, Folder: c.Folder, UID: c.UID,
		Attempts: c.Attempts, Next: moment(c.Next), Reason: c.Reason,
	}
}

func viewDetail(r *store.Record, waits []relay.Wait, events []relay.Event) api.MessageDetail {
	out := api.MessageDetail{Message: viewMessage(r, waits), Timeline: make([]api.Event, 0, len(events))}
	for i := range events {
		if events[i].Kind == relay.EventCopyKept {
			continue
		}
		out.Timeline = append(out.Timeline, viewEvent(r.Message, &events[i]))
	}
	return out
}

func viewEvent(m *relay.Message, e *relay.Event) api.Event {
	out := api.Event{At: e.At.UTC(), Kind: string(e.Kind), By: e.By, Detail: e.Detail}
	if e.Route != (relay.Route{}) {
		r := viewRoute(e.Route)
		out.Route = &r
	}
	if e.Peer != (relay.Peer{}) {
		out.Peer = &api.Peer{Host: e.Peer.Host, Addr: e.Peer.Addr, TLS: e.Peer.TLS}
	}
	for i := range e.Results {
		r := &e.Results[i]
		out.Results = append(out.Results, api.Result{
			Recipient: recipient(m, r.Recipient), Outcome: r.Outcome.String(),
			Reply: r.Reply.String(), Rule: r.Rule, Hint: r.Hint,
		})
	}
	return out
}
