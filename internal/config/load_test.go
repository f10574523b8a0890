package config

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"
)

// load reads text as a file called relayd.yaml. Problems name it without its folder.
func load(t *testing.T, text string, environ ...string) (*Config, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "relayd.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if text == "" {
		path = "" // no file
	}
	c, err := Load(path, append(environ, "HOME=/home/jane"))
	if err != nil {
		err = errors.New(strings.ReplaceAll(err.Error(), filepath.Dir(path)+"/", ""))
	}
	return c, err
}

// TestRefused: what is wrong, and word for word what the operator reads.
func TestRefused(t *testing.T) {
	t.Parallel()
	for _, c := range refused {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := load(t, c.file, c.env...)
			if err == nil {
				t.Fatal("was taken")
			}
			if err.Error() != c.want {
				t.Errorf("said\n %s\nwant\n %s", err, c.want)
			}
		})
	}
}

var refused = []struct {
	name, file string
	env        []string
	want       string
}{
	// The form.
	{name: "not YAML", file: "queue:\n\t- x", want: `relayd.yaml: not YAML: line 2: found character that cannot start any token; check the indentation and the colons there`},
	{name: "two documents", file: "hostname: a.example\n---\nhostname: b.example\n", want: `relayd.yaml: holds more than one document; remove the line "---" and what follows it`},
	{name: "a list as the whole", file: "- a\n", want: `relayd.yaml: is a section, not a value; write its keys below it, such as "hostname: …"`},
	{name: "unknown key", file: "log:\n  level: info\n  colour: red\n", want: `relayd.yaml:3: log.colour: unknown key; remove it, or see config.example.yaml for the keys that there are`},
	{name: "empty file", file: " \n", want: `relayd.yaml: is empty; put the configuration back; to run on the defaults, name no file`},
	{name: "file of zeros", file: "\x00\x00\x00", want: `relayd.yaml: is empty; put the configuration back; to run on the defaults, name no file`},
	{name: "unknown section", file: "logging:\n  level: info\n", want: `relayd.yaml:1: logging: unknown key; remove it, or see config.example.yaml for the keys that there are`},
	{name: "mistyped key", file: "queue:\n  retri: [5m]\n", want: `relayd.yaml:2: queue.retri: unknown key; did you mean "retry"?`},
	{name: "key of another section", file: "queue:\n  recipients: 500\n", want: `relayd.yaml:2: queue.recipients: unknown key; there is "limits.recipients"`},
	{name: "upper case", file: "Hostname: a.example\n", want: `relayd.yaml:1: Hostname: unknown key; keys are written in lower case`},
	{name: "two keys that differ in case", file: "hostname: a.example\nHOSTNAME: b.example\n", want: `relayd.yaml:2: HOSTNAME: unknown key; keys are written in lower case`},
	{name: "the same key twice", file: "log:\n  level: info\n  format: text\n  level: warn\n", want: `relayd.yaml:4: log.level: stands here twice; keep one of them`},
	{name: "a section as value", file: "log: info\n", want: `relayd.yaml:1: log: is a section, not a value; write its keys below it, such as "level: …"`},
	{name: "a value as section", file: "hostname:\n  name: a.example\n", want: `relayd.yaml:1: hostname: is not a single value; text is expected here`},
	{name: "no value", file: "log:\n  level:\n", want: `relayd.yaml:2: log.level: has no value; give it one ("" is an empty text), or remove the key`},
	{name: "a value for a list", file: "queue:\n  retry: 5m\n", want: `relayd.yaml:2: queue.retry: is not a list; write a list of times: [a, b], or [] for none`},
	{name: "an empty item", file: "queue:\n  retry:\n    - 5m\n    -\n", want: `relayd.yaml:4: queue.retry[1]: is empty; remove it`},
	{name: "an alias", file: "hostname: &h a.example\n", want: `relayd.yaml:1: hostname: anchors and aliases are not read here; write the value out`},
	{name: "unknown key in a list", file: "listeners:\n  - name: a\n    adddress: 127.0.0.1:1\n", want: `relayd.yaml:3: listeners[0].adddress: unknown key; did you mean "address"?`},
	// Types: nothing is converted.
	{name: "bare number for a time", file: "queue:\n  retry_then: 30\n", want: `relayd.yaml:2: queue.retry_then: "30" is not a time with a unit; write one such as 30s, 5m, 1h30m or 5d`},
	{name: "bare number in a list of times", file: "queue:\n  retry: [1m, 30]\n", want: `relayd.yaml:2: queue.retry[1]: "30" is not a time with a unit; write one such as 30s, 5m, 1h30m or 5d`},
	{name: "bare number for a size", file: "limits:\n  message_size: 1000000\n", want: `relayd.yaml:2: limits.message_size: "1000000" is not a size with a unit; write one such as 25MiB, 64KiB or 500B`},
	{name: "text for a number", file: "limits:\n  connections: '12'\n", want: `relayd.yaml:2: limits.connections: "12" is not a whole number; write one such as 100, without quotes`},
	{name: "fraction for a number", file: "limits:\n  connections: 12.5\n", want: `relayd.yaml:2: limits.connections: "12.5" is not a whole number; write one such as 100, without quotes`},
	{name: "number for a text", file: "hostname: 12\n", want: `relayd.yaml:1: hostname: has the wrong type; text is expected here`},
	{name: "yes for true", file: "direct:\n  enabled: yes\n", want: `relayd.yaml:2: direct.enabled: has the wrong type; true or false is expected here`},
	{name: "an address for a network", file: "network:\n  allow: [10.0.0.1]\n", want: `relayd.yaml:2: network.allow[0]: "10.0.0.1" is not a network; write one such as 192.168.1.0/24 or fd00:1::/32`},
	{name: "host bits in a network", file: "network:\n  allow: [10.0.0.1/8]\n", want: `relayd.yaml:2: network.allow[0]: "10.0.0.1/8" is an address inside a network; write the network itself, 10.0.0.0/8`},
	{name: "a port alone", file: "admin:\n  address: ':8025'\n", want: `relayd.yaml:2: admin.address: ":8025" is not an IP address and port; write one such as 127.0.0.1:587, 0.0.0.0:587 or [::]:587`},
	{name: "a port that is none", file: "network:\n  ports: [70000]\n", want: `relayd.yaml:2: network.ports[0]: "70000" is not a port; write one from 1 to 65535, without quotes`},
	// Ranges.
	{name: "too small", file: "limits:\n  recipients: 50\n", want: `relayd.yaml:2: limits.recipients: 50 is out of range; write something from 100 to 50000`},
	{name: "too long", file: "queue:\n  give_up_after: 90d\n", want: `relayd.yaml:2: queue.give_up_after: 90d is out of range; write something from 1h to 30d`},
	{name: "too small in a list", file: "queue:\n  retry: [1m, 0s]\n", want: `relayd.yaml:2: queue.retry[1]: 0s is out of range; write something from 1s to 7d`},
	{name: "not a choice", file: "log:\n  level: loud\n", want: `relayd.yaml:2: log.level: "loud" is not known; write one of debug, info, warn, error`},
	// The environment.
	{name: "unknown variable", env: []string{"RELAYD_QEUE_WORKERS=5"}, want: `RELAYD_QEUE_WORKERS: unknown variable; did you mean RELAYD_QUEUE_WORKERS?`},
	{name: "far from any variable", env: []string{"RELAYD_SECRET_SAUCE=5"}, want: `RELAYD_SECRET_SAUCE: unknown variable; unset it, or see docs/configuration.md for the variables that there are`},
	{name: "bare number in a variable", env: []string{"RELAYD_QUEUE_RETRY_THEN=30"}, want: `RELAYD_QUEUE_RETRY_THEN: "30" is not a time with a unit; write one such as 30s, 5m, 1h30m or 5d`},
	{name: "empty variable", env: []string{"RELAYD_QUEUE_RETRY_THEN="}, want: `RELAYD_QUEUE_RETRY_THEN: "" is not a time with a unit; write one such as 30s, 5m, 1h30m or 5d`},
	{name: "text in a variable for a number", env: []string{"RELAYD_QUEUE_WORKERS=many"}, want: `RELAYD_QUEUE_WORKERS: "many" is not a whole number; write one such as 100, without quotes`},
	{name: "range of a variable", env: []string{"RELAYD_QUEUE_WORKERS=0"}, want: `RELAYD_QUEUE_WORKERS: 0 is out of range; write something from 1 to 20000`},
	{name: "list of records in a variable", env: []string{"RELAYD_LISTENERS=x"}, want: `RELAYD_LISTENERS: cannot be given by a variable; write listeners into the configuration file`},
	// All at one time.
	{name: "two problems", file: "hostname: 12\nlimits:\n  errors: x\n", want: "relayd.yaml:1: hostname: has the wrong type; text is expected here\nrelayd.yaml:3: limits.errors: \"x\" is not a whole number; write one such as 100, without quotes"},
	{name: "file and environment", file: "x: 1\n", env: []string{"RELAYD_Y=2"}, want: "relayd.yaml:1: x: unknown key; remove it, or see config.example.yaml for the keys that there are\nRELAYD_Y: unknown variable; unset it, or see docs/configuration.md for the variables that there are"},
	// What cannot be together.
	{name: "no listener", file: "listeners: []\n", want: `relayd.yaml:1: listeners: there is none; write at least one, or remove the key for the defaults`},
	{name: "listener without all", file: "listeners:\n  - mode: starttls\n", want: "relayd.yaml:2: listeners[0].name: is missing; give every listener a name, such as submission\nrelayd.yaml:2: listeners[0].address: is missing; write IP address and port, such as 0.0.0.0:587"},
	{name: "listener without mode", file: "listeners:\n  - {name: a, address: '127.0.0.1:1'}\n", want: `relayd.yaml:2: listeners[0].mode: "" is not known; write one of starttls, implicit, plaintext`},
	{name: "listeners alike", file: "listeners:\n  - {name: a, address: '127.0.0.1:1', mode: starttls}\n  - {name: a, address: '127.0.0.1:1', mode: implicit}\n", want: "relayd.yaml:3: listeners[1].name: \"a\" is taken by another listener; give it another name\nrelayd.yaml:3: listeners[1].address: 127.0.0.1:1 is taken by another listener; use another port"},
	{name: "open plaintext", file: "listeners:\n  - {name: a, address: '127.0.0.1:1', mode: plaintext}\n", want: "relayd.yaml:2: listeners[0].submitter: is missing: clients of a plaintext listener do not sign in; name the login of the submitter that they are\nrelayd.yaml:2: listeners[0].networks: is missing: anybody could send through a plaintext listener; list the networks of its clients, such as [192.168.1.0/24]"},
	{name: "plaintext for the world", file: "listeners:\n  - {name: a, address: '127.0.0.1:1', mode: plaintext, submitter: s, networks: [0.0.0.0/0]}\n", want: `relayd.yaml:2: listeners[0].networks[0]: 0.0.0.0/0 is too wide for a plaintext listener; list the networks of its clients, such as 192.168.1.0/24`},
	{name: "submitter under AUTH", file: "listeners:\n  - {name: a, address: '127.0.0.1:1', mode: starttls, submitter: s}\n", want: `relayd.yaml:2: listeners[0].submitter: is for plaintext listeners only: on this one clients sign in; remove it, or set mode to plaintext`},
	{name: "certificate without key", file: "tls:\n  certificate: a.pem\n", want: `relayd.yaml:2: tls.certificate: has no tls.key; set both, or neither`},
	{name: "key without certificate", file: "admin:\n  key: a.pem\n", want: `relayd.yaml:2: admin.key: has no admin.certificate; set both, or neither`},
	{name: "notice after the end", file: "queue:\n  give_up_after: 2h\n", want: `relayd.yaml:1: queue.delay_notice_after: 4h is not before queue.give_up_after (2h); make it shorter, or 0s for no notice`},
	{name: "no retries", file: "queue:\n  retry: []\nsent:\n  retry: []\n", want: "relayd.yaml:2: queue.retry: is empty; write at least one wait, such as [5m]\nrelayd.yaml:4: sent.retry: is empty; write at least one wait, such as [5m]"},
	{name: "end before the first retry", file: "queue:\n  retry: [5h]\n  delay_notice_after: 0s\n  give_up_after: 5h\n", want: `relayd.yaml:4: queue.give_up_after: ends before the first retry (5h); make it longer`},
	{name: "short final timeout", file: "upstream:\n  final_timeout: 1m\n", want: `relayd.yaml:2: upstream.final_timeout: is shorter than upstream.command_timeout; make it at least as long; RFC 5321 asks for 10m`},
	{name: "small spool", file: "spool:\n  max_bytes: 64MiB\n", want: `relayd.yaml:2: spool.max_bytes: does not hold two messages of limits.message_size; make it larger`},
	{name: "small segments", file: "spool:\n  segment_size: 4MiB\n  inline_size: 2MiB\n", want: `relayd.yaml:3: spool.inline_size: is more than a quarter of spool.segment_size; make it smaller, or the segments larger`},
	{name: "names", file: "hostname: localhost\nreports:\n  from: Me <me@acme.example>\n", want: "relayd.yaml:1: hostname: \"localhost\" is not a full domain name; write one such as mail.acme.example\nrelayd.yaml:3: reports.from: \"Me <me@acme.example>\" is not a mail address; write one such as postmaster@acme.example"},
	{name: "DNS server by name", file: "dns:\n  servers: [127.0.0.1, '[::1]:5353', dns.example]\n", want: `relayd.yaml:2: dns.servers[2]: "dns.example" is not an IP address; write one such as 127.0.0.1 or 127.0.0.1:53`},
	{name: "port 0", file: "network:\n  ports: [0]\n", want: `relayd.yaml:2: network.ports[0]: 0 is no port; write one from 1 to 65535`},
	{name: "plain for the world", file: "network:\n  plain: ['::/0']\n", want: `relayd.yaml:2: network.plain[0]: ::/0 is too wide: passwords would cross the Internet in clear; list the networks of your own servers`},
	{name: "admin in clear", file: "admin:\n  address: 0.0.0.0:8025\n", want: `relayd.yaml:2: admin.address: 0.0.0.0:8025 is not on loopback, and tokens would cross the network in clear; set admin.certificate and admin.key, or put a TLS proxy in front of 127.0.0.1`},
	{name: "admin on a listener", env: []string{"RELAYD_ADMIN_ADDRESS=127.0.0.1:2587"}, want: `RELAYD_ADMIN_ADDRESS: is the address of a listener; use another port`},
}

