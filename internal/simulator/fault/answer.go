package fault

import (
	"bytes"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Refusal writes an error in the form of a web service.
type Refusal func(w http.ResponseWriter, status int, code, text string)

// Answer answers a web request with the fault: it hangs up, redirects, or sends the
// fault's body or reply. refuse dresses the reply in the form of the service.
func (f Fault) Answer(w http.ResponseWriter, refuse Refusal) {
	if f.Hangup {
		panic(http.ErrAbortHandler) // net/http closes the connection without an answer
	}
	status, code, text := f.WebReply()
	if f.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(f.RetryAfter/time.Second)))
	}
	switch {
	case f.Location != "":
		w.Header().Set("Location", f.Location)
		w.WriteHeader(orElse(status, http.StatusFound))
	case f.BodySize > 0:
		w.WriteHeader(orElse(status, http.StatusOK))
		pour(w, min(f.BodySize, MaxBodySize))
	case f.Body != "":
		w.WriteHeader(orElse(status, http.StatusOK)) // net/http finds out what kind of content it is
		_, _ = w.Write([]byte(f.Body))               // who does not read it has left
	case status == 0:
		refuse(w, http.StatusServiceUnavailable, "simulatedFault", "Simulated fault")
	case status < 300:
		w.WriteHeader(status) // a success that is none
	default:
		refuse(w, status, code, text)
	}
}

// WebReply takes a reply such as "429 TooManyRequests: slow down" apart. The status
// is 0 where it is none.
func (f Fault) WebReply() (status int, code, text string) {
	number, rest, _ := strings.Cut(f.Reply, " ")
	status, err := strconv.Atoi(number)
	if err != nil || status < 200 || status > 599 {
		return 0, "", ""
	}
	code, text, _ = strings.Cut(rest, ": ")
	return status, code, text
}

func orElse(status, other int) int {
	if status == 0 {
		return other
	}
	return status
}

func pour(w http.ResponseWriter, n int64) {
	piece := bytes.Repeat([]byte("x"), 32<<10)
	for n > 0 {
		wrote, err := w.Write(piece[:min(n, int64(len(piece)))])
		if err != nil {
			return
		}
		n -= int64(wrote)
	}
}
