package api

import "time"

// App is an OAuth application; its secret is never shown.
type App struct {
	ID            string     `json:"id"`
	Organisation  string     `json:"organisation,omitempty" doc:"Absent: the operator's, for every organisation"`
	Name          string     `json:"name"`
	Vendor        string     `json:"vendor"`
	Kind          string     `json:"kind" enum:"consent,app_only,service_account"`
	ClientID      string     `json:"client_id"`
	HasSecret     bool       `json:"has_secret"`
	SecretExpires *time.Time `json:"secret_expires,omitempty"`
	Tenant        string     `json:"tenant,omitempty"`
	Cloud         string     `json:"cloud,omitempty"`
	Testing       bool       `json:"testing"`
	ConsentedAt   *time.Time `json:"consented_at,omitempty" doc:"When an administrator of the tenant consented"`
	Endpoints     *Endpoints `json:"endpoints,omitempty"`
	Created       time.Time  `json:"created"`
	Revision      uint64     `json:"revision"`
}

// AppInput makes or changes an OAuth application.
type AppInput struct {
	Organisation  string     `json:"organisation,omitempty" maxLength:"64" doc:"The id of the organisation; absent: the operator's. It cannot be changed later"`
	Name          string     `json:"name" minLength:"1" maxLength:"200" doc:"What people call it"`
	Vendor        string     `json:"vendor" minLength:"1" maxLength:"64" doc:"google, microsoft, or the id of a preset with OAuth"`
	Kind          string     `json:"kind,omitempty" enum:"consent,app_only,service_account" doc:"Whose consent it needs: each person's, the tenant administrator's for every mailbox, or a Google service account with domain-wide delegation; absent means consent"`
	ClientID      string     `json:"client_id" minLength:"1" maxLength:"512"`
	Secret        *string    `json:"secret,omitempty" minLength:"1" maxLength:"16384" writeOnly:"true" doc:"The client secret, or the JSON key file of a service account; absent leaves it as it is"`
	SecretExpires *time.Time `json:"secret_expires,omitempty" doc:"When the secret ends, for the expiry calendar"`
	Tenant        string     `json:"tenant,omitempty" maxLength:"128" doc:"Microsoft: the id of the tenant, or common; absent means common"`
	Cloud         string     `json:"cloud,omitempty" maxLength:"32" doc:"Microsoft: a national cloud, such as gcc-high or china"`
	Testing       bool       `json:"testing,omitempty" doc:"Google: the application is External and in Testing, so that consents end after 7 days"`
	Endpoints     *Endpoints `json:"endpoints,omitempty" doc:"In place of the vendor's own"`
}

// Endpoints are the addresses of a vendor.
type Endpoints struct {
	Auth         string `json:"auth,omitempty" maxLength:"2048"`
	Token        string `json:"token,omitempty" maxLength:"2048"`
	Device       string `json:"device,omitempty" maxLength:"2048"`
	Revoke       string `json:"revoke,omitempty" maxLength:"2048"`
	AdminConsent string `json:"admin_consent,omitempty" maxLength:"2048"`
	Graph        string `json:"graph,omitempty" maxLength:"2048"`
	Gmail        string `json:"gmail,omitempty" maxLength:"2048"`
	Mail         string `json:"mail,omitempty" maxLength:"2048" doc:"Names of mail servers, divided by spaces, to which its access tokens may go besides the vendor's own"`
}

// Limits is what a provider lets one account do. Absent: no limit is known.
type Limits struct {
	Connections           int   `json:"connections,omitempty" minimum:"0"`
	MessagesPerConnection int   `json:"messages_per_connection,omitempty" minimum:"0"`
	MessagesPerMinute     int   `json:"messages_per_minute,omitempty" minimum:"0"`
	MessagesPerHour       int   `json:"messages_per_hour,omitempty" minimum:"0"`
	MessagesPerDay        int   `json:"messages_per_day,omitempty" minimum:"0"`
	RecipientsPerMessage  int   `json:"recipients_per_message,omitempty" minimum:"0"`
	RecipientsPerMinute   int   `json:"recipients_per_minute,omitempty" minimum:"0"`
	RecipientsPerHour     int   `json:"recipients_per_hour,omitempty" minimum:"0"`
	RecipientsPerDay      int   `json:"recipients_per_day,omitempty" minimum:"0"`
	MessageSize           int64 `json:"message_size,omitempty" minimum:"0" doc:"Octets"`
}

