package webmail_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	"github.com/relayd/relayd/internal/netguard"
	"github.com/relayd/relayd/internal/relaytest"
	"github.com/relayd/relayd/internal/webmail"
	"github.com/relayd/relayd/relay"
)

func TestConnecting(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		change func(s *service)
		want   want
	}{
		{"no such host", func(s *service) { s.options.Dialer = &dialer{err: &net.DNSError{Err: "no such host", Name: host}} },
			want{where: relay.AtConnect, text: "local: dns at connect"}},
		{"refused", func(s *service) { s.options.Dialer = &dialer{err: syscall.ECONNREFUSED} },
			want{where: relay.AtConnect, text: "local: refused at connect"}},
		{"a private address", func(s *service) {
			s.options.Dialer = &dialer{err: fmt.Errorf("connect to 10.0.0.5: %w", netguard.ErrRefused)}
		}, want{where: relay.AtConnect, text: "local: address refused at connect", is: netguard.ErrRefused}},
		{"something else", func(s *service) { s.options.Dialer = &dialer{err: errors.New("10.0.0.5 is odd")} },
			want{where: relay.AtConnect, text: "local: connection lost at connect"}},
		{"an authority that nobody knows", func(s *service) { s.options.Roots = relaytest.NewAuthority(t).Roots() },
			want{where: relay.AtTLS, text: "local: certificate"}},
		{"no TLS", func(s *service) { s.options.Dialer = &dialer{address: speak(t, "220 hello\r\n")} },
			want{where: relay.AtTLS, text: "local: handshake"}},
		{"silence", func(s *service) {
			s.options.Dialer, s.options.ConnectTimeout = &dialer{address: speak(t, "")}, 50*time.Millisecond
		}, want{where: relay.AtTLS, text: "local: timeout at tls"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			for _, way := range []relay.Way{relay.WayEWS, relay.WayGraph, relay.WayGmailAPI} {
				x := serveExchange(t)
				test.change(x.service)
				c := bearer(way)
				if way == relay.WayEWS {
					c = x.credentials()
				}
				client := x.open(c, way)
				_, err := client.Send(t.Context(), content(message))
				e := test.want.check(t, err)
				if strings.Contains(e.Reply.Text, "10.0.0.5") {
					t.Errorf("the reply tells about our network: %s", e.Reply)
				}
			}
		})
	}
}

// speak starts a server that says something and then nothing more.
func speak(t *testing.T, text string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { listener.Close(); <-done })
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			io.WriteString(conn, text)
			t.Cleanup(func() { conn.Close() })
		}
	}()
	return listener.Addr().String()
}

func TestNoCredentialsInClearWithoutPermission(t *testing.T) {
	t.Parallel()
	x := serveExchange(t)
	plain := servePlain(t, x)
	for _, allowed := range []func(netip.Addr) bool{nil, func(netip.Addr) bool { return false }} {
		plain.options.PlainAllowed = allowed
		plain.options.GraphBase = "http://" + host
		_, err := plain.open(bearer(relay.WayGraph), relay.WayGraph).Send(t.Context(), content(message))
		want{where: relay.AtConnect, text: "local: address refused", is: webmail.ErrPlain}.check(t, err)
	}
	if calls := plain.seen(); len(calls) != 0 {
		t.Errorf("the server was asked: %+v", calls)
	}
}

func ways() []relay.Way { return []relay.Way{relay.WayEWS, relay.WayGraph, relay.WayGmailAPI} }

// A message that did not leave as a whole was not sent, whoever's fault it was.
func TestBrokenOff(t *testing.T) {
	t.Parallel()
	var errDisk = errors.New("the disk is gone")
	text := message + strings.Repeat("x", 256<<10)
	for _, test := range []struct {
		name   string
		reader func() io.Reader
		is     error
	}{
		{"an error in the middle", func() io.Reader {
			return io.MultiReader(strings.NewReader(text[:100<<10]), iotest.ErrReader(errDisk))
		}, errDisk},
		{"an error in place of the end", func() io.Reader { return io.MultiReader(strings.NewReader(text), iotest.ErrReader(errDisk)) }, errDisk},
		{"an error at once", func() io.Reader { return iotest.ErrReader(errDisk) }, errDisk},
		{"too short", func() io.Reader { return strings.NewReader(text[1:]) }, nil},
		{"too long", func() io.Reader { return strings.NewReader(text + "x") }, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			for _, way := range ways() {
				var whole atomic.Bool
				client := clientOf(t, way, func(http.ResponseWriter, *http.Request) { whole.Store(true) })
				_, err := client.Send(t.Context(), webmail.Content{Size: int64(len(text)), Reader: test.reader})
				want{where: relay.AtData, text: "local: connection lost before the message was complete", is: test.is}.check(t, err)
				if whole.Load() {
					t.Errorf("%s: the service has a whole request", way)
				}
			}
		})
	}
}

