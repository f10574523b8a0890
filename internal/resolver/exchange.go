package resolver

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// udpSize is the answer size that is offered over UDP: it passes every usual path
// in one piece (RFC 9715 §3.2 recommends at most 1,400; DNS Flag Day 2020 1,232).
const udpSize = 1232

// errMismatch marks an answer to another question: over UDP it may be forged, so
// it is passed over and the wait goes on (RFC 5452 §9.1).
var errMismatch = errors.New("answer to another question")

// exchange puts one question to one server.
func (r *Resolver) exchange(ctx context.Context, server, fqdn string, qtype uint16) (*dns.Msg, error) {
	q := question(fqdn, qtype)
	msg, err := r.exchangeOver(ctx, "udp", server, q)
	if err == nil && (msg.Rcode == dns.RcodeFormatError || msg.Rcode == dns.RcodeNotImplemented) {
		// RFC 6891 §7: a server that does not know EDNS is asked without it.
		q.Extra, q.Id = nil, dns.Id()
		msg, err = r.exchangeOver(ctx, "udp", server, q)
	}
	if err == nil && msg.Truncated {
		q.Id = dns.Id()
		msg, err = r.exchangeOver(ctx, "tcp", server, q)
	}
	if err != nil {
		return nil, err
	}
	if msg.Rcode != dns.RcodeSuccess && msg.Rcode != dns.RcodeNameError {
		return nil, fmt.Errorf("the server answered %s", dns.RcodeToString[msg.Rcode])
	}
	if msg.Truncated {
		return nil, errors.New("the answer was cut off even over TCP")
	}
	return msg, nil
}

// question makes a query with a new random ID. DO and AD ask the server to
// validate and to say so (RFC 4035 §3.2.1, RFC 6840 §5.7).
func question(fqdn string, qtype uint16) *dns.Msg {
	q := new(dns.Msg)
	q.SetQuestion(fqdn, qtype)
	q.AuthenticatedData = true
	q.SetEdns0(udpSize, true)
	return q
}

// exchangeOver opens a connection of its own, so that every question has another
// random source port (RFC 5452 §9.2).
func (r *Resolver) exchangeOver(ctx context.Context, network, server string, q *dns.Msg) (*dns.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, r.opts.Timeout)
	defer cancel()
	conn, err := r.opts.Dialer.DialContext(ctx, network, server)
	if err != nil {
		return nil, err
	}
	defer conn.Close() //nolint:errcheck // nothing is written that could be lost
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return nil, err
		}
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	packed, err := q.Pack()
	if err != nil {
		return nil, err
	}
	if network == "tcp" {
		return exchangeTCP(conn, q, packed)
	}
	return exchangeUDP(conn, q, packed)
}

func exchangeUDP(conn net.Conn, q *dns.Msg, packed []byte) (*dns.Msg, error) {
	if _, err := conn.Write(packed); err != nil {
		return nil, err
	}
	buf := make([]byte, 4096)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return nil, err
		}
		msg, err := parse(buf[:n], q)
		if !errors.Is(err, errMismatch) {
			return msg, err
		}
	}
}

// exchangeTCP writes and reads one message with its length before it (RFC 1035
// §4.2.2); two octets of length bound the answer.
func exchangeTCP(conn net.Conn, q *dns.Msg, packed []byte) (*dns.Msg, error) {
	framed := binary.BigEndian.AppendUint16(nil, uint16(len(packed))) //nolint:gosec // a question has less than 300 octets
	if _, err := conn.Write(append(framed, packed...)); err != nil {
		return nil, err
	}
	var length [2]byte
	if _, err := io.ReadFull(conn, length[:]); err != nil {
		return nil, err
	}
	buf := make([]byte, binary.BigEndian.Uint16(length[:]))
	if _, err := io.ReadFull(conn, buf); err != nil {
		return nil, err
	}
	return parse(buf, q)
}

// parse reads an answer and checks that it belongs to the question.
func parse(packet []byte, q *dns.Msg) (*dns.Msg, error) {
	if len(packet) < 2 || binary.BigEndian.Uint16(packet) != q.Id {
		return nil, errMismatch
	}
	msg := new(dns.Msg)
	if err := msg.Unpack(packet); err != nil {
		if !msg.Truncated || !msg.Response {
			return nil, fmt.Errorf("read the answer: %w", err)
		}
		// Some servers cut in the middle of a record. Nothing of it is used: it is
		// asked for again over TCP.
		return &dns.Msg{MsgHdr: msg.MsgHdr, Question: q.Question}, nil
	}
	if !msg.Response || msg.Opcode != dns.OpcodeQuery {
		return nil, errMismatch
	}
	// A server may leave the question out of an error (RFC 1035 does not say), never
	// out of an answer.
	if len(msg.Question) == 0 && msg.Rcode != dns.RcodeSuccess && msg.Rcode != dns.RcodeNameError {
		return msg, nil
	}
	if len(msg.Question) != 1 || !sameQuestion(msg.Question[0], q.Question[0]) {
		return nil, errMismatch
	}
	return msg, nil
}

func sameQuestion(a, b dns.Question) bool {
	return a.Qtype == b.Qtype && a.Qclass == b.Qclass && strings.EqualFold(a.Name, b.Name)
}
