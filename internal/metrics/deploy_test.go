package metrics

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestDashboardsAskForWhatExists: a renamed metric would leave a panel empty and an
// alert silent, and nobody would notice.
func TestDashboardsAskForWhatExists(t *testing.T) {
	t.Parallel()
	m := New("v1")
	for _, c := range cases {
		c.call(m)
	}
	got := scrape(t, m)
	names := regexp.MustCompile(`relayd_[a-z_]+`)
	for _, path := range []string{"../../deploy/grafana-dashboard.json", "../../deploy/prometheus-alerts.yaml"} {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(path, ".json") && !json.Valid(raw) {
			t.Errorf("%s is not JSON", path)
		}
		found := names.FindAllString(string(raw), -1)
		if len(found) < 5 {
			t.Errorf("%s asks for %d metrics", path, len(found))
		}
		for _, name := range found {
			if !strings.Contains(got, "\n"+name+"{") && !strings.Contains(got, "\n"+name+" ") {
				t.Errorf("%s asks for %s, which does not exist", path, name)
			}
		}
	}
}
