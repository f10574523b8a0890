package accept

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
)

const plainMessage = "From: max@acme.example\r\nDate: Sat, 21 Nov 2026 10:00:00 +0000\r\nMessage-ID: <m1@acme.example>\r\nSubject: s\r\n\r\nbody\r\n"

func TestMessage(t *testing.T) {
	t.Parallel()
	s := newScene(t, nil)
	sub := submission()
	sub.Envelope.EnvID, sub.Envelope.Ret = "env", relay.RetFull
	if got := s.take(t, sub, plainMessage); got != plainMessage {
		t.Errorf("spooled\n%s\nwant it byte for byte", got)
	}
	m := s.spool.message
	if m.Submitter != "s1" || m.Organisation != "acme" || m.Protocol != "ESMTPSA" || m.From != at("max", "acme.example") || m.HeaderID != "<m1@acme.example>" {
		t.Errorf("message %+v", m)
	}
	if m.Envelope.EnvID != "env" || m.Envelope.Ret != relay.RetFull || m.Envelope.ReturnPath != at("max", "acme.example") {
		t.Errorf("envelope %+v", m.Envelope)
	}
	if m.Size != int64(len(s.spool.content)) || m.BodyHash != sha256.Sum256([]byte(plainMessage)) {
		t.Errorf("size %d of %d, or the hash is not that of what the client sent", m.Size, len(s.spool.content))
	}
	if m.Accepted.IsZero() || m.ID.Time().UnixMilli() != m.Accepted.UnixMilli() {
		t.Errorf("accepted %v, ID of %v", m.Accepted, m.ID.Time())
	}
}

// RFC 6152 §3: text of 8 bits is never sent on undeclared, though many applications
// do not declare it.
func TestEightBit(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		declared bool
		content  string
		want     bool
	}{
		"plain":                {false, plainMessage, false},
		"declared":             {true, plainMessage, true},
		"only in the header":   {false, "Subject: gr\xfc\xdf\r\n" + plainMessage, true},
		"only at the very end": {false, plainMessage + strings.Repeat("x", 100_003) + "\xe4\r\n", true},
	} {
		s, sub := newScene(t, nil), submission()
		sub.Envelope.EightBit = tc.declared
		content := strings.Replace(tc.content, "Subject: s\r\n", "", 1)
		if _, err := s.Accept(t.Context(), sub, strings.NewReader(content)); err != nil {
			t.Fatal(err)
		}
		if got := s.spool.message.Envelope.EightBit; got != tc.want {
			t.Errorf("%s: EightBit %v, want %v", name, got, tc.want)
		}
	}
}

// Wherever the network cuts the stream, the same message is spooled.
func TestSegmentation(t *testing.T) {
	t.Parallel()
	body := strings.Repeat("0123456789abcdef\r\n", 5000)
	message := "From: max@acme.example\r\nX-Long: " + strings.Repeat("a\r\n b", 3000) + "\r\nMessage-ID: <m>\r\nDate: d\r\n\r\n" + body
	for name, cut := range map[string]func(io.Reader) io.Reader{
		"one octet":       iotest.OneByteReader,
		"halves":          iotest.HalfReader,
		"data with error": iotest.DataErrReader,
		"at once":         func(r io.Reader) io.Reader { return r },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, nil)
			if _, err := s.Accept(t.Context(), submission(), cut(strings.NewReader(message))); err != nil {
				t.Fatal(err)
			}
			if got := s.withoutReceived(t); got != message {
				t.Errorf("%d octets spooled, want %d", len(got), len(message))
			}
			if s.spool.message.BodyHash != sha256.Sum256([]byte(message)) {
				t.Error("the hash depends on where the stream was cut")
			}
		})
	}
}

// One row for each way in which a message may end.
func TestEnds(t *testing.T) {
	t.Parallel()
	head := "From: max@acme.example\r\nDate: d\r\nMessage-ID: <m>\r\n"
	for name, tc := range map[string]struct{ content, want string }{
		"empty body":         {head + "\r\n", head + "\r\n"},
		"no empty line":      {head, head + "\r\n"},
		"no line end":        {head + "\r\nbody", head + "\r\nbody\r\n"},
		"empty last lines":   {head + "\r\n\r\n\r\n", head + "\r\n\r\n\r\n"},
		"body like a header": {head + "\r\nFrom: a@rival.example\r\n", head + "\r\nFrom: a@rival.example\r\n"},
		"dots stay":          {head + "\r\n.\r\n..\r\n", head + "\r\n.\r\n..\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := newScene(t, nil).take(t, submission(), tc.content); got != tc.want {
				t.Errorf("spooled %q, want %q", got, tc.want)
			}
		})
	}
}

