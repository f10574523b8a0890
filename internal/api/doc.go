// Package api holds the words of the JSON API: the bodies of its requests and
// responses as plain structs. The server (relay/admin) and the client
// (internal/apiclient) share them, so the two cannot drift apart.
//
// The rules of the API:
//
//  1. everything lies under [Prefix]; names are snake_case; times are RFC 3339;
//  2. a list is a [List]: go on with Next as the cursor until it is empty;
//  3. a record carries its revision, which is also its ETag; a change sends it
//     back in If-Match, and a stale one is answered 412 (RFC 9110 §13.1.1);
//  4. an error is a [Problem] (RFC 9457), which names the field;
//  5. a secret can be written but never read; what relayd generates is shown in
//     the one answer that made it.
//
// The struct tags beside json describe the field for the OpenAPI document.
package api

// Prefix is the path under which version 1 of the API lies.
const Prefix = "/api/v1"

// DocumentPath is where the OpenAPI 3.1 document is served.
const DocumentPath = "/api/openapi.json"

// List is one page of records.
type List[T any] struct {
	Items []T    `json:"items" nullable:"false" doc:"The records of this page"`
	Next  string `json:"next,omitempty" doc:"The cursor of the next page; absent on the last one"`
}

// Problem is an error answer (RFC 9457).
type Problem struct {
	Type     string        `json:"type,omitempty"`
	Title    string        `json:"title,omitempty"`
	Status   int           `json:"status,omitempty"`
	Detail   string        `json:"detail,omitempty"`
	Instance string        `json:"instance,omitempty"`
	Errors   []ProblemItem `json:"errors,omitempty"`
}

// ProblemItem names one thing that is wrong.
type ProblemItem struct {
	Message  string `json:"message,omitempty"`
	Location string `json:"location,omitempty"` // such as "body.smtp.port"
}
