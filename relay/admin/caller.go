package admin

import "context"

// caller is who makes a request.
type caller struct {
	Name         string // for the audit log and the timelines
	Organisation string // the one that it reaches; empty means everything
	From         string // its address, or the socket and the user id
}

type callerKey struct{}

func withCaller(ctx context.Context, c caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// callerOf gives who makes the request. A request that passed no authentication
// reaches nothing.
func callerOf(ctx context.Context) caller {
	if c, ok := ctx.Value(callerKey{}).(caller); ok {
		return c
	}
	return caller{Name: "nobody", Organisation: "-"}
}

// reaches reports whether things of the organisation exist for the caller. What
// belongs to none is the operator's.
func (c caller) reaches(organisation string) bool {
	return c.Organisation == "" || c.Organisation == organisation
}

// operator refuses callers that are bound to one organisation.
func (c caller) operator() error {
	if c.Organisation != "" {
		return problem(403, "This token reaches one organisation only. Ask the operator of relayd for this.")
	}
	return nil
}
