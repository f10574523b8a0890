package webmail_test

import (
	"strings"
	"testing"

	"github.com/relayd/relayd/internal/webmail"
)

// FuzzSOAP: whatever comes, nothing breaks, and success is only what says so.
func FuzzSOAP(f *testing.F) {
	for _, seed := range []string{
		success("CreateItem", "<m:Items/>"), refusal("CreateItem", "ErrorServerBusy", "later"), fault("ErrorServerBusy", "later", "30000"),
		success("FindItem", found()), "<a>", "", "<!DOCTYPE a>", strings.Repeat("<a>", 100),
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		ok, err := webmail.ParseSOAP(body)
		if ok && (err != nil || !strings.Contains(string(body), "Success") && !strings.Contains(string(body), "&#")) {
			t.Errorf("taken for a success: %q", body)
		}
	})
}
