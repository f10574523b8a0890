package ledger_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"log/slog"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/relayd/relayd/internal/ledger"
	"github.com/relayd/relayd/internal/safeio/simdisk"
	"github.com/relayd/relayd/relay"
)

func copyTo(t *testing.T, from, to *ledger.Ledger) {
	t.Helper()
	var b bytes.Buffer
	if err := from.Save(&b); err != nil {
		t.Fatal(err)
	}
	if err := to.Load(&b); err != nil {
		t.Fatal(err)
	}
}

// TestSnapshot: what is loaded is what was saved, for every time to come.
func TestSnapshot(t *testing.T) {
	t.Parallel()
	var l, again ledger.Ledger
	for i := range 200 {
		l.Count("jane", 1, i%7, noon.Add(time.Duration(i)*7*time.Minute))
		l.Count("bob", 1, 1, noon.Add(time.Duration(i)*time.Second))
	}
	l.Exhausted("bob", ledger.Minute, perMinute(70), noon.Add(200*time.Second))
	l.Exhausted("bob", ledger.Day, relay.Limits{}, noon.Add(200*time.Second))
	again.Count("gone", 1, 1, noon)
	copyTo(t, &l, &again)
	if again.Accounts() != 2 {
		t.Errorf("%d accounts", again.Accounts())
	}
	for _, id := range []string{"jane", "bob", "gone"} {
		for after := time.Duration(0); after < 9*24*time.Hour; after += 41 * time.Minute {
			at := noon.Add(after)
			want, got := l.Remaining(id, perMinute(70), at), again.Remaining(id, perMinute(70), at)
			if got != want {
				t.Fatalf("%s after %v: %+v, want %+v", id, after, got, want)
			}
		}
	}
}

// sealed adds the right checksum to a body.
func sealed(body string) []byte {
	return binary.BigEndian.AppendUint32([]byte(body), crc32.Checksum([]byte(body), crc32.MakeTable(crc32.Castagnoli)))
}

// TestBadSnapshot: nothing of a bad snapshot is used.
func TestBadSnapshot(t *testing.T) {
	t.Parallel()
	var l ledger.Ledger
	l.Count("jane", 1, 1, noon)
	var good bytes.Buffer
	if err := l.Save(&good); err != nil {
		t.Fatal(err)
	}
	flipped := bytes.Clone(good.Bytes())
	flipped[20] ^= 1
	body := good.String()[:good.Len()-4]
	for name, p := range map[string][]byte{
		"nothing":            nil,
		"something else":     []byte("this is a text of some length"),
		"a bit is wrong":     flipped,
		"cut":                good.Bytes()[:good.Len()-1],
		"another version":    sealed(strings.Replace(body, "ledger\x01", "ledger\x02", 1)),
		"more than it says":  sealed(body + "\x00"),
		"less than it says":  sealed(body[:len(body)-2]),
		"a long id":          sealed("relayd ledger\x01\x01\xff\x7f"),
		"endless accounts":   sealed("relayd ledger\x01\xff\xff\xff\x0f"),
		"a number too large": sealed("relayd ledger\x01\x01\x01j\xff\xff\xff\xff\xff\xff\xff\xff\x7f"),
	} {
		if err := l.Load(bytes.NewReader(p)); !errors.Is(err, ledger.ErrBadSnapshot) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := l.Load(iotest.ErrReader(errors.New("a bad disk"))); err == nil || errors.Is(err, ledger.ErrBadSnapshot) {
		t.Errorf("a bad disk: %v", err)
	}
	if l.Remaining("jane", relay.Limits{}, noon).Day.Messages.Used != 1 {
		t.Error("what was known is gone")
	}
}

func FuzzLoad(f *testing.F) {
	var l ledger.Ledger
	l.Count("jane", 30, 30, noon)
	l.Exhausted("jane", ledger.Day, relay.Limits{}, noon)
	var good bytes.Buffer
	if err := l.Save(&good); err != nil {
		f.Fatal(err)
	}
	f.Add(good.String()[:good.Len()-4])
	f.Add("relayd ledger\x01\x00")
	f.Add("")
	f.Fuzz(func(t *testing.T, body string) {
		var l ledger.Ledger
		if err := l.Load(bytes.NewReader(sealed(body))); err != nil {
			return
		}
		l.Reserve("jane", 1, perDay(1), noon)
		var again ledger.Ledger
		copyTo(t, &l, &again)
	})
}

// keep runs a keeper on a disk for as long as do works.
func keep(t *testing.T, disk *simdisk.Disk, log *slog.Logger, do func(l *ledger.Ledger)) {
	t.Helper()
	var l ledger.Ledger
	k, err := ledger.NewKeeper(ledger.KeeperOptions{Ledger: &l, FS: disk, Name: "ledger", Log: log})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- k.Run(ctx) }()
	do(&l)
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func used(l *ledger.Ledger) int {
	return l.Remaining("jane", relay.Limits{}, time.Now()).Day.Messages.Used
}

// TestKeeper: what was counted a minute ago survives a crash, and what was counted
// before an orderly end survives that.
func TestKeeper(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for name, c := range map[string]struct {
			crash bool
			want  int
		}{"a crash": {true, 3}, "an orderly end": {false, 7}} {
			disk := simdisk.New()
			var next *simdisk.Disk
			keep(t, disk, nil, func(l *ledger.Ledger) {
				l.Count("jane", 3, 3, time.Now())
				time.Sleep(ledger.DefaultEvery + time.Second) // fake time of the bubble
				l.Count("jane", 4, 4, time.Now())
				synctest.Wait()
				if c.crash {
					next = disk.Crash(func() bool { return false })
				}
			})
			if !c.crash {
				next = disk.Crash(func() bool { return false })
			}
			keep(t, next, nil, func(l *ledger.Ledger) {
				if got := used(l); got != c.want {
					t.Errorf("after %s %d messages are counted", name, got)
				}
			})
		}
	})
}

