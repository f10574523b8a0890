package web_test

import (
	"net/http/httptest"
	"testing"

	"github.com/relayd/relayd/internal/simulator/web"
)

func TestBearer(t *testing.T) {
	t.Parallel()
	for field, want := range map[string]string{"Bearer T": "T", "bearer  T ": "T", "Basic T": "", "": "", "Bearer": ""} {
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/", nil)
		r.Header.Set("Authorization", field)
		if got := web.Bearer(r); got != want {
			t.Errorf("%q: %q, want %q", field, got, want)
		}
	}
}

func FuzzParseID(f *testing.F) {
	f.Add(web.Message{Folder: "[Gmail]/Sent Mail", UID: 7}.ID())
	f.Add("x")
	f.Add("")
	f.Fuzz(func(t *testing.T, id string) {
		folder, uid, ok := web.ParseID(id)
		if !ok {
			return
		}
		if again, number, ok := web.ParseID(web.Message{Folder: folder, UID: uid}.ID()); !ok || again != folder || number != uid {
			t.Errorf("%q is %q %d, and then %q %d", id, folder, uid, again, number)
		}
	})
}
