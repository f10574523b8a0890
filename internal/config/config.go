// Package config reads the configuration: a YAML file and RELAYD_ variables of the
// environment, over the defaults of [Default]. It is the only place that knows
// where a value came from; cmd/relayd alone reads the [Config], every other package
// has Options of its own.
//
// [Load]:
//  1. read the file and check its form against the struct below: every key known,
//     in lower case, written once, with a value;
//  2. check the RELAYD_ variables in the same way;
//  3. let viper put file and environment over the defaults;
//  4. decode strictly: nothing is converted, durations and sizes have units;
//  5. check every range and what cannot be true together.
//
// All problems are reported at one time, each with file and line, key and remedy.
// config.example.yaml and docs/configuration.md are made from the comments and
// tags of the structs in this file; a test keeps them true.
package config

import (
	"net/netip"
	"time"
)

// Config is the whole configuration. It is plain data and never changes after Load.
type Config struct {
	// The name of this server in greetings, Received fields and reports: a full
	// domain name that leads to this machine. Empty means the machine's own name.
	Hostname string `yaml:"hostname"`

	// Where everything is kept: queue, directory, keys, certificate, admin socket.
	// Empty means $STATE_DIRECTORY, else /var/lib/relayd for root, else
	// $XDG_STATE_HOME/relayd or ~/.local/state/relayd.
	DataDir string `yaml:"data_dir"`

	// How long running SMTP transactions and deliveries may go on after SIGTERM.
	DrainTimeout time.Duration `yaml:"drain_timeout" min:"1s" max:"10m"`

	// What relayd tells about its work.
	Log Log `yaml:"log"`
	// Where applications submit mail. The defaults are on loopback with ports that
	// need no rights; an installation for others listens on 0.0.0.0:587 and
	// 0.0.0.0:465.
	Listeners []Listener `yaml:"listeners"`
	// The certificate of the listeners.
	TLS TLS `yaml:"tls"`
	// What one client, and all together, may ask for.
	Limits Limits `yaml:"limits"`
	// What is done to a message when it is accepted.
	Accept Accept `yaml:"accept"`
	// Where messages wait.
	Spool Spool `yaml:"spool"`
	// When and how many deliveries are tried.
	Queue Queue `yaml:"queue"`
	// The users' own mail accounts.
	Accounts Accounts `yaml:"accounts"`
	// Delivery through the sender's own account.
	Upstream Upstream `yaml:"upstream"`
	// Delivery by MX, for senders without a verified account.
	Direct Direct `yaml:"direct"`
	// The copy in the sender's Sent folder.
	Sent Sent `yaml:"sent"`
	// Delivery status notifications.
	Reports Reports `yaml:"reports"`
	// Mail of relayd's own about accounts in trouble. It comes from reports.from.
	Notices Notices `yaml:"notices"`
	// The DNS servers that relayd asks.
	DNS DNS `yaml:"dns"`
	// Where relayd may connect to.
	Network Network `yaml:"network"`
	// The HTTP API.
	Admin Admin `yaml:"admin"`
}

// Log says what is logged and how.
type Log struct {
	// The least level that is written.
	Level string `yaml:"level" oneof:"debug info warn error"`
	// One line of key=value pairs, or one JSON object, for each event.
	Format string `yaml:"format" oneof:"text json"`
}

// Listener is one submission port. In the file, a list of listeners replaces the
// defaults as a whole; each needs name, address and mode.
type Listener struct {
	// How logs and metrics call it.
	Name string `yaml:"name"`
	// IP address and port.
	Address netip.AddrPort `yaml:"address"`
	// starttls (port 587), implicit (port 465), or plaintext for old devices that
	// can neither TLS nor AUTH.
	Mode string `yaml:"mode" oneof:"starttls implicit plaintext"`
	// The networks whose clients may connect; empty means all. A plaintext listener
	// needs them.
	Networks []netip.Prefix `yaml:"networks"`
	// For a plaintext listener: the login of the submitter that its clients are.
	Submitter string `yaml:"submitter"`
}

