package exchange_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/relayd/relayd/internal/simulator/exchange"
)

// create is a CreateItem of a whole message.
func create(disposition, saved, content string) string {
	return createEncoded(disposition, saved, base64.StdEncoding.EncodeToString([]byte(strings.ReplaceAll(content, "\n", "\r\n"))))
}

func createEncoded(disposition, saved, encoded string) string {
	return createItem(disposition, saved, `<t:Message><t:MimeContent CharacterSet="UTF-8">`+encoded+`</t:MimeContent></t:Message>`)
}

func createItem(disposition, saved, items string) string {
	if disposition != "" {
		disposition = ` MessageDisposition="` + disposition + `"`
	}
	if saved != "" {
		saved = `<m:SavedItemFolderId>` + saved + `</m:SavedItemFolderId>`
	}
	return `<m:CreateItem` + disposition + `>` + saved + `<m:Items>` + items + `</m:Items></m:CreateItem>`
}

func distinguished(id string) string { return `<t:DistinguishedFolderId Id="` + id + `"/>` }

const letter = "From: Jane <jane@acme.example>\nTo: Bob <bob@acme.example>, bob@ACME.example\nCc: eve@elsewhere.example\n" +
	"Bcc: shared@acme.example,\n jane@acme.example\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\nMessage-ID: <1@acme.example>\n" +
	"Date: Sat, 21 Nov 2026 10:00:00 +0000\n\nHello\n"

// codes gives the response codes of an answer.
func codes(a answer) []string {
	var all []string
	for _, m := range regexp.MustCompile(`<[me]:ResponseCode[^>]*>([^<]*)<`).FindAllStringSubmatch(a.body, -1) {
		all = append(all, m[1])
	}
	return all
}

func (f *fixture) inFolder(t *testing.T, address, folder string) []exchange.Item {
	t.Helper()
	items, err := f.memory.List(t.Context(), address, folder)
	if err != nil {
		t.Fatal(err)
	}
	return items
}

