package graphsim

import (
	"bytes"
	"net/mail"
	"strings"

	"github.com/relayd/relayd/internal/simulator/web"
)

// parseFilter reads the two forms of $filter that find a message again:
//
//	internetMessageId eq '<id@host>'
//	contains(subject,'text')
//
// Nothing at all matches everything.
func parseFilter(filter string) (match func(web.Message) bool, ok bool) {
	filter = strings.TrimSpace(filter)
	if filter == "" {
		return func(web.Message) bool { return true }, true
	}
	if rest, is := strings.CutPrefix(filter, "internetMessageId eq "); is {
		id, ok := unquote(rest)
		return func(m web.Message) bool { return headerOf(m, "Message-Id") == id }, ok
	}
	rest, is := strings.CutPrefix(filter, "contains(")
	inside, closed := strings.CutSuffix(rest, ")")
	name, value, split := strings.Cut(inside, ",")
	text, quoted := unquote(value)
	ok = is && closed && split && quoted && strings.TrimSpace(name) == "subject"
	return func(m web.Message) bool {
		return strings.Contains(strings.ToLower(headerOf(m, "Subject")), strings.ToLower(text))
	}, ok
}

// unquote reads a string of OData, in which a quote is doubled.
func unquote(s string) (string, bool) {
	s = strings.TrimSpace(s)
	if len(s) < 2 || s[0] != '\'' || s[len(s)-1] != '\'' {
		return "", false
	}
	s = s[1 : len(s)-1]
	bare := strings.ReplaceAll(s, "''", "")
	return strings.ReplaceAll(s, "''", "'"), !strings.Contains(bare, "'")
}

func headerOf(m web.Message, name string) string {
	parsed, err := mail.ReadMessage(bytes.NewReader(m.Content))
	if err != nil {
		return ""
	}
	return parsed.Header.Get(name)
}