// TLS is the certificate of the listeners.
type TLS struct {
	// PEM file with the certificate and its chain. Empty means that relayd makes a
	// self-signed one at its first start.
	Certificate string `yaml:"certificate"`
	// PEM file with its private key.
	Key string `yaml:"key"`
}

// Limits is what one client, and all together, may ask for.
type Limits struct {
	// Connections at one time, in all.
	Connections int `yaml:"connections" min:"1" max:"100000"`
	// Connections at one time from one IPv4 address or IPv6 /64 network.
	ConnectionsPerAddress int `yaml:"connections_per_address" min:"1" max:"100000"`
	// Connections at one time of one submitter.
	ConnectionsPerSubmitter int `yaml:"connections_per_submitter" min:"1" max:"100000"`
	// Recipients of one message. RFC 5321 asks for at least 100.
	Recipients int `yaml:"recipients" min:"100" max:"50000"`
	// Size of one message.
	MessageSize Size `yaml:"message_size" min:"64KiB" max:"1GiB"`
	// Size of a message's header.
	HeaderSize Size `yaml:"header_size" min:"16KiB" max:"4MiB"`
	// Fields in a message's header.
	HeaderFields int `yaml:"header_fields" min:"100" max:"100000"`
	// Received fields in a message, beyond which it is taken for a loop.
	ReceivedHops int `yaml:"received_hops" min:"5" max:"100"`
	// Refused commands since the last message after which a connection is closed.
	Errors int `yaml:"errors" min:"1" max:"1000"`
	// Sign-ins on one connection that may fail.
	AuthAttempts int `yaml:"auth_attempts" min:"1" max:"20"`
	// How long a client may be silent between commands. RFC 5321 asks for 5m.
	IdleTimeout time.Duration `yaml:"idle_timeout" min:"10s" max:"1h"`
	// How long one command line and a TLS handshake may take.
	CommandTimeout time.Duration `yaml:"command_timeout" min:"5s" max:"10m"`
	// How long the content of one message may take.
	MessageTimeout time.Duration `yaml:"message_timeout" min:"1m" max:"6h"`
	// Octets a second that a client must keep up while it sends content.
	MinimumRate Size `yaml:"minimum_rate" min:"1B" max:"1MiB"`
}

// Accept is what is done to a message when it is accepted.
type Accept struct {
	// Whether the Received field that relayd adds names the client's address. It
	// tells recipients about your network.
	ShowClientAddress bool `yaml:"show_client_address"`
}

// Spool is where messages wait.
type Spool struct {
	// Messages that may wait at one time; above it clients get 452.
	MaxMessages int `yaml:"max_messages" min:"100" max:"10000000"`
	// Size of all waiting messages together; above it clients get 452.
	MaxBytes Size `yaml:"max_bytes" min:"64MiB" max:"1000TiB"`
	// Room on the disk that is left to others; below it clients get 452.
	MinFreeDisk Size `yaml:"min_free_disk" min:"0B" max:"1000TiB"`
	// Size of one segment of the journal.
	SegmentSize Size `yaml:"segment_size" min:"4MiB" max:"1GiB"`
	// Messages up to this size are written into the journal itself, larger ones
	// into files of their own.
	InlineSize Size `yaml:"inline_size" min:"4KiB" max:"2MiB"`
	// How long the history of finished messages is kept.
	KeepHistory time.Duration `yaml:"keep_history" min:"1d" max:"3660d"`
}

