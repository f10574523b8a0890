package exchange_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/relayd/relayd/internal/simulator/exchange"
)

// search is a FindItem whose answer shows the Message-IDs.
func search(view, restriction, order string, folders ...string) string {
	if restriction != "" {
		restriction = `<m:Restriction>` + restriction + `</m:Restriction>`
	}
	return `<m:FindItem Traversal="Shallow"><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape><t:AdditionalProperties><t:FieldURI FieldURI="message:InternetMessageId"/></t:AdditionalProperties></m:ItemShape>` +
		view + restriction + order + `<m:ParentFolderIds>` + strings.Join(folders, "") + `</m:ParentFolderIds></m:FindItem>`
}

func found(a answer) string {
	var all []string
	for _, m := range regexp.MustCompile(`<t:InternetMessageId>&lt;(.*?)@x&gt;<`).FindAllStringSubmatch(a.body, -1) {
		all = append(all, m[1])
	}
	return strings.Join(all, " ")
}

func equal(op, uri, value string) string {
	return `<t:` + op + `><t:FieldURI FieldURI="` + uri + `"/><t:FieldURIOrConstant><t:Constant Value="` + value + `"/></t:FieldURIOrConstant></t:` + op + `>`
}

func contains(mode, comparison, uri, value string) string {
	return fmt.Sprintf(`<t:Contains ContainmentMode=%q ContainmentComparison=%q><t:FieldURI FieldURI=%q/><t:Constant Value=%q/></t:Contains>`, mode, comparison, uri, value)
}

