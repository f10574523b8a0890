// Package gmailsim is the part of the Gmail API that sends mail and finds it again.
//
// One request:
//  1. the token is looked up, and has to open the mailbox in the address;
//  2. a fault that is due is answered;
//  3. messages/send takes a whole message, whose recipients are those of its header;
//     everything else reads folders, which Gmail calls labels.
package gmailsim

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/mail"
	"strings"

	"github.com/relayd/relayd/internal/simulator/fault"
	"github.com/relayd/relayd/internal/simulator/oauthsim"
	"github.com/relayd/relayd/internal/simulator/web"
)

// Options describe the service.
type Options struct {
	Provider web.Provider
}

// The limits of the API.
const (
	maxUpload = 35 << 20 // octets of a message
	maxJSON   = 5 << 20  // octets of a message in JSON, as base64
)

type service struct{ provider web.Provider }

// Register puts the service into mux, below /gmail/v1/ and /upload/gmail/v1/.
func Register(mux *http.ServeMux, o Options) {
	s := &service{provider: o.Provider}
	const base = "/gmail/v1/users/{user}"
	mux.HandleFunc("POST /upload"+base+"/messages/send", s.with(oauthsim.UseGmailSend, fault.AtGmailSend, s.upload))
	mux.HandleFunc("POST "+base+"/messages/send", s.with(oauthsim.UseGmailSend, fault.AtGmailSend, s.sendJSON))
	mux.HandleFunc("GET "+base+"/profile", s.with(oauthsim.UseGmailRead, fault.AtGmailRead, s.profile))
	mux.HandleFunc("GET "+base+"/messages", s.with(oauthsim.UseGmailRead, fault.AtGmailRead, s.list))
	mux.HandleFunc("GET "+base+"/messages/{id}", s.with(oauthsim.UseGmailRead, fault.AtGmailRead, s.get))
	mux.HandleFunc("DELETE "+base+"/messages/{id}", s.with(oauthsim.UseGmailWrite, fault.AtGmailRead, s.remove))
}

// handler answers a request for a mailbox that the caller may open.
type handler func(w http.ResponseWriter, r *http.Request, address string)

// with lets a handler do its work once the token allows it.
func (s *service) with(use oauthsim.Use, at fault.Place, do handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		t, ok := s.provider.Token(web.Bearer(r))
		if !ok {
			w.Header().Set("WWW-Authenticate", `Bearer realm="https://accounts.google.com/", error="invalid_token"`)
			refuse(w, http.StatusUnauthorized, "authError", "Request had invalid authentication credentials.")
			return
		}
		address, ok := s.provider.Mailbox(t, r.PathValue("user"))
		switch {
		case !t.Allows(use):
			refuse(w, http.StatusForbidden, "insufficientPermissions", "Request had insufficient authentication scopes.")
			return
		case !ok:
			refuse(w, http.StatusForbidden, "forbidden", "Delegation denied for "+t.Address)
			return
		}
		if f, hit := s.provider.Strike(r.Context(), at, address, t.Client); hit {
			f.Answer(w, refuse)
			return
		}
		do(w, r, address)
	}
}

// refuse writes an error as Google's APIs do.
func refuse(w http.ResponseWriter, status int, code, text string) {
	web.JSON(w, status, map[string]any{"error": map[string]any{
		"code": status, "message": text,
		"errors": []map[string]string{{"domain": "global", "reason": code, "message": text}},
	}})
}

// upload sends the message that is the body.
func (s *service) upload(w http.ResponseWriter, r *http.Request, address string) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if r.URL.Query().Get("uploadType") != "media" || err != nil || kind != "message/rfc822" {
		refuse(w, http.StatusBadRequest, "badContent", "Media type is not supported. Valid media types: [message/rfc822]")
		return
	}
	if content, ok := readBody(w, r, maxUpload); ok {
		s.send(w, r, address, content)
	}
}

// sendJSON sends the message in {"raw": …}.
func (s *service) sendJSON(w http.ResponseWriter, r *http.Request, address string) {
	body, ok := readBody(w, r, maxJSON)
	if !ok {
		return
	}
	var request struct {
		Raw string `json:"raw"`
	}
	if err := json.Unmarshal(body, &request); err != nil || request.Raw == "" {
		refuse(w, http.StatusBadRequest, "invalidArgument", "'raw' RFC822 payload message string or uploading message via /upload/* URL required")
		return
	}
	content, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(request.Raw, "="))
	if err != nil {
		refuse(w, http.StatusBadRequest, "invalidArgument", "The message is not in base64url")
		return
	}
	s.send(w, r, address, content)
}

func readBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, bool) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		refuse(w, http.StatusRequestEntityTooLarge, "uploadTooLarge", "The message is too large.")
		return nil, false
	case err != nil:
		refuse(w, http.StatusBadRequest, "badRequest", "The request ended early.")
		return nil, false
	}
	return body, true
}

// send sends to the recipients of the header.
func (s *service) send(w http.ResponseWriter, r *http.Request, address string, content []byte) {
	if _, err := mail.ReadMessage(strings.NewReader(string(content))); err != nil {
		refuse(w, http.StatusBadRequest, "invalidArgument", "Invalid message")
		return
	}
	sent, err := s.provider.Submit(r.Context(), web.Submission{Address: address, Content: content, Via: "gmail"})
	switch {
	case errors.Is(err, web.ErrNoRecipients):
		refuse(w, http.StatusBadRequest, "invalidArgument", "Recipient address required")
		return
	case errors.Is(err, web.ErrLimit):
		refuse(w, http.StatusTooManyRequests, "rateLimitExceeded", "User-rate limit exceeded. (Mail sending)")
		return
	case err != nil:
		refuse(w, http.StatusServiceUnavailable, "backendError", "The service is currently unavailable.")
		return
	}
	if f, hit := s.provider.Strike(r.Context(), fault.AfterGmailSend, address); hit {
		f.Answer(w, refuse)
		return
	}
	id := s.newest(r, address, sent)
	web.JSON(w, http.StatusOK, map[string]any{"id": id, "threadId": id, "labelIds": []string{"SENT"}})
}
