package simulator

import (
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"time"

	"github.com/relayd/relayd/internal/simulator/fault"
	"github.com/relayd/relayd/internal/simulator/web"
)

// maxAdmin is how large a request of administration may be.
const maxAdmin = 1 << 20

// registerAdmin mounts what lets a program in another process do what a Go test
// does: faults, what was sent, and the fates of accounts.
func (s *Simulator) registerAdmin() {
	s.mux.HandleFunc("GET /simulator/faults", func(w http.ResponseWriter, _ *http.Request) {
		all := []faultJSON{}
		for _, f := range s.faults.All() {
			all = append(all, toJSON(f))
		}
		web.JSON(w, http.StatusOK, all)
	})
	s.mux.HandleFunc("POST /simulator/faults", s.adminInject)
	s.mux.HandleFunc("DELETE /simulator/faults", func(w http.ResponseWriter, _ *http.Request) {
		s.ClearFaults()
		w.WriteHeader(http.StatusNoContent)
	})
	s.mux.HandleFunc("GET /simulator/outbox", s.adminOutbox)
	s.mux.HandleFunc("DELETE /simulator/outbox", func(w http.ResponseWriter, _ *http.Request) {
		s.ClearOutbox()
		w.WriteHeader(http.StatusNoContent)
	})
	s.mux.HandleFunc("POST /simulator/accounts/{address}", s.adminAccount)
	s.mux.HandleFunc("POST /simulator/tenant", s.adminTenant)
}

// faultJSON is a Fault as it is written in JSON.
type faultJSON struct {
	At         fault.Place `json:"at"`
	Times      int         `json:"times,omitempty"`
	Who        string      `json:"who,omitempty"`
	Reply      string      `json:"reply,omitempty"`
	Hangup     bool        `json:"hangup,omitempty"`
	Delay      duration    `json:"delay,omitempty"`
	RetryAfter duration    `json:"retryAfter,omitempty"`
	Body       string      `json:"body,omitempty"`
	BodySize   int64       `json:"bodySize,omitempty"`
	Location   string      `json:"location,omitempty"`
}

func toJSON(f Fault) faultJSON {
	return faultJSON{At: f.At, Times: f.Times, Who: f.Who, Reply: f.Reply, Hangup: f.Hangup, Delay: duration(f.Delay),
		RetryAfter: duration(f.RetryAfter), Body: f.Body, BodySize: f.BodySize, Location: f.Location}
}

func (f faultJSON) fault() (Fault, error) {
	switch {
	case !slices.Contains(fault.Places(), f.At):
		return Fault{}, fmt.Errorf("at: there is no place %q; there are %q", f.At, fault.Places())
	case f.Times < 0 || f.BodySize < 0 || f.BodySize > fault.MaxBodySize || f.Delay < 0 || f.RetryAfter < 0:
		return Fault{}, errors.New("a number is out of range")
	}
	return Fault{At: f.At, Times: f.Times, Who: f.Who, Reply: f.Reply, Hangup: f.Hangup, Delay: time.Duration(f.Delay),
		RetryAfter: time.Duration(f.RetryAfter), Body: f.Body, BodySize: f.BodySize, Location: f.Location}, nil
}

// duration is written as "1m30s".
type duration time.Duration

