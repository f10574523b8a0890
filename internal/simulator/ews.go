package simulator

import (
	"context"
	"net/http"
	"strings"

	"github.com/relayd/relayd/internal/simulator/exchange"
)

// ExchangeBehaviour is what the provider's Exchange server is like: the same
// mailboxes, behind EWS.
type ExchangeBehaviour struct {
	Release       exchange.Release  // empty means that there is no such server
	Schemes       []exchange.Scheme // of the sign-in; nil means NTLM and Basic
	Domain        string            // of Windows: the part of a login before the backslash; empty means EXAMPLE
	Impersonators []string          // addresses of accounts that may act as any other
	MaxMessage    int64             // octets; 0 means exchange.DefaultMaxMessage
}

// buildExchange makes the Exchange server, if the personality has one. It stands before
// the other services: IIS takes its paths in upper and lower case, which no pattern of
// ServeMux does.
func (s *Simulator) buildExchange() (err error) {
	p := &s.options.Personality.Exchange
	if p.Release == "" {
		return nil
	}
	s.exchange, err = exchange.New(exchange.Options{
		Mailboxes: ewsMailboxes{s}, Release: p.Release, Schemes: p.Schemes, Domain: p.Domain,
		Impersonators: p.Impersonators, MaxMessage: p.MaxMessage, Strike: s.strikeEWS, Logger: s.options.Logger,
	})
	if err != nil {
		return err
	}
	handler := s.exchange.Handler()
	s.web.ConnContext = s.exchange.ConnContext // NTLM signs in a connection
	s.web.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := strings.ToLower(r.URL.Path)
		if strings.HasPrefix(path, "/ews/") || strings.HasPrefix(path, "/autodiscover/") {
			handler.ServeHTTP(w, r)
			return
		}
		s.mux.ServeHTTP(w, r)
	})
	return nil
}

// Exchange is the Exchange server itself, which can do more: redirects of
// Autodiscover, and what it saw last. It is nil where the personality has none.
func (s *Simulator) Exchange() *exchange.Server { return s.exchange }

// EWSURL is the address of the web service; empty where the personality has none.
func (s *Simulator) EWSURL() string {
	if s.exchange == nil {
		return ""
	}
	return s.HTTPSURL() + "/EWS/Exchange.asmx"
}

// strikeEWS finds the fault of the provider that strikes at a place of EWS.
func (s *Simulator) strikeEWS(ctx context.Context, at exchange.Place, after bool, names ...string) (exchange.Fault, bool) {
	place := AtEWSRead
	switch at {
	case exchange.AtSignIn:
		place = AtEWSSignIn
	case exchange.AtAutodiscover, exchange.AtDiscoverJSON:
		place = AtAutodiscover
	case exchange.AtCreateItem, exchange.AtSendItem:
		place = AtEWSSend
		if after {
			place = AfterEWSSend
		}
	default:
		if after {
			return exchange.Fault{}, false
		}
	}
	f, hit := s.Strike(ctx, place, names...)
	return ewsFault(f), hit
}

// ewsFault says in the words of EWS what a fault says. An error code goes into a
// response message with "200 ErrorServerBusy: …", else into a SOAP fault; everything
// else is an answer of the web server before the service.
func ewsFault(f Fault) exchange.Fault {
	status, code, text := f.WebReply()
	odd := f.Body != "" || f.BodySize > 0 || f.Location != ""
	switch {
	case f.Hangup:
		return exchange.Fault{Hangup: true}
	case status == http.StatusUnauthorized && !odd:
		return exchange.Fault{Status: status} // with the schemes
	case strings.HasPrefix(code, "Error") && !odd:
		return exchange.Fault{Code: code, Text: text, SOAP: status != http.StatusOK, BackOff: f.RetryAfter}
	}
	return exchange.Fault{Answer: func(w http.ResponseWriter) {
		f.Answer(w, func(w http.ResponseWriter, status int, code, text string) {
			http.Error(w, strings.TrimSpace(code+" "+text), status)
		})
	}}
}
