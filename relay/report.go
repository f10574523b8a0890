package relay

// ReportKind says what a report to the return path is about (RFC 3464).
type ReportKind uint8

// The kinds of report.
const (
	ReportFailure ReportKind = iota // recipients whose outcome is Failed
	ReportDelay                     // recipients that still wait after some hours
	ReportSuccess                   // recipients that asked for NOTIFY=SUCCESS and were relayed
)

// String is the kind as it stands in logs and in the labels of report ids.
func (k ReportKind) String() string {
	switch k {
	case ReportDelay:
		return "delay"
	case ReportSuccess:
		return "success"
	}
	return "failure"
}
