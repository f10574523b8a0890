package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/relayd/relayd/internal/api"
	"github.com/relayd/relayd/internal/apiclient"
)

// People name things by what they know: a domain, an address, a login. Each
// function below finds the thing by that, or by its id.

func findOrganisation(ctx context.Context, c *apiclient.Client, ref string) (*api.Organisation, error) {
	if strings.HasPrefix(ref, "org_") {
		return c.Organisation(ctx, ref)
	}
	if strings.Contains(ref, ".") {
		// A name may have a dot too, such as "Acme Inc.".
		owner, err := c.Organisations(ctx, apiclient.Filter{"domain": ref})
		if err != nil {
			return nil, err
		}
		if len(owner) > 0 {
			return &owner[0], nil
		}
	}
	all, err := c.Organisations(ctx, nil)
	if err != nil {
		return nil, err
	}
	named := slices.DeleteFunc(all, func(o api.Organisation) bool { return !strings.EqualFold(o.Name, ref) })
	return only(named, "organisation", ref)
}

func findUser(ctx context.Context, c *apiclient.Client, ref string) (*api.User, error) {
	if strings.HasPrefix(ref, "usr_") {
		return c.User(ctx, ref)
	}
	found, err := c.Users(ctx, apiclient.Filter{"address": ref})
	if err != nil {
		return nil, err
	}
	return only(found, "user", ref)
}

func findAccount(ctx context.Context, c *apiclient.Client, ref string) (*api.Account, error) {
	if strings.HasPrefix(ref, "acc_") {
		return c.Account(ctx, ref)
	}
	found, err := c.Accounts(ctx, apiclient.Filter{"address": ref})
	if err != nil {
		return nil, err
	}
	return only(found, "account", ref)
}

func findSubmitter(ctx context.Context, c *apiclient.Client, ref string) (*api.Submitter, error) {
	if strings.HasPrefix(ref, "sub_") {
		return c.Submitter(ctx, ref)
	}
	found, err := c.Submitters(ctx, apiclient.Filter{"login": ref})
	if err != nil {
		return nil, err
	}
	return only(found, "submitter", ref)
}

// organisationID is the id of an organisation that a flag names; empty without one.
func organisationID(ctx context.Context, c *apiclient.Client, ref string) (string, error) {
	if ref == "" {
		return "", nil
	}
	o, err := findOrganisation(ctx, c, ref)
	if err != nil {
		return "", err
	}
	return o.ID, nil
}

// domainOf is the domain of an address as it was typed.
func domainOf(address string) string { return address[strings.LastIndexByte(address, '@')+1:] }

func only[T any](found []T, kind, ref string) (*T, error) { return oneOf(found, kind, kind, ref) }

// oneOf wants exactly one thing of a kind, which the commands of a group list.
func oneOf[T any](found []T, kind, group, ref string) (*T, error) {
	switch len(found) {
	case 0:
		return nil, fmt.Errorf("there is no %s %q. See: relayd %s list", kind, ref, group)
	case 1:
		return &found[0], nil
	}
	return nil, fmt.Errorf("%d %ss are called %q: use the id. See: relayd %s list", len(found), kind, ref, group)
}
