package webmail

// ParseSOAP is for the fuzz test: it tells whether an answer counts as success.
func ParseSOAP(body []byte) (succeeded bool, err error) {
	s, err := parseSOAP(body)
	if err != nil {
		return false, err
	}
	messages := s.messagesOf("CreateItem")
	return s.Body.Fault == nil && len(messages) == 1 && messages[0].succeeded(), nil
}
