package mailaddr

// maxComments is how deep comments may be nested: nobody writes even two.
const maxComments = 8

// DotLength is how long the run of atoms and dots at the start of s is
// (RFC 5322 §3.2.3); 0 if there is none.
func DotLength(s string) int {
	n := 0
	for n < len(s) && (s[n] == '.' || IsAtext(s[n])) {
		n++
	}
	return n
}

// QuotedLength is how long the quoted string is that s begins with (RFC 5322 §3.2.4);
// 0 if it has no end.
func QuotedLength(s string) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return 0
}

// CommentLength is how long the comment at the start of s is (RFC 5322 §3.2.2); 0 if it
// has no end or is nested more than 8 deep.
func CommentLength(s string) int {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '(':
			if depth++; depth > maxComments {
				return 0
			}
		case ')':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return 0
}
