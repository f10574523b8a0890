package exchange_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/relayd/relayd/internal/simulator/exchange"
)

// Every response code that facts about EWS name comes in all its forms.
func TestFaultCodes(t *testing.T) {
	t.Parallel()
	f := start(t, exchange.Options{})
	for _, code := range []string{
		"ErrorInvalidRecipients", "ErrorMessageSizeExceeded", "ErrorMimeContentInvalid", "ErrorMimeContentInvalidBase64String",
		"ErrorSendAsDenied", "ErrorAccessDenied", "ErrorNonExistentMailbox", "ErrorQuotaExceeded",
		"ErrorServerBusy", "ErrorExceededConnectionCount", "ErrorSubmissionQuotaExceeded", "ErrorMailboxMoveInProgress",
		"ErrorMailboxStoreUnavailable", "ErrorInternalServerError", "ErrorInvalidServerVersion",
	} {
		f.server.Inject(exchange.Fault{At: exchange.AtCreateItem, Times: 1, Code: code, Text: "A <reason>."})
		a := f.call(t, create("SendOnly", "", letter))
		want := `ResponseClass="Error"><m:MessageText>A &lt;reason&gt;.</m:MessageText><m:ResponseCode>` + code +
			`</m:ResponseCode><m:DescriptiveLinkKey>0</m:DescriptiveLinkKey><m:Items/>`
		if a.status != http.StatusOK || !strings.Contains(a.body, want) {
			t.Errorf("%s: status %d\n%s", code, a.status, a.body)
		}
		f.server.Inject(exchange.Fault{At: exchange.AtCreateItem, Times: 1, Code: code, Text: "A reason.", SOAP: true, BackOff: 30 * time.Second})
		a = f.call(t, create("SendOnly", "", letter))
		if a.status != http.StatusInternalServerError || strings.Join(codes(a), " ") != code ||
			!strings.Contains(a.body, ">30000</t:Value></t:MessageXml></detail></s:Fault>") || !strings.Contains(a.body, ">t:"+code+"</faultcode>") {
			t.Errorf("%s as a fault: status %d\n%s", code, a.status, a.body)
		}
	}
	if sent := f.memory.Posted(); len(sent) != 0 {
		t.Errorf("%d messages were sent", len(sent))
	}
	if a := f.call(t, create("SendOnly", "", letter)); strings.Join(codes(a), " ") != "NoError" {
		t.Errorf("afterwards: %s", a.body)
	}
}

func TestFaultsOfHTTP(t *testing.T) {
	t.Parallel()
	f := start(t, exchange.Options{})
	f.server.Inject(exchange.Fault{At: exchange.AtCreateItem, Times: 2, Status: 503, Body: "Busy", RetryAfter: time.Minute})
	for range 2 {
		a := f.call(t, create("SendOnly", "", letter))
		if a.status != 503 || a.header.Get("Retry-After") != "60" || strings.TrimSpace(a.body) != "Busy" {
			t.Errorf("status %d, %q", a.status, a.body)
		}
	}
	f.server.Inject(exchange.Fault{At: exchange.AtCreateItem, Times: 1, Status: 401})
	if a := f.call(t, create("SendOnly", "", letter)); a.status != 401 || len(a.header["Www-Authenticate"]) != 2 {
		t.Errorf("status %d, %q", a.status, a.header)
	}
	f.server.Inject(exchange.Fault{At: exchange.AtCreateItem, Times: 1, Status: 413})
	if a := f.call(t, create("SendOnly", "", letter)); a.status != 413 {
		t.Errorf("status %d", a.status)
	}
	if sent := f.memory.Posted(); len(sent) != 0 {
		t.Errorf("%d messages were sent", len(sent))
	}
}