// Queue says when and how many deliveries are tried.
type Queue struct {
	// The waits after the first attempts of a message.
	Retry []time.Duration `yaml:"retry" min:"1s" max:"7d"`
	// The wait after every later attempt.
	RetryThen time.Duration `yaml:"retry_then" min:"1m" max:"7d"`
	// By how many percent each wait is changed at random, so that messages do not
	// march in step.
	JitterPercent int `yaml:"jitter_percent" min:"0" max:"50"`
	// The age at which a message that could not be delivered is returned. Time in
	// which it was held does not count. RFC 5321 asks for four to five days.
	GiveUpAfter time.Duration `yaml:"give_up_after" min:"1h" max:"30d"`
	// The age at which the sender is told of a delay, once. 0s tells nothing.
	DelayNoticeAfter time.Duration `yaml:"delay_notice_after" min:"0s" max:"30d"`
	// How long a message rests whose final answer was lost, before relayd looks
	// whether it arrived. After a lost connection it is at least 2m.
	UnknownWait time.Duration `yaml:"unknown_wait" min:"10s" max:"1h"`
	// Deliveries at one time, in all.
	Workers int `yaml:"workers" min:"1" max:"20000"`
	// Deliveries at one time through one account.
	PerAccount int `yaml:"per_account" min:"1" max:"100"`
	// Direct deliveries at one time to one destination domain.
	PerDestination int `yaml:"per_destination" min:"1" max:"1000"`
}

// Accounts says how the users' accounts are proved.
type Accounts struct {
	// How long a verification waits for its own mail to arrive.
	VerifyTimeout time.Duration `yaml:"verify_timeout" min:"10s" max:"30m"`
	// The least time between two failing sign-ins of one account that nobody asked
	// for. Providers lock accounts that fail more often.
	SignInPause time.Duration `yaml:"sign_in_pause" min:"1m" max:"1d"`
	// The public database of mail settings that is asked for domains of which nothing
	// else is known; it learns the domain. Empty asks nobody.
	SettingsDatabase string `yaml:"settings_database"`
}

// Upstream is delivery through the sender's own account.
type Upstream struct {
	// How long connecting to a server may take, for each of its addresses.
	ConnectTimeout time.Duration `yaml:"connect_timeout" min:"1s" max:"5m"`
	// How long the answer to one command may take.
	CommandTimeout time.Duration `yaml:"command_timeout" min:"10s" max:"10m"`
	// How long the answer to the final dot may take. After that the outcome is
	// unknown, so do not make it short: RFC 5321 asks for 10m.
	FinalTimeout time.Duration `yaml:"final_timeout" min:"1m" max:"1h"`
	// How long an unused connection is kept for the account's next message.
	IdleTimeout time.Duration `yaml:"idle_timeout" min:"1s" max:"10m"`
	// The age at which a connection is no longer used again.
	MaxAge time.Duration `yaml:"max_age" min:"1s" max:"1h"`
	// Messages on one connection.
	MaxMessages int `yaml:"max_messages" min:"1" max:"10000"`
	// Connections at one time, in all.
	MaxConnections int `yaml:"max_connections" min:"1" max:"20000"`
	// Recipients in one transaction; a message for more is sent in several.
	MaxRecipients int `yaml:"max_recipients" min:"1" max:"1000"`
	// PEM file with certificate authorities to trust beside the system's, for
	// servers in your own network.
	RootsFile string `yaml:"roots_file"`
}

// Direct is delivery by MX.
type Direct struct {
	// Whether relayd delivers directly at all. If not, mail of senders without a
	// verified account is held.
	Enabled bool `yaml:"enabled"`
	// The name in EHLO, which reverse DNS of your address should confirm. Empty
	// means hostname.
	HelloName string `yaml:"hello_name"`
	// The port of the world's mail servers. Another one is of use in tests only.
	Port int `yaml:"port" min:"1" max:"65535"`
	// opportunistic: TLS where a server offers it; off: never.
	TLS string `yaml:"tls" oneof:"opportunistic off"`
	// How long connecting to a server may take, for each of its addresses.
	ConnectTimeout time.Duration `yaml:"connect_timeout" min:"1s" max:"5m"`
	// MX hosts that one attempt goes through.
	MaxHosts int `yaml:"max_hosts" min:"1" max:"20"`
	// How long an unused connection is kept for the next message there.
	IdleTimeout time.Duration `yaml:"idle_timeout" min:"1s" max:"5m"`
	// Messages on one connection.
	MaxMessages int `yaml:"max_messages" min:"1" max:"10000"`
	// Unused connections that are kept at one time, in all.
	MaxIdle int `yaml:"max_idle" min:"1" max:"20000"`
	// relayd's own domain, which signs (DKIM) mail from domains without a key of
	// their own. Empty means hostname. Without a key for it such mail is unsigned.
	SigningDomain string `yaml:"signing_domain"`
}

