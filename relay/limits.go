package relay

// Limits is what a provider lets one account do. 0 means that no limit is known.
// They slow mail down and never refuse it: providers change them on any day, and what
// a provider answers counts more.
type Limits struct {
	Connections           int // at one time
	MessagesPerConnection int

	MessagesPerMinute int
	MessagesPerHour   int
	MessagesPerDay    int // in rolling 24 hours

	RecipientsPerMessage int
	RecipientsPerMinute  int
	RecipientsPerHour    int
	RecipientsPerDay     int

	MessageSize int64 // octets
}

// Over gives the limits with those of base where l has none.
func (l Limits) Over(base Limits) Limits {
	for _, n := range []struct{ value, base *int }{
		{&l.Connections, &base.Connections}, {&l.MessagesPerConnection, &base.MessagesPerConnection},
		{&l.MessagesPerMinute, &base.MessagesPerMinute}, {&l.MessagesPerHour, &base.MessagesPerHour},
		{&l.MessagesPerDay, &base.MessagesPerDay}, {&l.RecipientsPerMessage, &base.RecipientsPerMessage},
		{&l.RecipientsPerMinute, &base.RecipientsPerMinute}, {&l.RecipientsPerHour, &base.RecipientsPerHour},
		{&l.RecipientsPerDay, &base.RecipientsPerDay},
	} {
		if *n.value == 0 {
			*n.value = *n.base
		}
	}
	if l.MessageSize == 0 {
		l.MessageSize = base.MessageSize
	}
	return l
}
