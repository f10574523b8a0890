package exchange

import (
	"context"
	"errors"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"
)

// call is one operation under way.
type call struct {
	context context.Context // the request's, and it lives no longer
	server  *Server
	owner   Owner // who acts: the one signed in, or the one impersonated
	request *node // the operation's element
}

// operation is one of the service's.
type operation struct {
	name string
	// targets is the element whose children each get a result of their own; empty
	// means that the request has one result.
	targets string
	// container is what a result wraps its finds in, and what stands empty in a
	// failed one; empty means that there is none.
	container string
	do        func(c *call, target *node) ([]*node, error)
}

// responseError is a failed result.
type responseError struct {
	code, text string
}

// Error tells what a log shows.
func (e *responseError) Error() string { return e.code + ": " + e.text }

func refuse(code, text string) error { return &responseError{code, text} }

func operations() []operation {
	return []operation{
		{"CreateItem", "Items", "Items", (*call).createItem},
		{"SendItem", "ItemIds", "", (*call).sendItem},
		{"GetItem", "ItemIds", "Items", (*call).getItem},
		{"DeleteItem", "ItemIds", "", (*call).deleteItem},
		{"FindItem", "ParentFolderIds", "", (*call).findItem},
		{"GetFolder", "FolderIds", "Folders", (*call).getFolder},
		{"FindFolder", "ParentFolderIds", "", (*call).findFolder},
		{"ResolveNames", "", "", (*call).resolveNames},
		{"ConvertId", "SourceIds", "", (*call).convertID},
		{"GetServerTimeZones", "", "TimeZoneDefinitions", (*call).getServerTimeZones},
	}
}

// serveEWS answers /EWS/Exchange.asmx.
func (s *Server) serveEWS(w http.ResponseWriter, r *http.Request) {
	who, ok := s.signIn(w, r)
	if !ok {
		return
	}
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "The service takes POST only.", http.StatusMethodNotAllowed)
		return
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "text/xml" {
		http.Error(w, "The content type was not the expected type 'text/xml; charset=utf-8'.", http.StatusUnsupportedMediaType)
		return
	}
	envelope, err := readXML(r.Body)
	if isTooLarge(err) {
		tooLarge(w)
		return
	}
	if err != nil {
		s.soapFault(w, "ErrorInvalidRequest", "The request is invalid.", 0)
		return
	}
	s.answer(w, r, who, envelope)
}

// answer takes the envelope apart and runs its operation.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, who session, envelope *node) {
	header, body := envelope.find(soapSpace, "Header"), envelope.find(soapSpace, "Body")
	if envelope.space != soapSpace || envelope.local != "Envelope" || body == nil || len(body.nodes) != 1 {
		s.soapFault(w, "ErrorInvalidRequest", "The request is invalid.", 0)
		return
	}
	version := header.find(typesSpace, "RequestServerVersion").attr("Version")
	s.note(func(l *Last) { l.Version = version })
	// Without the header a server takes the request for one to Exchange 2007.
	if version != "" && !slices.Contains(s.options.Versions, Release(version)) {
		s.soapFault(w, "ErrorInvalidServerVersion", "The specified server version is invalid.", 0)
		return
	}
	request := body.nodes[0]
	all := operations()
	i := slices.IndexFunc(all, func(o operation) bool { return o.name == request.local })
	if request.space != messagesSpace || i < 0 {
		s.soapFault(w, "ErrorSchemaValidation",
			"The request failed schema validation: the element '"+request.local+"' in namespace '"+request.space+"' is not one of the service.", 0)
		return
	}
	if stranger := outside(request); stranger != nil {
		s.soapFault(w, "ErrorSchemaValidation",
			"The request failed schema validation: the element '"+stranger.local+"' in namespace '"+stranger.space+"' has no place there.", 0)
		return
	}
	owner, err := s.impersonated(r.Context(), who.owner, header.find(typesSpace, "ExchangeImpersonation"))
	if err != nil {
		s.failed(w, err)
		return
	}
	s.record(Request{Operation: all[i].name, Version: version, Login: who.owner.Address, Mailbox: owner.Address, Scheme: string(who.scheme)})
	s.run(w, r, all[i], &call{context: r.Context(), server: s, owner: owner, request: request})
}

// outside finds an element that belongs to neither namespace of the service.
func outside(n *node) *node {
	if n.space != messagesSpace && n.space != typesSpace {
		return n
	}
	for _, c := range n.nodes {
		if stranger := outside(c); stranger != nil {
			return stranger
		}
	}
	return nil
}