// What the content's reader says is passed on, and nothing is kept (library defect
// 1.1.3: half a message must never be answered 250).
func TestContentErrors(t *testing.T) {
	t.Parallel()
	bad := relay.Refuse(554, relay.Enhanced{5, 6, 0}, "bare line end")
	for _, cause := range []error{bad, io.ErrUnexpectedEOF, syscall.ECONNRESET} {
		for _, keep := range []int{0, 10, len(plainMessage) - 3, len(plainMessage)} {
			s := newScene(t, nil)
			content := io.MultiReader(strings.NewReader(plainMessage[:keep]), iotest.ErrReader(cause))
			_, err := s.Accept(t.Context(), submission(), content)
			if !errors.Is(err, cause) {
				t.Errorf("%v after %d octets came out as %v", cause, keep, err)
			}
			if s.spool.message != nil {
				t.Errorf("%v after %d octets: spooled all the same", cause, keep)
			}
			var answer *relay.Error
			if errors.As(err, &answer) && answer != bad {
				t.Errorf("%v after %d octets became the answer %v", cause, keep, answer)
			}
		}
	}
}

// G2: a fault of ours is 451, a full spool 452, never 5xx, and no internal text.
func TestFaults(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		spool, directory error
		code             int
		cause            error
	}{
		"full":           {fmt.Errorf("put: %w", store.ErrFull), nil, 452, store.ErrFull},
		"unknown":        {fmt.Errorf("put: %w", store.ErrUnknown), nil, 451, store.ErrUnknown},
		"full, unknown":  {errors.Join(store.ErrFull, store.ErrUnknown), nil, 451, store.ErrUnknown},
		"other":          {syscall.EIO, nil, 451, syscall.EIO},
		"exists":         {store.ErrExists, nil, 451, store.ErrExists},
		"directory":      {nil, syscall.EIO, 451, syscall.EIO},
		"directory gone": {nil, store.ErrUnknown, 451, store.ErrUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, nil)
			s.spool.fails, s.directory.broken = tc.spool, tc.directory
			_, err := s.Accept(t.Context(), submission(), strings.NewReader(plainMessage))
			var answer *relay.Error
			if !errors.As(err, &answer) || answer.Code != tc.code || !errors.Is(err, tc.cause) {
				t.Fatalf("error %v, want %d because of %v", err, tc.code, tc.cause)
			}
			if strings.Contains(answer.Public, tc.cause.Error()) {
				t.Errorf("the client reads %q", answer.Public)
			}
		})
	}
}

// A spool that fails while the client breaks off as well: unknown stays unknown.
func TestUnknownBeatsContent(t *testing.T) {
	t.Parallel()
	s := newScene(t, nil)
	s.spool.fails = store.ErrUnknown
	content := &stream{message: &relay.Message{}, hash: sha256.New(), last: [2]byte{'\r', '\n'}, failed: io.ErrUnexpectedEOF}
	if _, err := s.Acceptor.spool(t.Context(), newMessage(submission()), &header{}, content); !errors.Is(err, store.ErrUnknown) {
		t.Errorf("error %v, want ErrUnknown", err)
	}
}

func TestSender(t *testing.T) {
	t.Parallel()
	s := newScene(t, nil)
	null := crm()
	null.NullSender = true
	for name, tc := range map[string]struct {
		submitter *relay.Submitter
		from      relay.Address
		refusal   string // empty: allowed
	}{
		"own":             {crm(), at("any", "acme.example"), ""},
		"proved":          {crm(), at("jane", "free.example"), ""},
		"not yet proved":  {crm(), at("joe", "free.example"), "<joe@free.example>"},
		"proved by other": {crm(), at("rival", "free.example"), "<rival@free.example>"},
		"other's":         {crm(), at("boss", "rival.example"), "<boss@rival.example>"},
		"null":            {crm(), relay.Address{}, "<>"},
		"null, allowed":   {null, relay.Address{}, ""},
		"quoted":          {crm(), at("a b", "rival.example"), `<"a b"@rival.example>`},
	} {
		err := s.Sender(t.Context(), tc.submitter, tc.from)
		var answer *relay.Error
		switch {
		case tc.refusal == "" && err == nil:
		case errors.As(err, &answer) && tc.refusal != "" && answer.Code == 550 && answer.Enhanced == relay.Enhanced{5, 7, 1} && strings.Contains(answer.Public, tc.refusal):
		default:
			t.Errorf("%s: %v, want %q", name, err, tc.refusal)
		}
	}
}

