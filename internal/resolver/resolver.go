// Package resolver asks the configured DNS servers for the records that mail
// needs: MX, A, AAAA, TXT and SRV.
//
// One look-up:
//  1. the answer is in the cache, or
//  2. the question goes to the servers in turn, over UDP, and again over TCP where
//     the answer was cut (RFC 7766), until one of them answers;
//  3. the chain of aliases is followed, a bounded number of times;
//  4. the answer is kept for its time to live: also the answer that there is
//     nothing (RFC 2308), but never a failure.
//
// Four things are told apart, because mail depends on it: the name does not exist
// (ErrNotFound), the name has no such record (ErrNoData), it has some and none can be
// used (ErrUnusable), and nobody could say (ErrTemporary).
package resolver

import (
	"context"
	"net"
	"sync/atomic"
	"time"
)

// Dialer opens the connections to DNS servers, "udp" and "tcp".
type Dialer interface {
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
}

// Options are the settings of a Resolver. A zero field takes its default.
type Options struct {
	Dialer  Dialer   // required
	Servers []string // "host:port" or "address"; default: those of /etc/resolv.conf

	Timeout time.Duration // for one question to one server; default DefaultTimeout
	Rounds  int           // how often the servers are gone through; default DefaultRounds

	CacheEntries int           // answers kept at most; default DefaultCacheEntries
	CacheBytes   int           // their size at most; default DefaultCacheBytes
	MaxTTL       time.Duration // an answer is kept no longer; default DefaultMaxTTL
}

// The defaults. Time and rounds are those of resolv.conf(5).
const (
	DefaultTimeout      = 5 * time.Second
	DefaultRounds       = 2
	DefaultCacheEntries = 4096
	DefaultCacheBytes   = 4 << 20
	DefaultMaxTTL       = time.Hour
)

// MaxNegativeTTL bounds how long "there is nothing" is believed: a domain that was
// just set up should not wait for hours (RFC 2308 §5 allows one to three hours).
const MaxNegativeTTL = 5 * time.Minute

// MaxRecords is how many records of one answer are kept; Postfix keeps as many.
const MaxRecords = 100

// maxAliases is how many CNAME records are followed. RFC 1034 §3.6.2 sets no
// number; BIND follows 16 and unbound 11.
const maxAliases = 10

// Resolver answers look-ups. It may be used concurrently and needs no end: every
// connection that it opens is closed before the look-up returns.
type Resolver struct {
	opts    Options
	servers []string
	first   atomic.Int64 // index of the server that answered last: it is asked first
	cache   *cache
}

// New makes a Resolver.
func New(opts Options) *Resolver {
	if opts.Timeout <= 0 {
		opts.Timeout = DefaultTimeout
	}
	if opts.Rounds <= 0 {
		opts.Rounds = DefaultRounds
	}
	if opts.CacheEntries <= 0 {
		opts.CacheEntries = DefaultCacheEntries
	}
	if opts.CacheBytes <= 0 {
		opts.CacheBytes = DefaultCacheBytes
	}
	if opts.MaxTTL <= 0 {
		opts.MaxTTL = DefaultMaxTTL
	}
	return &Resolver{opts: opts, servers: Servers(opts.Servers), cache: newCache(opts.CacheEntries, opts.CacheBytes)}
}

// Servers gives the servers that are asked, as "address:port".
func (r *Resolver) Servers() []string { return append([]string(nil), r.servers...) }
