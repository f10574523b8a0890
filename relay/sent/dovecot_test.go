package sent_test

import (
	"crypto/x509"
	"net"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/relayd/relayd/internal/mailbox"
	"github.com/relayd/relayd/internal/relaytest"
	"github.com/relayd/relayd/internal/simulator"
	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/relay/sent"
)

// A Filer --TLS--> Dovecot, a real one, which files nothing by itself: whoever opens
// the mailbox beside the Filer plays the provider.
func dovecot(t *testing.T, o relaytest.DovecotOptions) *world {
	t.Helper()
	web := httptest.NewTLSServer(nil) // for its certificate of 127.0.0.1
	web.Close()
	o.Host, o.Certificate = "127.0.0.1", &web.TLS.Certificates[0]
	o.Users = []relaytest.DovecotUser{{Login: jane, Password: "secret"}}
	d := relaytest.StartDovecot(t, o)
	w := newWorld(t, simulator.Personality{}, unsure, func(o *sent.Options) {
		o.Roots = x509.NewCertPool()
		o.Roots.AddCert(web.Certificate())
	})
	host, port, err := net.SplitHostPort(d.IMAPS)
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	w.accounts.change("jane", func(a *relay.Account) { a.IMAP = relay.Server{Host: host, Port: number, TLS: relay.TLSImplicit} })
	return w
}

func lies(t *testing.T, m *mailbox.Mailbox, folder string, f *relay.Filing) (uids []uint32) {
	t.Helper()
	found, err := m.Find(t.Context(), folder, "Message-ID", f.Message.HeaderID)
	if err != nil {
		t.Fatal(err)
	}
	for i := range found {
		uids = append(uids, found[i].UID)
	}
	return uids
}

func TestDovecotLateCopy(t *testing.T) {
	t.Parallel()
	w := dovecot(t, relaytest.DovecotOptions{Folders: map[string]string{"Envoyés": `\Sent`, "Sent": ""}})
	box := w.box()
	f := message(1, time.Now().Add(-15*time.Minute))
	filed := w.file(f)
	if filed.Status != relay.CopyFiled || filed.Folder != "Envoyés" || filed.UID == 0 || filed.Validity == 0 || filed.Recheck == 0 {
		t.Fatalf("filed %+v", filed)
	}
	w.restart() // a crash before that was recorded
	if again := w.file(f); again.UID != filed.UID || again.Validity != filed.Validity || again.Status != relay.CopyFiled || again.Recheck == 0 {
		t.Errorf("after the crash: %+v", again)
	}
	if kept := w.file(filedAs(f, filed)); kept.Status != relay.CopyFiled || kept.Recheck != 0 || len(lies(t, box, "Envoyés", f)) != 1 {
		t.Errorf("nothing came: %+v", kept)
	}
	late := put(t, box, "Envoyés", asSent(f), time.Now())
	for range 2 { // the second time as after a crash before the removal was recorded
		if gone := w.file(filedAs(f, filed)); gone.Status != relay.CopyByProvider || gone.UID != late.UID {
			t.Errorf("recheck %+v", gone)
		}
		if left := lies(t, box, "Envoyés", f); len(left) != 1 || left[0] != late.UID {
			t.Errorf("left %v, want %d", left, late.UID)
		}
		w.restart()
	}
}

// The folder was made anew meanwhile: the same UID is another message now.
func TestDovecotFolderThatWasMadeAnew(t *testing.T) {
	t.Parallel()
	w := dovecot(t, relaytest.DovecotOptions{Folders: map[string]string{"Sent": `\Sent`}})
	box := w.box()
	f := message(1, time.Now().Add(-15*time.Minute))
	filed := w.file(f)
	filed.Validity-- // as it was before the folder was made anew
	put(t, box, "Sent", asSent(f), time.Now())
	if kept := w.file(filedAs(f, filed)); kept.Status != relay.CopyFiled || kept.Recheck != 0 || len(lies(t, box, "Sent", f)) != 2 {
		t.Errorf("recheck %+v, %d left", kept, len(lies(t, box, "Sent", f)))
	}
	filed.Validity++
	if removed, err := box.Remove(t.Context(), mailbox.Place{Folder: "Sent", UID: filed.UID, Validity: filed.Validity - 1}); removed || err != nil {
		t.Errorf("removed %v, %v by a UIDVALIDITY of before", removed, err)
	}
	if removed, err := box.Remove(t.Context(), mailbox.Place{Folder: "Sent", UID: filed.UID, Validity: filed.Validity}); !removed || err != nil || len(lies(t, box, "Sent", f)) != 1 {
		t.Errorf("removed %v, %v", removed, err)
	}
}

// Without UIDPLUS ours is known by its size and date, and is only marked as deleted:
// EXPUNGE would take what its owner marked.
func TestDovecotWithoutUIDPlus(t *testing.T) {
	t.Parallel()
	w := dovecot(t, relaytest.DovecotOptions{Folders: map[string]string{"Sent": `\Sent`}, NoUIDPlus: true})
	f := message(1, time.Now().Add(-15*time.Minute))
	filed := w.file(f)
	if filed.Status != relay.CopyFiled || filed.UID == 0 || filed.Validity == 0 {
		t.Fatalf("filed %+v", filed)
	}
	box := w.box()
	late := put(t, box, "Sent", asSent(f), time.Now())
	if gone := w.file(filedAs(f, filed)); gone.Status != relay.CopyByProvider || (late.UID != 0 && gone.UID != late.UID) {
		t.Errorf("recheck %+v", gone)
	}
	if left := lies(t, box, "Sent", f); len(left) != 2 {
		t.Errorf("left %v, want both, one of them marked", left)
	}
}

// SEARCH matches parts of a value: the copy of another message is none of this one.
func TestDovecotFindsTheWholeMessageIDOnly(t *testing.T) {
	t.Parallel()
	w := dovecot(t, relaytest.DovecotOptions{Folders: map[string]string{"Sent": `\Sent`}})
	box := w.box()
	f := message(1, time.Now())
	put(t, box, "Sent", strings.ReplaceAll(asSent(f), f.Message.HeaderID, "<1@acme.example.org>"), time.Now())
	if filed := w.file(f); filed.Status != relay.CopyFiled || filed.Rule != sent.RuleFiled {
		t.Errorf("filed %+v", filed)
	}
}
