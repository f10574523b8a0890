package admin

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/relayd/relayd/internal/api"
	"github.com/relayd/relayd/store"
)

// registerVerification serves the proof of an account: start, progress, cancel.
func (s accounts) registerVerification(a huma.API) {
	const path = "/accounts/{id}/verification"
	operate(s.desk, a, huma.Operation{
		OperationID: "verify-account", Method: http.MethodPost, Path: path,
		Summary: "Start to verify a mail account", DefaultStatus: http.StatusAccepted,
	}, s.verify)
	get(s.desk, a, "verification", path, "Show the running or the last verification of a mail account", s.progress)
	operate(s.desk, a, huma.Operation{
		OperationID: "cancel-verification", Method: http.MethodDelete, Path: path,
		Summary: "Cancel a running verification", DefaultStatus: http.StatusNoContent,
	}, s.cancel)
}

type verification struct {
	Body api.Verification
}

func (s accounts) verify(ctx context.Context, in *byID) (*verification, error) {
	if _, err := find(ctx, s.dir.Accounts(), in.ID, accountOwner); err != nil {
		return nil, err
	}
	if err := s.verifier.Verify(ctx, in.ID, callerOf(ctx).Name); err != nil {
		return nil, verifying(err)
	}
	return s.current(in.ID)
}

func (s accounts) progress(ctx context.Context, in *byID) (*verification, error) {
	if _, err := find(ctx, s.dir.Accounts(), in.ID, accountOwner); err != nil {
		return nil, err
	}
	return s.current(in.ID)
}

func (s accounts) current(id string) (*verification, error) {
	v, ok := s.verifier.Progress(id)
	if !ok {
		return nil, store.ErrNotFound
	}
	return &verification{Body: viewVerification(v)}, nil
}

func (s accounts) cancel(ctx context.Context, in *byID) (*struct{}, error) {
	if _, err := find(ctx, s.dir.Accounts(), in.ID, accountOwner); err != nil {
		return nil, err
	}
	s.verifier.Cancel(in.ID)
	return nil, nil
}
