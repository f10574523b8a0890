package accept

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"

	"github.com/relayd/relayd/relay"
)

// mergeRecipients gives each address once, in the order of their first RCPT.
// Whoever asked for a report of an address gets it.
func mergeRecipients(rcpts []relay.Recipient) []relay.Recipient {
	merged := make([]relay.Recipient, 0, len(rcpts))
	place := make(map[string]int, len(rcpts))
	for _, rcpt := range rcpts {
		key := rcpt.Address.Key()
		i, twice := place[key]
		if !twice {
			place[key] = len(merged)
			merged = append(merged, rcpt)
			continue
		}
		merged[i].Notify = unionNotify(merged[i].Notify, rcpt.Notify)
		if merged[i].ORcpt == "" {
			merged[i].ORcpt = rcpt.ORcpt
		}
	}
	return merged
}

// unionNotify keeps every wish of both. NEVER is no wish: it yields (RFC 3461 §4.1
// forbids it beside others).
func unionNotify(a, b relay.Notify) relay.Notify {
	if a == b {
		return a
	}
	both := spelledOut(a) | spelledOut(b)
	if both &^= relay.NotifyNever; both == relay.NotifyFailure|relay.NotifyDelay {
		return 0 // as if none had been given
	}
	return both
}

// spelledOut is what a missing NOTIFY means.
func spelledOut(n relay.Notify) relay.Notify {
	if n == 0 {
		return relay.NotifyFailure | relay.NotifyDelay
	}
	return n
}

// submissionKey makes a repeated submission recognisable (promise G4): submitter,
// return path, Message-ID, the recipients in whatever order, and the content as the
// client sent it.
func submissionKey(m *relay.Message) relay.SubmissionKey {
	keys := make([]string, len(m.Envelope.Recipients))
	for i := range keys {
		keys[i] = m.Envelope.Recipients[i].Address.Key()
	}
	slices.Sort(keys)
	h := sha256.New()
	for _, part := range append([]string{m.Submitter, m.Envelope.ReturnPath.Key(), m.HeaderID}, keys...) {
		// Each length stands before its text, so that no two lists read alike.
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(part))))
		h.Write([]byte(part))
	}
	h.Write(m.BodyHash[:])
	return relay.SubmissionKey(h.Sum(nil))
}
