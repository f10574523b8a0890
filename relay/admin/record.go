package admin

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/relayd/relayd/internal/api"
	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
)

// byID is the input of an operation on one record.
type byID struct {
	ID string `path:"id" maxLength:"64"`
}

// change is the input of a change of one record.
type change[T any] struct {
	ID      string `path:"id" maxLength:"64"`
	IfMatch string `header:"If-Match" doc:"The ETag of the record as you read it, or * for whatever it is now"`
	Body    T
}

// creation is the input of an operation that makes a record.
type creation[T any] struct {
	Body T
}

// Paging is the input of every list. It is exported because huma reads embedded
// parameters only of exported types.
type Paging struct {
	Cursor string `query:"cursor" maxLength:"64" doc:"Next of the page before"`
	Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"50" doc:"Records on this page"`
}

// shown is the answer with one record.
type shown[T any] struct {
	ETag string `header:"ETag"`
	Body T
}

// made is the answer to a creation.
type made[T any] struct {
	ETag     string `header:"ETag"`
	Location string `header:"Location"`
	Body     T
}

// listed is the answer with a page.
type listed[T any] struct {
	Body api.List[T]
}

// scanPage is how many records one look at the directory takes while a filter
// leaves records out.
const scanPage = 500

// newID names a record. It sorts by time, so that lists show the oldest first.
func newID(prefix string, now time.Time) string { return prefix + "_" + relay.NewID(now).String() }

// etag writes a revision as an entity tag (RFC 9110 §8.8.3).
func etag(revision uint64) string { return `"` + strconv.FormatUint(revision, 10) + `"` }

// match compares If-Match (RFC 9110 §13.1.1) with the revision that is there. A
// change without it would overwrite what somebody else did meanwhile: 428
// (RFC 6585 §3).
func match(ifMatch string, revision uint64) error {
	if ifMatch == "" {
		return problem(http.StatusPreconditionRequired,
			"Send the ETag that you read in If-Match, or If-Match: * to change it whatever it is now.")
	}
	for _, tag := range strings.Split(ifMatch, ",") {
		if tag = strings.TrimSpace(tag); tag == "*" || tag == etag(revision) {
			return nil
		}
	}
	return store.ErrStale
}

// find gets a record within the caller's reach. What lies outside is not found,
// as if it did not exist (attacks W10).
func find[T any](ctx context.Context, table store.Table[T], id string, owner func(*T) string) (*T, error) {
	rec, err := table.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	if !callerOf(ctx).reaches(owner(rec)) {
		return nil, store.ErrNotFound
	}
	return rec, nil
}

// scan gives the page of records that keep lets through, and the cursor of the
// next page.
func scan[T any](ctx context.Context, table store.Table[T], p Paging, id func(*T) string, keep func(*T) bool) ([]*T, string, error) {
	after := p.Cursor
	var page []*T
	// Without a filter the first look has all, and one more to know that there are more.
	for look := min(p.Limit+1, scanPage); ; look = scanPage {
		recs, err := table.List(ctx, after, look)
		if err != nil {
			return nil, "", err
		}
		for _, rec := range recs {
			if !keep(rec) {
				continue
			}
			if len(page) == p.Limit {
				return page, id(page[len(page)-1]), nil
			}
			page = append(page, rec)
		}
		if len(recs) < look {
			return page, "", nil
		}
		after = id(recs[len(recs)-1])
	}
}

// views turns records into the bodies that are shown.
func views[T, V any](recs []*T, view func(*T) V) []V {
	out := make([]V, 0, len(recs))
	for _, rec := range recs {
		out = append(out, view(rec))
	}
	return out
}

// one is the list of the record that a look-up by a unique value found, or the
// empty list.
func one[T, V any](ctx context.Context, rec *T, owner func(*T) string, view func(*T) V) *listed[V] {
	out := &listed[V]{Body: api.List[V]{Items: []V{}}}
	if rec != nil && callerOf(ctx).reaches(owner(rec)) {
		out.Body.Items = append(out.Body.Items, view(rec))
	}
	return out
}

// moment is a time for JSON: absent when it is zero.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	u := t.UTC()
	return &u
}

// texts makes a list never null.
func texts(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}
