package provider

import (
	"cmp"
	"slices"
	"time"

	"github.com/relayd/relayd/relay"
)

// Deadline is a day on which a provider takes something away.
type Deadline struct {
	ID       string // stable, such as "microsoft365.smtp_password"
	Preset   string // id
	Date     time.Time
	Text     string // one or two sentences for a person
	URL      string // the provider's own page about it; may be empty
	concerns concern
}

// concern is which accounts of a preset a deadline is about.
type concern string

const (
	concernsAll      concern = ""
	concernsPassword concern = "password"
	concernsEWS      concern = "ews"
)

// Concerns reports whether an account with these settings is affected.
func (d *Deadline) Concerns(s *relay.Settings) bool {
	if s.Preset != d.Preset {
		return false
	}
	switch d.concerns {
	case concernsPassword:
		return s.SignIn == relay.SignInPassword
	case concernsEWS:
		return slices.Contains(s.Ladder(), relay.WayEWS)
	}
	return true
}

// Deadlines gives the deadlines of presets, each once, the earliest first. Those that
// have passed are among them: an account may still depend on what is gone.
func (p *Presets) Deadlines(ids ...string) []Deadline {
	var out []Deadline
	for i, id := range ids {
		if preset := p.byID[id]; preset != nil && !slices.Contains(ids[:i], id) {
			out = append(out, preset.Deadlines...)
		}
	}
	slices.SortStableFunc(out, func(a, b Deadline) int {
		return cmp.Or(a.Date.Compare(b.Date), cmp.Compare(a.ID, b.ID))
	})
	return out
}
