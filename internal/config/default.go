package config

import (
	"net/netip"
	"time"
)

const (
	minute = time.Minute
	hour   = time.Hour
	day    = 24 * time.Hour
)

// Default is the configuration of an installation that says nothing: it serves
// this machine only and needs no rights.
func Default() *Config {
	return &Config{
		DrainTimeout: 30 * time.Second,
		Log:          Log{Level: "info", Format: "text"},
		Listeners: []Listener{
			{Name: "submission", Address: netip.MustParseAddrPort("127.0.0.1:2587"), Mode: "starttls"},
			{Name: "submissions", Address: netip.MustParseAddrPort("127.0.0.1:2465"), Mode: "implicit"},
		},
		Limits: Limits{
			Connections: 1000, ConnectionsPerAddress: 200, ConnectionsPerSubmitter: 200,
			Recipients: 1000, MessageSize: 50 * MiB, HeaderSize: 256 * KiB, HeaderFields: 1000, ReceivedHops: 30,
			Errors: 20, AuthAttempts: 3,
			IdleTimeout: 5 * minute, CommandTimeout: minute, MessageTimeout: hour, MinimumRate: 500,
		},
		Spool: Spool{
			MaxMessages: 500_000, MaxBytes: 20 * GiB, MinFreeDisk: 512 * MiB,
			SegmentSize: 64 * MiB, InlineSize: 2 * MiB, KeepHistory: 30 * day,
		},
		Queue: Queue{
			Retry:     []time.Duration{minute, 5 * minute, 10 * minute, 20 * minute, 40 * minute},
			RetryThen: hour, JitterPercent: 10, GiveUpAfter: 5 * day, DelayNoticeAfter: 4 * hour,
			UnknownWait: minute, Workers: 500, PerAccount: 5, PerDestination: 10,
		},
		Accounts: Accounts{
			VerifyTimeout: minute, SignInPause: 15 * minute, SettingsDatabase: "https://v1.ispdb.net/",
		},
		Upstream: Upstream{
			ConnectTimeout: 30 * time.Second, CommandTimeout: 5 * minute, FinalTimeout: 10 * minute,
			IdleTimeout: 30 * time.Second, MaxAge: 10 * minute,
			MaxMessages: 100, MaxConnections: 500, MaxRecipients: 100,
		},
		Direct: Direct{
			Enabled: true, Port: 25, TLS: "opportunistic", ConnectTimeout: 30 * time.Second, MaxHosts: 5,
			IdleTimeout: 5 * time.Second, MaxMessages: 100, MaxIdle: 100,
		},
		Sent: Sent{
			Enabled:   true,
			Retry:     []time.Duration{30 * time.Second, 2 * minute, 10 * minute, 30 * minute, hour},
			RetryThen: 2 * hour, GiveUpAfter: 7 * day, PerMailbox: 1, Recheck: 10 * minute, IdleTimeout: minute,
		},
		Reports: Reports{MaxReturned: MiB},
		Notices: Notices{Enabled: true, Name: "Mail relay", LinkLifetime: 7 * day},
		DNS:     DNS{Timeout: 5 * time.Second, Rounds: 2},
		Admin:   Admin{Enabled: true, Address: netip.MustParseAddrPort("127.0.0.1:8025")},
	}
}