func TestFileOverDefaultsEnvironmentOverFile(t *testing.T) {
	t.Parallel()
	c, err := load(t, "queue:\n  workers: 7\n  per_account: 3\nlog:\n# all commented out\nlisteners:\n  - {name: a, address: '0.0.0.0:587', mode: starttls}\n",
		"RELAYD_QUEUE_WORKERS=9", "RELAYD_NETWORK_ALLOW=10.0.0.0/8, fd00::/8", "RELAYD_HOSTNAME=", "RELAYD_TOKEN=secret", "PATH=/bin")
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.Queue.Workers, want.Queue.PerAccount = 9, 3
	want.DataDir = c.DataDir
	want.Network.Allow = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	want.Listeners = []Listener{{Name: "a", Address: netip.MustParseAddrPort("0.0.0.0:587"), Mode: "starttls"}}
	if !reflect.DeepEqual(normal(c), normal(want)) {
		t.Errorf("got\n%+v\nwant\n%+v", c, want)
	}
}

func TestNothingGivenIsTheDefault(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "# nothing\n", "---\n", "log:\n"} {
		c, err := load(t, text)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		want := Default()
		want.DataDir = c.DataDir
		if !reflect.DeepEqual(normal(c), normal(want)) {
			t.Errorf("%q gave\n%+v\nwant\n%+v", text, c, want)
		}
	}
	if _, err := Load("", []string{"HOME=/home/jane"}); err != nil {
		t.Errorf("no file: %v", err)
	}
	if _, err := Load("/does/not/exist.yaml", nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
}