// Starter is the starter configuration of a domain: with it a person needs an address
// and a password, or one click.
type Starter struct {
	ID           string `json:"id"`
	Organisation string `json:"organisation"`
	Domain       string `json:"domain,omitempty" doc:"Absent: every domain of the organisation that has none of its own"`
	Settings
	Login      string  `json:"login,omitempty"`
	OwnServers bool    `json:"own_servers"`
	Limits     *Limits `json:"limits,omitempty"`
	Revision   uint64  `json:"revision"`
}

// StarterInput makes or changes a starter configuration.
type StarterInput struct {
	Organisation string `json:"organisation" minLength:"1" maxLength:"64" doc:"The id of the organisation; it cannot be changed later"`
	Domain       string `json:"domain,omitempty" maxLength:"253" doc:"One of its domains; absent: every domain that has none of its own"`
	Settings
	Login      string  `json:"login,omitempty" maxLength:"320" doc:"The user name, with {address}, {local} and {domain}; absent means the address"`
	OwnServers bool    `json:"own_servers,omitempty" doc:"Whether people may type servers of their own"`
	Limits     *Limits `json:"limits,omitempty" doc:"Over those of the provider's preset"`
}

// DomainClaim is an organisation's claim to a domain, and the record that proves it.
type DomainClaim struct {
	ID           string     `json:"id"`
	Organisation string     `json:"organisation"`
	Domain       string     `json:"domain"`
	DNSName      string     `json:"dns_name" doc:"Where the record is to be published"`
	DNSType      string     `json:"dns_type" enum:"TXT"`
	DNSValue     string     `json:"dns_value" doc:"What it must say"`
	Created      time.Time  `json:"created"`
	Checked      *time.Time `json:"checked,omitempty" doc:"The last look; absent: none yet"`
	Proved       *time.Time `json:"proved,omitempty" doc:"Since when the domain is the organisation's; absent: not yet"`
}

// DomainClaimInput claims a domain.
type DomainClaimInput struct {
	Organisation string `json:"organisation" minLength:"1" maxLength:"64" doc:"The id of the organisation"`
	Domain       string `json:"domain" minLength:"1" maxLength:"253"`
}

// Webhook is where an organisation hears of events; its secret is shown once.
type Webhook struct {
	ID           string    `json:"id"`
	Organisation string    `json:"organisation,omitempty" doc:"Absent: the operator's, for events of every organisation"`
	URL          string    `json:"url"`
	Events       []string  `json:"events" nullable:"false" doc:"Empty: all"`
	Disabled     bool      `json:"disabled"`
	Created      time.Time `json:"created"`
	Revision     uint64    `json:"revision"`
}

// WebhookInput makes or changes a webhook.
type WebhookInput struct {
	Organisation string   `json:"organisation,omitempty" maxLength:"64" doc:"The id of the organisation; absent: the operator's. It cannot be changed later"`
	URL          string   `json:"url" minLength:"1" maxLength:"2048" doc:"https"`
	Events       []string `json:"events,omitempty" nullable:"false" maxItems:"50" doc:"Such as account.parked; absent: all"`
	Disabled     bool     `json:"disabled,omitempty"`
}

// WebhookSecret is a webhook together with its new secret, which is shown this once.
type WebhookSecret struct {
	Webhook Webhook `json:"webhook"`
	Secret  string  `json:"secret" doc:"Signs every call, by the scheme of Standard Webhooks. Shown this once"`
}
