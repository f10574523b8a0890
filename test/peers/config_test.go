package peers

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/relayd/relayd/internal/relaytest"
)

// setting is one line of a configuration: a key with its section, and its value as
// YAML.
type setting struct{ key, value string }

func set(key, value string) setting { return setting{key, value} }

// configure writes a configuration for a relayd in this world, the given settings
// over those that every test has, and gives the path of the file. Everything of
// relayd lies beside it.
func (w *world) configure(more ...setting) string {
	w.t.Helper()
	dir := relaytest.OpenDir(w.t)
	certificate, key := relaytest.WriteCertificate(w.t, w.authority.Issue("relay.acme.example", w.at(hostRelay)))
	file := filepath.Join(dir, "relayd.yaml")
	w.write(file, append([]setting{
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
	}, more...))
	return file
}

// listener is an item of the list of listeners.
func (w *world) listener(name string, port int, mode string, more ...setting) string {
	text := fmt.Sprintf("\n  - name: %s\n    address: %s:%d\n    mode: %s", name, w.at(hostRelay), port, mode)
	for _, s := range more {
		text += fmt.Sprintf("\n    %s: %s", s.key, s.value)
	}
	return text
}

// write writes a configuration; the last one of a key counts.
func (w *world) write(file string, settings []setting) {
	w.t.Helper()
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
	var lines []string
	for _, key := range slices.Sorted(maps.Keys(top)) {
		lines = append(lines, key+": "+top[key])
	}
	for _, section := range slices.Sorted(maps.Keys(sections)) {
		lines = append(lines, section+":")
		for _, key := range slices.Sorted(maps.Keys(sections[section])) {
			lines = append(lines, "  "+key+": "+sections[section][key])
		}
	}
	relaytest.WriteFile(w.t, file, lines...)
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