// normal makes empty lists and missing lists alike: which of the two a list is says
// nothing.
func normal(c *Config) *Config {
	n := *c
	for _, k := range keys(&n) {
		if k.value.Kind() == reflect.Slice && k.value.Len() == 0 {
			k.value.SetZero()
		}
	}
	for i := range n.Listeners {
		if len(n.Listeners[i].Networks) == 0 {
			n.Listeners[i].Networks = nil
		}
	}
	return &n
}

// TestEveryKeyByFileAndVariable: viper ignores variables that it was not told of;
// here every key takes another value from either place.
func TestEveryKeyByFileAndVariable(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for _, k := range keys(Default()) {
		if other := seen[k.variable()]; other != "" {
			t.Errorf("%s and %s share the variable %s", k.path, other, k.variable())
		}
		seen[k.variable()] = k.path
		if isRecords(k.value.Type()) {
			continue // TestFileOverDefaultsEnvironmentOverFile sets them
		}
		text := another(k)
		v := variableOnly(text)
		_, src, values, errs := fromVariable(k.variable() + "=" + v)
		if len(errs) > 0 {
			t.Errorf("%s=%s: %v", k.variable(), v, errs)
			continue
		}
		c, errs := src.merge(nil, values)
		if len(errs) > 0 || valueAt(c, k.path) == valueAt(Default(), k.path) {
			t.Errorf("%s=%s did not change %s: %v %s", k.variable(), v, k.path, errs, valueAt(c, k.path))
		}
		fromFile, errs := src.merge([]byte(asYAML(k.path, text)), nil)
		if len(errs) > 0 || valueAt(fromFile, k.path) != valueAt(c, k.path) {
			t.Errorf("file %q gave %v, %v", asYAML(k.path, text), fromFile, errs)
		}
	}
}

