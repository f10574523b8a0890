package resolver

import (
	"net"
	"strings"

	"github.com/miekg/dns"
)

const (
	systemConfig = "/etc/resolv.conf"
	defaultPort  = "53"
)

// Servers gives the servers that a Resolver with these configured ones asks, as
// "address:port": those, or the system's if there are none.
func Servers(configured []string) []string {
	if servers := withPorts(configured); len(servers) > 0 {
		return servers
	}
	return SystemServers(systemConfig)
}

// SystemServers gives the servers of a file in the form of resolv.conf(5). If
// there is none, they are those that resolv.conf(5) prescribes: the machine itself.
func SystemServers(path string) []string {
	config, err := dns.ClientConfigFromFile(path)
	if err != nil || len(config.Servers) == 0 {
		return []string{net.JoinHostPort("127.0.0.1", defaultPort), net.JoinHostPort("::1", defaultPort)}
	}
	return withPorts(config.Servers)
}

// withPorts adds the port of DNS where a server has none.
func withPorts(servers []string) []string {
	var out []string
	for _, s := range servers {
		if s = strings.TrimSpace(s); s == "" {
			continue
		}
		if _, _, err := net.SplitHostPort(s); err != nil {
			s = net.JoinHostPort(strings.Trim(s, "[]"), defaultPort)
		}
		out = append(out, s)
	}
	return out
}