func TestRoom(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		messages, octets int64 // the limits
		usage            store.Usage
		size             int64
		full             bool
	}{
		"no limits":         {0, 0, store.Usage{Messages: math.MaxInt64, Bytes: math.MaxInt64}, math.MaxInt64, false},
		"messages left":     {10, 0, store.Usage{Messages: 9}, 1, false},
		"no messages left":  {10, 0, store.Usage{Messages: 10}, 1, true},
		"octets left":       {0, 100, store.Usage{Bytes: 50}, 50, false},
		"not enough octets": {0, 100, store.Usage{Bytes: 50}, 51, true},
		"unknown size":      {0, 100, store.Usage{Bytes: 99}, 0, false},
		"no octets left":    {0, 100, store.Usage{Bytes: 100}, 0, true},
		"huge size":         {0, 100, store.Usage{Bytes: 1}, math.MaxInt64, true},
	} {
		s := newScene(t, func(o *Options) { o.MaxMessages, o.MaxBytes = tc.messages, tc.octets })
		s.spool.usage = tc.usage
		err := s.Room(t.Context(), tc.size)
		var answer *relay.Error
		if (err != nil) != tc.full || (tc.full && (!errors.As(err, &answer) || answer.Code != 452 || answer.Enhanced != relay.Enhanced{4, 3, 1})) {
			t.Errorf("%s: %v, want full %v", name, err, tc.full)
		}
	}
}

// R7: a disk that is nearly full.
func TestRoomOnDisk(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		free, size int64
		err        error
		full       bool
	}{
		"enough":       {150, 50, nil, false},
		"not enough":   {150, 51, nil, true},
		"below":        {99, 0, nil, true},
		"huge size":    {150, math.MaxInt64, nil, true},
		"no answer":    {0, 1, syscall.EIO, false},
		"size unknown": {100, 0, nil, false},
	} {
		s := newScene(t, func(o *Options) {
			o.MinFreeDisk, o.FreeDisk = 100, func() (int64, error) { return tc.free, tc.err }
		})
		if err := s.Room(t.Context(), tc.size); (err != nil) != tc.full || (tc.full && !errors.Is(err, store.ErrFull)) {
			t.Errorf("%s: %v, want full %v", name, err, tc.full)
		}
	}
}

func TestWhoHears(t *testing.T) {
	t.Parallel()
	var accepted, repeated []relay.ID
	s := newScene(t, func(o *Options) {
		o.Accepted = func(c relay.Client, m *relay.Message, wait time.Duration) {
			if c.Hello != "crm.acme.example" || m.Size == 0 || wait < 0 || wait > time.Hour {
				t.Errorf("heard of %+v, %+v after %v", c, m, wait)
			}
			accepted = append(accepted, m.ID)
		}
		o.Repeated = func(_ relay.Client, first relay.ID) { repeated = append(repeated, first) }
	})
	id, _ := s.Accept(t.Context(), submission(), strings.NewReader(plainMessage))
	s.spool.first = relay.ID{1}
	_, _ = s.Accept(t.Context(), submission(), strings.NewReader(plainMessage))
	s.spool.fails = store.ErrFull
	_, _ = s.Accept(t.Context(), submission(), strings.NewReader(plainMessage))
	if !slices.Equal(accepted, []relay.ID{id}) || !slices.Equal(repeated, []relay.ID{{1}}) {
		t.Errorf("accepted %v, repeated %v", accepted, repeated)
	}
}

func TestRepetition(t *testing.T) {
	t.Parallel()
	s := newScene(t, nil)
	s.spool.first = relay.ID{1}
	id, err := s.Accept(t.Context(), submission(), strings.NewReader(plainMessage))
	if err != nil || id != s.spool.first {
		t.Errorf("%s, %v, want the first ID", id, err)
	}
	s.Acknowledged(id)
	if len(s.spool.acknowledged) != 1 || s.spool.acknowledged[0] != id {
		t.Errorf("acknowledged %v", s.spool.acknowledged)
	}
}