// A service that hangs up in the middle did not take the message.
func TestConnectionLostInTheMiddle(t *testing.T) {
	t.Parallel()
	const size = 32 << 20 // more than the kernels hold between the two
	for _, way := range []relay.Way{relay.WayEWS, relay.WayGmailAPI} {
		x := serveExchange(t)
		signIn := x.service
		x.server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.ContentLength < 4096 {
				signIn.ServeHTTP(w, r)
				return
			}
			io.CopyN(io.Discard, r.Body, 100<<10)
			cut(w, r)
		})
		c := bearer(way)
		if way == relay.WayEWS {
			c = x.credentials()
		}
		_, err := x.open(c, way).Send(t.Context(), webmail.Content{Size: size, Reader: func() io.Reader {
			return io.LimitReader(readerFunc(func(p []byte) (int, error) { return len(p), nil }), size)
		}})
		var e *webmail.Error
		if !errors.As(err, &e) || e.Where != relay.AtData || e.Unknown || !strings.HasSuffix(e.Reply.Text, "before the message was complete") {
			t.Errorf("%s: error %v", way, err)
		}
	}
}

func TestEmptyMessage(t *testing.T) {
	t.Parallel()
	for _, way := range ways() {
		_, err := clientOf(t, way, cut).Send(t.Context(), webmail.Content{})
		want{where: relay.AtData, text: "local: connection lost"}.check(t, err)
	}
}

// early reads a little of a request and answers before the rest came.
func early(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		io.CopyN(io.Discard, r.Body, 1000)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

func TestAnswerBeforeTheEnd(t *testing.T) {
	t.Parallel()
	hold := make(chan struct{})
	defer close(hold)
	text := message + strings.Repeat("x", 1<<20)
	stuck := webmail.Content{Size: int64(len(text)), Reader: func() io.Reader {
		return io.MultiReader(strings.NewReader(text[:600<<10]), waiting(hold))
	}}
	for _, test := range []struct {
		way    relay.Way
		answer http.HandlerFunc
		want   want
	}{
		{relay.WayGraph, early(413, `{}`), want{where: relay.AtAfterDot, code: 413, text: "Request Entity Too Large"}},
		{relay.WayGmailAPI, early(401, `{}`), want{where: relay.AtAuth, code: 401, text: "Unauthorized"}},
		{relay.WayGraph, early(202, ""), want{where: relay.AtAfterDot, text: "local: protocol", unknown: true, is: webmail.ErrAnswer}},
		{relay.WayGmailAPI, early(200, `{"id":"1"}`), want{where: relay.AtAfterDot, text: "local: protocol", unknown: true, is: webmail.ErrAnswer}},
	} {
		s := serve(t, nil)
		s.server.Config.Handler = test.answer // the body is not read for it
		s.options.SendTimeout, s.options.UploadRate = 2*time.Second, 1<<30
		_, err := s.open(bearer(test.way), test.way).Send(t.Context(), stuck)
		var e *webmail.Error
		if errors.As(err, &e) && strings.HasPrefix(e.Reply.Text, "local: timeout") {
			t.Errorf("the answer %d was not seen before the end: %v", test.want.code, err)
			continue
		}
		test.want.check(t, err)
	}
}

// waiting is a reader that has nothing until its channel is closed.
func waiting(hold <-chan struct{}) io.Reader {
	return readerFunc(func([]byte) (int, error) { <-hold; return 0, io.EOF })
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestSlowAndCancelled(t *testing.T) {
	t.Parallel()
	block := func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done(); cut(w, r) }
	for _, way := range ways() {
		t.Run(string(way), func(t *testing.T) {
			t.Parallel()
			x := serveExchange(t)
			x.options.SendTimeout, x.options.CallTimeout = 200*time.Millisecond, 200*time.Millisecond
			c := x.credentials()
			if way == relay.WayEWS {
				x.replies["CreateItem"], x.replies["FindItem"] = block, block
			} else {
				x.service.answer, c = block, bearer(way)
			}
			client := x.open(c, way)
			_, err := client.Send(t.Context(), content(message))
			want{where: relay.AtAfterDot, text: "local: timeout after the message was complete", unknown: true}.check(t, err)
			_, err = client.Find(t.Context(), webmail.FolderSent, "<1@acme.example>")
			want{where: relay.AtConnect, text: "local: timeout"}.check(t, err)

			ctx, cancel := context.WithCancelCause(t.Context())
			gone := errors.New("parked")
			time.AfterFunc(30*time.Millisecond, func() { cancel(gone) })
			_, err = client.Send(ctx, content(message))
			if e := (*webmail.Error)(nil); !errors.As(err, &e) || !errors.Is(err, gone) {
				t.Errorf("error %v does not wrap the cause of the end", err)
			}
		})
	}
}

func TestCloseEndsACall(t *testing.T) {
	t.Parallel()
	for _, way := range ways() {
		began := make(chan struct{}, 1)
		client := clientOf(t, way, func(w http.ResponseWriter, r *http.Request) {
			began <- struct{}{}
			<-r.Context().Done()
			cut(w, r)
		})
		go func() { <-began; client.Close() }()
		_, err := client.Send(t.Context(), content(message))
		want{where: relay.AtAfterDot, text: "local: connection lost after the message was complete", unknown: true}.check(t, err)
		if _, err := client.Send(t.Context(), content(message)); err == nil {
			t.Error("a closed client sends")
		}
	}
}

// What a service says has limits, and what it means by breaking them is unknown.
func TestAnswersWithoutMeasure(t *testing.T) {
	t.Parallel()
	flood := func(status int, kind, begin, more string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			w.WriteHeader(status)
			io.WriteString(w, begin)
			for range 1 << 20 {
				if _, err := io.WriteString(w, more); err != nil {
					return
				}
			}
		}
	}
	shortened := func(body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "10000")
			io.WriteString(w, body)
		}
	}
	header := func(w http.ResponseWriter, _ *http.Request) {
		for i := range 100 {
			w.Header().Add(fmt.Sprintf("X-%d", i), strings.Repeat("x", 1000))
		}
	}
	unclear := want{where: relay.AtAfterDot, text: "local: protocol", unknown: true}
	lost := want{where: relay.AtAfterDot, text: "local: connection lost", unknown: true}
	frame := func(inner string) http.HandlerFunc { return say(200, "text/xml", fmt.Sprintf(soapFrame, inner)) }
	for _, test := range []struct {
		name   string
		way    relay.Way
		answer http.HandlerFunc
		want   want
	}{
		{"endless XML", relay.WayEWS, flood(200, "text/xml", "<a>", "<b/>"), unclear},
		{"endless JSON", relay.WayGmailAPI, flood(200, "application/json", `{"id":"`, "xxxxxxxx"), unclear},
		{"an endless error", relay.WayGraph, flood(400, "text/plain", "", "word "), want{where: relay.AtAfterDot, code: 400, text: "word word"}},
		{"an endless header", relay.WayGraph, header, unclear},
		{"cut in the middle, XML", relay.WayEWS, shortened("<a>"), lost},
		{"cut in the middle, JSON", relay.WayGmailAPI, shortened(`{"id":"1"}`), lost},
		{"nesting without end", relay.WayEWS, frame(strings.Repeat("<a>", 1000)), unclear},
		{"a document type", relay.WayEWS, say(200, "text/xml", `<!DOCTYPE x [<!ENTITY a "b">]>`+success("CreateItem", "")), unclear},
		{"an entity", relay.WayEWS, frame("&a;"), unclear},
		{"another character set", relay.WayEWS, say(200, "text/xml", `<?xml version="1.0" encoding="utf-16"?>`+success("CreateItem", "")), unclear},
		{"a stylesheet", relay.WayEWS, say(200, "text/xml", `<?xml-stylesheet href="x"?>`+success("CreateItem", "")), unclear},
		{"XML without an end", relay.WayEWS, say(200, "text/xml", strings.TrimSuffix(success("CreateItem", ""), "</s:Envelope>")), unclear},
		{"elements that cross", relay.WayEWS, frame("<a><b></a></b>"), unclear},
		{"another envelope", relay.WayEWS, say(200, "text/xml", strings.ReplaceAll(success("CreateItem", ""), "schemas.xmlsoap.org/soap/envelope", "evil.example")), unclear},
		{"no HTTP", relay.WayGraph, hijack("SSH-2.0-x\r\n"), unclear},
		{"an answer of HTTP/0.9", relay.WayGmailAPI, hijack(`{"id":"1"}`), unclear},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := clientOf(t, test.way, test.answer).Send(t.Context(), content(message))
			e := test.want.check(t, err)
			if n := len([]rune(e.Reply.Text)); n > relay.MaxReplyText {
				t.Errorf("the reply has %d characters", n)
			}
		})
	}
}

