package mailbox

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"

	"github.com/relayd/relayd/internal/tlsconf"
	"github.com/relayd/relayd/relay"
)

const (
	// maxLine bounds a line before the sign-in; RFC 7162 §4 asks clients to keep
	// within 8,192 octets, and no greeting needs more.
	maxLine = 8192
	// maxUntagged bounds the untagged answers before the one to STARTTLS.
	maxUntagged = 16
)

// greetingForClient stands in for the greeting that this package has already read
// and checked. It names the capability that every server has: without any, go-imap
// asks by itself, from a goroutine of its own, while this package does.
const greetingForClient = "* OK [CAPABILITY IMAP4rev1] ready\r\n"

// connect dials, checks the greeting and secures the connection.
func (o *Options) connect(ctx context.Context) (*wire, Peer, error) {
	address := net.JoinHostPort(o.Server.Host, strconv.Itoa(o.Server.Port))
	conn, err := o.Dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, Peer{}, dialFailure(err)
	}
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) }) //nolint:errcheck // it fails only on a closed connection
	w, peer, err := o.secure(ctx, conn)
	if !stop() && err == nil {
		err = failure(StepConnect, context.Cause(ctx))
	}
	if err != nil {
		conn.Close() //nolint:errcheck // it is given up
		return nil, Peer{}, overdue(ctx, err)
	}
	peer.Host, peer.Addr = o.Server.Host, conn.RemoteAddr().String()
	return w, peer, nil
}

// secure brings conn to the state before the sign-in, by the TLS mode.
func (o *Options) secure(ctx context.Context, conn net.Conn) (*wire, Peer, error) {
	switch o.Server.TLS {
	case relay.TLSImplicit:
		return o.overTLS(ctx, conn, true)
	case relay.TLSStartTLS:
		if err := startTLS(conn); err != nil {
			return nil, Peer{}, err
		}
		return o.overTLS(ctx, conn, false)
	case relay.TLSNone:
		return o.inClear(conn)
	}
	return nil, Peer{}, failure(StepConnect, fmt.Errorf("unknown TLS mode %q", o.Server.TLS))
}

// overTLS shakes hands and, where the server speaks first, checks its greeting.
func (o *Options) overTLS(ctx context.Context, conn net.Conn, greets bool) (*wire, Peer, error) {
	secured := tls.Client(conn, tlsconf.Client(o.Server.Host, o.Roots))
	if err := secured.HandshakeContext(ctx); err != nil {
		e := failure(StepTLS, fmt.Errorf("TLS handshake: %w", err))
		if e.Kind == KindProtocol {
			e.Kind = KindHandshake
		}
		return nil, Peer{}, e
	}
	r := bufio.NewReaderSize(secured, maxLine)
	if greets {
		if err := readGreeting(r); err != nil {
			return nil, Peer{}, err
		}
	}
	state := secured.ConnectionState()
	peer := Peer{TLS: describe(&state), Certificate: certificateName(&state)}
	return o.wire(secured, r), peer, nil
}

// inClear permits mode "none" only towards the addresses that the caller names.
func (o *Options) inClear(conn net.Conn) (*wire, Peer, error) {
	addr, err := netip.ParseAddrPort(conn.RemoteAddr().String())
	if err != nil || o.PlainAllowed == nil || !o.PlainAllowed(addr.Addr().Unmap()) {
		e := failure(StepConnect, ErrPlain)
		e.Kind = KindAddress
		return nil, Peer{}, e
	}
	r := bufio.NewReaderSize(conn, maxLine)
	if err := readGreeting(r); err != nil {
		return nil, Peer{}, err
	}
	return o.wire(conn, r), Peer{}, nil
}

// wire puts the greeting for go-imap in front of what the server sends.
func (o *Options) wire(conn net.Conn, r io.Reader) *wire {
	return newWire(conn, io.MultiReader(strings.NewReader(greetingForClient), r), o.AnswerLimit)
}

// startTLS asks for TLS on a connection in clear (RFC 9051 §6.2.1). It is done
// here and not by go-imap, which sends STARTTLS even after a PREAUTH.
func startTLS(conn net.Conn) error {
	r := bufio.NewReaderSize(conn, maxLine)
	if err := readGreeting(r); err != nil {
		return err
	}
	if _, err := io.WriteString(conn, "S1 STARTTLS\r\n"); err != nil {
		return failure(StepTLS, err)
	}
	if err := readTagged(r, "S1"); err != nil {
		return err
	}
	if r.Buffered() > 0 {
		// Whatever stands behind the answer was sent in clear, perhaps by somebody
		// else: it must not count as said under TLS (RFC 9051 §11.1).
		return failure(StepTLS, errors.New("the server sent data between STARTTLS and TLS"))
	}
	return nil
}

