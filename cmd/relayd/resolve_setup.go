package main

import (
	"context"
	"slices"
	"strings"

	"github.com/relayd/relayd/internal/api"
	"github.com/relayd/relayd/internal/apiclient"
	"github.com/relayd/relayd/internal/mailaddr"
)

// What is set up for accounts is found as people are: by what they call it, or by id.

func findApp(ctx context.Context, c *apiclient.Client, ref string) (*api.App, error) {
	if strings.HasPrefix(ref, "app_") {
		return c.App(ctx, ref)
	}
	all, err := c.Apps(ctx, nil)
	if err != nil {
		return nil, err
	}
	return only(slices.DeleteFunc(all, func(a api.App) bool { return !strings.EqualFold(a.Name, ref) }), "app", ref)
}

// appID is the id of an application that a flag names; empty without one.
func appID(ctx context.Context, c *apiclient.Client, ref string) (string, error) {
	if ref == "" {
		return "", nil
	}
	a, err := findApp(ctx, c, ref)
	if err != nil {
		return "", err
	}
	return a.ID, nil
}

// findStarter finds a starter configuration by its domain. The one for all other
// domains of an organisation has none, and is found by the organisation's name.
func findStarter(ctx context.Context, c *apiclient.Client, ref string) (*api.Starter, error) {
	if strings.HasPrefix(ref, "start_") {
		return c.Starter(ctx, ref)
	}
	all, err := c.Starters(ctx, nil)
	if err != nil {
		return nil, err
	}
	organisations, err := c.Organisations(ctx, nil)
	if err != nil {
		return nil, err
	}
	named := map[string]bool{}
	for _, o := range organisations {
		named[o.ID] = strings.EqualFold(o.Name, ref)
	}
	domain := domainName(ref)
	return only(slices.DeleteFunc(all, func(s api.Starter) bool {
		if s.Domain != "" {
			return s.Domain != domain
		}
		return !named[s.Organisation]
	}), "starter", ref)
}

// starterOf is the starter configuration that holds for a domain; nil if none does.
func starterOf(ctx context.Context, c *apiclient.Client, organisation, domain string) (*api.Starter, error) {
	all, err := c.Starters(ctx, apiclient.Filter{"organisation": organisation})
	if err != nil {
		return nil, err
	}
	for _, name := range []string{domainName(domain), ""} {
		if i := slices.IndexFunc(all, func(s api.Starter) bool { return s.Domain == name }); i >= 0 {
			return &all[i], nil
		}
	}
	return nil, nil
}

func findClaim(ctx context.Context, c *apiclient.Client, ref string) (*api.DomainClaim, error) {
	if strings.HasPrefix(ref, "claim_") {
		return c.DomainClaim(ctx, ref)
	}
	all, err := c.DomainClaims(ctx, nil)
	if err != nil {
		return nil, err
	}
	domain := domainName(ref)
	return oneOf(slices.DeleteFunc(all, func(k api.DomainClaim) bool { return k.Domain != domain }), "claim", "domain", ref)
}

func findWebhook(ctx context.Context, c *apiclient.Client, ref string) (*api.Webhook, error) {
	if strings.HasPrefix(ref, "hook_") {
		return c.Webhook(ctx, ref)
	}
	all, err := c.Webhooks(ctx, nil)
	if err != nil {
		return nil, err
	}
	return only(slices.DeleteFunc(all, func(h api.Webhook) bool { return h.URL != ref }), "webhook", ref)
}

// domainName writes a domain as the API has it; what is none stays as it is.
func domainName(typed string) string {
	if domain, err := mailaddr.ParseDomain(typed); err == nil {
		return domain
	}
	return typed
}
