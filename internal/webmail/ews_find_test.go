package webmail_test

import (
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/relayd/relayd/internal/webmail"
	"github.com/relayd/relayd/relay"
)

// ewsMessage is a message as FindItem tells it.
func ewsMessage(id, headerID, subject, received, from string) string {
	return fmt.Sprintf(`<t:Message><t:ItemId Id="%s" ChangeKey="k%[1]s"/><t:Subject>%s</t:Subject><t:DateTimeReceived>%s</t:DateTimeReceived>`+
		`<t:From><t:Mailbox>%s</t:Mailbox></t:From><t:InternetMessageId>%s</t:InternetMessageId></t:Message>`, id, subject, received, from, headerID)
}

func found(messages ...string) string {
	return one("FindItem", fmt.Sprintf(`<m:RootFolder TotalItemsInView="%d" IncludesLastItemInRange="true"><t:Items>%s</t:Items></m:RootFolder>`,
		len(messages), strings.Join(messages, "")))
}

const (
	janeByName    = `<t:Name>Jane</t:Name>`
	janeByAddress = `<t:Name>Jane</t:Name><t:EmailAddress>jane@acme.example</t:EmailAddress><t:RoutingType>SMTP</t:RoutingType>`
)

func noon(hour int) time.Time { return time.Date(2026, 11, 21, hour, 0, 0, 0, time.UTC) }

func TestEWSFind(t *testing.T) {
	t.Parallel()
	x := serveExchange(t)
	x.replies["FindItem"] = say(200, "text/xml", response("FindItem", found(
		ewsMessage("a", "&lt;1@acme.example&gt;", "hi", "2026-11-21T09:00:00Z", janeByName),
		ewsMessage("b", "&lt;1@acme.example&gt;", "hi", "2026-11-21T10:00:00Z", janeByAddress),
		ewsMessage("c", "&lt;other@acme.example&gt;", "hi", "2026-11-21T11:00:00Z", janeByAddress),
	)))
	x.replies["GetItem"] = say(200, "text/xml", response("GetItem", one("GetItem",
		`<m:Items>`+ewsMessage("a", "&lt;1@acme.example&gt;", "hi", "2026-11-21T09:00:00Z", janeByAddress)+`</m:Items>`)))
	client := x.open(x.credentials(), relay.WayEWS)
	items, err := client.Find(t.Context(), webmail.FolderJunk, "<1@acme.example>")
	if err != nil {
		t.Fatal(err)
	}
	want := []webmail.Item{
		{ID: "b", ChangeKey: "kb", Folder: webmail.FolderJunk, HeaderID: "<1@acme.example>", From: "jane@acme.example", Subject: "hi", Arrived: noon(10)},
		{ID: "a", ChangeKey: "ka", Folder: webmail.FolderJunk, HeaderID: "<1@acme.example>", From: "jane@acme.example", Subject: "hi", Arrived: noon(9)},
	}
	if !reflect.DeepEqual(items, want) {
		t.Errorf("found %+v\nwant  %+v", items, want)
	}
	calls := x.seen()
	search, get := string(calls[len(calls)-2].body), string(calls[len(calls)-1].body)
	for _, part := range []string{`Constant Value="&lt;1@acme.example&gt;"/>`, `<m:ParentFolderIds><t:DistinguishedFolderId Id="junkemail"/></m:ParentFolderIds>`, `MaxEntriesReturned="10"`} {
		if !strings.Contains(search, part) {
			t.Errorf("the search lacks %s:\n%s", part, search)
		}
	}
	if !strings.Contains(get, `<m:ItemIds><t:ItemId Id="a"/></m:ItemIds>`) {
		t.Errorf("not the sender of the one item is asked for:\n%s", get)
	}
}

func TestEWSFindSubject(t *testing.T) {
	t.Parallel()
	x := serveExchange(t)
	x.replies["FindItem"] = say(200, "text/xml", response("FindItem", found(
		ewsMessage("a", "&lt;x@y&gt;", "probe A&amp;B-17 of relayd", "2026-11-21T09:00:00Z", janeByAddress),
		ewsMessage("b", "&lt;x@y&gt;", "another", "2026-11-21T09:00:00Z", janeByAddress))))
	items, err := x.open(x.credentials(), relay.WayEWS).FindSubject(t.Context(), webmail.FolderInbox, `a&b-17`)
	if err != nil || len(items) != 1 || items[0].ID != "a" || items[0].Folder != webmail.FolderInbox {
		t.Fatalf("found %+v, %v", items, err)
	}
	if body := string(x.last().body); !strings.Contains(body, `<t:Constant Value="a&amp;b-17"/></t:Contains>`) || !strings.Contains(body, `Id="inbox"`) {
		t.Errorf("the search is %s", body)
	}
}

