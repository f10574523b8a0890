package oauthsim

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/relayd/relayd/internal/simulator/fault"
)

// device is a program without a browser that waits for somebody's consent.
type device struct {
	client, userCode string
	scopes           []string
	grant            *grant // once it was allowed
	denied           bool
	asked            time.Time // when it last asked
	expires          time.Time
}

func (d *device) over(now time.Time) bool { return !now.Before(d.expires) }

// deviceCode is the device authorisation endpoint (RFC 8628 §3.1).
func (s *Server) deviceCode(w http.ResponseWriter, r *http.Request) {
	if !s.readForm(w, r) || s.struck(w, r, fault.AtDevice, r.PostForm.Get("client_id")) {
		return
	}
	c := s.client(r.PostForm.Get("client_id")) // RFC 8628 §3.1: it need not prove itself here
	if c == nil {
		s.refuse(w, unknownClient)
		return
	}
	b := s.current()
	scopes := strings.Fields(r.PostForm.Get("scope"))
	if k := b.deviceScopes(scopes); k != none {
		s.refuse(w, k)
		return
	}
	now := s.options.Now()
	d := &device{client: c.ID, userCode: userCode(), scopes: scopes, expires: now.Add(deviceLife)}
	id := secret()
	s.mu.Lock()
	room := makeRoom(s.devices, now)
	if room {
		s.devices[id] = d
	}
	s.mu.Unlock()
	if !room {
		http.Error(w, "too many devices wait", http.StatusServiceUnavailable)
		return
	}
	page := issuer(r) + "/device"
	answer := map[string]any{
		"device_code": id, "user_code": d.userCode, "verification_uri": page,
		"verification_uri_complete": page + "?user_code=" + d.userCode,
		"expires_in":                int(deviceLife / time.Second), "interval": int(b.deviceInterval() / time.Second),
	}
	if b.Dialect == Google {
		answer["verification_url"] = page // its older name
	}
	writeJSON(w, http.StatusOK, answer)
}

func (b Behaviour) deviceScopes(scopes []string) kind {
	switch {
	case len(scopes) == 0 || slices.ContainsFunc(scopes, func(scope string) bool { return !b.Dialect.isKnown(scope) }):
		return badScope
	case b.Dialect == Google && slices.ContainsFunc(scopes, func(scope string) bool { return !isIdentity(scope) }):
		return noDeviceScope // mail is not on Google's list for devices
	}
	return none
}

func (b Behaviour) deviceInterval() time.Duration {
	if b.DeviceInterval <= 0 {
		return DefaultDeviceInterval
	}
	return b.DeviceInterval
}

// userCode is short enough to be typed.
func userCode() string {
	text := rand.Text()
	return text[:4] + "-" + text[4:8]
}

// byDevice tells a waiting program how it stands.
func (s *Server) byDevice(r *http.Request) (tokenAnswer, kind) {
	c, k := s.authenticate(r)
	if k != none {
		return tokenAnswer{}, k
	}
	g, k := s.poll(c.ID, r.PostForm.Get("device_code"))
	if k != none {
		return tokenAnswer{}, k
	}
	return s.answer(r, g, nil, g.offline)
}

func (s *Server) poll(clientID, id string) (*grant, kind) {
	now := s.options.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.devices[id]
	if d == nil || d.client != clientID {
		return nil, badCode
	}
	tooSoon := !d.asked.IsZero() && now.Sub(d.asked) < s.behaviour.deviceInterval()
	d.asked = now
	switch {
	case d.over(now):
		delete(s.devices, id)
		return nil, expiredDevice
	case d.denied:
		delete(s.devices, id)
		return nil, deniedDevice
	case d.grant != nil:
		delete(s.devices, id)
		return d.grant, none
	case tooSoon:
		return nil, slowDown
	}
	return nil, pending
}

// ApproveDevice allows the program that shows this code to use an account.
func (s *Server) ApproveDevice(userCode, account string) error {
	if !s.hasAccount(account) {
		return errNoAccount
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.waiting(userCode)
	if d == nil {
		return fmt.Errorf("no device waits with the code %q", userCode)
	}
	d.grant = &grant{client: d.client, address: account, scopes: without(d.scopes, s.behaviour.DropScopes),
		offline: s.behaviour.Dialect == Google || slices.Contains(d.scopes, "offline_access")}
	s.grants[d.grant] = struct{}{}
	return nil
}

// DenyDevice declines.
func (s *Server) DenyDevice(userCode string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.waiting(userCode)
	if d == nil {
		return fmt.Errorf("no device waits with the code %q", userCode)
	}
	d.denied = true
	return nil
}

// waiting finds a device that nobody has answered. The lock is held.
func (s *Server) waiting(userCode string) *device {
	for _, d := range s.devices {
		if strings.EqualFold(d.userCode, strings.TrimSpace(userCode)) && d.grant == nil && !d.denied && !d.over(s.options.Now()) {
			return d
		}
	}
	return nil
}

// devicePage is where somebody types the code of a device.
func (s *Server) devicePage(w http.ResponseWriter, r *http.Request) {
	if !s.readForm(w, r) {
		return
	}
	if r.Method != http.MethodPost {
		showPage(w, http.StatusOK, "device", devicePage{Code: r.Form.Get("user_code"), Accounts: s.options.Accounts()})
		return
	}
	var err error
	if r.PostForm.Get("decision") == "allow" {
		err = s.ApproveDevice(r.PostForm.Get("user_code"), r.PostForm.Get("account"))
	} else {
		err = s.DenyDevice(r.PostForm.Get("user_code"))
	}
	if err != nil {
		showPage(w, http.StatusBadRequest, "refused", err.Error())
		return
	}
	showPage(w, http.StatusOK, "done", nil)
}
