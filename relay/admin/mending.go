package admin

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/relayd/relayd/internal/api"
	"github.com/relayd/relayd/relay"
)

// mending serves what leads people to their accounts: links, codes, consents.
type mending struct {
	*desk
	mender Mender
}

func (s mending) register(a huma.API) {
	const device = "/accounts/{id}/device-consents"
	operate(s.desk, a, huma.Operation{
		OperationID: "create-link", Method: http.MethodPost, Path: "/accounts/{id}/links", DefaultStatus: http.StatusCreated,
		Summary: "Make a one-time link by which a person mends or connects the account",
	}, s.link)
	operate(s.desk, a, huma.Operation{
		OperationID: "send-code", Method: http.MethodPost, Path: "/accounts/{id}/codes", DefaultStatus: http.StatusCreated,
		Summary: "Mail a code to the account's address; typed on the page that the answer names, it binds the address to its user",
	}, s.code)
	operate(s.desk, a, huma.Operation{
		OperationID: "create-device-consent", Method: http.MethodPost, Path: device, DefaultStatus: http.StatusCreated,
		Summary: "Start a consent by a code that is typed at the provider",
	}, s.beginDevice)
	get(s.desk, a, "device-consent", device+"/{device}", "Show how a consent by code stands", s.device)
	act(s.desk, a, "begin-admin-consent", "/apps/{id}/admin-consent",
		"Get the address where the administrator of a tenant consents for everybody in it", s.adminConsent)
}

type linkRequest struct {
	ID   string `path:"id" maxLength:"64"`
	Body api.LinkInput
}

type linked struct{ Body api.Link }

func (s mending) link(ctx context.Context, in *linkRequest) (*linked, error) {
	rec, err := find(ctx, s.dir.Accounts(), in.ID, accountOwner)
	if err != nil {
		return nil, err
	}
	purpose := relay.LinkPurpose(in.Body.Purpose)
	if in.Body.Mail {
		if purpose != relay.LinkConnect {
			return nil, wrong("mail", "Owners of accounts that broke are told by themselves: only a link to connect can be mailed.")
		}
		expires, err := s.mender.Invite(ctx, rec, callerOf(ctx).Name)
		if err != nil {
			return nil, err
		}
		return &linked{Body: api.Link{Expires: moment(expires)}}, nil
	}
	address, expires, err := s.mender.Link(ctx, rec, purpose)
	if err != nil {
		return nil, err
	}
	return &linked{Body: api.Link{Address: address, Expires: moment(expires)}}, nil
}

func (s mending) code(ctx context.Context, in *byID) (*linked, error) {
	rec, err := find(ctx, s.dir.Accounts(), in.ID, accountOwner)
	if err != nil {
		return nil, err
	}
	address, expires, err := s.mender.SendCode(ctx, rec, callerOf(ctx).Name)
	if err != nil {
		return nil, err
	}
	return &linked{Body: api.Link{Address: address, Expires: moment(expires)}}, nil
}

type deviceRequest struct {
	ID   string `path:"id" maxLength:"64"`
	Body api.DeviceInput
}

type deviceByID struct {
	ID     string `path:"id" maxLength:"64"`
	Device string `path:"device" maxLength:"128"`
}

type deviceShown struct{ Body api.Device }

func (s mending) beginDevice(ctx context.Context, in *deviceRequest) (*deviceShown, error) {
	rec, err := find(ctx, s.dir.Accounts(), in.ID, accountOwner)
	if err != nil {
		return nil, err
	}
	if err := s.mayUse(ctx, rec.Organisation, in.Body.App); err != nil {
		return nil, err
	}
	d, err := s.mender.BeginDevice(ctx, rec, in.Body.App, callerOf(ctx).Name)
	if err != nil {
		return nil, err
	}
	return &deviceShown{Body: d}, nil
}

func (s mending) device(ctx context.Context, in *deviceByID) (*deviceShown, error) {
	rec, err := find(ctx, s.dir.Accounts(), in.ID, accountOwner)
	if err != nil {
		return nil, err
	}
	d, err := s.mender.Device(ctx, rec, in.Device, callerOf(ctx).Name)
	if err != nil {
		return nil, err
	}
	return &deviceShown{Body: d}, nil
}

type consentShown struct{ Body api.AdminConsent }

func (s mending) adminConsent(ctx context.Context, in *byID) (*consentShown, error) {
	rec, err := find(ctx, s.dir.Apps(), in.ID, appOwner)
	if err != nil {
		return nil, err
	}
	address, err := s.mender.AdminConsent(ctx, rec, rec.Organisation)
	if err != nil {
		return nil, err
	}
	return &consentShown{Body: api.AdminConsent{Address: address}}, nil
}