// five puts messages 0 to 4 into Jane's Sent folder, a minute apart.
func five(t *testing.T) *fixture {
	t.Helper()
	f := start(t, exchange.Options{})
	for i, subject := range []string{"Alpha", "Beta", "alphabet", "=?utf-8?q?Gr=C3=BC=C3=9Fe?=", "Zeta"} {
		content := fmt.Sprintf("From: jane@acme.example\r\nSubject: %s\r\nMessage-ID: <%d@x>\r\n\r\n%s", subject, i, strings.Repeat("x", i*100))
		at := time.Date(2026, 11, 21, 10, i, 0, 0, time.UTC)
		if _, err := f.memory.Put(t.Context(), "jane@acme.example", "sentitems", exchange.Item{Received: at, Read: i%2 == 0, Content: []byte(content)}); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

func TestFindItem(t *testing.T) {
	t.Parallel()
	f := five(t)
	for name, c := range map[string]struct{ restriction, want string }{
		"all, the newest first":   {"", "4 3 2 1 0"},
		"by Message-ID":           {equal("IsEqualTo", "message:InternetMessageId", "&lt;2@x&gt;"), "2"},
		"by another":              {equal("IsEqualTo", "message:InternetMessageId", "&lt;9@x&gt;"), ""},
		"all but one":             {equal("IsNotEqualTo", "message:InternetMessageId", "&lt;2@x&gt;"), "4 3 1 0"},
		"subject, part":           {contains("Substring", "Exact", "item:Subject", "lpha"), "2 0"},
		"subject, part, case":     {contains("Substring", "Exact", "item:Subject", "Alpha"), "0"},
		"subject, part, any case": {contains("Substring", "IgnoreCase", "item:Subject", "ALPHA"), "2 0"},
		"subject, loosely":        {contains("Substring", "Loose", "item:Subject", "ALPHA"), "2 0"},
		"subject, decoded":        {contains("Substring", "IgnoreCase", "item:Subject", "GRÜ"), "3"},
		"subject, whole":          {contains("FullString", "IgnoreCase", "item:Subject", "alpha"), "0"},
		"subject, beginning":      {contains("Prefixed", "IgnoreCase", "item:Subject", "z"), "4"},
		"from a time on":          {equal("IsGreaterThanOrEqualTo", "item:DateTimeReceived", "2026-11-21T11:03:00+01:00"), "4 3"},
		"after a time":            {equal("IsGreaterThan", "item:DateTimeReceived", "2026-11-21T10:03:00Z"), "4"},
		"before a time":           {equal("IsLessThan", "item:DateTimeReceived", "2026-11-21T10:01:00Z"), "0"},
		"up to a time":            {equal("IsLessThanOrEqualTo", "item:DateTimeReceived", "2026-11-21T10:01:00Z"), "1 0"},
		"larger":                  {equal("IsGreaterThan", "item:Size", "99"), "4 3 2 1"},
		"unread":                  {equal("IsEqualTo", "message:IsRead", "false"), "3 1"},
		"sent by":                 {equal("IsEqualTo", "message:From", "jane@acme.example"), "4 3 2 1 0"},
		"with a subject":          {`<t:Exists><t:FieldURI FieldURI="item:Subject"/></t:Exists>`, "4 3 2 1 0"},
		"both":                    {`<t:And>` + contains("Substring", "IgnoreCase", "item:Subject", "alpha") + contains("Substring", "Exact", "item:Subject", "bet") + `</t:And>`, "2"},
		"either":                  {`<t:Or>` + contains("Substring", "Exact", "item:Subject", "Beta") + contains("Substring", "Exact", "item:Subject", "Zeta") + `</t:Or>`, "4 1"},
		"neither": {`<t:Not><t:Or>` + contains("Substring", "Exact", "item:Subject", "Beta") + contains("Substring", "Exact", "item:Subject", "Zeta") + `</t:Or></t:Not>`,
			"3 2 0"},
	} {
		a := f.call(t, search("", c.restriction, "", distinguished("sentitems")))
		if got := found(a); got != c.want || strings.Join(codes(a), " ") != "NoError" {
			t.Errorf("%s: found %q, want %q\n%s", name, got, c.want, a.body)
		}
	}
}

func TestFindItemRefuses(t *testing.T) {
	t.Parallel()
	f := five(t)
	const restriction, paging = "ErrorUnsupportedPathForQuery", "ErrorInvalidIndexedPagingParameters"
	one := equal("IsEqualTo", "item:Subject", "a")
	for name, c := range map[string]struct{ operation, want string }{
		"unknown property":    {search("", equal("IsEqualTo", "item:Colour", "red"), "", distinguished("sentitems")), restriction},
		"no value":            {search("", `<t:IsEqualTo><t:FieldURI FieldURI="item:Subject"/></t:IsEqualTo>`, "", distinguished("sentitems")), restriction},
		"MIME":                {search("", contains("Substring", "Exact", "item:MimeContent", "x"), "", distinguished("sentitems")), restriction},
		"unknown containment": {search("", contains("Somewhere", "Exact", "item:Subject", "x"), "", distinguished("sentitems")), restriction},
		"unknown operator":    {search("", `<t:Near/>`, "", distinguished("sentitems")), restriction},
		"other namespace":     {search("", `<m:Exists><t:FieldURI FieldURI="item:Subject"/></m:Exists>`, "", distinguished("sentitems")), restriction},
		"two at once":         {search("", one+one, "", distinguished("sentitems")), restriction},
		"nothing both":        {search("", `<t:And/>`, "", distinguished("sentitems")), restriction},
		"two denied":          {search("", `<t:Not>`+one+one+`</t:Not>`, "", distinguished("sentitems")), restriction},
		"a bad one inside":    {search("", `<t:Not><t:Near/></t:Not>`, "", distinguished("sentitems")), restriction},
		"unknown order":       {search("", "", `<m:SortOrder><t:FieldOrder Order="Ascending"><t:FieldURI FieldURI="item:Colour"/></t:FieldOrder></m:SortOrder>`, distinguished("sentitems")), restriction},
		"no folder":           {search("", "", "", distinguished("nowhere")), "ErrorFolderNotFound"},
		"empty page":          {search(`<m:IndexedPageItemView MaxEntriesReturned="0" Offset="0" BasePoint="Beginning"/>`, "", "", distinguished("sentitems")), "ErrorInvalidPagingMaxRows"},
		"page before all":     {search(`<m:IndexedPageItemView MaxEntriesReturned="1" Offset="-1" BasePoint="Beginning"/>`, "", "", distinguished("sentitems")), paging},
		"page from nowhere":   {search(`<m:IndexedPageItemView MaxEntriesReturned="1" Offset="0" BasePoint="Middle"/>`, "", "", distinguished("sentitems")), paging},
		"page without offset": {search(`<m:IndexedPageItemView MaxEntriesReturned="1" BasePoint="Beginning"/>`, "", "", distinguished("sentitems")), paging},
	} {
		if got := strings.Join(codes(f.call(t, c.operation)), " "); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestFindItemPages(t *testing.T) {
	t.Parallel()
	f := five(t)
	bySubject := func(order string) string {
		return `<m:SortOrder><t:FieldOrder Order="` + order + `"><t:FieldURI FieldURI="item:DateTimeReceived"/></t:FieldOrder></m:SortOrder>`
	}
	page := func(size, offset, base string) string {
		return `<m:IndexedPageItemView MaxEntriesReturned="` + size + `" Offset="` + offset + `" BasePoint="` + base + `"/>`
	}
	for name, c := range map[string]struct{ view, order, want, root string }{
		"no view":         {"", bySubject("Ascending"), "0 1 2 3 4", `IndexedPagingOffset="5" TotalItemsInView="5" IncludesLastItemInRange="true"`},
		"descending":      {"", bySubject("Descending"), "4 3 2 1 0", `TotalItemsInView="5"`},
		"first page":      {page("2", "0", "Beginning"), bySubject("Ascending"), "0 1", `IndexedPagingOffset="2" TotalItemsInView="5" IncludesLastItemInRange="false"`},
		"last page":       {page("2", "4", "Beginning"), bySubject("Ascending"), "4", `IndexedPagingOffset="5" TotalItemsInView="5" IncludesLastItemInRange="true"`},
		"behind all":      {page("2", "9", "Beginning"), bySubject("Ascending"), "", `IndexedPagingOffset="5" TotalItemsInView="5" IncludesLastItemInRange="true"`},
		"from the end":    {page("2", "1", "End"), bySubject("Ascending"), "2 3", `IndexedPagingOffset="3" TotalItemsInView="5" IncludesLastItemInRange="false"`},
		"all from behind": {page("9", "0", "End"), bySubject("Ascending"), "0 1 2 3 4", `IncludesLastItemInRange="true"`},
		"no limit":        {`<m:IndexedPageItemView Offset="0" BasePoint="Beginning"/>`, bySubject("Ascending"), "0 1 2 3 4", `TotalItemsInView="5"`},
	} {
		a := f.call(t, search(c.view, "", c.order, distinguished("sentitems")))
		if got := found(a); got != c.want || !strings.Contains(a.body, c.root) {
			t.Errorf("%s: found %q, want %q with %s\n%s", name, got, c.want, c.root, a.body)
		}
	}
	several := f.call(t, search("", "", "", distinguished("inbox"), distinguished("sentitems"), distinguished("root")))
	if got := strings.Join(codes(several), " "); got != "NoError NoError NoError" || found(several) != "4 3 2 1 0" {
		t.Errorf("three folders: %s\n%s", got, several.body)
	}
	if a := f.call(t, strings.Replace(search("", "", "", distinguished("sentitems")), "Shallow", "SoftDeleted", 1)); found(a) != "" {
		t.Errorf("softly deleted: %q", found(a))
	}
}