func TestCreateItem(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		operation string
		codes     string
		folder    string // where one item is to be found, of Jane unless it names another
		sent      bool
	}{
		"sent, and kept where asked":   {create("SendAndSaveCopy", distinguished("sentitems"), letter), "NoError", "sentitems", true},
		"sent, and kept nowhere named": {create("SendAndSaveCopy", "", letter), "NoError", "outbox", true},
		"sent only":                    {create("SendOnly", "", letter), "NoError", "", true},
		"kept only":                    {create("SaveOnly", "", letter), "NoError", "drafts", false},
		"kept only, where asked":       {create("SaveOnly", distinguished("junkemail"), letter), "NoError", "junkemail", false},
		"kept in a shared mailbox": {create("SendAndSaveCopy", `<t:DistinguishedFolderId Id="sentitems"><t:Mailbox><t:EmailAddress>shared@acme.example</t:EmailAddress></t:Mailbox></t:DistinguishedFolderId>`,
			strings.Replace(letter, "jane@", "shared@", 1)), "NoError", "shared@acme.example sentitems", true},
		"as an alias":            {create("SendAndSaveCopy", distinguished("sentitems"), strings.Replace(letter, "jane@", "Info@", 1)), "NoError", "sentitems", true},
		"base64 in lines":        {createEncoded("SaveOnly", "", "RnJvbTogamFuZUBhY21l\n LmV4YW1wbGUNCg0KSGVs bG8NCg=="), "NoError", "drafts", false},
		"of its own properties":  {createItem("SendAndSaveCopy", distinguished("sentitems"), `<t:Message><t:Subject>A &amp; B</t:Subject><t:Body BodyType="HTML">&lt;p&gt;</t:Body><t:ToRecipients><t:Mailbox><t:Name>Bob</t:Name><t:EmailAddress>bob@acme.example</t:EmailAddress></t:Mailbox></t:ToRecipients></t:Message>`), "NoError", "sentitems", true},
		"two of which one fails": {createItem("SaveOnly", "", `<t:Message><t:MimeContent>RnJvbTogeEB5Lnp6DQoNCg==</t:MimeContent></t:Message><t:Message><t:MimeContent>*</t:MimeContent></t:Message>`), "NoError ErrorMimeContentInvalidBase64String", "drafts", false},

		"in somebody else's mailbox":       {create("SendAndSaveCopy", `<t:DistinguishedFolderId Id="sentitems"><t:Mailbox><t:EmailAddress>bob@acme.example</t:EmailAddress></t:Mailbox></t:DistinguishedFolderId>`, letter), "ErrorAccessDenied", "", false},
		"in a mailbox that is not":         {create("SendAndSaveCopy", `<t:DistinguishedFolderId Id="sentitems"><t:Mailbox><t:EmailAddress>nobody@acme.example</t:EmailAddress></t:Mailbox></t:DistinguishedFolderId>`, letter), "ErrorNonExistentMailbox", "", false},
		"in a folder that is not":          {create("SendAndSaveCopy", distinguished("calendar"), letter), "ErrorFolderNotFound", "", false},
		"in a folder that holds none":      {create("SendAndSaveCopy", distinguished("root"), letter), "ErrorCreateItemAccessDenied", "", false},
		"in a folder with a strange id":    {create("SendAndSaveCopy", `<t:FolderId Id="AAAA"/>`, letter), "ErrorInvalidIdMalformed", "", false},
		"in something that is no folder":   {create("SendAndSaveCopy", `<t:ItemId Id="AAAA"/>`, letter), "ErrorInvalidRequest", "", false},
		"no disposition":                   {create("", "", letter), "ErrorMessageDispositionRequired", "", false},
		"unknown disposition":              {create("Keep", "", letter), "ErrorInvalidRequest", "", false},
		"an appointment":                   {createItem("SendOnly", "", `<t:CalendarItem/>`), "ErrorInvalidRequest", "", false},
		"no base64":                        {createEncoded("SendOnly", "", "***"), "ErrorMimeContentInvalidBase64String", "", false},
		"no message":                       {create("SendOnly", "", "hello"), "ErrorMimeContentInvalid", "", false},
		"empty":                            {createEncoded("SendOnly", "", ""), "ErrorMimeContentInvalid", "", false},
		"no recipient":                     {create("SendOnly", "", "From: jane@acme.example\nTo: undisclosed-recipients:;\n\n"), "ErrorInvalidRecipients", "", false},
		"a strange recipient":              {create("SendOnly", "", "From: jane@acme.example\nTo: bob at acme\n\n"), "ErrorInvalidRecipients", "", false},
		"a strange recipient, by property": {createItem("SendOnly", "", `<t:Message><t:ToRecipients><t:Mailbox><t:EmailAddress>bob</t:EmailAddress></t:Mailbox></t:ToRecipients></t:Message>`), "ErrorInvalidRecipients", "", false},
		"somebody else's From":             {create("SendOnly", "", strings.Replace(letter, "jane@", "bob@", 1)), "ErrorSendAsDenied", "", false},
		"a stranger's From":                {create("SendOnly", "", strings.Replace(letter, "jane@acme", "jane@other", 1)), "ErrorSendAsDenied", "", false},
		"a From that is none":              {create("SendOnly", "", strings.Replace(letter, "jane@acme.example", "jane", 1)), "ErrorSendAsDenied", "", false},
		"too large":                        {create("SendOnly", "", letter+strings.Repeat("x", 5000)), "ErrorMessageSizeExceeded", "", false},
		"no items":                         {createItem("SendOnly", "", ""), "ErrorSchemaValidation", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := start(t, exchange.Options{MaxMessage: 5000})
			a := f.call(t, c.operation)
			if got := strings.Join(codes(a), " "); got != c.codes {
				t.Fatalf("answered %q, want %q:\n%s", got, c.codes, a.body)
			}
			if got := len(f.memory.Posted()); got != map[bool]int{true: 1}[c.sent] {
				t.Errorf("%d messages were sent", got)
			}
			address, folder := "jane@acme.example", c.folder
			if other, rest, found := strings.Cut(c.folder, " "); found {
				address, folder = other, rest
			}
			if folder == "" {
				return
			}
			if kept := f.inFolder(t, address, folder); len(kept) != 1 {
				t.Errorf("%d messages in %s of %s", len(kept), folder, address)
			}
			// Microsoft: an ItemId comes back for what was only kept.
			if got := strings.Contains(a.body, "ItemId "); got == c.sent {
				t.Errorf("an ItemId came back: %v", got)
			}
		})
	}
}

