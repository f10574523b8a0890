package mailbox_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/relayd/relayd/internal/mailbox"
	"github.com/relayd/relayd/relay"
)

// script is the part of a scripted IMAP server, as a dialog: "C:" lines must come
// from the client ("*" stands for any text), "S:" lines are sent. TAG and a space
// stand for the tag of the last command, "TAG" in quotes as well; TAG@ is the word
// itself. Some words have a
// meaning of their own:
//
//	S: …                 a line
//	L: …                 a line from the client that is no command, such as a response
//	raw TEXT             TEXT in one write, with \r and \\n in it
//	flood N TEXT         TEXT, N times, without line ends
//	lines N TEXT         TEXT as a line, N times
//	silence              says nothing more, until the client hangs up
//	close                hangs up
//	literal              reads the literal that the last command announced
//	tls                  shakes hands
type script string

// serve plays the script to the one connection that comes, then hangs up.
func serve(t *testing.T, config *tls.Config, s script) relay.Server {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { listener.Close(); <-done })
	go func() {
		defer close(done)
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(20 * time.Second))
		p := &player{t: t, config: config}
		p.use(conn)
		p.play(s)
	}()
	port := listener.Addr().(*net.TCPAddr).Port
	return relay.Server{Host: "127.0.0.1", Port: port, TLS: relay.TLSNone}
}

type player struct {
	t      *testing.T
	config *tls.Config
	conn   net.Conn
	r      *bufio.Reader
	tag    string
	size   int64
}

func (p *player) use(conn net.Conn) { p.conn, p.r = conn, bufio.NewReader(conn) }

func (p *player) play(s script) {
	for line := range strings.Lines(string(s)) {
		line = strings.TrimSpace(line)
		word, rest, _ := strings.Cut(line, " ")
		ok := true
		switch word {
		case "", "#":
		case "C:":
			ok = p.expect(rest)
		case "L:":
			ok = p.expectLine(rest)
		case "S:":
			_, err := io.WriteString(p.conn, strings.NewReplacer("TAG ", p.tag+" ", "TAG@ ", "TAG ", `"TAG"`, `"`+p.tag+`"`).Replace(rest)+"\r\n")
			ok = err == nil
		case "raw":
			text := strings.NewReplacer("TAG", p.tag, `\r`, "\r", `\n`, "\n").Replace(rest)
			_, err := io.WriteString(p.conn, text)
			ok = err == nil
		case "flood", "lines":
			ok = p.flood(word == "lines", rest)
		case "silence":
			io.Copy(io.Discard, p.r)
			return
		case "literal":
			_, err := io.CopyN(io.Discard, p.r, p.size+2)
			ok = err == nil
		case "tls":
			secured := tls.Server(p.conn, p.config)
			p.use(secured)
			ok = secured.Handshake() == nil
		case "close":
			return
		default:
			p.t.Errorf("bad script line %q", line)
		}
		if !ok {
			return
		}
	}
}

// expect reads a command and compares it with a pattern.
func (p *player) expect(pattern string) bool {
	line, err := p.r.ReadString('\n')
	if err != nil {
		return false
	}
	tag, command, _ := strings.Cut(strings.TrimRight(line, "\r\n"), " ")
	p.tag = tag
	if i := strings.LastIndexByte(command, '{'); i >= 0 {
		for _, c := range command[i+1:] {
			if c < '0' || c > '9' {
				break
			}
			p.size = p.size*10 + int64(c-'0')
		}
	}
	return p.compare(command, pattern)
}

// expectLine reads a line without a tag and compares it with a pattern.
func (p *player) expectLine(pattern string) bool {
	line, err := p.r.ReadString('\n')
	return err == nil && p.compare(strings.TrimRight(line, "\r\n"), pattern)
}

func (p *player) compare(got, pattern string) bool {
	head, tail, wild := strings.Cut(pattern, "*")
	if got != pattern && !(wild && strings.HasPrefix(got, head) && strings.HasSuffix(got, tail)) {
		p.t.Errorf("the client sent %q, want %q", got, pattern)
		return false
	}
	return true
}

func (p *player) flood(lines bool, rest string) bool {
	count, text, _ := strings.Cut(rest, " ")
	if lines {
		text += "\r\n"
	}
	n := 0
	for _, c := range count {
		n = n*10 + int(c-'0')
	}
	chunk := strings.Repeat(text, 1000)
	for range n / 1000 {
		if _, err := io.WriteString(p.conn, chunk); err != nil {
			return false
		}
	}
	return true
}

// signedIn is the beginning of most dialogs.
const signedIn script = `
		S: * OK ready
		C: CAPABILITY
		S: * CAPABILITY IMAP4rev1
		S: TAG OK done
		C: LOGIN "jane" "secret"
		S: TAG OK [CAPABILITY IMAP4rev1 NAMESPACE UIDPLUS] welcome
		C: CAPABILITY
		S: * CAPABILITY IMAP4rev1 NAMESPACE UIDPLUS
		S: TAG OK done
`

func options(server relay.Server) mailbox.Options {
	return mailbox.Options{
		Dialer:           &net.Dialer{},
		Server:           server,
		Login:            "jane",
		Password:         "secret",
		PlainAllowed:     netip.Addr.IsLoopback,
		ConnectTimeout:   5 * time.Second,
		OperationTimeout: 5 * time.Second,
	}
}

// open opens the mailbox behind a script; it must succeed.
func open(t *testing.T, s script, change ...func(*mailbox.Options)) *mailbox.Mailbox {
	t.Helper()
	o := options(serve(t, nil, s))
	for _, c := range change {
		c(&o)
	}
	m, err := mailbox.Open(t.Context(), o)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		defer cancel()
		m.Close(ctx)
	})
	return m
}
