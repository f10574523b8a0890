package mailbox_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/relayd/relayd/internal/mailbox"
	"github.com/relayd/relayd/internal/simulator"
	"github.com/relayd/relayd/relay"
)

const letter = "From: jane@acme.example\r\nTo: bob@world.example\r\nSubject: hello\r\n" +
	"Message-ID: <1@acme.example>\r\nX-Token:\r\n folded\r\n\r\nHello.\r\n"

func provider(t *testing.T, p simulator.Personality) *simulator.Simulator {
	t.Helper()
	s, err := simulator.Start(t.Context(), simulator.Options{Personality: p,
		Accounts: []simulator.Account{{Address: "jane@acme.example", Password: "secret"}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func server(t *testing.T, address string, mode relay.TLSMode) relay.Server {
	t.Helper()
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	return relay.Server{Host: host, Port: n, TLS: mode}
}

func at(t *testing.T, s *simulator.Simulator) mailbox.Options {
	t.Helper()
	o := options(server(t, s.IMAPSAddr().String(), relay.TLSImplicit))
	o.Login = "jane@acme.example"
	o.Roots = s.Roots()
	return o
}

func enter(t *testing.T, o mailbox.Options) *mailbox.Mailbox {
	t.Helper()
	m, err := mailbox.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		m.Close(ctx)
	})
	return m
}

func put(t *testing.T, m *mailbox.Mailbox, folder, content string) uint32 {
	t.Helper()
	uid, err := m.Append(t.Context(), folder, mailbox.Upload{Size: int64(len(content)), Content: strings.NewReader(content),
		Date: time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC), Seen: true})
	if err != nil {
		t.Fatalf("append to %q: %v", folder, err)
	}
	return uid
}

func find(t *testing.T, m *mailbox.Mailbox, folder, field, value string, others ...string) []mailbox.Message {
	t.Helper()
	found, err := m.Find(t.Context(), folder, field, value, others...)
	if err != nil {
		t.Fatalf("find in %q: %v", folder, err)
	}
	return found
}

func TestBothWaysOfTLS(t *testing.T) {
	t.Parallel()
	s := provider(t, simulator.Personality{})
	for _, srv := range []relay.Server{
		server(t, s.IMAPSAddr().String(), relay.TLSImplicit),
		server(t, s.IMAPAddr().String(), relay.TLSStartTLS),
	} {
		o := at(t, s)
		o.Server = srv
		m := enter(t, o)
		peer := m.Peer()
		if !strings.HasPrefix(peer.TLS, "TLS 1.3") || !strings.Contains(peer.Certificate, "mail.example") || !m.UIDPlus() {
			t.Errorf("%s: peer %+v, UIDPLUS %v", srv.TLS, peer, m.UIDPlus())
		}
	}
}

func TestU10CertificateOfAnotherName(t *testing.T) {
	t.Parallel()
	s := provider(t, simulator.Personality{})
	for name, change := range map[string]func(*mailbox.Options){
		"unknown authority": func(o *mailbox.Options) { o.Roots = nil },
		"another name":      func(o *mailbox.Options) { o.Server.Host = "127.0.0.2"; o.Dialer = fixed(s.IMAPSAddr().String()) },
	} {
		o := at(t, s)
		change(&o)
		_, err := mailbox.Open(t.Context(), o)
		var e *mailbox.Error
		if !errors.As(err, &e) || e.Step != mailbox.StepTLS || e.Kind != mailbox.KindCertificate {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// fixed dials the same address whatever it is asked for.
type fixed string

func (f fixed) DialContext(ctx context.Context, network, _ string) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, network, string(f))
}

func TestAppendFindDelete(t *testing.T) {
	t.Parallel()
	s := provider(t, simulator.Personality{})
	m := enter(t, at(t, s))
	if found := find(t, m, "Sent", "Message-ID", "<1@acme.example>"); len(found) != 0 {
		t.Errorf("an empty folder has %v", found)
	}
	other := put(t, m, "Sent", strings.Replace(letter, "<1@", "<11@", 1))
	uid := put(t, m, "Sent", letter)
	found := find(t, m, "Sent", "Message-ID", "<1@acme.example>", "X-Token")
	if len(found) != 1 || found[0].UID != uid || uid == 0 || found[0].Header.Get("x-TOKEN") != "folded" {
		t.Errorf("found %+v, want UID %d", found, uid)
	}
	stored, err := s.Messages(t.Context(), "jane@acme.example", "Sent")
	if err != nil || len(stored) != 2 || string(stored[1].Content) != letter || !stored[1].Seen ||
		!stored[1].Date.Equal(time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)) {
		t.Errorf("stored %+v, %v", stored, err)
	}
	if err := m.Delete(t.Context(), "Sent", uid, 0); err != nil {
		t.Fatal(err)
	}
	stored, err = s.Messages(t.Context(), "jane@acme.example", "Sent")
	if err != nil || len(stored) != 1 || stored[0].UID != other {
		t.Errorf("after the deletion: %+v, %v", stored, err)
	}
}

func TestPartOfAMessageIDIsNoMatch(t *testing.T) {
	t.Parallel()
	m := enter(t, at(t, provider(t, simulator.Personality{})))
	put(t, m, "Sent", strings.Replace(letter, "<1@acme.example>", "<1@acme.example>x", 1))
	if found := find(t, m, "Sent", "Message-ID", "<1@acme.example>"); len(found) != 0 {
		t.Errorf("found %+v", found)
	}
}

func TestDeleteWithoutUIDPlusNeverExpunges(t *testing.T) {
	t.Parallel()
	s := provider(t, simulator.Personality{NoUIDPlus: true})
	m := enter(t, at(t, s))
	if uid := put(t, m, "Sent", letter); uid != 0 || m.UIDPlus() {
		t.Errorf("UID %d, UIDPLUS %v", uid, m.UIDPlus())
	}
	found := find(t, m, "Sent", "Message-ID", "<1@acme.example>")
	if err := m.Delete(t.Context(), "Sent", found[0].UID); err != nil {
		t.Fatal(err)
	}
	stored, err := s.Messages(t.Context(), "jane@acme.example", "Sent")
	if err != nil || len(stored) != 1 {
		t.Errorf("stored %v, %v: without UIDPLUS the message may only be marked", stored, err)
	}
}

func TestSearchThatFails(t *testing.T) {
	t.Parallel()
	s := provider(t, simulator.Personality{})
	m := enter(t, at(t, s))
	uid := put(t, m, "Sent", letter)
	for range 40 {
		put(t, m, "Junk", strings.Replace(letter, "<1@", "<2@", 1))
	}
	put(t, m, "Junk", letter)
	s.Inject(simulator.Fault{At: simulator.AtSearch, Reply: "NO [SERVERBUG] SEARCH Server error"})
	if found := find(t, m, "Sent", "Message-ID", "<1@acme.example>"); len(found) != 1 || found[0].UID != uid {
		t.Errorf("without SEARCH: %+v", found)
	}
	if found := find(t, m, "Junk", "Message-ID", "<1@acme.example>"); len(found) != 1 {
		t.Errorf("among many, without SEARCH: %+v", found)
	}
}

func TestFindSent(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, choice, want string
		p                  simulator.Personality
		err                error
	}{
		{"by its use", "", "Ausgang", simulator.Personality{SentFolder: "Ausgang", Folders: []string{"Sent"}}, nil},
		{"by its name", "", "Gesendete Elemente", simulator.Personality{SentFolder: "Gesendete Elemente", HideSpecialUse: true}, nil},
		{"in modified UTF-7", "", "Éléments envoyés", simulator.Personality{SentFolder: "Éléments envoyés", HideSpecialUse: true}, nil},
		{"the user's choice", "Archive/Mine", "Archive/Mine", simulator.Personality{Folders: []string{"Archive/Mine"}}, nil},
		{"the user's choice in another case", "archive", "Archive", simulator.Personality{Folders: []string{"Archive"}}, nil},
		{"a choice that is not there", "Nowhere", "", simulator.Personality{}, mailbox.ErrNoFolder},
		{"U13 a choice with a command in it", "Sent\r\nA1 DELETE INBOX", "", simulator.Personality{}, mailbox.ErrNoFolder},
		{"none", "", "", simulator.Personality{SentFolder: "-", Folders: []string{"Sent to clients"}}, mailbox.ErrNoSent},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			m := enter(t, at(t, provider(t, test.p)))
			folder, err := m.FindSent(t.Context(), test.choice)
			if folder.Name != test.want || !errors.Is(err, test.err) {
				t.Errorf("%+v, %v; want %q, %v", folder, err, test.want, test.err)
			}
			if !m.Usable() {
				t.Error("the session is over")
			}
		})
	}
}