func TestCreateItemDelivers(t *testing.T) {
	t.Parallel()
	f := start(t, exchange.Options{})
	f.call(t, create("SendAndSaveCopy", distinguished("sentitems"), letter))
	content := strings.ReplaceAll(letter, "\n", "\r\n")
	if got := string(f.server.Last().Message); got != content {
		t.Errorf("the last message is %q", got)
	}
	if kept := f.inFolder(t, "jane@acme.example", "sentitems"); len(kept) != 1 || string(kept[0].Content) != content || !kept[0].Read {
		t.Errorf("the copy is %+v", kept)
	}
	posted := f.memory.Posted()
	if len(posted) != 1 {
		t.Fatalf("%d messages were sent", len(posted))
	}
	if got, want := strings.Join(posted[0].To, " "), "bob@acme.example eve@elsewhere.example shared@acme.example jane@acme.example"; got != want {
		t.Errorf("sent to %s, want %s", got, want)
	}
	without := strings.Replace(content, "Bcc: shared@acme.example,\r\n jane@acme.example\r\n", "", 1)
	for _, address := range []string{"bob@acme.example", "shared@acme.example", "jane@acme.example"} {
		if got := f.inFolder(t, address, "inbox"); len(got) != 1 || string(got[0].Content) != without || got[0].Read {
			t.Errorf("%s got %+v", address, got)
		}
	}
}

// What a message lacks, the server adds in front.
func TestCreateItemCompletes(t *testing.T) {
	t.Parallel()
	f := start(t, exchange.Options{})
	f.call(t, create("SendOnly", "", "To: bob@acme.example\n\nHello\n"))
	got := f.inFolder(t, "bob@acme.example", "inbox")
	if len(got) != 1 || !regexp.MustCompile(`^From: "Jane Doe" <jane@acme.example>\r\nDate: .*\r\nMessage-Id: <.*@acme.example>\r\nTo: bob@acme.example\r\n\r\nHello\r\n$`).Match(got[0].Content) {
		t.Errorf("Bob got %+v", got)
	}
}

func TestSendItem(t *testing.T) {
	t.Parallel()
	f := start(t, exchange.Options{})
	draft := func() string {
		a := f.call(t, create("SaveOnly", "", letter))
		return regexp.MustCompile(`<t:ItemId [^>]*/>`).FindString(a.body)
	}
	send := func(attributes, saved, id string) string {
		return strings.Join(codes(f.call(t, `<m:SendItem`+attributes+`><m:ItemIds>`+id+`</m:ItemIds>`+saved+`</m:SendItem>`)), " ")
	}
	if got := send(` SaveItemToFolder="true"`, "", draft()); got != "NoError" {
		t.Errorf("with a copy: %s", got)
	}
	if got := send(` SaveItemToFolder="false"`, "", draft()); got != "NoError" {
		t.Errorf("without a copy: %s", got)
	}
	if got := send(` SaveItemToFolder="true"`, `<m:SavedItemFolderId>`+distinguished("calendar")+`</m:SavedItemFolderId>`, draft()); got != "ErrorFolderNotFound" {
		t.Errorf("with a copy nowhere: %s", got)
	}
	if got := send(``, "", `<t:ItemId Id="AAAA"/>`); got != "ErrorInvalidIdMalformed" {
		t.Errorf("a strange id: %s", got)
	}
	if sent, left, copies := len(f.memory.Posted()), len(f.inFolder(t, "jane@acme.example", "drafts")), len(f.inFolder(t, "jane@acme.example", "sentitems")); sent != 2 || left != 1 || copies != 1 {
		t.Errorf("%d sent, %d drafts left, %d copies", sent, left, copies)
	}
}

