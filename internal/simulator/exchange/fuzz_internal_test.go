package exchange

import (
	"bytes"
	"encoding/xml"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// What was read can be written and read again: nothing gets out of its element.
func FuzzReadXML(f *testing.F) {
	f.Add([]byte(`<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body a="&lt;">x</s:Body></s:Envelope>`))
	f.Add([]byte(`<?xml version="1.0" encoding="utf-8"?><!-- c --><a xmlns="b"><c xmlns=""/>]]&gt;</a>`))
	f.Add([]byte(`<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>`))
	f.Add([]byte(strings.Repeat("<a>", 50)))
	f.Fuzz(func(t *testing.T, data []byte) {
		n, err := readXML(bytes.NewReader(data))
		if (n == nil) != (err != nil) {
			t.Fatalf("gave %v and %v", n, err)
		}
		if n == nil || !writable(n) {
			return
		}
		again, err := readXML(bytes.NewReader(n.write()))
		if err != nil {
			t.Fatalf("%v in %s", err, n.write())
		}
		if !bytes.Equal(again.write(), n.write()) {
			t.Errorf("%s\nbecame\n%s", n.write(), again.write())
		}
	})
}

// writable tells documents that the writer could have been given: it names
// attributes without a namespace, and puts text before elements.
func writable(n *node) bool {
	names := map[string]bool{}
	for _, a := range n.attributes {
		if names[a.name] || strings.ContainsAny(a.name, ":") {
			return false
		}
		names[a.name] = true
	}
	if strings.Contains(n.local, ":") || (n.space != "" && xml.Unmarshal([]byte(`<a xmlns="`+escape(n.space)+`"/>`), new(struct{})) != nil) {
		return false
	}
	for _, c := range n.nodes {
		if !writable(c) {
			return false
		}
	}
	return true
}

// Whatever stands in an envelope, the answer is one that SOAP knows.
func FuzzRequest(f *testing.F) {
	const frame = `<s:Envelope xmlns:s="` + soapSpace + `" xmlns:t="` + typesSpace + `" xmlns:m="` + messagesSpace + `"><s:Body>`
	for _, operation := range []string{
		`<m:CreateItem MessageDisposition="SendAndSaveCopy"><m:SavedItemFolderId><t:DistinguishedFolderId Id="sentitems"/></m:SavedItemFolderId><m:Items><t:Message><t:MimeContent>VG86IGphbmVAYWNtZS5leGFtcGxlDQoNCg==</t:MimeContent></t:Message></m:Items></m:CreateItem>`,
		`<m:CreateItem MessageDisposition="SaveOnly"><m:Items><t:Message><t:Subject>a</t:Subject><t:Body BodyType="HTML">b</t:Body></t:Message></m:Items></m:CreateItem>`,
		`<m:FindItem Traversal="Shallow"><m:ItemShape><t:BaseShape>Default</t:BaseShape></m:ItemShape><m:IndexedPageItemView MaxEntriesReturned="1" Offset="0" BasePoint="End"/><m:Restriction><t:Not><t:Contains ContainmentMode="Substring"><t:FieldURI FieldURI="item:Subject"/><t:Constant Value="a"/></t:Contains></t:Not></m:Restriction><m:ParentFolderIds><t:DistinguishedFolderId Id="inbox"/></m:ParentFolderIds></m:FindItem>`,
		`<m:GetItem><m:ItemShape><t:BaseShape>AllProperties</t:BaseShape></m:ItemShape><m:ItemIds><t:ItemId Id="amFuZUBhY21lLmV4YW1wbGUAaW5ib3gAMQ=="/></m:ItemIds></m:GetItem>`,
		`<m:SendItem SaveItemToFolder="true"><m:ItemIds><t:ItemId Id="amFuZUBhY21lLmV4YW1wbGUAaW5ib3gAMQ=="/></m:ItemIds></m:SendItem>`,
		`<m:FindFolder Traversal="Deep"><m:ParentFolderIds><t:DistinguishedFolderId Id="root"/></m:ParentFolderIds></m:FindFolder>`,
		`<m:ConvertId DestinationFormat="EwsId"><m:SourceIds><t:AlternateId Id="a"/></m:SourceIds></m:ConvertId>`,
		`<m:GetServerTimeZones><m:Ids><t:Id>UTC</t:Id></m:Ids></m:GetServerTimeZones>`,
	} {
		f.Add(frame + operation + `</s:Body></s:Envelope>`)
	}
	f.Fuzz(func(t *testing.T, body string) {
		memory := NewMemory(Owner{Address: "jane@acme.example", Login: "jane", Password: "p"})
		if _, err := memory.Put(t.Context(), "jane@acme.example", inbox, Item{Content: []byte("To: jane@acme.example\r\n\r\nHello")}); err != nil {
			t.Fatal(err)
		}
		server, err := New(Options{Mailboxes: memory})
		if err != nil {
			t.Fatal(err)
		}
		w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/EWS/Exchange.asmx", strings.NewReader(body))
		r.Header.Set("Content-Type", "text/xml")
		r.SetBasicAuth("jane", "p")
		server.Handler().ServeHTTP(w, r)
		if w.Code != http.StatusOK && w.Code != http.StatusInternalServerError {
			t.Fatalf("status %d", w.Code)
		}
		answer, err := readXML(w.Body)
		if err != nil || answer.find(soapSpace, "Body") == nil {
			t.Errorf("the answer is no envelope: %v", err)
		}
	})
}
