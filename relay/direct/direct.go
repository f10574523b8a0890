// Package direct delivers a message straight to the mail exchangers of its
// recipients, signed with DKIM.
package direct
