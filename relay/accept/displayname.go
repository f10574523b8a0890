package accept

import (
	"context"
	"fmt"
	"mime"
	"strings"

	"github.com/relayd/relayd/internal/mailaddr"
	"github.com/relayd/relayd/relay"
)

// fromField is the From field as it goes on: the client's own octets, unless the
// user chose a header name; then that name with the address as the client wrote it.
func (a *Acceptor) fromField(ctx context.Context, sub *relay.Submission, head *header, m *relay.Message) ([]byte, error) {
	field := head.all("From")[0]
	user, err := found(a.Directory.UserByAddress(ctx, m.From))
	if err != nil {
		return nil, relay.Fault(fmt.Errorf("find the user of %s: %w", m.From, err))
	}
	if user == nil {
		return field.raw, nil
	}
	name := relay.Printable(user.HeaderName)
	if name == "" {
		return field.raw, nil
	}
	box, err := field.mailbox(sub.Envelope.SMTPUTF8)
	if err != nil {
		return nil, err
	}
	// The address on a line of its own keeps both within the 78 characters of RFC
	// 5322 §2.1.1 in all but the longest cases.
	return fmt.Appendf(nil, "From: %s\r\n <%s>\r\n", displayName(name), box.written), nil
}

// displayName writes a name as phrase of RFC 5322 §3.2.5: as atoms where it can,
// as a quoted string where it must, and as encoded words (RFC 2047) where it is not
// ASCII, so that it needs no SMTPUTF8.
func displayName(name string) string {
	plain, ascii := true, true
	for i := 0; i < len(name); i++ {
		ascii = ascii && name[i] < 0x80
		plain = plain && (name[i] == ' ' || mailaddr.IsAtext(name[i]))
	}
	switch {
	case !ascii:
		// B and not Q, whose words may hold what a phrase may not (RFC 2047 §5).
		// Folded between the words, whose lengths the encoder keeps to 75.
		return strings.ReplaceAll(mime.BEncoding.Encode("utf-8", name), "?= =?", "?=\r\n =?")
	case plain && !strings.Contains(name, "=?"): // that would be read as encoded
		return name
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(name) + `"`
}