func TestGetAndDeleteItem(t *testing.T) {
	t.Parallel()
	f := start(t, exchange.Options{})
	id := func() string {
		return regexp.MustCompile(`<t:ItemId [^>]*/>`).FindString(f.call(t, create("SaveOnly", "", letter)).body)
	}
	get := func(shape, id string) answer {
		return f.call(t, `<m:GetItem><m:ItemShape>`+shape+`</m:ItemShape><m:ItemIds>`+id+`</m:ItemIds></m:GetItem>`)
	}
	first := id()
	mime := base64.StdEncoding.EncodeToString([]byte(strings.ReplaceAll(letter, "\n", "\r\n")))
	for name, c := range map[string]struct {
		shape    string
		with     []string
		withouts []string
	}{
		"id only":         {`<t:BaseShape>IdOnly</t:BaseShape>`, []string{first}, []string{"Subject", "MimeContent"}},
		"with MIME":       {`<t:BaseShape>IdOnly</t:BaseShape><t:IncludeMimeContent>true</t:IncludeMimeContent>`, []string{mime, first}, []string{"Subject"}},
		"MIME by its URI": {`<t:BaseShape>IdOnly</t:BaseShape><t:AdditionalProperties><t:FieldURI FieldURI="item:MimeContent"/></t:AdditionalProperties>`, []string{mime}, []string{"Subject"}},
		"one property":    {`<t:BaseShape>IdOnly</t:BaseShape><t:AdditionalProperties><t:FieldURI FieldURI="message:InternetMessageId"/></t:AdditionalProperties>`, []string{"&lt;1@acme.example&gt;"}, []string{"Subject"}},
		"as usual": {`<t:BaseShape>Default</t:BaseShape>`, []string{"<t:Subject>Grüße<", "<t:EmailAddress>bob@acme.example<", "<t:From>", "<t:IsRead>true<",
			"<t:DateTimeSent>2026-11-21T10:00:00Z<", "<t:BccRecipients>", `<t:Body BodyType="Text">Hello`}, []string{"MimeContent", "ItemClass"}},
		"all": {`<t:BaseShape>AllProperties</t:BaseShape>`, []string{"<t:ItemClass>IPM.Note<", "<t:ParentFolderId "}, []string{"MimeContent"}},
	} {
		a := get(c.shape, first)
		for _, part := range c.with {
			if !strings.Contains(a.body, part) {
				t.Errorf("%s: no %s in\n%s", name, part, a.body)
			}
		}
		for _, part := range c.withouts {
			if strings.Contains(a.body, part) {
				t.Errorf("%s: %s in\n%s", name, part, a.body)
			}
		}
	}
	for name, c := range map[string]struct{ how, id, code string }{
		"for good":          {"HardDelete", first, "NoError"},
		"softly":            {"SoftDelete", id(), "NoError"},
		"into the trash":    {"MoveToDeletedItems", id(), "NoError"},
		"in an unknown way": {"Burn", id(), "ErrorInvalidRequest"},
		"a strange id":      {"HardDelete", `<t:ItemId Id="*"/>`, "ErrorInvalidIdMalformed"},
		"somebody else's":   {"HardDelete", `<t:ItemId Id="` + base64.StdEncoding.EncodeToString([]byte("bob@acme.example\x00inbox\x001")) + `"/>`, "ErrorAccessDenied"},
		"a folder":          {"HardDelete", distinguished("inbox"), "ErrorInvalidRequest"},
	} {
		remove := fmt.Sprintf(`<m:DeleteItem DeleteType=%q><m:ItemIds>%s</m:ItemIds></m:DeleteItem>`, c.how, c.id)
		if got := strings.Join(codes(f.call(t, remove)), " "); got != c.code {
			t.Errorf("%s: %s, want %s", name, got, c.code)
		}
	}
	if got := codes(get("", first)); len(got) != 1 || got[0] != "ErrorItemNotFound" {
		t.Errorf("a deleted item: %v", got)
	}
	if left, trash := len(f.inFolder(t, "jane@acme.example", "drafts")), f.inFolder(t, "jane@acme.example", "deleteditems"); left != 1 || len(trash) != 1 {
		t.Errorf("%d drafts are left, %d items in the trash", left, len(trash))
	}
	// What is deleted in the trash is gone.
	again := `<m:DeleteItem DeleteType="MoveToDeletedItems"><m:ItemIds><t:ItemId Id="` +
		base64.StdEncoding.EncodeToString([]byte("jane@acme.example\x00deleteditems\x00"+f.inFolder(t, "jane@acme.example", "deleteditems")[0].ID)) + `"/></m:ItemIds></m:DeleteItem>`
	if got := codes(f.call(t, again)); got[0] != "NoError" || len(f.inFolder(t, "jane@acme.example", "deleteditems")) != 0 {
		t.Errorf("deleting in the trash: %v", got)
	}
}

