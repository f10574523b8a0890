package admin

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/relayd/relayd/internal/api"
	"github.com/relayd/relayd/internal/mailaddr"
	"github.com/relayd/relayd/relay"
)

// scouting serves what can be known about accounts: the settings of an address, what
// was sent lately, and what ends.
type scouting struct {
	*desk
	scout Scout
}

func (s scouting) register(a huma.API) {
	operate(s.desk, a, huma.Operation{
		OperationID: "discover", Method: http.MethodPost, Path: "/discover", Metadata: map[string]any{readsOnly: true},
		Summary: "Look for the settings of an address; nobody signs in anywhere",
	}, s.discover)
	get(s.desk, a, "usage", "/accounts/{id}/usage", "Show what an account sent lately, and what its provider still lets it send", s.usage)
	operate(s.desk, a, huma.Operation{
		OperationID: "list-calendar", Method: http.MethodGet, Path: "/calendar",
		Summary: "List what ends: consents, secrets, certificates, and what providers take away",
	}, s.calendar)
}

type discoverRequest struct {
	Body api.DiscoverInput
}

type discovered struct{ Body api.Discovery }

func (s scouting) discover(ctx context.Context, in *discoverRequest) (*discovered, error) {
	address, err := mailaddr.Parse(in.Body.Address)
	if err != nil {
		return nil, wrong("address", "%q is not an e-mail address.", relay.Printable(in.Body.Address))
	}
	organisation := callerOf(ctx).Organisation
	if owner, err := s.ownerOf(ctx, address.Domain); err != nil {
		return nil, err
	} else if owner != nil && callerOf(ctx).reaches(owner.ID) {
		organisation = owner.ID
	}
	found, err := s.scout.Discover(ctx, address, organisation, in.Body.Provider)
	if err != nil {
		return nil, err
	}
	return &discovered{Body: found}, nil
}

type usageShown struct{ Body api.AccountUsage }

func (s scouting) usage(ctx context.Context, in *byID) (*usageShown, error) {
	rec, err := find(ctx, s.dir.Accounts(), in.ID, accountOwner)
	if err != nil {
		return nil, err
	}
	return &usageShown{Body: s.scout.Usage(rec)}, nil
}

// The time that a calendar shows if nobody says another.
const (
	defaultDays = 90
	maxDays     = 3660
)

type calendarRequest struct {
	Organisation string `query:"organisation" maxLength:"64" doc:"Of this organisation, by id; absent: the caller's, or the operator's own"`
	Days         int    `query:"days" minimum:"1" maximum:"3660" default:"90" doc:"How far ahead"`
}

func (s scouting) calendar(ctx context.Context, in *calendarRequest) (*listed[api.CalendarEntry], error) {
	who := callerOf(ctx)
	organisation := in.Organisation
	if organisation == "" {
		organisation = who.Organisation
	} else if _, err := find(ctx, s.dir.Organisations(), organisation, ownID); err != nil {
		return nil, err
	}
	now := s.now()
	days := min(orDefault(in.Days, defaultDays), maxDays)
	entries, err := s.scout.Calendar(ctx, organisation, now, now.Add(time.Duration(days)*24*time.Hour))
	if err != nil {
		return nil, err
	}
	if entries == nil {
		entries = []api.CalendarEntry{}
	}
	return &listed[api.CalendarEntry]{Body: api.List[api.CalendarEntry]{Items: entries}}, nil
}