// Sent is the copy in the sender's Sent folder.
type Sent struct {
	// Whether copies are filed at all.
	Enabled bool `yaml:"enabled"`
	// The waits after the first attempts to file a copy.
	Retry []time.Duration `yaml:"retry" min:"1s" max:"7d"`
	// The wait after every later attempt.
	RetryThen time.Duration `yaml:"retry_then" min:"1m" max:"7d"`
	// The age at which a copy that could not be filed is given up.
	GiveUpAfter time.Duration `yaml:"give_up_after" min:"1h" max:"60d"`
	// Copies filed at one time in one mailbox.
	PerMailbox int `yaml:"per_mailbox" min:"1" max:"10"`
	// How long after a copy was filed it is looked whether the provider filed one as well,
	// where it may do so late: then relayd takes its own out again.
	Recheck time.Duration `yaml:"recheck" min:"1s" max:"1d"`
	// How long an unused IMAP connection is kept for the mailbox's next copy.
	IdleTimeout time.Duration `yaml:"idle_timeout" min:"1s" max:"30m"`
}

// Reports are delivery status notifications.
type Reports struct {
	// The address that reports come from. Empty means postmaster at hostname.
	From string `yaml:"from"`
	// How much of a message a report returns when the sender asked for all of it
	// (RET=FULL).
	MaxReturned Size `yaml:"max_returned" min:"1KiB" max:"50MiB"`
}

// DNS is the servers that relayd asks.
type DNS struct {
	// IP addresses with or without a port. Empty means those of /etc/resolv.conf.
	Servers []string `yaml:"servers"`
	// How long one question to one server may take.
	Timeout time.Duration `yaml:"timeout" min:"100ms" max:"1m"`
	// How often the servers are gone through before a look-up fails for now.
	Rounds int `yaml:"rounds" min:"1" max:"10"`
}

// Network says where relayd may connect to. Users type host names, and domains
// publish them; relayd connects to public addresses only, unless listed here.
type Network struct {
	// Private or loopback networks that relayd may connect to, such as that of your
	// own mail server.
	Allow []netip.Prefix `yaml:"allow"`
	// Ports that relayd may connect to, beside 25, 465, 587, 143, 993 and 443.
	Ports []uint16 `yaml:"ports"`
	// Networks, beside loopback, whose servers may be used without TLS. Passwords
	// and mail travel there in clear.
	Plain []netip.Prefix `yaml:"plain"`
}

// Admin is the HTTP API.
type Admin struct {
	// Whether the API listens on address. The socket in data_dir is always there.
	Enabled bool `yaml:"enabled"`
	// IP address and port of the API, which asks for a token.
	Address netip.AddrPort `yaml:"address"`
	// Path of the Unix socket, whose owner needs no token. Empty means admin.sock
	// in data_dir.
	Socket string `yaml:"socket"`
	// Host names beside address and loopback by which the API may be called.
	Hosts []string `yaml:"hosts"`
	// PEM file with the API's certificate. Needed unless address is on loopback.
	Certificate string `yaml:"certificate"`
	// PEM file with its private key.
	Key string `yaml:"key"`
	// Whether /metrics of a loopback address may be read without a token.
	OpenMetrics bool `yaml:"open_metrics"`
	// Where people reach the pages from outside, such as https://relay.acme.example:
	// links in mails and the way back from Google and Microsoft lead there. Empty sends
	// no links, and nobody can connect by consent.
	PublicURL string `yaml:"public_url"`
}

// Notices says how people are told of accounts that need them.
type Notices struct {
	// Whether owners and administrators are told by mail.
	Enabled bool `yaml:"enabled"`
	// The name that such mail comes from.
	Name string `yaml:"name"`
	// How long the link in such a mail works.
	LinkLifetime time.Duration `yaml:"link_lifetime" min:"1h" max:"30d"`
}