// TestKeeperRestsWhileNothingChanges: a quiet night writes nothing.
func TestKeeperRestsWhileNothingChanges(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		disk, writes := simdisk.New(), 0
		disk.SetFault(func(op simdisk.Op, _ string) error {
			if op == simdisk.OpRename {
				writes++
			}
			return nil
		})
		keep(t, disk, nil, func(l *ledger.Ledger) {
			time.Sleep(time.Hour) // fake time of the bubble
			l.Count("jane", 1, 1, time.Now())
			time.Sleep(time.Hour) // fake time of the bubble
		})
		if writes != 1 {
			t.Errorf("%d writes", writes)
		}
	})
}

// TestKeeperOnABadDisk: it is told of, nothing stops, and the next minute tries again.
func TestKeeperOnABadDisk(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		disk := simdisk.New()
		var words strings.Builder
		log := slog.New(slog.NewTextHandler(&words, nil))
		keep(t, disk, log, func(l *ledger.Ledger) {
			disk.SetFault(func(simdisk.Op, string) error { return errors.New("no room") })
			l.Count("jane", 1, 1, time.Now())
			time.Sleep(ledger.DefaultEvery + time.Second) // fake time of the bubble
			disk.SetFault(nil)
		})
		if !strings.Contains(words.String(), "ledger not written") || !strings.Contains(words.String(), "no room") {
			t.Errorf("the log says %q", words.String())
		}
		disk.Edit("ledger", func(p []byte) { p[30] ^= 1 })
		words.Reset()
		keep(t, disk, log, func(l *ledger.Ledger) {
			if l.Accounts() != 0 || !strings.Contains(words.String(), "ledger not read") {
				t.Errorf("%d accounts; the log says %q", l.Accounts(), words.String())
			}
		})
		disk.SetFault(func(simdisk.Op, string) error { return errors.New("a bad disk") })
		if _, err := ledger.NewKeeper(ledger.KeeperOptions{Ledger: &ledger.Ledger{}, FS: disk, Name: "ledger"}); err == nil {
			t.Error("a disk that cannot be read is no reason to start empty")
		}
	})
}
