package main

import (
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"os"

	"github.com/relayd/relayd/internal/config"
)

// inspect finds what only this machine can tell about a configuration that is good
// in itself: whether the name can be used and the files that it names can be read.
// It opens and changes nothing, so it can be asked beside a running relayd.
func inspect(c *config.Config) error {
	if _, err := hostname(c.Hostname); err != nil {
		return err
	}
	if _, err := trusted(c.Upstream.RootsFile); err != nil {
		return err
	}
	if _, err := reportSender(c.Reports.From); err != nil {
		return err
	}
	for _, pair := range []struct{ section, certificate, key string }{
		{"tls", c.TLS.Certificate, c.TLS.Key}, {"admin", c.Admin.Certificate, c.Admin.Key},
	} {
		if pair.certificate == "" {
			continue
		}
		if _, err := tls.LoadX509KeyPair(pair.certificate, pair.key); err != nil {
			return fmt.Errorf("%s.certificate and %s.key: %w", pair.section, pair.section, err)
		}
	}
	return nil
}

// fingerprint stands for the content of the files that are read once, when the
// program is assembled. A file that cannot be read counts as empty: inspect, or the
// assembly, tells it.
func fingerprint(c *config.Config) (sum [sha256.Size]byte) {
	all := sha256.New()
	for _, name := range []string{c.Upstream.RootsFile, c.Admin.Certificate, c.Admin.Key} {
		var one [sha256.Size]byte
		if name != "" {
			content, _ := os.ReadFile(name) //nolint:errcheck,gosec // see above; the operator names it
			one = sha256.Sum256(content)
		}
		all.Write(one[:])
	}
	all.Sum(sum[:0])
	return sum
}
