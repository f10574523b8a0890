package webmail

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// What stands around every operation.
const (
	beforeVersion = `<?xml version="1.0" encoding="utf-8"?>` +
		`<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"` +
		` xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types"` +
		` xmlns:m="http://schemas.microsoft.com/exchange/services/2006/messages">` +
		`<s:Header><t:RequestServerVersion Version="`
	afterVersion = `"/></s:Header><s:Body>`
	afterBody    = `</s:Body></s:Envelope>`
)

func (e *ewsClient) before() string { return beforeVersion + e.versions[0] + afterVersion }

// escape writes a text into XML, also as the value of an attribute.
func escape(s string) string {
	var b strings.Builder
	xml.EscapeText(&b, []byte(s)) //nolint:errcheck // a Builder takes everything
	return b.String()
}

// maxDepth is how deep the elements of an answer may be nested; Exchange's go to
// about a dozen.
const maxDepth = 64

// guarded gives the tokens of XML without what an answer has no use for: a document
// type, and nesting without end.
type guarded struct {
	decoder *xml.Decoder
	depth   int
}

func (g *guarded) Token() (xml.Token, error) {
	token, err := g.decoder.RawToken()
	switch t := token.(type) {
	case xml.Directive:
		return nil, errors.New("the answer has a document type")
	case xml.ProcInst:
		if t.Target != "xml" {
			return nil, errors.New("the answer has a processing instruction")
		}
	case xml.StartElement:
		if g.depth++; g.depth > maxDepth {
			return nil, errors.New("the answer is nested too deep")
		}
	case xml.EndElement:
		g.depth--
	}
	return token, err
}

// soapAnswer is an envelope with what we read of it (SOAP 1.1 §4).
type soapAnswer struct {
	XMLName xml.Name `xml:"http://schemas.xmlsoap.org/soap/envelope/ Envelope"`
	Body    struct {
		Fault     *soapFault    `xml:"http://schemas.xmlsoap.org/soap/envelope/ Fault"`
		Responses []ewsResponse `xml:",any"`
	} `xml:"http://schemas.xmlsoap.org/soap/envelope/ Body"`
}

type soapFault struct {
	Code   string `xml:"faultcode"`
	Text   string `xml:"faultstring"`
	Detail struct {
		Code   string     `xml:"ResponseCode"`
		Text   string     `xml:"Message"`
		Values []ewsValue `xml:"MessageXml>Value"`
	} `xml:"detail"`
}

type ewsResponse struct {
	XMLName  xml.Name
	Messages struct {
		All []ewsMessage `xml:",any"`
	} `xml:"ResponseMessages"`
}

// ewsMessage is what an operation says about one of the things that it was to do.
type ewsMessage struct {
	XMLName xml.Name
	Class   string      `xml:"ResponseClass,attr"`
	Text    string      `xml:"MessageText"`
	Code    string      `xml:"ResponseCode"`
	Values  []ewsValue  `xml:"MessageXml>Value"`
	Items   []ewsItem   `xml:"Items>Message"`            // GetItem
	Found   []ewsItem   `xml:"RootFolder>Items>Message"` // FindItem
	Folders []ewsFolder `xml:"RootFolder>Folders>Folder"`
}

type ewsValue struct {
	Name string `xml:"Name,attr"`
	Text string `xml:",chardata"`
}

type ewsFolder struct {
	ID   ewsID  `xml:"FolderId"`
	Name string `xml:"DisplayName"`
}

type ewsID struct {
	ID        string `xml:"Id,attr"`
	ChangeKey string `xml:"ChangeKey,attr"`
}

type ewsItem struct {
	ID       ewsID  `xml:"ItemId"`
	Subject  string `xml:"Subject"`
	Received string `xml:"DateTimeReceived"`
	HeaderID string `xml:"InternetMessageId"`
	From     string `xml:"From>Mailbox>EmailAddress"`
}

// parseSOAP reads an answer and nothing behind it.
func parseSOAP(body []byte) (*soapAnswer, error) {
	var s soapAnswer
	inner := xml.NewDecoder(bytes.NewReader(body))
	if err := xml.NewTokenDecoder(&guarded{decoder: inner}).Decode(&s); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, fmt.Errorf("%w: %w", ErrAnswer, err)
	}
	return &s, nil
}

