package notice

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"strings"
	"time"

	"github.com/relayd/relayd/relay"
)

// What holds for codes.
const (
	CodeLifetime = 30 * time.Minute
	MaxCodeTries = 5 // wrong ones, of one code
	codeLength   = 8 // more than 37 bits
	codeGroup    = 4 // characters between two hyphens, for the eye

	// codeAlphabet has no two characters that look alike: none of 0 O, 1 I L, 2 Z, 5 S,
	// 8 B.
	codeAlphabet = "ACDEFGHJKMNPQRTUVWXY34679"
)

// MakeCode makes a code for an account, and the token of the link that it belongs
// to. The code goes to the mailbox, the token stays with who asked: both together
// show that one person has both. Only a keyed hash of the code is kept.
func (l *Links) MakeCode(ctx context.Context, account, organisation string) (token string, code relay.Secret, link *relay.Link, err error) {
	now := time.Now()
	link = &relay.Link{
		ID: relay.NewID(now).String(), Purpose: relay.LinkCode, Organisation: organisation, Account: account,
	}
	text := newCode()
	link.Code = l.hash(link.ID, text)
	token, link, err = l.keep(ctx, link, now, CodeLifetime)
	if err != nil {
		return "", "", nil, err
	}
	return token, relay.Secret(text), link, nil
}

// UseCode consumes a link with its code. A wrong code is ErrWrongCode and counts,
// durably; after MaxCodeTries of them the link is dead (ErrTooManyTries), whatever is
// typed. Case, spaces and hyphens of what was typed do not matter.
func (l *Links) UseCode(ctx context.Context, token, typed string) (*relay.Link, error) {
	return l.change(ctx, token, func(link *relay.Link, now time.Time) error {
		switch {
		case link.Purpose != relay.LinkCode:
			return fmt.Errorf("link %s has no code: %w", link.ID, ErrNeedsCode)
		case link.Tries >= MaxCodeTries:
			return fmt.Errorf("link %s: %w", link.ID, ErrTooManyTries)
		case !hmac.Equal(link.Code, l.hash(link.ID, plainCode(typed))):
			link.Tries++
			return fmt.Errorf("link %s, try %d: %w", link.ID, link.Tries, ErrWrongCode)
		}
		link.Used = now.UTC()
		return nil
	})
}

// hash binds a code to its link.
func (l *Links) hash(id, code string) []byte {
	h := hmac.New(sha256.New, l.codes)
	h.Write([]byte(id + "\x00" + code))
	return h.Sum(nil)
}

func newCode() string {
	const fair = 256 / len(codeAlphabet) * len(codeAlphabet) // above it some would come more often
	code := make([]byte, 0, codeLength)
	for len(code) < codeLength {
		var b [2 * codeLength]byte
		rand.Read(b[:]) //nolint:errcheck // never fails since Go 1.24
		for _, v := range b {
			if int(v) < fair && len(code) < codeLength {
				code = append(code, codeAlphabet[int(v)%len(codeAlphabet)])
			}
		}
	}
	return string(code)
}

// plainCode brings what a person typed to the form of newCode. What is far too long
// is no code.
func plainCode(typed string) string {
	if len(typed) > 8*codeLength {
		return ""
	}
	return strings.ToUpper(strings.NewReplacer(" ", "", "-", "", "\t", "", "\r", "", "\n", "").Replace(typed))
}

// readable writes a code with hyphens.
func readable(code relay.Secret) string {
	text := code.Reveal()
	if len(text) != codeLength {
		return text
	}
	return text[:codeGroup] + "-" + text[codeGroup:]
}