// MarshalText writes it.
func (d duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads it.
func (d *duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	*d = duration(parsed)
	return err
}

func (s *Simulator) adminInject(w http.ResponseWriter, r *http.Request) {
	var wanted faultJSON
	if !readJSON(w, r, &wanted) {
		return
	}
	f, err := wanted.fault()
	if err != nil {
		adminRefuse(w, http.StatusBadRequest, err)
		return
	}
	s.Inject(f)
	w.WriteHeader(http.StatusNoContent)
}

// mailJSON is a Mail as it is written in JSON. Content is in base64.
type mailJSON struct {
	At      time.Time `json:"at"`
	Via     string    `json:"via"`
	User    string    `json:"user"`
	From    string    `json:"from"`
	To      []string  `json:"to"`
	TLS     bool      `json:"tls"`
	Content []byte    `json:"content"`
}

func (s *Simulator) adminOutbox(w http.ResponseWriter, _ *http.Request) {
	all := []mailJSON{}
	for _, m := range s.Outbox() {
		all = append(all, mailJSON{m.At, m.Via, m.User, m.From, m.To, m.TLS, m.Content})
	}
	web.JSON(w, http.StatusOK, all)
}

// adminAccount lets something happen to an account.
func (s *Simulator) adminAccount(w http.ResponseWriter, r *http.Request) {
	var do struct {
		ExpireTokens   bool    `json:"expireTokens"`
		RevokeConsent  bool    `json:"revokeConsent"`
		RevokeSessions bool    `json:"revokeSessions"`
		Password       *string `json:"password"`
		Limit          *int    `json:"limit"`
	}
	if !readJSON(w, r, &do) {
		return
	}
	u := s.byAddress(r.PathValue("address"))
	if u == nil {
		adminRefuse(w, http.StatusNotFound, errors.New("there is no such account"))
		return
	}
	if do.ExpireTokens {
		s.ExpireTokens(u.account.Address)
	}
	if do.RevokeConsent {
		s.RevokeConsent(u.account.Address)
	}
	if do.RevokeSessions {
		s.oauth.RevokeSessions(u.account.Address)
	}
	if do.Password != nil {
		u.setPassword(*do.Password)
	}
	if do.Limit != nil {
		u.setLimit(*do.Limit)
	}
	w.WriteHeader(http.StatusNoContent)
}

// adminTenant changes what holds for everybody.
func (s *Simulator) adminTenant(w http.ResponseWriter, r *http.Request) {
	var do struct {
		SMTPAuthDisabled     *bool     `json:"smtpAuthDisabled"`
		AdminConsentRequired *bool     `json:"adminConsentRequired"`
		GrantAdminConsent    string    `json:"grantAdminConsent"`  // a client
		RevokeAdminConsent   string    `json:"revokeAdminConsent"` // a client
		ExpireSecret         string    `json:"expireSecret"`       // a client
		TokenLifetime        *duration `json:"tokenLifetime"`
		RefuseOldTokens      *bool     `json:"refuseOldTokens"`
		DropScopes           []string  `json:"dropScopes"`
		IDTokenAddress       *string   `json:"idTokenAddress"`
	}
	if !readJSON(w, r, &do) {
		return
	}
	if do.ExpireSecret != "" {
		if err := s.oauth.ExpireSecret(do.ExpireSecret); err != nil {
			adminRefuse(w, http.StatusNotFound, err)
			return
		}
	}
	if do.SMTPAuthDisabled != nil {
		s.SMTPAuthDisabled(*do.SMTPAuthDisabled)
	}
	if do.GrantAdminConsent != "" {
		s.oauth.GrantAdminConsent(do.GrantAdminConsent)
	}
	if do.RevokeAdminConsent != "" {
		s.oauth.RevokeAdminConsent(do.RevokeAdminConsent)
	}
	s.ConfigureOAuth(func(b *OAuthBehaviour) {
		set(&b.AdminConsentRequired, do.AdminConsentRequired)
		set(&b.RefuseOld, do.RefuseOldTokens)
		set(&b.IDTokenAddress, do.IDTokenAddress)
		set((*duration)(&b.Lifetime), do.TokenLifetime)
		if do.DropScopes != nil {
			b.DropScopes = do.DropScopes
		}
	})
	w.WriteHeader(http.StatusNoContent)
}

func set[T any](to, value *T) {
	if value != nil {
		*to = *value
	}
}

// readJSON reads a request. It has to say that it is JSON: a page in a browser
// cannot, unless it is asked for first (CORS).
func readJSON(w http.ResponseWriter, r *http.Request, into any) bool {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		adminRefuse(w, http.StatusUnsupportedMediaType, errors.New("the request is not application/json"))
		return false
	}
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxAdmin))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		adminRefuse(w, http.StatusBadRequest, err)
		return false
	}
	return true
}

func adminRefuse(w http.ResponseWriter, status int, err error) {
	web.JSON(w, status, map[string]string{"error": err.Error()})
}