// ewsReply is the answer to one operation: its messages, and what is needed to make
// Errors of those that failed.
type ewsReply struct {
	client   *ewsClient
	request  *request
	answer   *answer
	messages []ewsMessage
}

// read makes out what an answer means. The HTTP status alone means nothing: Exchange
// refuses with 200 and with 500.
func (e *ewsClient) read(operation string, q *request, a *answer) (*ewsReply, error) {
	reply := &ewsReply{client: e, request: q, answer: a}
	if a.status == http.StatusUnauthorized {
		return nil, reply.refusal(words{})
	}
	s, err := parseSOAP(a.body)
	if a.err != nil {
		err = a.err
	}
	switch {
	case err != nil && a.status != http.StatusOK:
		return nil, reply.refusal(words{})
	case err != nil:
		return nil, e.link.unclear(q, err)
	case s.Body.Fault != nil:
		return nil, reply.refusal(s.Body.Fault.words())
	}
	reply.messages = s.messagesOf(operation)
	for i := range reply.messages {
		if m := &reply.messages[i]; m.Code == tooNew || a.status != http.StatusOK && !m.succeeded() {
			return nil, reply.refusal(m.words())
		}
	}
	switch {
	case a.status != http.StatusOK:
		return nil, reply.refusal(words{})
	case len(reply.messages) == 0:
		return nil, e.link.unclear(q, fmt.Errorf("%w: it is none to %s", ErrAnswer, operation))
	}
	return reply, nil
}

// messagesOf gives what an answer says about the operation; nothing if it is the
// answer to another one.
func (s *soapAnswer) messagesOf(operation string) []ewsMessage {
	if r := s.Body.Responses; len(r) == 1 && r[0].XMLName.Local == operation+"Response" {
		return r[0].Messages.All
	}
	return nil
}

func (r *ewsReply) refusal(w words) *Error {
	e := r.client
	return scrub(e.link.refusal(r.request, r.answer, w), e.password.Reveal(), e.basicToken())
}

// failed gives the first failure among the messages, apart from those with a code
// that the caller does not mind.
func (r *ewsReply) failed(unless ...string) error {
next:
	for i := range r.messages {
		m := &r.messages[i]
		if m.succeeded() {
			continue
		}
		for _, code := range unless {
			if m.Code == code {
				continue next
			}
		}
		return r.refusal(m.words())
	}
	return nil
}

func (m *ewsMessage) succeeded() bool { return m.Class == "Success" && m.Code == "NoError" }

func (m *ewsMessage) words() words {
	return words{
		code:    m.Code,
		message: strings.TrimSpace(m.Text),
		pause:   backOff(m.Values),
		refused: m.Class == "Error" && isRefusal(m.Code),
	}
}

func (f *soapFault) words() words {
	code := strings.TrimSpace(f.Detail.Code)
	if code == "" {
		_, code, _ = strings.Cut(":"+f.Code, ":")
		code = code[strings.LastIndexByte(code, ':')+1:]
	}
	text := f.Text
	if text == "" {
		text = f.Detail.Text
	}
	return words{code: strings.TrimSpace(code), message: strings.TrimSpace(text), pause: backOff(f.Detail.Values), refused: isRefusal(code)}
}

// isRefusal: the code says that nothing was carried out. The others are what a server
// says that met a fault in the middle.
func isRefusal(code string) bool {
	switch code {
	case "ErrorInternalServerError", "ErrorInternalServerTransientError", "ErrorTimeoutExpired":
		return false
	}
	return strings.HasPrefix(code, "Error")
}

// backOff is the pause that a throttled client is told (EWS throttling).
func backOff(values []ewsValue) time.Duration {
	for _, v := range values {
		if n, err := strconv.ParseInt(strings.TrimSpace(v.Text), 10, 64); err == nil && v.Name == "BackOffMilliseconds" {
			return bounded(n, time.Millisecond)
		}
	}
	return 0
}

const tooNew = "ErrorInvalidServerVersion"

// isTooNew: the server does not know the version that was asked for.
func isTooNew(err error) bool {
	var e *Error
	return errors.As(err, &e) && hasCode(e, tooNew)
}