// readTagged waits for the answer to STARTTLS.
func readTagged(r *bufio.Reader, tag string) error {
	for range maxUntagged {
		line, err := readLine(r, StepTLS)
		if err != nil {
			return err
		}
		first, rest, _ := strings.Cut(line, " ")
		if first == "*" {
			continue
		}
		status, text, _ := strings.Cut(rest, " ")
		if first != tag {
			break
		}
		if strings.EqualFold(status, "OK") {
			return nil
		}
		e := failure(StepTLS, fmt.Errorf("the server refuses STARTTLS: %s %s", status, relay.Printable(text)))
		e.Kind = KindNoSTARTTLS
		return e
	}
	return failure(StepTLS, errors.New("no answer to STARTTLS"))
}

// readGreeting accepts "* OK" only (RFC 9051 §7.1). PREAUTH would mean a mailbox
// that is not the one whose password we have, and under STARTTLS it is an attack
// (RFC 9051 §11.1).
func readGreeting(r *bufio.Reader) error {
	line, err := readLine(r, StepConnect)
	if err != nil {
		return err
	}
	untagged, rest, _ := strings.Cut(line, " ")
	status, text, _ := strings.Cut(rest, " ")
	switch {
	case untagged == "*" && strings.EqualFold(status, "OK"):
		return nil
	case untagged == "*" && strings.EqualFold(status, "BYE"):
		return refusal(StepConnect, bye(text))
	case untagged == "*" && strings.EqualFold(status, "PREAUTH"):
		return failure(StepConnect, errors.New("the server is signed in already (PREAUTH), which is refused"))
	}
	return failure(StepConnect, fmt.Errorf("this is no IMAP server: it greets with %q", relay.Printable(line)))
}

// bye reads a response code out of the text of a BYE.
func bye(text string) *imap.Error {
	answer := &imap.Error{Type: imap.StatusResponseTypeBye, Text: text}
	if code, rest, found := strings.Cut(strings.TrimPrefix(text, "["), "]"); found && strings.HasPrefix(text, "[") {
		word, _, _ := strings.Cut(code, " ")
		answer.Code, answer.Text = imap.ResponseCode(word), strings.TrimSpace(rest)
	}
	return answer
}

// readLine reads one line without its end. A line over the size of r's buffer is
// an error: nobody has a right to more before the sign-in.
func readLine(r *bufio.Reader, step Step) (string, error) {
	line, err := r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		err = errTooMuch
	}
	if err != nil {
		return "", failure(step, fmt.Errorf("read a line: %w", err))
	}
	return strings.TrimRight(string(line), "\r\n"), nil
}

// dialFailure sorts the errors of dialling.
func dialFailure(err error) *Error {
	e := failure(StepConnect, err)
	if e.Kind == KindProtocol {
		e.Kind = KindLost
	}
	return e
}

// overdue marks what failed after dialling, and says "timeout" where the context
// ended it.
func overdue(ctx context.Context, err error) error {
	var e *Error
	if !errors.As(err, &e) {
		return err
	}
	e.Dialed = true
	if ctx.Err() == nil {
		return err
	}
	e.Err = fmt.Errorf("%w: %w", context.Cause(ctx), e.Err)
	e.Kind, e.Plain = kindOf(context.Cause(ctx)), false
	return e
}

// describe is the TLS version and cipher suite in words.
func describe(state *tls.ConnectionState) string {
	return tls.VersionName(state.Version) + " " + tls.CipherSuiteName(state.CipherSuite)
}

// certificateName is the name on the certificate that was verified.
func certificateName(state *tls.ConnectionState) string {
	if len(state.PeerCertificates) == 0 {
		return ""
	}
	leaf := state.PeerCertificates[0]
	if len(leaf.DNSNames) > 0 {
		return relay.Printable(strings.Join(leaf.DNSNames[:min(len(leaf.DNSNames), maxNames)], ", "))
	}
	return relay.Printable(leaf.Subject.CommonName)
}

// maxNames is how many names of a certificate are shown.
const maxNames = 4
