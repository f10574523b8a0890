package relay

import "fmt"

// RouteKind is one of the ways of a message.
type RouteKind uint8

// The kinds of route.
const (
	RouteNone    RouteKind = iota // not yet decided
	RouteAccount                  // through the sender's own account
	RouteDirect                   // by MX, DKIM-signed
	RouteHold                     // kept until the reason is gone
	RouteInbox                    // a report, filed by IMAP in the INBOX of the return path's account
	RouteReturn                   // back to the return path with a DSN, by the organisation's policy
)

var routeNames = [...]string{"none", "account", "direct", "hold", "inbox", "return"}

// String is the kind as it stands in logs, the API and pages.
func (k RouteKind) String() string {
	if int(k) < len(routeNames) {
		return routeNames[k]
	}
	return fmt.Sprintf("route(%d)", uint8(k))
}

// MarshalText writes the kind as String does.
func (k RouteKind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (k *RouteKind) UnmarshalText(text []byte) error {
	for i, name := range routeNames {
		if name == string(text) {
			*k = RouteKind(i)
			return nil
		}
	}
	return fmt.Errorf("unknown route %q", text)
}

// Route is the decision of step 5, with its reason.
type Route struct {
	Kind    RouteKind
	Account string // id of the account, for RouteAccount, RouteInbox and a hold because of an account
	Rule    string // the stable name of the rule that decided, for explain and tests
	Reason  string // why, in plain words
}