// run does an operation between the faults that stand before and after it.
func (s *Server) run(w http.ResponseWriter, r *http.Request, o operation, c *call) {
	targets := []*node{c.request}
	if o.targets != "" {
		list := c.request.find(messagesSpace, o.targets)
		if list == nil || len(list.nodes) == 0 || len(list.nodes) > maxTargets {
			s.soapFault(w, "ErrorSchemaValidation",
				"The request failed schema validation: "+o.targets+" must name between 1 and "+itoa(maxTargets)+".", 0)
			return
		}
		targets = list.nodes
	}
	names := []string{c.owner.Address, c.owner.Login}
	before, struck := s.strike(c.context, Place(o.name), false, names...)
	if struck && s.apply(w, r, before) {
		return
	}
	results, done := messages("ResponseMessages"), true
	for _, t := range targets {
		var found []*node
		var err error
		if struck && before.Code != "" {
			err = refuse(before.Code, before.Text)
		} else {
			found, err = o.do(c, t)
		}
		results.add(o.result(found, err))
		if err != nil {
			done = false
			s.options.Logger.Info("operation failed", "operation", o.name, "mailbox", c.owner.Address, "error", err)
		}
	}
	if !done {
		s.send(w, messages(o.name+"Response", results))
		return
	}
	if after, ok := s.strike(c.context, Place(o.name), true, names...); ok {
		if s.apply(w, r, after) {
			return
		}
		if after.Code != "" {
			results.nodes = nil
			for range targets {
				results.add(o.result(nil, refuse(after.Code, after.Text)))
			}
		}
	}
	s.send(w, messages(o.name+"Response", results))
}

// result is one response message. A failed one has its parts in the order in which
// Exchange sends them.
func (o operation) result(found []*node, err error) *node {
	m := messages(o.name + "ResponseMessage")
	if err == nil {
		m.with("ResponseClass", "Success").add(messages("ResponseCode").saying("NoError"))
		if o.container != "" {
			return m.add(messages(o.container, found...))
		}
		return m.add(found...)
	}
	e := asResponse(err)
	m.with("ResponseClass", "Error").add(
		messages("MessageText").saying(e.text),
		messages("ResponseCode").saying(e.code),
		messages("DescriptiveLinkKey").saying("0"))
	if o.container != "" {
		m.add(messages(o.container))
	}
	return m
}

func asResponse(err error) *responseError {
	var e *responseError
	switch {
	case errors.As(err, &e):
		return e
	case errors.Is(err, ErrNoMailbox):
		return &responseError{"ErrorNonExistentMailbox", "The SMTP address has no mailbox associated with it."}
	case errors.Is(err, ErrQuota):
		return &responseError{"ErrorSubmissionQuotaExceeded", "The account has exceeded its submission quota."}
	case errors.Is(err, ErrNoItem):
		return &responseError{"ErrorItemNotFound", "The specified object was not found in the store."}
	}
	return &responseError{"ErrorInternalServerError", "An internal server error occurred. The operation failed."}
}

// impersonated gives the owner that a request acts as.
func (s *Server) impersonated(ctx context.Context, owner Owner, header *node) (Owner, error) {
	if header == nil {
		return owner, nil
	}
	sid := header.find(typesSpace, "ConnectingSID")
	name := ""
	for _, form := range []string{"PrimarySmtpAddress", "SmtpAddress", "PrincipalName"} {
		if n := sid.find(typesSpace, form); n != nil {
			name = n.content()
		}
	}
	if name == "" {
		return Owner{}, refuse("ErrorInvalidExchangeImpersonationHeaderData", "The ExchangeImpersonation header is invalid.")
	}
	if !containsName(s.options.Impersonators, owner.Address) {
		return Owner{}, refuse("ErrorImpersonateUserDenied", "The account does not have permission to impersonate the requested user.")
	}
	return s.options.Mailboxes.Find(ctx, name)
}

// failed answers a request that never reached its operation.
func (s *Server) failed(w http.ResponseWriter, err error) {
	e := asResponse(err)
	s.soapFault(w, e.code, e.text, 0)
}

// soapFault answers with a fault of SOAP 1.1, which HTTP carries as status 500 (§6.2).
func (s *Server) soapFault(w http.ResponseWriter, code, text string, backOff time.Duration) {
	faultcode := (&node{local: "faultcode"}).saying("t:" + code)
	detail := &node{local: "detail", nodes: []*node{
		(&node{space: errorsSpace, local: "ResponseCode"}).saying(code),
		(&node{space: errorsSpace, local: "Message"}).saying(text),
	}}
	if backOff > 0 {
		detail.add(types("MessageXml", types("Value").with("Name", "BackOffMilliseconds").saying(itoa(int(backOff.Milliseconds())))))
	}
	fault := &node{space: soapSpace, local: "Fault", nodes: []*node{
		// The code's prefix has to be known where it stands.
		faultcode.with("xmlns:t", typesSpace),
		(&node{local: "faultstring"}).with("xml:lang", "en-US").saying(text),
		detail,
	}}
	s.write(w, http.StatusInternalServerError, &node{space: soapSpace, local: "Envelope", nodes: []*node{
		{space: soapSpace, local: "Body", nodes: []*node{fault}},
	}})
}

// send answers with what an operation gave.
func (s *Server) send(w http.ResponseWriter, response *node) {
	s.write(w, http.StatusOK, &node{space: soapSpace, local: "Envelope", nodes: []*node{
		{space: soapSpace, local: "Header", nodes: []*node{s.build.info()}},
		{space: soapSpace, local: "Body", nodes: []*node{response}},
	}})
}

func (s *Server) write(w http.ResponseWriter, status int, envelope *node) {
	w.Header().Set("Content-Type", "text/xml; charset=utf-8")
	w.WriteHeader(status)
	if _, err := w.Write(envelope.write()); err != nil {
		s.options.Logger.Info("answer not taken", "error", strings.TrimSpace(err.Error()))
	}
}
