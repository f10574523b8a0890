package peers

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/relayd/relayd/internal/apiclient"
	"github.com/relayd/relayd/internal/relaytest"
)

// setting is one line of a configuration: a key with its section, and its value as
// YAML.
type setting struct{ key, value string }

func set(key, value string) setting { return setting{key, value} }

// startRelayd writes a configuration, the given settings over those that every test
// has, and starts the program.
func (w *world) startRelayd(more ...setting) *relayd {
	w.t.Helper()
	r := w.newRelayd()
	r.configure(more...)
	r.start()
	return r
}

// newRelayd is the program with the settings that every test has, not started.
// Everything of it lies in one directory.
func (w *world) newRelayd() *relayd {
	w.t.Helper()
	dir := relaytest.OpenDir(w.t)
	certificate, key := relaytest.WriteCertificate(w.t, w.authority.Issue("relay.acme.example", w.at(hostRelay)))
	r := &relayd{w: w, t: w.t, config: filepath.Join(dir, "relayd.yaml"), passwords: map[string]string{}}
	r.settings = []setting{
		set("hostname", "relay.acme.example"),
		set("data_dir", filepath.Join(dir, "data")),
		set("log.level", "debug"),
		set("log.format", "json"),
		set("listeners", w.listener("submission", 587, "starttls")+w.listener("submissions", 465, "implicit")),
		set("tls.certificate", certificate),
		set("tls.key", key),
		set("queue.retry", "["+strings.Repeat("1s, ", 60)+"1s]"),
		set("queue.jitter_percent", "0"),
		set("accounts.verify_timeout", "30s"),
		set("upstream.roots_file", w.roots),
		set("upstream.connect_timeout", "3s"),
		set("direct.connect_timeout", "3s"),
		set("sent.retry", "[1s, 1s, 1s, 1s, 1s, 1s, 1s, 1s, 1s, 1s]"),
		set("dns.servers", "["+w.at(hostDNS)+"]"),
		set("dns.timeout", "1s"),
		set("network.allow", "[127.0.0.0/8]"),
		set("network.ports", "[]"),
		set("admin.address", w.at(hostRelay)+":8025"),
	}
	client, err := apiclient.New(apiclient.Options{Socket: r.path("data/admin.sock")})
	if err != nil {
		w.t.Fatal(err)
	}
	r.api = client
	w.t.Cleanup(func() {
		client.Close()
		r.kill()
		if strings.Contains(r.logged(), "DATA RACE") {
			w.t.Error("the race detector found something in relayd")
		}
		if w.t.Failed() {
			w.t.Logf("log of relayd:\n%s", r.logged())
		}
	})
	return r
}

// path is a file beside the configuration.
func (r *relayd) path(name string) string { return filepath.Join(filepath.Dir(r.config), name) }

// configure changes settings and writes the file. The last one of a key counts.
func (r *relayd) configure(more ...setting) {
	r.t.Helper()
	r.settings = append(r.settings, more...)
	relaytest.WriteFile(r.t, r.config, yaml(r.settings))
}

// listener is an item of the list of listeners.
func (w *world) listener(name string, port int, mode string, more ...setting) string {
	text := fmt.Sprintf("\n  - name: %s\n    address: %s:%d\n    mode: %s", name, w.at(hostRelay), port, mode)
	for _, s := range more {
		text += fmt.Sprintf("\n    %s: %s", s.key, s.value)
	}
	return text
}

// yaml is a configuration file.
func yaml(settings []setting) string {
	top, sections := map[string]string{}, map[string]map[string]string{}
	for _, s := range settings {
		section, key, nested := strings.Cut(s.key, ".")
		if !nested {
			top[section] = s.value
			continue
		}
		if sections[section] == nil {
			sections[section] = map[string]string{}
		}
		sections[section][key] = s.value
	}
	var text strings.Builder
	for _, key := range slices.Sorted(maps.Keys(top)) {
		text.WriteString(key + ": " + top[key] + "\n")
	}
	for _, section := range slices.Sorted(maps.Keys(sections)) {
		text.WriteString(section + ":\n")
		for _, key := range slices.Sorted(maps.Keys(sections[section])) {
			text.WriteString("  " + key + ": " + sections[section][key] + "\n")
		}
	}
	return text.String()
}

// ports lets relayd connect to the ports of a real server that has others than the
// usual ones.
func ports(addresses ...string) setting {
	var all []string
	for _, a := range addresses {
		all = append(all, a[strings.LastIndexByte(a, ':')+1:])
	}
	return set("network.ports", "["+strings.Join(all, ", ")+"]")
}
