package simulator

import (
	"bytes"
	"net/mail"
	"slices"
	"strings"
)

// rewrite replaces header fields as some providers do.
func (p *Personality) rewrite(content []byte) []byte {
	content = replaceField(content, "From", p.ReplaceFrom)
	return replaceField(content, "Message-ID", p.ReplaceID)
}

// rewriteFrom puts the account's address into From where another one stands there,
// and keeps the old value. Upper and lower case alone make another one, as at Gmail.
func rewriteFrom(content []byte, own string, aliases []string) []byte {
	old := field(content, "From")
	address := fromAddress(content)
	if old == "" || address == own || slices.Contains(aliases, address) {
		return content
	}
	account := mail.Address{Address: own}
	if parsed, err := mail.ParseAddress(old); err == nil {
		account.Name = parsed.Name
	}
	return append([]byte("X-Google-Original-From: "+old+"\r\n"), replaceField(content, "From", account.String())...)
}

// field gives the value of the first field of this name, unfolded.
func field(content []byte, name string) string {
	m, err := mail.ReadMessage(bytes.NewReader(content))
	if err != nil {
		return ""
	}
	return m.Header.Get(name)
}

// fromAddress is the address of the From field, or empty.
func fromAddress(content []byte) string {
	parsed, err := mail.ParseAddressList(field(content, "From"))
	if err != nil || len(parsed) == 0 {
		return ""
	}
	return parsed[0].Address
}

// headerRecipients are the addresses of To, Cc and Bcc, each once.
func headerRecipients(content []byte) []string {
	m, err := mail.ReadMessage(bytes.NewReader(content))
	if err != nil {
		return nil
	}
	var out []string
	for _, name := range []string{"To", "Cc", "Bcc"} {
		for _, value := range m.Header[name] {
			list, err := mail.ParseAddressList(value)
			if err != nil {
				continue // an empty group, or nonsense: nobody to send to
			}
			for _, a := range list {
				if !containsAddress(out, a.Address) {
					out = append(out, a.Address)
				}
			}
		}
	}
	return out
}

// replaceField gives the first field of this name another value; an empty value
// leaves it as it is.
func replaceField(content []byte, name, value string) []byte {
	if value == "" {
		return content
	}
	return editField(content, name, name+": "+value+"\r\n")
}

// dropField takes the first field of this name out.
func dropField(content []byte, name string) []byte { return editField(content, name, "") }

// editField puts a line in the place of the first field of this name.
func editField(content []byte, name, line string) []byte {
	var out bytes.Buffer
	done, inside := false, false
	for old := range bytes.Lines(content) {
		folded := len(old) > 0 && (old[0] == ' ' || old[0] == '\t')
		if inside && folded {
			continue // the rest of the field that was replaced
		}
		inside = false
		if len(bytes.TrimRight(old, "\r\n")) == 0 {
			done = true // the end of the header
		}
		found, _, isField := bytes.Cut(old, []byte(":"))
		if !done && isField && strings.EqualFold(string(found), name) {
			out.WriteString(line)
			done, inside = true, true
			continue
		}
		out.Write(old)
	}
	return out.Bytes()
}
