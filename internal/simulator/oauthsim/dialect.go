package oauthsim

import "net/http"

// Dialect is whose error texts the server speaks.
type Dialect int

// The dialects.
const (
	Plain Dialect = iota // the words of RFC 6749 and no more
	Google
	Microsoft
)

// kind is a reason to refuse.
type kind int

const (
	none kind = iota
	unknownClient
	badSecret
	expiredSecret
	badCode
	revokedGrant
	resetGrant
	noConsent
	needsAdmin
	badScope
	mixedScopes
	noDeviceScope
	noMailbox
	noDelegation
	badAssertion
	badGrantType
	badRequest
	pending
	slowDown
	expiredDevice
	deniedDevice
)

// failure is an error answer (RFC 6749 §5.2).
type failure struct {
	status     int
	code, text string
}

// failure gives the answer for a reason in the words of the dialect.
func (d Dialect) failure(k kind) failure {
	own := d.texts()[k]
	if own == (failure{}) {
		own = Plain.texts()[k]
	}
	if own.status == 0 {
		own.status = http.StatusBadRequest
	}
	return own
}

func (d Dialect) texts() map[kind]failure {
	switch d {
	case Google:
		return map[kind]failure{
			unknownClient: {401, "invalid_client", "The OAuth client was not found."},
			badSecret:     {401, "invalid_client", "The provided client secret is invalid."},
			expiredSecret: {401, "invalid_client", "The OAuth client was disabled."},
			badCode:       {0, "invalid_grant", "Malformed auth code."},
			revokedGrant:  {0, "invalid_grant", "Token has been expired or revoked."},
			resetGrant:    {0, "invalid_grant", "Token has been expired or revoked."},
			noDeviceScope: {0, "invalid_scope", "Invalid device flow scope."},
			noMailbox:     {0, "invalid_grant", "Invalid grant: account not found"},
			noDelegation:  {401, "unauthorized_client", "Client is unauthorized to retrieve access tokens using this method, or client not authorized for any of the scopes requested."},
			badAssertion:  {0, "invalid_grant", "Invalid JWT Signature."},
			needsAdmin:    {0, "access_denied", "The administrator of this organisation has not allowed this application."},
			pending:       {428, "authorization_pending", "Precondition Required"},
			slowDown:      {403, "slow_down", "Rate Limit Exceeded"},
			deniedDevice:  {403, "access_denied", "Forbidden"},
		}
	case Microsoft:
		return map[kind]failure{
			unknownClient: {0, "unauthorized_client", "AADSTS700016: Application was not found in the directory."},
			badSecret:     {401, "invalid_client", "AADSTS7000215: Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID."},
			expiredSecret: {401, "invalid_client", "AADSTS7000222: The provided client secret keys are expired."},
			badCode:       {0, "invalid_grant", "AADSTS54005: OAuth2 Authorization code was already redeemed, or is not of this request."},
			revokedGrant:  {0, "invalid_grant", "AADSTS65001: The user or administrator has not consented to use the application."},
			resetGrant:    {0, "invalid_grant", "AADSTS50173: The provided grant has expired due to it being revoked, a fresh auth token is needed."},
			noConsent:     {0, "invalid_grant", "AADSTS65001: The user or administrator has not consented to use the application."},
			needsAdmin:    {0, "access_denied", "AADSTS90094: The grant requires administrator's permission."},
			badScope:      {0, "invalid_scope", "AADSTS70011: The provided value for the input parameter 'scope' is not valid."},
			mixedScopes:   {0, "invalid_scope", "AADSTS28000: The scope contains more than one resource."},
			badAssertion:  {401, "invalid_client", "AADSTS700027: The certificate with identifier used to sign the client assertion is not registered on application."},
			pending:       {0, "authorization_pending", "AADSTS70016: OAuth 2.0 device flow error. Authorization is pending. Continue polling."},
			expiredDevice: {0, "expired_token", "AADSTS70020: The device code has expired."},
			deniedDevice:  {0, "authorization_declined", "AADSTS65004: User declined to consent to access the app."},
			badRequest:    {0, "invalid_request", "AADSTS900144: The request body is missing a parameter, or one of them is not valid."},
		}
	}
	return map[kind]failure{
		unknownClient: {401, "invalid_client", "unknown client"},
		badSecret:     {401, "invalid_client", "wrong secret"},
		expiredSecret: {401, "invalid_client", "the secret has expired"},
		badCode:       {0, "invalid_grant", "the code is unknown, used, expired or not of this request"},
		revokedGrant:  {0, "invalid_grant", "the grant is no longer valid"},
		resetGrant:    {0, "invalid_grant", "the grant is no longer valid"},
		noConsent:     {0, "invalid_scope", "that was not consented to"},
		needsAdmin:    {0, "access_denied", "an administrator must consent"},
		badScope:      {0, "invalid_scope", "unknown scope"},
		mixedScopes:   {0, "invalid_scope", "scopes of more than one resource"},
		noDeviceScope: {0, "invalid_scope", "not for devices"},
		noMailbox:     {0, "invalid_grant", "no such account"},
		noDelegation:  {401, "unauthorized_client", "the client may not do that"},
		badAssertion:  {0, "invalid_grant", "the assertion does not hold"},
		badGrantType:  {0, "unsupported_grant_type", "this grant type is unknown here"},
		pending:       {0, "authorization_pending", "nobody has decided yet"}, // RFC 8628 §3.5
		slowDown:      {0, "slow_down", "ask less often"},
		expiredDevice: {0, "expired_token", "the device code has expired"},
		deniedDevice:  {0, "access_denied", "the person declined"},
		badRequest:    {0, "invalid_request", "a parameter is missing or wrong"},
	}
}
