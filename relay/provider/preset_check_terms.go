package provider

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/relayd/relayd/relay"
)

func (e *presetEntry) compileOAuth(s *Preset) error {
	o := e.OAuth
	if o == nil || o.As != "" {
		return nil
	}
	s.OAuth = &OAuth{Vendor: o.Vendor, Closed: o.Closed, Scopes: map[relay.Resource][]string{}, Endpoints: relay.Endpoints{
		Auth: o.Auth, Token: o.Token, Device: o.Device, Revoke: o.Revoke, AdminConsent: o.AdminConsent,
	}}
	for name, scopes := range o.Scopes {
		switch r := relay.Resource(name); r {
		case relay.ResourceMail, relay.ResourceGraph, relay.ResourceGmail:
			s.OAuth.Scopes[r] = scopes
		default:
			return fmt.Errorf("oauth: the resource %q is not known", name)
		}
		if len(scopes) == 0 {
			return fmt.Errorf("oauth: there are no scopes for %s", name)
		}
	}
	switch {
	case o.API == "":
	case s.OAuth.Scopes[relay.ResourceGraph] != nil:
		s.OAuth.Endpoints.Graph = o.API
	default:
		s.OAuth.Endpoints.Gmail = o.API
	}
	if o.Vendor == "" || o.Auth == "" || o.Token == "" || len(s.OAuth.Scopes[relay.ResourceMail]) == 0 {
		return errors.New("oauth: vendor, auth, token and scopes for mail are all needed")
	}
	for _, address := range []string{o.Auth, o.Token, o.Device, o.Revoke, o.AdminConsent, o.API} {
		if address == "" {
			continue
		}
		if err := checkURL(strings.ReplaceAll(address, "{tenant}", "common")); err != nil {
			return fmt.Errorf("oauth: %w", err)
		}
	}
	return nil
}

func (l limitEntry) limits() (relay.Limits, error) {
	for _, n := range []int64{
		int64(l.Connections), int64(l.MessagesPerConnection), int64(l.MessagesPerMinute), int64(l.MessagesPerHour),
		int64(l.MessagesPerDay), int64(l.RecipientsPerMessage), int64(l.RecipientsPerMinute), int64(l.RecipientsPerHour),
		int64(l.RecipientsPerDay), l.MessageSize,
	} {
		if n < 0 {
			return relay.Limits{}, fmt.Errorf("the limit %d is below zero", n)
		}
	}
	return relay.Limits(l), nil
}

func (e *presetEntry) compileLimits(s *Preset) error {
	var err error
	if s.Limits, err = e.Limits.limits(); err != nil {
		return err
	}
	s.limitsFor = map[string]relay.Limits{}
	for _, other := range e.LimitsFor {
		limits, err := other.limits()
		if err != nil {
			return err
		}
		for _, d := range other.Domains {
			if !slices.Contains(e.Domains, d) {
				return fmt.Errorf("limits_for: %s is none of the domains", d)
			}
			s.limitsFor[d] = limits
		}
	}
	return nil
}

func (e *presetEntry) compileDeadlines(s *Preset) error {
	for _, d := range e.Deadlines {
		date, err := time.Parse(time.DateOnly, d.Date)
		if err != nil {
			return fmt.Errorf("deadline %s: %q is not a date", d.ID, d.Date)
		}
		if !strings.HasPrefix(d.ID, e.ID+".") {
			return fmt.Errorf("deadline %q: the id does not begin with that of the preset", d.ID)
		}
		if !slices.Contains([]concern{concernsAll, concernsPassword, concernsEWS}, concern(d.Concerns)) {
			return fmt.Errorf("deadline %s: concerns %q is not known", d.ID, d.Concerns)
		}
		if err := checkText(d.Text, d.URL); err != nil {
			return fmt.Errorf("deadline %s: %w", d.ID, err)
		}
		s.Deadlines = append(s.Deadlines, Deadline{ID: d.ID, Preset: e.ID, Date: date, Text: d.Text, URL: d.URL, concerns: concern(d.Concerns)})
	}
	return nil
}

func (e *presetEntry) compileHints(s *Preset) error {
	topics := []HintTopic{HintPassword, HintIMAP, HintSMTP, HintConsent, HintLogin, HintLimits, HintOther}
	for _, h := range e.Hints {
		switch {
		case !slices.Contains(topics, HintTopic(h.Topic)):
			return fmt.Errorf("hints: the topic %q is not known", h.Topic)
		case h.For != "person" && h.For != "administrator":
			return fmt.Errorf("hints: %q is nobody", h.For)
		}
		if err := checkText(h.Text, h.URL); err != nil {
			return fmt.Errorf("hints: %w", err)
		}
		s.Hints = append(s.Hints, Hint{Topic: HintTopic(h.Topic), Administrator: h.For == "administrator", Text: h.Text, URL: h.URL})
	}
	return nil
}

// checkText holds what people read to a sentence of bounded length.
func checkText(text, address string) error {
	if text == "" || len(text) > maxHint || text != relay.Printable(text) || !strings.HasSuffix(text, ".") {
		return fmt.Errorf("%q is not a sentence of at most %d characters", text, maxHint)
	}
	if address == "" {
		return nil
	}
	return checkURL(address)
}
