package config

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

func TestContainerConfigurationLoads(t *testing.T) {
	t.Parallel()
	c, err := Load("../../deploy/container.yaml", []string{"RELAYD_HOSTNAME=mail.acme.example"})
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range c.Listeners {
		if l.Address.Addr().IsLoopback() || l.Address.Port() < 1024 {
			t.Errorf("listener %s is at %s: nobody outside would reach it, or the program may not open it", l.Name, l.Address)
		}
	}
}

// TestDeploymentsNameRealVariables: a mistyped variable keeps relayd from starting.
func TestDeploymentsNameRealVariables(t *testing.T) {
	t.Parallel()
	known := map[string]bool{}
	for _, k := range keys(Default()) {
		known[k.variable()] = true
	}
	for _, name := range foreignVariables() {
		known[name] = true
	}
	for _, path := range []string{"../../Dockerfile", "../../deploy/compose.yaml", "../../deploy/container.yaml", "../../deploy/relayd.service"} {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range regexp.MustCompile(`RELAYD_[A-Z_]+`).FindAllString(string(raw), -1) {
			if !known[name] {
				t.Errorf("%s names %s, which is no variable", path, name)
			}
		}
	}
}

// TestStopsAreLongerThanTheDrain: a supervisor that kills earlier breaks off
// transactions that could have finished.
func TestStopsAreLongerThanTheDrain(t *testing.T) {
	t.Parallel()
	for path, key := range map[string]string{"../../deploy/relayd.service": "TimeoutStopSec=", "../../deploy/compose.yaml": "stop_grace_period: "} {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(raw), key)
		value, _, _ := strings.Cut(rest, "\n")
		d, err := ParseDuration(value)
		if err != nil || d <= 2*Default().DrainTimeout { // clients first, then deliveries
			t.Errorf("%s: %s%q is not longer than twice drain_timeout", path, key, value)
		}
	}
}
