package account

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/relayd/relayd/relay"
)

// explainWebAuth is for an API that refuses the sign-in, or asks for none.
func (t *trouble) explainWebAuth() *problem {
	kind, detail := t.local()
	switch {
	case kind == "no mechanism":
		return t.blame("", "relayd cannot sign in at %s: %s. Check the address.", t.server.Host, detail)
	case kind == "protocol" && t.web == relay.WayEWS:
		return t.notEWS()
	case kind != "":
		return &problem{message: fmt.Sprintf("%s broke off during the sign-in: try again later.", t.server.Host)}
	case t.web != relay.WayEWS:
		return &problem{field: "consent", message: fmt.Sprintf("%s refuses the access that was given%s. %s", t.words().name, t.said(), t.remedy("Connect the account again."))}
	}
	return &problem{field: "password", message: fmt.Sprintf("%s refuses the user name %s with this password%s. "+
		`Check the password, and the form of the user name: DOMAIN\name or name@domain.`, t.server.Host, t.login, t.said())}
}

// explainEWS tells wrong settings from what an Exchange server has against the account
// or the mail. nil means that it is none of the settings.
func (t *trouble) explainEWS() *problem {
	switch code, _, _ := strings.Cut(t.reply.Text, ":"); code {
	case "ErrorInvalidServerVersion":
		return &problem{field: "ews.version", message: fmt.Sprintf("%s does not know the version of Exchange that relayd asks for%s. "+
			"Leave the version empty, and relayd finds it; a server older than Exchange 2007 SP1 cannot be used.", t.server.Host, t.said())}
	case "ErrorNonExistentMailbox", "ErrorAccessDenied":
		return &problem{field: "ews.login", message: fmt.Sprintf("%s does not open the mailbox to the user name %s%s. "+
			"Check the user name, and the rights that it has.", t.server.Host, t.login, t.said())}
	}
	switch t.reply.Code {
	case http.StatusBadRequest, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusGone, http.StatusUnsupportedMediaType:
		if !strings.HasPrefix(t.reply.Text, "Error") {
			return t.notEWS()
		}
	}
	return nil
}

// notEWS is for an address at which something else answers. Its words are not shown:
// nobody has proved that it is a mail server.
func (t *trouble) notEWS() *problem {
	return t.blame("", "What answers at this address of %s is not Exchange's web service: check it; it ends with /EWS/Exchange.asmx.", t.server.Host)
}
