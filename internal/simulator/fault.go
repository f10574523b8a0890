package simulator

import (
	"strconv"
	"strings"
	"sync"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-smtp"
)

// faults is what is to go wrong, in the order in which it was injected.
type faults struct {
	mu   sync.Mutex
	list []Fault
}

func (f *faults) inject(fault Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list = append(f.list, fault)
}

func (f *faults) clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list = nil
}

// strike gives the first fault for the place and one of the names, and counts it.
func (f *faults) strike(at Place, names ...string) (Fault, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, fault := range f.list {
		if fault.At != at || !concerns(fault, names) {
			continue
		}
		switch fault.Times {
		case 0:
		case 1:
			f.list = append(f.list[:i:i], f.list[i+1:]...)
		default:
			f.list[i].Times--
		}
		return fault, true
	}
	return Fault{}, false
}

func concerns(fault Fault, names []string) bool {
	if fault.Who == "" {
		return true
	}
	for _, name := range names {
		if strings.EqualFold(name, fault.Who) {
			return true
		}
	}
	return false
}

// smtpError is the reply of a fault as go-smtp wants it.
func (f Fault) smtpError() *smtp.SMTPError {
	code, rest, _ := strings.Cut(f.Reply, " ")
	number, err := strconv.Atoi(code)
	if err != nil {
		return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "Simulated fault"}
	}
	e := &smtp.SMTPError{Code: number, EnhancedCode: smtp.NoEnhancedCode, Message: rest}
	word, text, _ := strings.Cut(rest, " ")
	var parts smtp.EnhancedCode
	for i, digits := range strings.SplitN(word, ".", 3) {
		if parts[i], err = strconv.Atoi(digits); err != nil {
			return e
		}
	}
	e.EnhancedCode, e.Message = parts, text
	return e
}

// imapError is the reply of a fault as go-imap wants it.
func (f Fault) imapError() *imap.Error {
	status, rest, _ := strings.Cut(f.Reply, " ")
	if status != "NO" && status != "BAD" {
		return &imap.Error{Type: imap.StatusResponseTypeNo, Text: "Simulated fault"}
	}
	e := &imap.Error{Type: imap.StatusResponseType(status), Text: rest}
	if code, text, found := strings.Cut(strings.TrimPrefix(rest, "["), "]"); found && strings.HasPrefix(rest, "[") {
		e.Code, e.Text = imap.ResponseCode(code), strings.TrimSpace(text)
	}
	return e
}
