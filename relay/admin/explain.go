package admin

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/relayd/relayd/internal/api"
	"github.com/relayd/relayd/internal/mailaddr"
	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
)

// explanations serves "what would happen to such a message, and why?".
type explanations struct {
	*desk
	explainer Explainer
}

func (e explanations) register(a huma.API) {
	operate(e.desk, a, huma.Operation{
		OperationID: "explain", Method: http.MethodPost, Path: "/explain",
		Summary:  "Tell what would happen to a message; nothing is sent or changed",
		Metadata: map[string]any{readsOnly: true},
	}, e.explain)
}

type explanation struct {
	Body api.Explanation
}

func (e explanations) explain(ctx context.Context, in *creation[api.ExplainInput]) (*explanation, error) {
	from, rcpts, err := addresses(in.Body)
	if err != nil {
		return nil, err
	}
	sub, err := e.byLogin(ctx, in.Body.Submitter)
	if err != nil {
		return nil, err
	}
	if sub == nil || !callerOf(ctx).reaches(sub.Organisation) {
		return nil, wrong("submitter", "There is no submitter with the login %q.", relay.Printable(in.Body.Submitter))
	}
	x, err := e.explainer.Explain(ctx, sub.Login, from, rcpts)
	if err != nil {
		return nil, err
	}
	return &explanation{Body: api.Explanation{
		Allowed: x.Allowed, Refusal: x.Refusal,
		User: within(ctx, e.dir.Users(), x.User, userOwner), Account: within(ctx, e.dir.Accounts(), x.Account, accountOwner),
		Route: viewRoute(x.Route), Lanes: texts(x.Lanes), Steps: texts(x.Steps),
	}}, nil
}

// within gives the id of a record if the caller reaches it: anybody may ask about an
// address of another organisation, and must not learn that it has a user (attacks
// W10).
func within[T any](ctx context.Context, table store.Table[T], id string, owner func(*T) string) string {
	if id == "" {
		return ""
	}
	if _, err := find(ctx, table, id, owner); err != nil {
		return ""
	}
	return id
}

func addresses(in api.ExplainInput) (from relay.Address, rcpts []relay.Address, err error) {
	if from, err = mailaddr.Parse(in.From); err != nil {
		return from, nil, wrong("from", "%q is not an e-mail address.", relay.Printable(in.From))
	}
	for _, typed := range in.Recipients {
		a, err := mailaddr.Parse(typed)
		if err != nil {
			return from, nil, wrong("recipients", "%q is not an e-mail address.", relay.Printable(typed))
		}
		rcpts = append(rcpts, a)
	}
	return from, rcpts, nil
}
