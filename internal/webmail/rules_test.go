package webmail_test

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/relayd/relayd/internal/webmail"
	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/relay/provider"
)

// sent is what a service answers to a message, and what must come of it.
type sent struct {
	name   string
	way    relay.Way
	answer http.HandlerFunc
	want   want
	rule   string
	action relay.Action
}

const html = "<html><body>sorry</body></html>"

func exchangeAnswers() []sent {
	refused := func(code, text string) http.HandlerFunc {
		return say(200, "text/xml; charset=utf-8", refusal("CreateItem", code, text))
	}
	answered := func(code string, status int, unknown bool) want {
		return want{where: relay.AtAfterDot, code: status, text: code, unknown: unknown}
	}
	ews := func(name string, answer http.HandlerFunc, w want, rule string, action relay.Action) sent {
		return sent{name, relay.WayEWS, answer, w, rule, action}
	}
	busy := fault("ErrorServerBusy", "The server cannot service this request right now. Try again later.", "30000")
	busyWant := want{where: relay.AtAfterDot, code: 500, text: "ErrorServerBusy: The server cannot service", pause: 30 * time.Second}
	notUnderstood := want{where: relay.AtAfterDot, text: "local: protocol", unknown: true, is: webmail.ErrAnswer}
	return []sent{
		ews("fault with a pause", say(500, "text/xml", busy), busyWant, "ews.slow_down", relay.ActionSlow),
		ews("fault with 503", say(503, "text/xml", busy), want{where: relay.AtAfterDot, code: 503, text: "ErrorServerBusy", pause: 30 * time.Second}, "web.slow_down", relay.ActionSlow),
		ews("busy inside 200", refused("ErrorServerBusy", "later"), answered("ErrorServerBusy: later", 200, false), "ews.slow_down", relay.ActionSlow),
		ews("too many connections", refused("ErrorExceededConnectionCount", "x"), answered("ErrorExceededConnectionCount: x", 200, false), "ews.slow_down", relay.ActionSlow),
		ews("quota", refused("ErrorSubmissionQuotaExceeded", "limit"), answered("ErrorSubmissionQuotaExceeded: limit", 200, false), "ews.quota", relay.ActionSlow),
		ews("sender denied", refused("ErrorSendAsDenied", "You are not allowed to send as this user."), answered("ErrorSendAsDenied", 200, false), "ews.sender_denied", relay.ActionHoldSender),
		ews("no mailbox", refused("ErrorNonExistentMailbox", "no mailbox with such an address"), answered("ErrorNonExistentMailbox", 200, false), "ews.account", relay.ActionHoldAccount),
		ews("access denied", refused("ErrorAccessDenied", "x"), answered("ErrorAccessDenied", 200, false), "ews.account", relay.ActionHoldAccount),
		ews("mailbox full", refused("ErrorQuotaExceeded", "x"), answered("ErrorQuotaExceeded", 200, false), "ews.account", relay.ActionHoldAccount),
		ews("too large for Exchange", refused("ErrorMessageSizeExceeded", "the message exceeds the maximum size"), answered("ErrorMessageSizeExceeded", 200, false), "ews.message", relay.ActionFailMessage),
		ews("recipients", refused("ErrorInvalidRecipients", "x"), answered("ErrorInvalidRecipients", 200, false), "ews.message", relay.ActionFailMessage),
		ews("bad MIME", refused("ErrorMimeContentInvalidBase64String", "x"), answered("ErrorMimeContentInvalidBase64String", 200, false), "ews.message", relay.ActionFailMessage),
		ews("413", say(413, "text/html", html), answered("Request Entity Too Large", 413, false), "ews.too_big", relay.ActionFailMessage),
		ews("version", refused("ErrorInvalidServerVersion", "the specified server version is invalid"), answered("ErrorInvalidServerVersion", 200, false), "ews.version", relay.ActionRetry),
		ews("mailbox moves", refused("ErrorMailboxMoveInProgress", "mailbox move in progress"), answered("ErrorMailboxMoveInProgress", 200, false), "ews.temporary", relay.ActionRetry),
		ews("a fault in the middle", refused("ErrorInternalServerError", "x"), answered("ErrorInternalServerError", 200, true), "ews.temporary", relay.ActionRetry),
		ews("a code that is new", refused("ErrorSomethingNew", "text"), answered("ErrorSomethingNew: text", 200, false), "default.web_error", relay.ActionRetry),
		ews("a fault without a code", say(500, "text/xml", fault("Server", "oops", "")), answered("Server: oops", 500, true), "default.web_unclear", relay.ActionUnknown),
		ews("429", say(429, "text/plain", "slow down", "Retry-After", "120"), want{where: relay.AtAfterDot, code: 429, text: "Too Many Requests", pause: 2 * time.Minute}, "web.slow_down", relay.ActionSlow),
		ews("503 of the rate limiter", say(503, "text/html", html, "Retry-After", "9"), want{where: relay.AtAfterDot, code: 503, text: "Service Unavailable", pause: 9 * time.Second}, "web.slow_down", relay.ActionSlow),
		ews("503 of a gateway", say(503, "text/html", html), answered("Service Unavailable", 503, true), "web.slow_down", relay.ActionSlow),
		ews("504", say(504, "text/html", html), answered("Gateway Timeout", 504, true), "default.web_unclear", relay.ActionUnknown),
		ews("500 without a fault", say(500, "text/xml", success("CreateItem", "")), answered("Internal Server Error", 500, true), "default.web_unclear", relay.ActionUnknown),
		ews("403", say(403, "text/html", html), answered("Forbidden", 403, false), "default.web_account", relay.ActionHoldAccount),
		ews("a page", say(200, "text/html", html), notUnderstood, "outcome.unknown", relay.ActionUnknown),
		ews("the answer to something else", say(200, "text/xml", success("DeleteItem", "")), notUnderstood, "outcome.unknown", relay.ActionUnknown),
		ews("two messages", say(200, "text/xml", response("CreateItem", one("CreateItem", "")+one("CreateItem", ""))), notUnderstood, "outcome.unknown", relay.ActionUnknown),
		ews("success without a code", say(200, "text/xml", response("CreateItem", `<m:CreateItemResponseMessage ResponseClass="Success"/>`)), answered("OK", 200, true), "default.web_unclear", relay.ActionUnknown),
		ews("a warning", say(200, "text/xml", response("CreateItem", `<m:CreateItemResponseMessage ResponseClass="Warning"><m:ResponseCode>NoError</m:ResponseCode></m:CreateItemResponseMessage>`)),
			answered("NoError", 200, true), "default.web_unclear", relay.ActionUnknown),
		ews("cut off", cut, want{where: relay.AtAfterDot, text: "local: connection lost after the message was complete", unknown: true}, "outcome.unknown", relay.ActionUnknown),
	}
}

