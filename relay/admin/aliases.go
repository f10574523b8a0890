package admin

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/relayd/relayd/internal/api"
	"github.com/relayd/relayd/internal/mailaddr"
	"github.com/relayd/relayd/relay"
)

// registerIdentity serves who an account speaks for: its other addresses, and how its
// address is bound to its user.
func (s accounts) registerIdentity(a huma.API) {
	const path = "/accounts/{id}/aliases"
	act(s.desk, a, "add-alias", path, "Name another address of a mail account; nothing is sent as it before it is verified", s.addAlias)
	remove(s.desk, a, "alias", path+"/{address}", "Take an address from a mail account", s.removeAlias)
	operate(s.desk, a, huma.Operation{
		OperationID: "verify-alias", Method: http.MethodPost, Path: path + "/{address}/verification",
		Summary: "Start to verify another address of a mail account", DefaultStatus: http.StatusAccepted,
	}, s.verifyAlias)
	act(s.desk, a, "bind-account", "/accounts/{id}/binding",
		"Map the mailbox to its user, where an application's secret opens every mailbox", s.bind)
}

type aliasByName struct {
	ID      string `path:"id" maxLength:"64"`
	Address string `path:"address" maxLength:"320"`
}

type newAlias struct {
	ID   string `path:"id" maxLength:"64"`
	Body api.AliasInput
}

func (s accounts) addAlias(ctx context.Context, in *newAlias) (*shown[api.Account], error) {
	rec, err := find(ctx, s.dir.Accounts(), in.ID, accountOwner)
	if err != nil {
		return nil, err
	}
	address, err := mailaddr.Parse(in.Body.Address)
	if err != nil {
		return nil, wrong("address", "%q is not an e-mail address.", relay.Printable(in.Body.Address))
	}
	if _, err := s.inside(ctx, address, rec.Organisation); err != nil {
		return nil, err
	}
	if err := s.writer.AddAlias(ctx, in.ID, address); err != nil {
		return nil, err
	}
	return s.get(ctx, &byID{ID: in.ID})
}

func (s accounts) removeAlias(ctx context.Context, in *aliasByName) (*struct{}, error) {
	address, err := s.alias(ctx, in)
	if err != nil {
		return nil, err
	}
	return nil, s.writer.RemoveAlias(ctx, in.ID, address)
}

func (s accounts) verifyAlias(ctx context.Context, in *aliasByName) (*verification, error) {
	address, err := s.alias(ctx, in)
	if err != nil {
		return nil, err
	}
	if err := s.verifier.VerifyAlias(ctx, in.ID, address, callerOf(ctx).Name); err != nil {
		return nil, verifying(err)
	}
	return s.current(in.ID)
}

// alias finds the account within reach, and reads the address.
func (s accounts) alias(ctx context.Context, in *aliasByName) (relay.Address, error) {
	if _, err := find(ctx, s.dir.Accounts(), in.ID, accountOwner); err != nil {
		return relay.Address{}, err
	}
	address, err := mailaddr.Parse(in.Address)
	if err != nil {
		return relay.Address{}, problem(http.StatusNotFound, "There is no such address.")
	}
	return address, nil
}

// bind is an administrator's word that the mailbox is the user's.
func (s accounts) bind(ctx context.Context, in *byID) (*shown[api.Account], error) {
	if _, err := find(ctx, s.dir.Accounts(), in.ID, accountOwner); err != nil {
		return nil, err
	}
	b := relay.Binding{Kind: relay.BindingMapping, By: callerOf(ctx).Name, At: s.now()}
	if err := s.writer.Bind(ctx, in.ID, b); err != nil {
		return nil, err
	}
	return s.get(ctx, &byID{ID: in.ID})
}
