package config

import (
	"fmt"
	"net/mail"
	"net/netip"
	"net/url"
	"strings"
)

// checkTogether finds what no single value shows: combinations that cannot work,
// or that would open what should be closed.
func checkTogether(c *Config) []issue {
	var out []issue
	for _, check := range []func(*Config) []issue{
		checkNames, checkAddresses, checkListeners, checkPairs, checkSchedules, checkSizes, checkDNS, checkNetwork, checkAdmin,
	} {
		out = append(out, check(c)...)
	}
	return out
}

func checkNames(c *Config) []issue {
	var out []issue
	for _, n := range []struct{ path, name string }{
		{"hostname", c.Hostname}, {"direct.hello_name", c.Direct.HelloName}, {"direct.signing_domain", c.Direct.SigningDomain},
	} {
		if n.name != "" && !isDomainName(n.name) {
			out = append(out, issue{n.path, fmt.Sprintf("%q is not a full domain name", n.name), "write one such as mail.acme.example"})
		}
	}
	if from := c.Reports.From; from != "" {
		if a, err := mail.ParseAddress(from); err != nil || a.Address != from {
			out = append(out, issue{"reports.from", fmt.Sprintf("%q is not a mail address", from), "write one such as postmaster@acme.example"})
		}
	}
	return out
}

// checkAddresses looks at the addresses of web servers: a password, a token or a link
// would travel in clear.
func checkAddresses(c *Config) []issue {
	var out []issue
	for _, a := range []struct{ path, text string }{
		{"admin.public_url", c.Admin.PublicURL}, {"accounts.settings_database", c.Accounts.SettingsDatabase},
	} {
		if a.text == "" {
			continue
		}
		u, err := url.Parse(a.text)
		if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			out = append(out, issue{a.path, fmt.Sprintf("%q is not the address of a web server with https", a.text), "write one such as https://relay.acme.example"})
		}
	}
	return out
}

// isDomainName checks the form of a name of at least two labels (RFC 1034 §3.5,
// RFC 1123 §2.1). Names in other scripts are written as A-labels (xn--…).
func isDomainName(name string) bool {
	labels := strings.Split(name, ".")
	if len(labels) < 2 || len(name) > 253 {
		return false
	}
	for _, l := range labels {
		if l == "" || len(l) > 63 || l[0] == '-' || l[len(l)-1] == '-' || strings.Trim(l, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") != "" {
			return false
		}
	}
	return true
}

func checkListeners(c *Config) []issue {
	if len(c.Listeners) == 0 {
		return []issue{{"listeners", "there is none", "write at least one, or remove the key for the defaults"}}
	}
	var out []issue
	names, addresses := map[string]bool{}, map[netip.AddrPort]bool{}
	for i := range c.Listeners {
		l, at := &c.Listeners[i], fmt.Sprintf("listeners[%d]", i)
		switch {
		case l.Name == "":
			out = append(out, issue{at + ".name", "is missing", "give every listener a name, such as submission"})
		case names[l.Name]:
			out = append(out, issue{at + ".name", fmt.Sprintf("%q is taken by another listener", l.Name), "give it another name"})
		}
		switch {
		case !l.Address.IsValid():
			out = append(out, issue{at + ".address", "is missing", "write IP address and port, such as 0.0.0.0:587"})
		case l.Address.Port() != 0 && addresses[l.Address]:
			out = append(out, issue{at + ".address", l.Address.String() + " is taken by another listener", "use another port"})
		}
		names[l.Name], addresses[l.Address] = true, true
		out = append(out, checkPlaintext(l, at)...)
	}
	return out
}

// checkPlaintext: whoever reaches a plaintext listener is its submitter, so it must
// say who may reach it, and that cannot be the world.
func checkPlaintext(l *Listener, at string) []issue {
	if l.Mode != "plaintext" {
		if l.Submitter != "" {
			return []issue{{at + ".submitter", "is for plaintext listeners only: on this one clients sign in", "remove it, or set mode to plaintext"}}
		}
		return nil
	}
	var out []issue
	if l.Submitter == "" {
		out = append(out, issue{at + ".submitter", "is missing: clients of a plaintext listener do not sign in", "name the login of the submitter that they are"})
	}
	if len(l.Networks) == 0 {
		out = append(out, issue{at + ".networks", "is missing: anybody could send through a plaintext listener", "list the networks of its clients, such as [192.168.1.0/24]"})
	}
	for i, p := range l.Networks {
		if tooWide(p) {
			out = append(out, issue{fmt.Sprintf("%s.networks[%d]", at, i), p.String() + " is too wide for a plaintext listener", "list the networks of its clients, such as 192.168.1.0/24"})
		}
	}
	return out
}

