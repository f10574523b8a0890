package graphsim

import (
	"encoding/base64"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/mail"
	"strings"

	"github.com/relayd/relayd/internal/simulator/fault"
	"github.com/relayd/relayd/internal/simulator/web"
)

// send is sendMail in its MIME form: the body is the message in base64.
func (s *service) send(w http.ResponseWriter, r *http.Request, address string) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		refuse(w, http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", "The maximum request length supported is 4MB.")
		return
	case err != nil:
		refuse(w, http.StatusBadRequest, "RequestBodyRead", "The request body ended early.")
		return
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "text/plain" {
		refuse(w, http.StatusBadRequest, "UnableToDeserializePostBody", "were unable to deserialize")
		return
	}
	content, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(body)))
	if err != nil || len(content) == 0 {
		refuse(w, http.StatusBadRequest, "ErrorMimeContentInvalidBase64String", "Invalid base64 string for MIME content.")
		return
	}
	if _, err := mail.ReadMessage(strings.NewReader(string(content))); err != nil {
		refuse(w, http.StatusBadRequest, "ErrorMimeContentInvalid", "The MIME content is invalid.")
		return
	}
	_, err = s.provider.Submit(r.Context(), web.Submission{Address: address, Content: content, Via: "graph", OwnFrom: true})
	switch {
	case errors.Is(err, web.ErrNoRecipients):
		refuse(w, http.StatusBadRequest, "ErrorInvalidRecipients", "At least one recipient isn't valid.")
		return
	case errors.Is(err, web.ErrLimit):
		refuse(w, http.StatusTooManyRequests, "ErrorExceededMessageLimit", "Cannot send mail. Follow the instructions in your Inbox to verify your account.")
		return
	case err != nil:
		refuse(w, http.StatusServiceUnavailable, "ErrorMailboxStoreUnavailable", "The mailbox database is temporarily unavailable.")
		return
	}
	if f, hit := s.provider.Strike(r.Context(), fault.AfterGraphSend, address); hit {
		f.Answer(w, refuse)
		return
	}
	w.WriteHeader(http.StatusAccepted)
}
