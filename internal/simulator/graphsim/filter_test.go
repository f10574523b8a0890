package graphsim

import (
	"testing"

	"github.com/relayd/relayd/internal/simulator/web"
)

func FuzzParseFilter(f *testing.F) {
	for _, seed := range []string{"", "internetMessageId eq '<1@a.example>'", "contains(subject,'it''s')", "contains(subject,'x') and isRead", "internetMessageId eq '''"} {
		f.Add(seed)
	}
	m := web.Message{Content: []byte("Subject: x\r\nMessage-ID: <1@a.example>\r\n\r\n")}
	f.Fuzz(func(_ *testing.T, filter string) {
		match, _ := parseFilter(filter)
		match(m)
	})
}