func restAnswers() []sent {
	graph := func(name string, answer http.HandlerFunc, w want, rule string, action relay.Action) sent {
		return sent{"graph " + name, relay.WayGraph, answer, w, rule, action}
	}
	gmail := func(name string, answer http.HandlerFunc, w want, rule string, action relay.Action) sent {
		return sent{"gmail " + name, relay.WayGmailAPI, answer, w, rule, action}
	}
	answered := func(text string, status int, unknown bool) want {
		return want{where: relay.AtAfterDot, code: status, text: text, unknown: unknown}
	}
	microsoft := func(status int, code, text string) http.HandlerFunc {
		return sayJSON(status, `{"error":{"code":"`+code+`","message":"`+text+`","innerError":{"date":"2026-11-21T00:00:00"}}}`)
	}
	google := func(status, reason, text string) string {
		return `{"error":{"code":` + status + `,"message":"` + text + `","errors":[{"message":"m","domain":"d","reason":"` + reason + `"}],"status":"S"}}`
	}
	return []sent{
		graph("429", sayJSON(429, `{"error":{"code":"ApplicationThrottled","message":"too many requests"}}`, "Retry-After", "30"),
			want{where: relay.AtAfterDot, code: 429, text: "ApplicationThrottled: too many requests", pause: 30 * time.Second}, "web.slow_down", relay.ActionSlow),
		graph("413", say(413, "text/plain", "The maximum request length supported is 4MB."), answered("The maximum request length supported is 4MB.", 413, false), "web.too_big.graph", relay.ActionFailMessage),
		graph("200", say(200, "text/plain", ""), answered("OK", 200, true), "web.not_202.graph", relay.ActionUnknown),
		graph("204", say(204, "text/plain", ""), answered("No Content", 204, true), "default.web_unclear", relay.ActionUnknown),
		graph("bad base64", microsoft(400, "ErrorMimeContentInvalidBase64String", "Invalid base64 string for MIME content."),
			answered("ErrorMimeContentInvalidBase64String: Invalid base64", 400, false), "web.bad_base64", relay.ActionFailMessage),
		graph("size", microsoft(400, "ErrorMessageSizeExceeded", "The message exceeds the maximum supported size."), answered("ErrorMessageSizeExceeded: ", 400, false), "web.size.graph", relay.ActionFailMessage),
		graph("sender denied", microsoft(403, "ErrorSendAsDenied", "The user account has no right"), answered("ErrorSendAsDenied: ", 403, false), "web.sender_denied", relay.ActionHoldSender),
		graph("consent", microsoft(403, "ErrorAccessDenied", "Access is denied."), want{where: relay.AtAfterDot, code: 403, text: "ErrorAccessDenied: ", is: webmail.ErrNotPermitted}, "default.web_account", relay.ActionHoldAccount),
		graph("401", microsoft(401, "InvalidAuthenticationToken", "Lifetime validation failed."), want{where: relay.AtAuth, code: 401, text: "InvalidAuthenticationToken: Lifetime"}, "auth.web_refused", relay.ActionHoldAccount),
		graph("404", microsoft(404, "ResourceNotFound", "x"), answered("ResourceNotFound: x", 404, false), "default.web_account", relay.ActionHoldAccount),
		graph("500", microsoft(500, "InternalServerError", "x"), answered("InternalServerError: x", 500, true), "default.web_unclear", relay.ActionUnknown),
		graph("a page", say(502, "text/html", html), answered("Bad Gateway", 502, true), "default.web_unclear", relay.ActionUnknown),
		graph("503 with a time", sayJSON(503, `{}`, "Retry-After", "Sat, 21 Nov 2026 12:01:00 GMT", "Date", "Sat, 21 Nov 2026 12:00:00 GMT"),
			want{where: relay.AtAfterDot, code: 503, text: "Service Unavailable", pause: time.Minute}, "web.slow_down", relay.ActionSlow),
		graph("redirect", say(307, "text/plain", "", "Location", "http://evil.example/x"),
			want{where: relay.AtConnect, text: "local: protocol HTTP 307", is: webmail.ErrRedirect}, "connect.unreachable", relay.ActionRetry),
		graph("cut off", cut, want{where: relay.AtAfterDot, text: "local: connection lost after the message was complete", unknown: true}, "outcome.unknown", relay.ActionUnknown),

		gmail("api off", sayJSON(403, google("403", "accessNotConfigured", "Gmail API has not been used in project 1 before or it is disabled.")),
			answered("accessNotConfigured: Gmail API has not been used", 403, false), "web.api_off.gmail", relay.ActionHoldApp),
		gmail("rate", sayJSON(403, google("403", "rateLimitExceeded", "Too many requests")), answered("rateLimitExceeded: Too many requests", 403, false), "web.slow_down.gmail", relay.ActionSlow),
		gmail("429", sayJSON(429, google("429", "rateLimitExceeded", "x"), "Retry-After", "999999999"),
			want{where: relay.AtAfterDot, code: 429, text: "rateLimitExceeded", pause: 24 * time.Hour}, "web.slow_down", relay.ActionSlow),
		gmail("consent", sayJSON(403, google("403", "insufficientPermissions", "Insufficient Permission")),
			want{where: relay.AtAfterDot, code: 403, text: "insufficientPermissions: ", is: webmail.ErrNotPermitted}, "default.web_account", relay.ActionHoldAccount),
		gmail("401", sayJSON(401, `{"error":{"code":401,"message":"Invalid Credentials","status":"UNAUTHENTICATED"}}`), want{where: relay.AtAuth, code: 401, text: "UNAUTHENTICATED: Invalid Credentials"}, "auth.web_refused", relay.ActionHoldAccount),
		gmail("400", sayJSON(400, google("400", "invalidArgument", "Recipient address required")), answered("invalidArgument: Recipient", 400, false), "default.web_message", relay.ActionFailMessage),
		gmail("500", sayJSON(500, google("500", "backendError", "x")), answered("backendError: x", 500, true), "default.web_unclear", relay.ActionUnknown),
		gmail("202", sayJSON(202, `{"id":"1"}`), answered("Accepted", 202, true), "default.web_unclear", relay.ActionUnknown),
		gmail("200 without an id", sayJSON(200, `{"labelIds":[]}`), want{where: relay.AtAfterDot, text: "local: protocol", unknown: true, is: webmail.ErrAnswer}, "outcome.unknown", relay.ActionUnknown),
		gmail("200 that is no JSON", say(200, "text/html", html), want{where: relay.AtAfterDot, text: "local: protocol", unknown: true, is: webmail.ErrAnswer}, "outcome.unknown", relay.ActionUnknown),
		gmail("cut off", cut, want{where: relay.AtAfterDot, text: "local: connection lost after the message was complete", unknown: true}, "outcome.unknown", relay.ActionUnknown),
	}
}