// A search everywhere goes through the mailbox's folders in batches.
func TestEWSFindAnywhere(t *testing.T) {
	t.Parallel()
	x := serveExchange(t)
	var folders strings.Builder
	for i := range 120 {
		fmt.Fprintf(&folders, `<t:Folder><t:FolderId Id="f%d"/><t:DisplayName>Folder %[1]d</t:DisplayName></t:Folder><t:CalendarFolder><t:FolderId Id="c%[1]d"/></t:CalendarFolder>`, i)
	}
	x.replies["FindFolder"] = say(200, "text/xml", response("FindFolder", one("FindFolder", `<m:RootFolder><t:Folders>`+folders.String()+`</t:Folders></m:RootFolder>`)))
	x.replies["FindItem"] = func(w http.ResponseWriter, r *http.Request) {
		calls := x.seen()
		var messages strings.Builder
		for i := range strings.Count(string(calls[len(calls)-1].body), "<t:FolderId ") {
			switch {
			case i == 3:
				messages.WriteString(`<m:FindItemResponseMessage ResponseClass="Error"><m:MessageText>x</m:MessageText><m:ResponseCode>ErrorAccessDenied</m:ResponseCode></m:FindItemResponseMessage>`)
			case i == 7 && strings.Contains(string(calls[len(calls)-1].body), `"f57"`):
				messages.WriteString(found(ewsMessage("a", "&lt;1@acme.example&gt;", "hi", "bad time", janeByAddress)))
			default:
				messages.WriteString(found())
			}
		}
		say(200, "text/xml", response("FindItem", messages.String()))(w, r)
	}
	items, err := x.open(x.credentials(), relay.WayEWS).Find(t.Context(), webmail.FolderAnywhere, "<1@acme.example>")
	if err != nil || len(items) != 1 || items[0].Folder != "Folder 57" || !items[0].Arrived.IsZero() {
		t.Fatalf("found %+v, %v", items, err)
	}
	if got := strings.Count(steps(x.seen()), "FindItem"); got != 3 {
		t.Errorf("%d searches, want 3 for 120 folders", got)
	}
	if strings.Contains(string(x.last().body), `"c1`) {
		t.Error("the calendar is searched")
	}
}

func TestEWSFindFails(t *testing.T) {
	t.Parallel()
	x := serveExchange(t)
	client := x.open(x.credentials(), relay.WayEWS)
	x.replies["FindItem"] = say(200, "text/xml", refusal("FindItem", "ErrorFolderNotFound", "no"))
	_, err := client.Find(t.Context(), webmail.FolderJunk, "<1@acme.example>")
	want{where: relay.AtAfterDot, code: 200, text: "ErrorFolderNotFound: no"}.check(t, err)
	x.replies["FindFolder"] = say(200, "text/xml", refusal("FindFolder", "ErrorAccessDenied", "no"))
	_, err = client.Find(t.Context(), webmail.FolderAnywhere, "<1@acme.example>")
	want{where: relay.AtAfterDot, code: 200, text: "ErrorAccessDenied: no"}.check(t, err)
	for _, bad := range []string{"", "<a\r\n@b>", "<a\x00@b>"} {
		_, err = client.Find(t.Context(), webmail.FolderSent, bad)
		want{where: relay.AtConnect, text: "local: protocol", is: webmail.ErrBadValue}.check(t, err)
		_, err = client.FindSubject(t.Context(), webmail.FolderSent, bad)
		want{where: relay.AtConnect, text: "local: protocol", is: webmail.ErrBadValue}.check(t, err)
	}
}

func TestEWSDelete(t *testing.T) {
	t.Parallel()
	x := serveExchange(t)
	client := x.open(x.credentials(), relay.WayEWS)
	if err := client.Delete(t.Context()); err != nil || len(x.seen()) != 0 {
		t.Errorf("nothing to delete: %v, %d requests", err, len(x.seen()))
	}
	gone := `<m:DeleteItemResponseMessage ResponseClass="Error"><m:MessageText>x</m:MessageText><m:ResponseCode>ErrorItemNotFound</m:ResponseCode></m:DeleteItemResponseMessage>`
	x.replies["DeleteItem"] = say(200, "text/xml", response("DeleteItem", one("DeleteItem", "")+gone))
	if err := client.Delete(t.Context(), webmail.Item{ID: "a", ChangeKey: "k<"}, webmail.Item{ID: `b"`}); err != nil {
		t.Error(err)
	}
	const ids = `<m:DeleteItem DeleteType="HardDelete"><m:ItemIds><t:ItemId Id="a" ChangeKey="k&lt;"/><t:ItemId Id="b&#34;"/></m:ItemIds></m:DeleteItem>`
	if body := string(x.last().body); !strings.Contains(body, ids) {
		t.Errorf("asked %s", body)
	}
	x.replies["DeleteItem"] = say(200, "text/xml", refusal("DeleteItem", "ErrorCannotDeleteObject", "no"))
	want{where: relay.AtAfterDot, code: 200, text: "ErrorCannotDeleteObject"}.check(t, client.Delete(t.Context(), webmail.Item{ID: "a"}))
	want{where: relay.AtConnect, text: "local: protocol", is: webmail.ErrBadValue}.check(t, client.Delete(t.Context(), webmail.Item{}))
}
