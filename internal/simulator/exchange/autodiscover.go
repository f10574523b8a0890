package exchange

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// The namespaces of Autodiscover POX. Current pages print them with https; servers
// and clients speak of http.
const (
	askSpace      = "http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006"
	answerSpace   = "http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006"
	settingsSpace = "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"
)

// Redirect sends a client elsewhere when it asks for the settings of an address.
type Redirect struct {
	Address string // whose; empty means everybody's
	ToAddr  string // POX: ask again, for this address
	ToURL   string // POX: ask there; V2, and POX by GET: HTTP status 302
	Times   int    // how often; 0 means until ClearRedirects
}

// Redirect makes Autodiscover send clients elsewhere.
func (s *Server) Redirect(r Redirect) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.redirects = append(s.redirects, r)
}

// ClearRedirects takes back every redirect.
func (s *Server) ClearRedirects() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.redirects = nil
}

// redirected gives the first redirect for an address, and counts it.
func (s *Server) redirected(address string) (Redirect, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.redirects, func(r Redirect) bool { return r.Address == "" || sameName(r.Address, address) })
	if i < 0 {
		return Redirect{}, false
	}
	r := s.redirects[i]
	switch r.Times {
	case 0:
	case 1:
		s.redirects = slices.Delete(s.redirects, i, i+1)
	default:
		s.redirects[i].Times--
	}
	return r, true
}

// serviceURL is the address of the web service, as the client reaches it.
func (s *Server) serviceURL(r *http.Request) string {
	base := strings.TrimRight(s.options.BaseURL, "/")
	if base == "" {
		scheme := "http"
		if r.TLS != nil {
			scheme = "https"
		}
		base = scheme + "://" + r.Host
	}
	return base + "/EWS/Exchange.asmx"
}

// serveDiscoverJSON answers Autodiscover V2, which asks nobody to sign in.
func (s *Server) serveDiscoverJSON(w http.ResponseWriter, r *http.Request) {
	query := map[string]string{} // names in lower case, as IIS takes them
	for name, values := range r.URL.Query() {
		query[strings.ToLower(name)] = values[0]
	}
	address := query["email"]
	if parts := strings.Split(r.URL.Path, "/"); address == "" && len(parts) == 5 {
		address = parts[4] // /autodiscover/autodiscover.json/v1.0/ADDRESS
	}
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", http.MethodGet)
		http.Error(w, "The service takes GET only.", http.StatusMethodNotAllowed)
		return
	}
	if f, ok := s.strike(r.Context(), AtDiscoverJSON, false, address); ok && s.applyOutside(w, r, f) {
		return
	}
	protocol := query["protocol"]
	if address == "" || protocol == "" {
		writeJSON(w, http.StatusBadRequest, map[string]string{"ErrorCode": "MandatoryParameterMissing", "ErrorMessage": "A valid value must be provided for the query parameters 'Email' and 'Protocol'"})
		return
	}
	if to, ok := s.redirected(address); ok && to.ToURL != "" {
		w.Header().Set("Location", to.ToURL)
		w.WriteHeader(http.StatusFound)
		return
	}
	if _, err := s.options.Mailboxes.Find(r.Context(), address); err != nil {
		writeJSON(w, http.StatusNotFound, map[string]string{"ErrorCode": "UserNotFound", "ErrorMessage": "The given user is not found"})
		return
	}
	switch strings.ToLower(protocol) {
	case "ews":
		writeJSON(w, http.StatusOK, map[string]string{"Protocol": "Ews", "Url": s.serviceURL(r)})
	case "autodiscoverv1":
		writeJSON(w, http.StatusOK, map[string]string{"Protocol": "AutodiscoverV1", "Url": strings.Replace(s.serviceURL(r), "/EWS/Exchange.asmx", "/autodiscover/autodiscover.xml", 1)})
	default:
		writeJSON(w, http.StatusBadRequest, map[string]string{"ErrorCode": "InvalidProtocol", "ErrorMessage": "The given protocol value is invalid. Supported values are 'AutodiscoverV1,Ews'"})
	}
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // a client that went away needs no answer
}

// applyOutside is apply where there are no response messages: a code is a fault.
func (s *Server) applyOutside(w http.ResponseWriter, r *http.Request, f Fault) bool {
	f.SOAP = true
	return s.apply(w, r, f)
}