func TestMakeSent(t *testing.T) {
	t.Parallel()
	m := enter(t, at(t, provider(t, simulator.Personality{SentFolder: "-"})))
	for range 2 { // the second time it is there already
		made, err := m.MakeSent(t.Context())
		if err != nil || made.Name != "Sent" {
			t.Fatalf("made %+v, %v", made, err)
		}
	}
	if found, err := m.FindSent(t.Context(), ""); err != nil || found.Name != "Sent" || found.Use != mailbox.UseSent {
		t.Errorf("found %+v, %v", found, err)
	}
}

// U13: names with everything that could end a command go to the server as one
// name, and come back as it was.
func TestU13FolderNames(t *testing.T) {
	t.Parallel()
	names := []string{`a"b`, `back\slash`, "star*", "per%cent", "R&D", "日本語", "a{3}b", "(x)", " lead"}
	s := provider(t, simulator.Personality{Folders: names})
	m := enter(t, at(t, s))
	folders, err := m.Folders(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, f := range folders {
		seen[f.Name] = true
	}
	for _, name := range names {
		if !seen[name] {
			t.Errorf("folder %q is not listed", name)
			continue
		}
		put(t, m, name, letter)
		if stored, err := s.Messages(t.Context(), "jane@acme.example", name); err != nil || len(stored) != 1 {
			t.Errorf("folder %q holds %v, %v", name, stored, err)
		}
	}
	for _, bad := range []string{"", "a\r\nA1 DELETE INBOX", "a\nb", "a\x00b"} {
		_, err := m.Append(t.Context(), bad, mailbox.Upload{Size: 2, Content: strings.NewReader("\r\n")})
		if !errors.Is(err, mailbox.ErrBadValue) {
			t.Errorf("append to %q: %v", bad, err)
		}
		if _, err := m.Find(t.Context(), bad, "Message-ID", "<1@x>"); !errors.Is(err, mailbox.ErrBadValue) {
			t.Errorf("find in %q: %v", bad, err)
		}
		if _, err := m.Find(t.Context(), "INBOX", "Message-ID", bad); !errors.Is(err, mailbox.ErrBadValue) {
			t.Errorf("find value %q: %v", bad, err)
		}
	}
}

func TestContentThatMustNotLeave(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"a\nb\r\n", "a\rb\r\n", "a\x00b\r\n", "\n\r\n", "ab\r\n\r"} {
		s := provider(t, simulator.Personality{})
		m := enter(t, at(t, s))
		_, err := m.Append(t.Context(), "Sent", mailbox.Upload{Size: int64(len(bad)), Content: oneByOne{strings.NewReader(bad)}})
		if !errors.Is(err, mailbox.ErrBadContent) {
			t.Errorf("content %q: %v", bad, err)
		}
		if m.Usable() {
			t.Errorf("content %q: the session goes on in the middle of a literal", bad)
		}
		if stored, err := s.Messages(t.Context(), "jane@acme.example", "Sent"); err != nil || len(stored) != 0 {
			t.Errorf("content %q was stored: %v, %v", bad, stored, err)
		}
	}
}