// Every answer to a message is told as the reply rules expect it: the real rules
// decide what it means.
func TestAnswersToAMessage(t *testing.T) {
	t.Parallel()
	rules, err := provider.New()
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range append(exchangeAnswers(), restAnswers()...) {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			client := clientOf(t, test.way, test.answer)
			_, err := client.Send(t.Context(), content(message))
			e := test.want.check(t, err)
			if e.Way != test.way {
				t.Errorf("way %q", e.Way)
			}
			if c := rules.Classify(e.Answer()); c.Rule != test.rule || c.Action != test.action {
				t.Errorf("rule %s, action %s; want %s, %s\n%v", c.Rule, c.Action, test.rule, test.action, err)
			}
		})
	}
}

// clientOf makes a client whose service gives that answer to a message.
func clientOf(t testing.TB, way relay.Way, answer http.HandlerFunc) webmail.Client {
	t.Helper()
	if way == relay.WayEWS {
		x := serveExchange(t)
		x.replies["CreateItem"] = answer
		return x.open(x.credentials(), way)
	}
	return serve(t, answer).open(bearer(way), way)
}

// What is too large is refused here in the form in which the services refuse it.
func TestTooLarge(t *testing.T) {
	t.Parallel()
	rules, err := provider.New()
	if err != nil {
		t.Fatal(err)
	}
	for way, rule := range map[relay.Way]string{relay.WayEWS: "ews.too_big", relay.WayGraph: "web.too_big.graph", relay.WayGmailAPI: "default.web_message"} {
		client := clientOf(t, way, func(http.ResponseWriter, *http.Request) { t.Error("something was sent") })
		_, err := client.Send(t.Context(), webmail.Content{Size: webmail.MaxSize(way) + 1})
		want{where: relay.AtAfterDot, code: 413, text: "takes at most", is: webmail.ErrTooLarge}.check(t, err)
		var e *webmail.Error
		if errors.As(err, &e); rules.Classify(e.Answer()).Rule != rule {
			t.Errorf("%s: rule %s, want %s", way, rules.Classify(e.Answer()).Rule, rule)
		}
	}
	if webmail.MaxSize(relay.WaySMTP) != 0 {
		t.Error("SMTP has a size here")
	}
}
