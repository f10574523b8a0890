package main

import (
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/relayd/relayd/internal/config"
)

// testConfig is a configuration for this machine, on free ports.
func testConfig(t *testing.T) *config.Config {
	t.Helper()
	cfg := config.Default()
	cfg.Hostname, cfg.DataDir = "relay.acme.example", filepath.Join(t.TempDir(), "data")
	cfg.Listeners = []config.Listener{{Name: "submission", Address: netip.MustParseAddrPort("127.0.0.1:0"), Mode: "starttls"}}
	cfg.Spool.SegmentSize, cfg.Spool.InlineSize = 4*config.MiB, 256*config.KiB
	cfg.Admin.Enabled = false
	return cfg
}

func TestMissingKeyFileIsNotReplaced(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t)
	p, err := assemble(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.close(); err != nil {
		t.Fatal(err)
	}
	key := filepath.Join(cfg.DataDir, "secret.key")
	if err := os.Remove(key); err != nil {
		t.Fatal(err)
	}
	_, err = assemble(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "put back the key file") {
		t.Errorf("start without the key: %v", err)
	}
	if _, err := os.Stat(key); err == nil {
		t.Error("a new key was made beside the old directory")
	}
}