func TestFolders(t *testing.T) {
	t.Parallel()
	f := start(t, exchange.Options{})
	f.call(t, create("SendAndSaveCopy", distinguished("sentitems"), letter))
	a := f.call(t, folderRequest(distinguished("inbox")+distinguished("SentItems")+distinguished("calendar")))
	if got := strings.Join(codes(a), " "); got != "NoError NoError ErrorFolderNotFound" {
		t.Errorf("answered %s:\n%s", got, a.body)
	}
	for _, part := range []string{"<t:DisplayName>Inbox<", "<t:TotalCount>1<", "<t:UnreadCount>1<", "<t:DisplayName>Sent Items<", "<t:UnreadCount>0<", "<m:Folders/>"} {
		if !strings.Contains(a.body, part) {
			t.Errorf("no %s in\n%s", part, a.body)
		}
	}
	id := regexp.MustCompile(`<t:FolderId [^>]*/>`).FindString(a.body)
	if again := f.call(t, folderRequest(id)); !strings.Contains(again.body, "<t:DisplayName>Inbox<") {
		t.Errorf("by its id:\n%s", again.body)
	}
	below := func(traversal, view, folder string) string {
		return f.call(t, `<m:FindFolder Traversal="`+traversal+`"><m:FolderShape><t:BaseShape>AllProperties</t:BaseShape></m:FolderShape>`+view+`<m:ParentFolderIds>`+distinguished(folder)+`</m:ParentFolderIds></m:FindFolder>`).body
	}
	for name, c := range map[string]struct{ body, part string }{
		"right below":     {below("Shallow", "", "root"), `TotalItemsInView="1"`},
		"all below":       {below("Deep", "", "root"), `TotalItemsInView="7"`},
		"nothing below":   {below("Deep", "", "inbox"), `TotalItemsInView="0" IncludesLastItemInRange="true"`},
		"a page":          {below("Deep", `<m:IndexedPageFolderView MaxEntriesReturned="2" Offset="1" BasePoint="Beginning"/>`, "root"), `IndexedPagingOffset="3" TotalItemsInView="7" IncludesLastItemInRange="false"`},
		"a page too many": {below("Deep", `<m:IndexedPageFolderView MaxEntriesReturned="0" Offset="1" BasePoint="Beginning"/>`, "root"), "ErrorInvalidPagingMaxRows"},
		"nowhere":         {below("Deep", "", "nowhere"), "ErrorFolderNotFound"},
	} {
		if !strings.Contains(c.body, c.part) {
			t.Errorf("%s: no %s in\n%s", name, c.part, c.body)
		}
	}
}

func TestNamesAndIDs(t *testing.T) {
	t.Parallel()
	f := start(t, exchange.Options{})
	inbox := base64.StdEncoding.EncodeToString([]byte("jane@acme.example\x00inbox"))
	for name, c := range map[string]struct{ operation, part string }{
		"somebody":        {`<m:ResolveNames><m:UnresolvedEntry>jane</m:UnresolvedEntry></m:ResolveNames>`, "<t:Name>Jane Doe</t:Name><t:EmailAddress>jane@acme.example<"},
		"nobody":          {`<m:ResolveNames><m:UnresolvedEntry>eve</m:UnresolvedEntry></m:ResolveNames>`, "ErrorNameResolutionNoResults"},
		"a known id":      {`<m:ConvertId DestinationFormat="EwsId"><m:SourceIds><t:AlternateId Format="EwsId" Mailbox="x" Id="` + inbox + `"/></m:SourceIds></m:ConvertId>`, `Id="` + inbox + `"`},
		"another format":  {`<m:ConvertId DestinationFormat="EntryId"><m:SourceIds><t:AlternateId Format="EwsId" Mailbox="x" Id="` + inbox + `"/></m:SourceIds></m:ConvertId>`, "ErrorUnsupportedTypeForConversion"},
		"a made-up id":    {`<m:ConvertId DestinationFormat="EwsId"><m:SourceIds><t:AlternateId Format="EwsId" Mailbox="x" Id="DUMMY"/></m:SourceIds></m:ConvertId>`, "ErrorInvalidIdMalformed"},
		"time zones":      {`<m:GetServerTimeZones/>`, `Id="UTC" Name="(UTC)`},
		"one of them":     {`<m:GetServerTimeZones ReturnFullTimeZoneData="false"><m:Ids><t:Id>UTC</t:Id></m:Ids></m:GetServerTimeZones>`, `Coordinated Universal Time"/>`},
		"none of them":    {`<m:GetServerTimeZones><m:Ids><t:Id>CET</t:Id></m:Ids></m:GetServerTimeZones>`, `<m:TimeZoneDefinitions/>`},
		"nothing to find": {`<m:ResolveNames/>`, "ErrorNameResolutionNoResults"},
	} {
		if a := f.call(t, c.operation); a.status != http.StatusOK || !strings.Contains(a.body, c.part) {
			t.Errorf("%s: status %d, no %s in\n%s", name, a.status, c.part, a.body)
		}
	}
}