// What was stored stays stored, whatever the client hears of it.
func TestFaultsAfterTheWork(t *testing.T) {
	t.Parallel()
	f := start(t, exchange.Options{})
	body := envelope("", "", create("SendAndSaveCopy", distinguished("sentitems"), letter))
	for i, c := range []struct {
		fault exchange.Fault
		cut   bool
		code  string
	}{
		{exchange.Fault{Hangup: true}, true, ""},
		{exchange.Fault{Status: 503}, false, ""},
		{exchange.Fault{Code: "ErrorServerBusy"}, false, "ErrorServerBusy"},
		{exchange.Fault{Code: "ErrorServerBusy", SOAP: true}, false, "ErrorServerBusy"},
	} {
		c.fault.At, c.fault.Times, c.fault.After = exchange.AtCreateItem, 1, true
		f.server.Inject(c.fault)
		a, err := f.try(http.MethodPost, "/EWS/Exchange.asmx", body, "Authorization", basic("jane", password))
		if (err != nil) != c.cut || strings.Join(codes(a), " ") != c.code {
			t.Errorf("%+v: %v, status %d\n%s", c.fault, err, a.status, a.body)
		}
		if kept := f.inFolder(t, "jane@acme.example", "sentitems"); len(kept) != i+1 || len(f.memory.Posted()) != i+1 {
			t.Errorf("%+v: %d copies, %d sent", c.fault, len(kept), len(f.memory.Posted()))
		}
	}
	// Before the work, nothing is stored.
	f.server.Inject(exchange.Fault{At: exchange.AtCreateItem, Times: 1, Hangup: true})
	if _, err := f.try(http.MethodPost, "/EWS/Exchange.asmx", body, "Authorization", basic("jane", password)); err == nil {
		t.Error("the connection was not cut")
	}
	if sent := len(f.memory.Posted()); sent != 4 {
		t.Errorf("%d messages were sent", sent)
	}
}

func TestFaultsConcernSomebody(t *testing.T) {
	t.Parallel()
	f := start(t, exchange.Options{})
	ask := func(login string) answer {
		return f.do(t, http.MethodPost, "/EWS/Exchange.asmx", getInbox(""), "Authorization", basic(login, password))
	}
	f.server.Inject(exchange.Fault{Who: "bob@acme.example", Code: "ErrorAccessDenied"})
	f.server.Inject(exchange.Fault{At: exchange.AtFindItem, Code: "ErrorServerBusy"})
	for login, want := range map[string]string{"jane": "NoError", "bob": "ErrorAccessDenied"} {
		for range 2 {
			if got := strings.Join(codes(ask(login)), " "); got != want {
				t.Errorf("%s: %s, want %s", login, got, want)
			}
		}
	}
	f.server.ClearFaults()
	if got := strings.Join(codes(ask("bob")), " "); got != "NoError" {
		t.Errorf("afterwards: %s", got)
	}
}

func TestFaultsAtSignIn(t *testing.T) {
	t.Parallel()
	f := start(t, exchange.Options{})
	ask := func() answer {
		return f.do(t, http.MethodPost, "/EWS/Exchange.asmx", getInbox(""), "Authorization", basic("jane", password))
	}
	for name, c := range map[string]struct {
		fault  exchange.Fault
		status int
	}{
		"locked":    {exchange.Fault{Status: 401}, 401},
		"forbidden": {exchange.Fault{Status: 403, Body: "<html>No.</html>"}, 403},
		"a fault":   {exchange.Fault{Code: "ErrorAccountDisabled"}, 500},
		"slow":      {exchange.Fault{Delay: time.Millisecond}, 200},
	} {
		c.fault.At, c.fault.Times = exchange.AtSignIn, 1
		f.server.Inject(c.fault)
		if a := ask(); a.status != c.status {
			t.Errorf("%s: status %d, want %d", name, a.status, c.status)
		}
	}
	if a := ask(); a.status != 200 {
		t.Errorf("afterwards: status %d", a.status)
	}
}

// A client that goes away ends the wait, and the server's end does as well.
func TestSlowAnswerEnds(t *testing.T) {
	t.Parallel()
	f := start(t, exchange.Options{})
	f.server.Inject(exchange.Fault{Delay: time.Hour})
	f.client.Timeout = 50 * time.Millisecond
	if a, err := f.try(http.MethodPost, "/EWS/Exchange.asmx", getInbox(""), "Authorization", basic("jane", password)); err == nil {
		t.Errorf("the answer came at once: %+v", a)
	}
}