// G4: what makes two submissions the same one.
func TestSubmissionKey(t *testing.T) {
	t.Parallel()
	key := func(change func(*relay.Submission), content string) relay.SubmissionKey {
		s, sub := newScene(t, nil), submission()
		sub.Envelope.Recipients = []relay.Recipient{{Address: at("a", "x.example")}, {Address: at("b", "x.example")}}
		change(sub)
		if _, err := s.Accept(t.Context(), sub, strings.NewReader(content)); err != nil || !s.spool.hasKey {
			t.Fatalf("%v, has a key: %v", err, s.spool.hasKey)
		}
		return s.spool.key
	}
	same := key(func(*relay.Submission) {}, plainMessage)
	again := key(func(sub *relay.Submission) {
		r := sub.Envelope.Recipients
		r[0], r[1] = r[1], r[0]
		sub.Client.Hello = "another.example"
	}, plainMessage)
	if same != again {
		t.Error("a repetition in another order has another key")
	}
	for what, other := range map[string]relay.SubmissionKey{
		"submitter":   key(func(sub *relay.Submission) { sub.Submitter.ID = "s2" }, plainMessage),
		"recipient":   key(func(sub *relay.Submission) { sub.Envelope.Recipients[0].Address.Local = "c" }, plainMessage),
		"fewer":       key(func(sub *relay.Submission) { sub.Envelope.Recipients = sub.Envelope.Recipients[:1] }, plainMessage),
		"return path": key(func(sub *relay.Submission) { sub.Envelope.ReturnPath.Local = "jane" }, plainMessage),
		"body":        key(func(*relay.Submission) {}, plainMessage+"more\r\n"),
		"Message-ID":  key(func(*relay.Submission) {}, strings.Replace(plainMessage, "<m1@", "<m2@", 1)),
	} {
		if other == same {
			t.Errorf("another %s has the same key", what)
		}
	}
	s := newScene(t, nil)
	s.take(t, submission(), "From: max@acme.example\r\n\r\nalarm\r\n")
	if s.spool.hasKey {
		t.Error("a message without a Message-ID of the client has a key: two alarms would become one")
	}
}

func TestMergeRecipients(t *testing.T) {
	t.Parallel()
	const never, success, failure, delay = relay.NotifyNever, relay.NotifySuccess, relay.NotifyFailure, relay.NotifyDelay
	for _, tc := range []struct{ a, b, want relay.Notify }{
		{0, 0, 0}, {never, never, never}, {never, 0, 0}, {0, never, 0}, {never, success, success}, {success, 0, success | failure | delay},
		{failure, delay, 0}, {failure, failure, failure}, {success, failure, success | failure},
	} {
		got := mergeRecipients([]relay.Recipient{
			{Address: at("Bob", "x.example"), Notify: tc.a}, {Address: at("eve", "x.example"), Notify: never},
			{Address: at("bob", "x.example"), Notify: tc.b, ORcpt: "rfc822;b"},
		})
		if len(got) != 2 || got[0].Address != at("Bob", "x.example") || got[0].Notify != tc.want || got[0].ORcpt != "rfc822;b" || got[1].Notify != never {
			t.Errorf("merge of %d and %d: %+v, want NOTIFY %d", tc.a, tc.b, got, tc.want)
		}
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	good := newScene(t, nil).Options
	for what, change := range map[string]func(*Options){
		"spool":     func(o *Options) { o.Spool = nil },
		"directory": func(o *Options) { o.Directory = nil },
		"host name": func(o *Options) { o.Hostname = "" },
		"loop key":  func(o *Options) { o.LoopKey = nil },
	} {
		o := good
		change(&o)
		if _, err := New(o); err == nil {
			t.Errorf("made without a %s", what)
		}
	}
}

// nullSpool reads everything and keeps nothing.
type nullSpool struct {
	spool
	buffer [64 << 10]byte
}

func (s *nullSpool) Put(_ context.Context, m *relay.Message, _ func() relay.SubmissionKey, content io.Reader) (relay.ID, error) {
	for {
		if _, err := content.Read(s.buffer[:]); errors.Is(err, io.EOF) {
			return m.ID, nil
		} else if err != nil {
			return relay.ID{}, err
		}
	}
}

func BenchmarkAccept(b *testing.B) {
	for _, size := range []int{4 << 10, 64 << 10, 1 << 20} {
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			s := newScene(b, func(o *Options) { o.Spool = &nullSpool{} })
			head := "From: Max <max@acme.example>\r\nTo: bob@other.example\r\nSubject: a usual subject\r\nDate: Sat, 21 Nov 2026 10:00:00 +0000\r\n" +
				"Message-ID: <m1@acme.example>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nX-Mailer: crm\r\n\r\n"
			message := []byte(head + strings.Repeat("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcd\r\n", size/64))
			b.SetBytes(int64(len(message)))
			b.ReportAllocs()
			sub := submission()
			for b.Loop() {
				if _, err := s.Accept(b.Context(), sub, bytes.NewReader(message)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
