package direct

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
)

// oversigned are the fields that are listed once more than they are present, so
// that none can be added, and a missing one cannot be supplied, without breaking
// the signature. They decide what a person sees.
func oversigned() []string {
	return []string{
		"From", "To", "Cc", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type", "Reply-To",
	}
}

// signedIfPresent are the fields that are signed as often as they are present. RFC
// 8058 §4 demands it for the two of one-click unsubscription; the others are of RFC
// 6376 §5.4.1.
func signedIfPresent() []string {
	return []string{
		"Sender", "In-Reply-To", "References", "Content-Transfer-Encoding", "List-Unsubscribe", "List-Unsubscribe-Post",
	}
}

// maxSameField is how many fields of one name are signed. RFC 5322 §3.6 allows one
// of each; the bound keeps the h= line of the signature under 998 characters.
const maxSameField = 3

// signedFields reads a header and makes the list for h=.
func signedFields(content io.Reader) ([]string, error) {
	counts, err := countFields(content)
	if err != nil {
		return nil, fmt.Errorf("read the header for signing: %w", err)
	}
	var names []string
	for _, name := range oversigned() {
		for range min(counts[strings.ToLower(name)], maxSameField) + 1 {
			names = append(names, name)
		}
	}
	for _, name := range signedIfPresent() {
		for range min(counts[strings.ToLower(name)], maxSameField) {
			names = append(names, name)
		}
	}
	return names, nil
}

// maxFieldNames bounds what is remembered of a header with very many names.
const maxFieldNames = 10_000

// countFields counts the fields of a header by their names in lower case.
func countFields(content io.Reader) (map[string]int, error) {
	r, counts, start := bufio.NewReader(content), make(map[string]int), true
	for {
		line, err := r.ReadSlice('\n')
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			if errors.Is(err, io.EOF) {
				err = errors.New("the message ends inside its header")
			}
			return nil, err
		}
		if start && len(bytes.TrimRight(line, "\r\n")) == 0 {
			return counts, nil
		}
		if start && line[0] != ' ' && line[0] != '\t' && len(counts) < maxFieldNames {
			name, _, _ := bytes.Cut(line, []byte{':'})
			counts[string(bytes.ToLower(bytes.TrimSpace(name)))]++
		}
		start = err == nil
	}
}