func fromVariable(entry string) (string, *source, map[string]any, []error) {
	src := &source{lines: map[string]int{}, variables: map[string]string{}}
	values, errs := src.readEnvironment([]string{entry})
	return entry, src, values, errs
}

// another gives a value of the key's type that differs from the default.
func another(k key) string {
	switch t := k.value.Type(); t {
	case reflect.TypeFor[time.Duration]():
		return "77s"
	case reflect.TypeFor[Size]():
		return "77KiB"
	case reflect.TypeFor[netip.AddrPort]():
		return "127.0.0.7:77"
	case reflect.TypeFor[[]netip.Prefix]():
		return "[10.0.0.0/8, 192.168.0.0/16]"
	case reflect.TypeFor[[]uint16]():
		return "[77, 78]"
	case reflect.TypeFor[[]time.Duration]():
		return "[77s, 78s]"
	case reflect.TypeFor[[]string]():
		return "[a, b]"
	}
	switch k.value.Kind() {
	case reflect.Bool:
		if k.value.Bool() {
			return "false"
		}
		return "true"
	case reflect.String:
		return "other"
	}
	return "77"
}

func variableOnly(text string) string { return strings.Trim(text, "[]") }

func asYAML(path, text string) string {
	section, name, nested := strings.Cut(path, ".")
	if !nested {
		return path + ": " + text + "\n"
	}
	return section + ":\n  " + name + ": " + text + "\n"
}

