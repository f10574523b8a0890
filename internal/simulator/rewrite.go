package simulator

import (
	"bytes"
	"strings"
)

// rewrite replaces header fields as some providers do.
func (p *Personality) rewrite(content []byte) []byte {
	content = replaceField(content, "From", p.ReplaceFrom)
	return replaceField(content, "Message-ID", p.ReplaceID)
}

// replaceField gives the first field of this name another value; an empty value
// leaves it as it is.
func replaceField(content []byte, name, value string) []byte {
	if value == "" {
		return content
	}
	var out bytes.Buffer
	done, inside := false, false
	for line := range bytes.Lines(content) {
		folded := len(line) > 0 && (line[0] == ' ' || line[0] == '\t')
		if inside && folded {
			continue // the rest of the field that was replaced
		}
		inside = false
		if len(bytes.TrimRight(line, "\r\n")) == 0 {
			done = true // the end of the header
		}
		field, _, found := bytes.Cut(line, []byte(":"))
		if !done && found && strings.EqualFold(string(field), name) {
			out.WriteString(name + ": " + value + "\r\n")
			done, inside = true, true
			continue
		}
		out.Write(line)
	}
	return out.Bytes()
}