// serveAutodiscover answers Autodiscover POX (MS-OXDSCLI).
func (s *Server) serveAutodiscover(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet {
		// The one thing that a client asks for without signing in (MS-OXDISCO).
		if to, ok := s.redirected(""); ok && to.ToURL != "" {
			w.Header().Set("Location", to.ToURL)
			w.WriteHeader(http.StatusFound)
			return
		}
	}
	who, ok := s.signIn(w, r)
	if !ok {
		return
	}
	if f, ok := s.strike(r.Context(), AtAutodiscover, false, who.owner.Address, who.owner.Login); ok && s.applyOutside(w, r, f) {
		return
	}
	if r.Method != http.MethodPost {
		s.pox(w, s.poxError("600", "Invalid Request"))
		return
	}
	ask, err := readXML(r.Body)
	if isTooLarge(err) {
		tooLarge(w)
		return
	}
	request := ask.find(askSpace, "Request")
	address := request.find(askSpace, "EMailAddress").content()
	switch {
	case err != nil || ask.space != askSpace || ask.local != "Autodiscover" || address == "":
		s.pox(w, s.poxError("600", "Invalid Request"))
		return
	case request.find(askSpace, "AcceptableResponseSchema").content() != settingsSpace:
		s.pox(w, s.poxError("601", "Provider is not available"))
		return
	}
	if to, ok := s.redirected(address); ok {
		s.pox(w, poxRedirect(to))
		return
	}
	owner, err := s.options.Mailboxes.Find(r.Context(), address)
	if err != nil {
		s.pox(w, s.poxError("500", "The email address can't be found."))
		return
	}
	s.pox(w, s.poxSettings(owner, s.serviceURL(r)))
}

func (s *Server) pox(w http.ResponseWriter, response *node) {
	s.write(w, http.StatusOK, &node{space: answerSpace, local: "Autodiscover", nodes: []*node{response}})
}

func (s *Server) poxError(code, text string) *node {
	in := func(local string) *node { return &node{space: answerSpace, local: local} }
	e := in("Error").with("Time", s.now().Format("15:04:05.0000000")).with("Id", "1").
		add(in("ErrorCode").saying(code), in("Message").saying(text), in("DebugData"))
	return in("Response").add(e)
}

func setting(local string, inside ...*node) *node {
	return &node{space: settingsSpace, local: local, nodes: inside}
}

func poxRedirect(to Redirect) *node {
	account := setting("Account")
	if to.ToAddr != "" {
		account.add(setting("Action").saying("redirectAddr"), setting("RedirectAddr").saying(to.ToAddr))
	} else {
		account.add(setting("Action").saying("redirectUrl"), setting("RedirectUrl").saying(to.ToURL))
	}
	return setting("Response", account)
}

// poxSettings tells the address of the web service twice: EXCH is for inside, EXPR
// for outside.
func (s *Server) poxSettings(o Owner, service string) *node {
	host := strings.TrimSuffix(service[strings.Index(service, "://")+3:], "/EWS/Exchange.asmx")
	protocol := func(kind string, inside ...*node) *node {
		p := setting("Protocol", setting("Type").saying(kind), setting("Server").saying(host))
		p.add(inside...)
		return p.add(setting("ASUrl").saying(service), setting("EwsUrl").saying(service))
	}
	version := setting("ServerVersion").saying(fmt.Sprintf("%X", s.build.hex()))
	return setting("Response",
		setting("User",
			setting("DisplayName").saying(o.displayName()),
			setting("LegacyDN").saying("/o="+s.options.Domain+"/cn=Recipients/cn="+o.Address),
			setting("AutoDiscoverSMTPAddress").saying(o.Address)),
		setting("Account",
			setting("AccountType").saying("email"),
			setting("Action").saying("settings"),
			setting("MicrosoftOnline").saying("False"),
			protocol("EXCH", version),
			protocol("EXPR", setting("SSL").saying("On"), setting("AuthPackage").saying(s.authPackage()))))
}

// authPackage names the first scheme as Autodiscover does.
func (s *Server) authPackage() string {
	if len(s.options.Schemes) == 0 {
		return "Anonymous"
	}
	return map[Scheme]string{NTLM: "Ntlm", Basic: "Basic", Negotiate: "Negotiate"}[s.options.Schemes[0]]
}