// oneByOne gives one octet at a time, so that a CR and its LF come apart.
type oneByOne struct{ r io.Reader }

func (o oneByOne) Read(p []byte) (int, error) { return o.r.Read(p[:1]) }

func TestContentThatEndsEarly(t *testing.T) {
	t.Parallel()
	s := provider(t, simulator.Personality{})
	m := enter(t, at(t, s))
	if _, err := m.Append(t.Context(), "Sent", mailbox.Upload{Size: 100, Content: strings.NewReader(letter[:50])}); err == nil {
		t.Error("half a message was stored")
	}
	if stored, err := s.Messages(t.Context(), "jane@acme.example", "Sent"); err != nil || len(stored) != 0 {
		t.Errorf("stored: %v, %v", stored, err)
	}
}

func TestLargeMessage(t *testing.T) {
	t.Parallel()
	s := provider(t, simulator.Personality{})
	m := enter(t, at(t, s))
	large := letter + strings.Repeat(strings.Repeat("x", 76)+"\r\n", 20000)
	put(t, m, "Sent", large)
	stored, err := s.Messages(t.Context(), "jane@acme.example", "Sent")
	if err != nil || len(stored) != 1 || !bytes.Equal(stored[0].Content, []byte(large)) {
		t.Errorf("stored %d messages, %v", len(stored), err)
	}
}

func TestRefusalOfAppend(t *testing.T) {
	t.Parallel()
	s := provider(t, simulator.Personality{})
	s.Inject(simulator.Fault{At: simulator.AtAppend, Times: 1, Reply: "NO [OVERQUOTA] Quota exceeded"})
	m := enter(t, at(t, s))
	_, err := m.Append(t.Context(), "Sent", mailbox.Upload{Size: int64(len(letter)), Content: strings.NewReader(letter)})
	var e *mailbox.Error
	if !errors.As(err, &e) {
		t.Fatalf("error %v", err)
	}
	want := relay.Answer{Where: relay.AtIMAP, Provider: "imap", IMAP: "NO", IMAPCode: "OVERQUOTA", Reply: relay.Reply{Text: "Quota exceeded"}}
	if got := e.Answer("imap"); got != want || e.Reply().Text != "NO [OVERQUOTA] Quota exceeded" {
		t.Errorf("answer %+v, reply %q", got, e.Reply().Text)
	}
	if !m.Usable() {
		t.Error("an answer ended the session")
	}
	put(t, m, "Sent", letter)
}

func TestProbeSignsInNowhere(t *testing.T) {
	t.Parallel()
	s := provider(t, simulator.Personality{})
	for _, srv := range []relay.Server{
		server(t, s.IMAPSAddr().String(), relay.TLSImplicit),
		server(t, s.IMAPAddr().String(), relay.TLSStartTLS),
	} {
		o := at(t, s)
		o.Server, o.Login, o.Password = srv, "", ""
		peer, err := mailbox.Probe(t.Context(), o)
		if err != nil || !strings.HasPrefix(peer.TLS, "TLS 1.3") {
			t.Errorf("%s: %+v, %v", srv.TLS, peer, err)
		}
		o.Roots = nil // nobody vouches for the certificate
		_, err = mailbox.Probe(t.Context(), o)
		check(t, err, mailbox.StepTLS, mailbox.KindCertificate)
	}
}
