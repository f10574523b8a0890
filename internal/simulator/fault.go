package simulator

import (
	"strconv"
	"strings"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-smtp"

	"github.com/relayd/relayd/internal/simulator/fault"
)

// Fault makes something go wrong.
type Fault = fault.Fault

// Place is where a Fault strikes.
type Place = fault.Place

// The places; package fault tells what each is.
const (
	AtAuth         = fault.AtAuth
	AtMail         = fault.AtMail
	AtRcpt         = fault.AtRcpt
	AtData         = fault.AtData
	AfterData      = fault.AfterData
	AtLogin        = fault.AtLogin
	AtList         = fault.AtList
	AtSearch       = fault.AtSearch
	AtAppend       = fault.AtAppend
	AfterAppend    = fault.AfterAppend
	AtSMTPDial     = fault.AtSMTPDial
	AtIMAPDial     = fault.AtIMAPDial
	AtMXDelivery   = fault.AtMXDelivery
	AtAuthorize    = fault.AtAuthorize
	AtToken        = fault.AtToken
	AtDevice       = fault.AtDevice
	AtRevoke       = fault.AtRevoke
	AtGraphSend    = fault.AtGraphSend
	AfterGraphSend = fault.AfterGraphSend
	AtGraphRead    = fault.AtGraphRead
	AtGmailSend    = fault.AtGmailSend
	AfterGmailSend = fault.AfterGmailSend
	AtGmailRead    = fault.AtGmailRead
	AtEWSSignIn    = fault.AtEWSSignIn
	AtEWSSend      = fault.AtEWSSend
	AfterEWSSend   = fault.AfterEWSSend
	AtEWSRead      = fault.AtEWSRead
	AtAutodiscover = fault.AtAutodiscover
)

// smtpReply is a reply such as "550 5.1.1 No such user" as go-smtp wants it.
func smtpReply(reply string) *smtp.SMTPError {
	code, rest, _ := strings.Cut(reply, " ")
	number, err := strconv.Atoi(code)
	if err != nil {
		return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "Simulated fault"}
	}
	e := &smtp.SMTPError{Code: number, EnhancedCode: smtp.NoEnhancedCode, Message: rest}
	word, text, _ := strings.Cut(rest, " ")
	var parts smtp.EnhancedCode
	digits := strings.Split(word, ".")
	if len(digits) != len(parts) {
		return e
	}
	for i := range parts {
		if parts[i], err = strconv.Atoi(digits[i]); err != nil {
			return e
		}
	}
	e.EnhancedCode, e.Message = parts, text
	return e
}

// imapReply is a reply such as "NO [OVERQUOTA] Full" as go-imap wants it.
func imapReply(reply string) *imap.Error {
	status, rest, _ := strings.Cut(reply, " ")
	if status != "NO" && status != "BAD" {
		return &imap.Error{Type: imap.StatusResponseTypeNo, Text: "Simulated fault"}
	}
	e := &imap.Error{Type: imap.StatusResponseType(status), Text: rest}
	if code, text, found := strings.Cut(strings.TrimPrefix(rest, "["), "]"); found && strings.HasPrefix(rest, "[") {
		e.Code, e.Text = imap.ResponseCode(code), strings.TrimSpace(text)
	}
	return e
}
