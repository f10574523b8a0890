package webmail

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/relayd/relayd/relay"
)

// ewsClient speaks to one mailbox over Exchange Web Services.
type ewsClient struct {
	link     *link
	login    string
	password relay.Secret
	shared   string   // address of the mailbox, where the login is not its own
	versions []string // of RequestServerVersion, the one in use first
	scheme   string   // of the sign-in; empty until the server told which ones it takes
	signedOn int      // the connection that is signed in; 0: none
	eachTime bool     // NTLM signs in a request, not the connection
}

// ewsVersions are what servers are asked for, newest first. The first is known to
// everything since Exchange 2013 SP1.
func ewsVersions() []string { return []string{newestEWS, "Exchange2010_SP2", "Exchange2007_SP1"} }

const newestEWS = "Exchange2013_SP1"

func (o *Opener) openEWS(c *relay.Credentials) (Client, error) {
	settings := &c.Account.EWS
	switch {
	case c.Bearer():
		return nil, fmt.Errorf("%w: it takes a password, not an access token", ErrSignIn)
	case !sendable(c.EWSLogin()):
		return nil, fmt.Errorf("%w: the login", ErrBadValue)
	case !sendable(c.Password.Reveal()):
		return nil, fmt.Errorf("%w: the password", ErrBadValue)
	case settings.Version != "" && strings.Trim(settings.Version, letters) != "":
		return nil, fmt.Errorf("%w: the version", ErrBadValue)
	}
	u, err := parseBase(settings.URL)
	if err != nil {
		return nil, err
	}
	e := &ewsClient{
		link:     newLink(relay.WayEWS, u, &o.options),
		login:    c.EWSLogin(),
		password: c.Password,
		versions: ewsVersions(),
	}
	if settings.Version != "" {
		e.versions = []string{settings.Version}
	}
	if c.Account.User == "" { // a mailbox that several people share: somebody's own login opens it
		e.shared = c.Account.Address.String()
	}
	return e, nil
}

const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_"

// Close ends the connection, and a call that is under way with it.
func (e *ewsClient) Close() error {
	e.link.close()
	return nil
}

// Check asks for the Sent folder's id. It finds the version that the server takes.
func (e *ewsClient) Check(ctx context.Context) (About, error) {
	reply, err := e.invoke(ctx, "GetFolder", `<m:GetFolder><m:FolderShape><t:BaseShape>IdOnly</t:BaseShape></m:FolderShape>`+
		`<m:FolderIds>`+e.folder("sentitems")+`</m:FolderIds></m:GetFolder>`)
	about := e.link.about()
	if err == nil {
		err = reply.failed()
	}
	if err == nil {
		about.Version = e.versions[0]
	}
	return about, err
}

// folder names a folder by its distinguished id, of the shared mailbox if it is one.
func (e *ewsClient) folder(id string) string {
	if e.shared == "" {
		return `<t:DistinguishedFolderId Id="` + id + `"/>`
	}
	return `<t:DistinguishedFolderId Id="` + id + `"><t:Mailbox><t:EmailAddress>` + escape(e.shared) + `</t:EmailAddress></t:Mailbox></t:DistinguishedFolderId>`
}

// invoke carries out one operation that sends no message, and asks again with an older
// version where the server does not know the one in use.
func (e *ewsClient) invoke(ctx context.Context, operation, inner string) (*ewsReply, error) {
	for {
		reply, err := e.carry(ctx, operation, func() *request {
			body := e.before() + inner + afterBody
			q := e.request(int64(len(body)))
			q.body, q.limit = strings.NewReader(body), e.link.options.ListLimit
			return q
		})
		if err == nil || !isTooNew(err) || len(e.versions) == 1 {
			return reply, err
		}
		e.versions = e.versions[1:]
	}
}

// carry brings a request to the server, signed in, and reads the answer. make is
// called again where the connection must be signed in anew: a body can be read once.
func (e *ewsClient) carry(ctx context.Context, operation string, build func() *request) (*ewsReply, error) {
	var q *request
	a, err := e.deliver(ctx, func() *request {
		q = build()
		return q
	})
	if err != nil {
		return nil, err
	}
	return e.read(operation, q, a)
}

func (e *ewsClient) request(size int64) *request {
	return &request{
		method: http.MethodPost,
		url:    e.link.base.String(),
		size:   size,
		header: http.Header{
			"Content-Type": {"text/xml; charset=utf-8"},
			"Accept":       {"text/xml"},
		},
	}
}