// hijack answers with anything.
func hijack(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			io.WriteString(conn, text)
			conn.Close()
		}
	}
}

// A service that repeats what it was sent does not get it into a log.
func TestSecretsAreNotRepeated(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		way    relay.Way
		answer http.HandlerFunc
	}{
		{relay.WayGraph, sayJSON(400, `{"error":{"code":"x","message":"the token ya29.token-of-jane is bad"}}`)},
		{relay.WayGmailAPI, sayJSON(500, `{"error":{"code":1,"message":"x","status":"ya29.token-of-jane"}}`)},
		{relay.WayEWS, say(200, "text/xml", refusal("CreateItem", "ErrorX", "pässword"))},
		{relay.WayEWS, say(500, "text/xml", fault("x", "Basic amFuZTpww6Rzc3dvcmQ=", ""))},
	} {
		x := serveExchange(t)
		c := bearer(test.way)
		if x.service.answer = test.answer; test.way == relay.WayEWS {
			x.schemes, x.domain = []string{"Basic"}, ""
			x.service.answer, x.replies["CreateItem"] = x.handle, test.answer
			c = x.credentials()
			c.Account.EWS.Login = "jane"
		}
		_, err := x.open(c, test.way).Send(t.Context(), content(message))
		if err == nil {
			t.Fatal("it was sent")
		}
		for _, secret := range []string{"ya29.token-of-jane", "pässword", "amFuZTpww6Rzc3dvcmQ="} {
			if strings.Contains(fmt.Sprintf("%v %+v", err, err), secret) {
				t.Errorf("%s: the error repeats a secret: %v", test.way, err)
			}
		}
	}
}