func valueAt(c *Config, path string) string {
	for _, k := range keys(c) {
		if k.path == path {
			return format(k.value)
		}
	}
	return "no such key"
}

// TestLoadsAreIndependent: a reload builds everything anew, so that it races with
// no reader of the configuration in force.
func TestLoadsAreIndependent(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "relayd.yaml")
	if err := os.WriteFile(path, []byte("queue:\n  workers: 7\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			c, err := Load(path, []string{"HOME=/home/jane"})
			if err != nil || c.Queue.Workers != 7 || c.Queue.Retry[0] != time.Minute {
				t.Errorf("load %d: %+v, %v", i, c, err)
				return
			}
			c.Queue.Retry[0] = 0 // must reach no other Config
		})
	}
	wg.Wait()
}

func TestStateDir(t *testing.T) {
	t.Parallel()
	cases := []struct {
		env  []string
		uid  int
		want string
	}{
		{[]string{"STATE_DIRECTORY=/var/lib/relayd:/var/lib/other", "HOME=/root"}, 0, "/var/lib/relayd"},
		{[]string{"HOME=/root"}, 0, "/var/lib/relayd"},
		{[]string{"XDG_STATE_HOME=/home/jane/state", "HOME=/home/jane"}, 1000, "/home/jane/state/relayd"},
		{[]string{"HOME=/home/jane"}, 1000, "/home/jane/.local/state/relayd"},
		{nil, 1000, ""},
	}
	for _, c := range cases {
		got, err := stateDir(c.env, c.uid)
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("stateDir(%v, %d) = %q, %v; want %q", c.env, c.uid, got, err, c.want)
		}
	}
}

// FuzzForm: no file makes the loader panic, and what it takes passes its checks.
func FuzzForm(f *testing.F) {
	for _, c := range refused {
		f.Add([]byte(c.file))
	}
	f.Add([]byte("a: &a [*a]\n"))
	f.Add([]byte("? [complex]\n: key\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		src := &source{file: "fuzz.yaml", lines: map[string]int{}, variables: map[string]string{}}
		if len(src.checkForm(raw)) > 0 {
			return
		}
		c, errs := src.merge(raw, nil)
		if len(errs) == 0 {
			src.check(c)
		}
	})
}