// tooWide: a network larger than 10.0.0.0/8 or fc00::/7 holds strangers.
func tooWide(p netip.Prefix) bool {
	if p.Addr().Is4() {
		return p.Bits() < 8
	}
	return p.Bits() < 7
}

func checkPairs(c *Config) []issue {
	var out []issue
	for _, p := range []struct{ section, certificate, key string }{
		{"tls", c.TLS.Certificate, c.TLS.Key}, {"admin", c.Admin.Certificate, c.Admin.Key},
	} {
		switch {
		case p.certificate != "" && p.key == "":
			out = append(out, issue{p.section + ".certificate", "has no " + p.section + ".key", "set both, or neither"})
		case p.certificate == "" && p.key != "":
			out = append(out, issue{p.section + ".key", "has no " + p.section + ".certificate", "set both, or neither"})
		}
	}
	return out
}

func checkSchedules(c *Config) []issue {
	var out []issue
	if len(c.Queue.Retry) == 0 {
		out = append(out, issue{"queue.retry", "is empty", "write at least one wait, such as [5m]"})
	}
	if len(c.Sent.Retry) == 0 {
		out = append(out, issue{"sent.retry", "is empty", "write at least one wait, such as [5m]"})
	}
	if d := c.Queue.DelayNoticeAfter; d >= c.Queue.GiveUpAfter {
		out = append(out, issue{"queue.delay_notice_after", formatDuration(d) + " is not before queue.give_up_after (" + formatDuration(c.Queue.GiveUpAfter) + ")", "make it shorter, or 0s for no notice"})
	}
	if len(c.Queue.Retry) > 0 && c.Queue.Retry[0] >= c.Queue.GiveUpAfter {
		out = append(out, issue{"queue.give_up_after", "ends before the first retry (" + formatDuration(c.Queue.Retry[0]) + ")", "make it longer"})
	}
	if c.Upstream.FinalTimeout < c.Upstream.CommandTimeout {
		out = append(out, issue{"upstream.final_timeout", "is shorter than upstream.command_timeout", "make it at least as long; RFC 5321 asks for 10m"})
	}
	return out
}

func checkSizes(c *Config) []issue {
	var out []issue
	if c.Spool.MaxBytes < 2*c.Limits.MessageSize {
		out = append(out, issue{"spool.max_bytes", "does not hold two messages of limits.message_size", "make it larger"})
	}
	if c.Spool.InlineSize*4 > c.Spool.SegmentSize {
		out = append(out, issue{"spool.inline_size", "is more than a quarter of spool.segment_size", "make it smaller, or the segments larger"})
	}
	return out
}

func checkDNS(c *Config) []issue {
	var out []issue
	for i, s := range c.DNS.Servers {
		if _, err := netip.ParseAddr(s); err == nil {
			continue
		}
		if _, err := netip.ParseAddrPort(s); err != nil {
			out = append(out, issue{fmt.Sprintf("dns.servers[%d]", i), fmt.Sprintf("%q is not an IP address", s), "write one such as 127.0.0.1 or 127.0.0.1:53"})
		}
	}
	return out
}

func checkNetwork(c *Config) []issue {
	var out []issue
	for i, p := range c.Network.Ports {
		if p == 0 {
			out = append(out, issue{fmt.Sprintf("network.ports[%d]", i), "0 is no port", "write one from 1 to 65535"})
		}
	}
	for i, p := range c.Network.Plain {
		if tooWide(p) {
			out = append(out, issue{fmt.Sprintf("network.plain[%d]", i), p.String() + " is too wide: passwords would cross the Internet in clear", "list the networks of your own servers"})
		}
	}
	return out
}

func checkAdmin(c *Config) []issue {
	a := &c.Admin
	if !a.Enabled {
		return nil
	}
	var out []issue
	switch {
	case !a.Address.IsValid():
		out = append(out, issue{"admin.address", "is missing", "write IP address and port, or set admin.enabled to false"})
	case !a.Address.Addr().Unmap().IsLoopback() && a.Certificate == "":
		out = append(out, issue{"admin.address", a.Address.String() + " is not on loopback, and tokens would cross the network in clear", "set admin.certificate and admin.key, or put a TLS proxy in front of 127.0.0.1"})
	}
	for i := range c.Listeners {
		if a.Address == c.Listeners[i].Address && a.Address.Port() != 0 {
			out = append(out, issue{"admin.address", "is the address of a listener", "use another port"})
		}
	}
	return out
}
