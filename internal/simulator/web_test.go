package simulator_test

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/relayd/relayd/internal/simulator"
)

const (
	graphSend  = "https://graph.microsoft.com/Mail.Send"
	graphRead  = "https://graph.microsoft.com/Mail.ReadBasic"
	graphWrite = "https://graph.microsoft.com/Mail.ReadWrite"
	gmailSend  = "https://www.googleapis.com/auth/gmail.send"
	gmailRead  = "https://www.googleapis.com/auth/gmail.readonly"
)

// answer is what a web service said.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// value reads the body into a map.
func (a answer) value(t *testing.T) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal(a.body, &v); err != nil {
		t.Fatalf("%d %s: %v", a.status, a.body, err)
	}
	return v
}

// call sends one request. The error is of a connection that broke.
func call(t *testing.T, s *simulator.Simulator, method, path, token, kind, body string) (answer, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.HTTPSURL()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	client := s.HTTPClient()
	defer client.CloseIdleConnections()
	resp, err := client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	read, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, read}, err
}

func mustCall(t *testing.T, s *simulator.Simulator, method, path, token, kind, body string) answer {
	t.Helper()
	a, err := call(t, s, method, path, token, kind, body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return a
}

func inBase64(content string) string { return base64.StdEncoding.EncodeToString([]byte(content)) }

const newsletter = "From: Boss <boss@other.example>\r\nTo: john@acme.example\r\nCc: Bob <bob@world.example>\r\nBcc: hidden@world.example\r\n" +
	"Subject: It's new\r\nMessage-ID: <9@acme.example>\r\n\r\nHello.\r\n"
