package discover

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"strings"

	"github.com/relayd/relayd/relay"
)

// pacc asks for the document of draft-ietf-mailmaint-pacc, whose digest stands in the
// DNS. Without the digest the document is not even fetched.
func (s *search) pacc() inquiry {
	domain := s.address.Domain
	return inquiry{SourcePACC, "The settings document at ua-auto-config." + domain, func(ctx context.Context) ([]Suggestion, string, error) {
		texts, err := s.opts.Resolver.LookupTXT(ctx, "_ua-auto-config."+domain)
		if err != nil {
			return nil, "", absence(err)
		}
		digests := paccDigests(texts.Records)
		if len(digests) == 0 {
			return nil, "", errNothing
		}
		answer, err := s.document(ctx, request{url: "https://ua-auto-config." + domain + "/.well-known/user-agent-configuration.json"})
		if err != nil {
			return nil, "", err
		}
		if !vouched(answer.body, digests) {
			return nil, "", errDigest
		}
		o, err := parsePACC(answer.body)
		if err != nil {
			return nil, "", err
		}
		o.from = answer.from
		return s.suggest(o, SourcePACC)
	}}
}

// paccDigests reads "v=UAAC1; a=sha256; d=…" out of TXT records.
func paccDigests(records []string) [][]byte {
	var out [][]byte
	for _, record := range records {
		tags := map[string]string{}
		for tag := range strings.SplitSeq(record, ";") {
			name, value, _ := strings.Cut(tag, "=")
			tags[strings.ToLower(strings.TrimSpace(name))] = strings.TrimSpace(value)
		}
		if !strings.EqualFold(tags["v"], "UAAC1") || !strings.EqualFold(tags["a"], "sha256") {
			continue
		}
		digest, err := base64.StdEncoding.DecodeString(tags["d"])
		if err == nil && len(digest) == sha256.Size {
			out = append(out, digest)
		}
	}
	return out
}

func vouched(body []byte, digests [][]byte) bool {
	sum := sha256.Sum256(body)
	for _, d := range digests {
		if subtle.ConstantTimeCompare(sum[:], d) == 1 {
			return true
		}
	}
	return false
}

// paccDocument is the part of the document that matters here. The service for sending
// was called smtp up to -02 of the draft and is called submit since.
type paccDocument struct {
	Protocols struct {
		IMAP   paccServer `json:"imap"`
		SMTP   paccServer `json:"smtp"`
		Submit paccServer `json:"submit"`
	} `json:"protocols"`
	Authentication struct {
		Password json.RawMessage `json:"password"`
		OAuth    json.RawMessage `json:"oauth-public"`
	} `json:"authentication"`
}

type paccServer struct {
	Host string `json:"host"`
}

// parsePACC reads a document. It knows hosts alone: the ports are those of implicit TLS.
func parsePACC(data []byte) (offer, error) {
	var d paccDocument
	if err := parseJSON(data, &d); err != nil {
		return offer{}, err
	}
	var o offer
	if e, ok := endpointOf(firstOf(d.Protocols.Submit.Host, d.Protocols.SMTP.Host), "465", "SSL"); ok {
		o.smtp = []endpoint{e}
	}
	if e, ok := endpointOf(d.Protocols.IMAP.Host, "993", "SSL"); ok {
		o.imap = []endpoint{e}
	}
	// Only a plain "no" closes the door to passwords: the draft's own words for "yes"
	// have changed.
	if string(d.Authentication.Password) != "false" {
		o.signIns = append(o.signIns, relay.SignInPassword)
	}
	if len(d.Authentication.OAuth) > 0 && string(d.Authentication.OAuth) != "null" {
		o.signIns = append(o.signIns, relay.SignInConsent)
	}
	return o, nil
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// parseJSON reads one document into v, after its depth and richness were looked at.
func parseJSON(data []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	depth, tokens := 0, 0
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return errMalformed
		}
		if tokens++; tokens > maxNodes {
			return errTooBig
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			if depth++; depth > maxDepth {
				return errTooBig
			}
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
	}
	if err := json.Unmarshal(data, v); err != nil { // also refuses two documents in a row
		return errMalformed
	}
	return nil
}
