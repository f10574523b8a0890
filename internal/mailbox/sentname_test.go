package mailbox

import (
	"strings"
	"testing"
)

func TestSentAmong(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		folders string // separated by commas; a "\Use" behind a name is its special use; "-" in front: not selectable
		space   namespace
		want    string
	}{
		{"English", "INBOX,Sent", namespace{}, "Sent"},
		{"Gmail by name", "INBOX,[Gmail]/All Mail,[Gmail]/Sent Mail", namespace{}, "[Gmail]/Sent Mail"},
		{"Courier and cPanel", "INBOX,INBOX/Drafts,INBOX/Sent", namespace{prefix: "INBOX/", delim: '/'}, "INBOX/Sent"},
		{"German", "INBOX,Gesendete Objekte", namespace{}, "Gesendete Objekte"},
		{"French", "INBOX,Messages envoyés", namespace{}, "Messages envoyés"},
		{"decomposed letters", "INBOX,Messages envoye\u0301s", namespace{}, "Messages envoye\u0301s"},
		{"Italian", "INBOX,Posta inviata", namespace{}, "Posta inviata"},
		{"Polish", "INBOX,Elementy wysłane", namespace{}, "Elementy wysłane"},
		{"Czech", "INBOX,Odeslaná pošta", namespace{}, "Odeslaná pošta"},
		{"Russian", "INBOX,Отправленные", namespace{}, "Отправленные"},
		{"Turkish", "INBOX,Gönderilmiş Öğeler", namespace{}, "Gönderilmiş Öğeler"},
		{"Japanese", "INBOX,送信済みアイテム", namespace{}, "送信済みアイテム"},
		{"Korean", "INBOX,보낸 편지함", namespace{}, "보낸 편지함"},
		{"full-width letters", "INBOX,Ｓｅｎｔ", namespace{}, "Ｓｅｎｔ"},
		{"the use wins over the name", `INBOX,Sent,Out\Sent`, namespace{}, "Out"},
		{"not for another use", `INBOX,Sent\Junk`, namespace{}, ""},
		{"not a part of a name", "INBOX,Sent to clients,Not sent,Unsent,Sent2019", namespace{}, ""},
		{"not what cannot be opened", `INBOX,-Sent,Gesendet`, namespace{}, "Gesendet"},
		{"not what only has the use", `INBOX,-X\Sent,Sent`, namespace{}, "Sent"},
		{"the first in the list", "Gesendet,Sent", namespace{}, "Sent"},
		{"the one at the top", "Old/2019/Sent,Old/Sent,Sent", namespace{}, "Sent"},
		{"never INBOX", "INBOX", namespace{}, ""},
		{"only fillers", "Items,Mail", namespace{}, ""},
		{"nothing", "", namespace{}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, found := sentAmong(parseFolders(test.folders), test.space)
			if got.Name != test.want || found != (test.want != "") {
				t.Errorf("found %q (%v), want %q", got.Name, found, test.want)
			}
		})
	}
}

func parseFolders(list string) []Folder {
	var folders []Folder
	for name := range strings.SplitSeq(list, ",") {
		f := Folder{Delim: '/', Selectable: !strings.HasPrefix(name, "-")}
		f.Name, f.Use, _ = strings.Cut(strings.TrimPrefix(name, "-"), `\`)
		if f.Use != "" {
			f.Use = `\` + f.Use
		}
		folders = append(folders, f)
	}
	return folders
}

// Every name of the list finds itself, alone and below a prefix.
func TestEveryNameOfTheList(t *testing.T) {
	t.Parallel()
	count := 0
	for line := range strings.Lines(sentNames) {
		line, _, _ = strings.Cut(line, "#")
		language, list, _ := strings.Cut(line, ":")
		for name := range strings.SplitSeq(list, ",") {
			if name = strings.TrimSpace(name); name == "" || language == "fillers" {
				continue
			}
			count++
			for _, folder := range []string{name, strings.ToUpper(name), "INBOX." + name} {
				f := Folder{Name: folder, Delim: '.', Selectable: true}
				if _, found := sentAmong([]Folder{f}, namespace{prefix: "INBOX.", delim: '.'}); !found {
					t.Errorf("%s: %q is not found", language, folder)
				}
			}
		}
	}
	if count < 70 {
		t.Errorf("the list has only %d names", count)
	}
}

func FuzzSentAmong(f *testing.F) {
	f.Add("INBOX,Sent,Gesendet", "INBOX.", int32('.'))
	f.Add("a\\Sent,-b", "", int32(0))
	f.Add("\xff\xfe,送信済み", "送", int32('送'))
	f.Fuzz(func(t *testing.T, list, prefix string, delim int32) {
		folders := parseFolders(list)
		for i := range folders {
			folders[i].Delim = delim
		}
		space := namespace{prefix: prefix, delim: delim}
		got, found := sentAmong(folders, space)
		if found && !got.Selectable {
			t.Errorf("found %+v, which cannot be opened", got)
		}
		if again, same := sentAmong(folders, space); again != got || same != found {
			t.Error("two answers to one question")
		}
		if f, ok := chosen(folders, space, prefix); ok && !f.Selectable {
			t.Errorf("chose %+v, which cannot be opened", f)
		}
	})
}

func FuzzParseHeader(f *testing.F) {
	f.Add([]byte("Message-ID: <1@x>\r\nX-Token:\r\n folded\r\n more\r\n\r\n"))
	f.Add([]byte(" leading\r\n:\r\nA\r\nB: c\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		for name, values := range parseHeader(raw) {
			if strings.ContainsAny(name, "\r\n:") || len(values) == 0 {
				t.Errorf("field %q with values %q", name, values)
			}
			for _, v := range values {
				if strings.Contains(v, "\n") {
					t.Errorf("value %q of %q is not unfolded", v, name)
				}
			}
		}
	})
}

// FuzzLineChecker compares the fast search with the plain rule, for every way to
// cut the content into reads.
func FuzzLineChecker(f *testing.F) {
	f.Add([]byte("a\r\nb\r\n"), 1)
	f.Add([]byte("a\r"), 2)
	f.Add([]byte("\n"), 3)
	f.Fuzz(func(t *testing.T, content []byte, size int) {
		if size < 1 || size > 64 {
			return
		}
		c := &lineChecker{}
		clean := true
		for rest := content; len(rest) > 0 && clean; rest = rest[min(size, len(rest)):] {
			clean = c.clean(rest[:min(size, len(rest))])
		}
		text := strings.ReplaceAll(string(content), "\r\n", "")
		if want := !strings.ContainsAny(text, "\r\n\x00"); want != (clean && !c.cr) {
			t.Errorf("%q in pieces of %d: clean %v, want %v", content, size, clean && !c.cr, want)
		}
	})
}
