package direct

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/emersion/go-msgauth/dkim"

	"github.com/relayd/relayd/relay"
)

// DefaultSignatureLife is how long a signature is valid: a copy that somebody
// replays later no longer speaks for the domain (draft-chuang-dkim-replay-problem).
// It must outlast the time that a message waits at the next server.
const DefaultSignatureLife = 7 * 24 * time.Hour

// maxSignatures is how many signatures one message gets: two algorithms, each with
// a second key while keys are changed.
const maxSignatures = 4

// SigningKey is one DKIM key, ready for use.
type SigningKey struct {
	ID        string
	Revision  uint64 // ID and Revision together name the same key material for ever
	Domain    string // d=
	Selector  string // s=
	Algorithm string // AlgorithmRSA or AlgorithmEd25519
	Created   time.Time
	Private   relay.Secret // PKCS #8, DER
}

// Keys finds the DKIM keys of a domain.
type Keys interface {
	// Keys gives all keys whose d= is domain: none, and a nil error, if there are
	// none. After an error nothing is sent, because a signature may be due.
	Keys(ctx context.Context, domain string) ([]SigningKey, error)
}

// signer makes the DKIM signatures of messages (RFC 6376).
type signer struct {
	keys   Keys
	domain string        // relayd's own, for messages of domains without a key
	life   time.Duration // of a signature
	cache  *keyCache
	made   *signatures
}

// sign makes the signature fields of a message, to be put before its header. It
// makes none if neither the domain of From nor relayd's own has a key. An error
// means that the message must not leave now.
func (s *signer) sign(ctx context.Context, m *relay.Message, body relay.Body) ([]byte, error) {
	keys, err := s.keysFor(ctx, m.From.Domain)
	if err != nil || len(keys) == 0 {
		return nil, err
	}
	return s.made.of(m.ID, keys, func() ([]byte, error) { return s.signWith(keys, body) })
}

func (s *signer) signWith(keys []parsedKey, body relay.Body) ([]byte, error) {
	names, err := signedFields(body.Reader())
	if err != nil {
		return nil, err
	}
	signers, err := s.start(keys, names)
	if err != nil {
		return nil, err
	}
	fields, err := run(signers, body.Reader())
	if err != nil {
		return nil, fmt.Errorf("sign with the DKIM keys of %s: %w", keys[0].Domain, err)
	}
	if err := verify(fields, body, keys); err != nil {
		return nil, fmt.Errorf("check the own signature of %s: %w", keys[0].Domain, err)
	}
	return fields, nil
}

// keysFor chooses the signing domain: aligned with From where that is possible
// (RFC 7489 §3.1.1), else our own, which at least names who is responsible.
func (s *signer) keysFor(ctx context.Context, from string) ([]parsedKey, error) {
	if s.keys == nil {
		return nil, nil
	}
	for _, domain := range slices.Compact([]string{from, s.domain}) {
		if domain == "" {
			continue
		}
		keys, err := s.keys.Keys(ctx, domain)
		if err != nil {
			return nil, fmt.Errorf("find the DKIM keys of %s: %w", domain, err)
		}
		if len(keys) > 0 {
			return s.parse(keys)
		}
	}
	return nil, nil
}

// parse makes keys usable, the newest first. While keys are changed, the old and
// the new one both sign, so that it does not matter which of them is in the DNS yet.
func (s *signer) parse(keys []SigningKey) ([]parsedKey, error) {
	keys = slices.Clone(keys)
	slices.SortStableFunc(keys, func(a, b SigningKey) int { return b.Created.Compare(a.Created) })
	var parsed []parsedKey
	for _, k := range keys[:min(len(keys), maxSignatures)] {
		p, err := s.cache.get(k)
		if err != nil {
			return nil, fmt.Errorf("read DKIM key %s of %s: %w", k.Selector, k.Domain, err)
		}
		parsed = append(parsed, p)
	}
	return parsed, nil
}

// start makes one streaming signer for each key.
func (s *signer) start(keys []parsedKey, names []string) ([]*dkim.Signer, error) {
	var signers []*dkim.Signer
	for _, k := range keys {
		one, err := dkim.NewSigner(&dkim.SignOptions{
			Domain:                 k.Domain,
			Selector:               k.Selector,
			Signer:                 k.private,
			HeaderCanonicalization: dkim.CanonicalizationRelaxed,
			BodyCanonicalization:   dkim.CanonicalizationRelaxed,
			HeaderKeys:             names,
			Expiration:             time.Now().Add(s.life),
		})
		if err != nil {
			err = errors.Join(err, closeAll(signers))
			return nil, fmt.Errorf("start signing with %s: %w", k.Selector, err)
		}
		signers = append(signers, one)
	}
	return signers, nil
}

// run gives the content to all signers in one pass and collects their fields.
func run(signers []*dkim.Signer, content io.Reader) ([]byte, error) {
	writers := make([]io.Writer, len(signers))
	for i, s := range signers {
		writers[i] = s
	}
	_, err := io.Copy(io.MultiWriter(writers...), content)
	if err := errors.Join(err, closeAll(signers)); err != nil {
		return nil, err
	}
	var fields bytes.Buffer
	for _, s := range signers {
		fields.WriteString(s.Signature())
	}
	return fields.Bytes(), nil
}

// closeAll ends every signer, so that none keeps its goroutine.
func closeAll(signers []*dkim.Signer) error {
	var errs []error
	for _, s := range signers {
		errs = append(errs, s.Close())
	}
	return errors.Join(errs...)
}

// verify reads the message as a receiver will, with the public keys that the DNS
// should show: a broken signature is worse than a late message.
func verify(fields []byte, body relay.Body, keys []parsedKey) error {
	results, err := dkim.VerifyWithOptions(signedBody{fields, body}.Reader(), &dkim.VerifyOptions{
		MaxVerifications: len(keys), // ours stand first; what the client's own are worth is not our matter
		LookupTXT: func(name string) ([]string, error) {
			for _, k := range keys {
				if name == recordName(k.Domain, k.Selector) {
					return []string{k.public}, nil
				}
			}
			return nil, fmt.Errorf("%s is none of the keys in use", name)
		},
	})
	if err != nil && !errors.Is(err, dkim.ErrTooManySignatures) {
		return err
	}
	if len(results) != len(keys) {
		return fmt.Errorf("%d signatures were found instead of %d", len(results), len(keys))
	}
	for _, r := range results {
		if r.Err != nil {
			return r.Err
		}
	}
	return nil
}

// signedBody is a message with its signatures before the header.
type signedBody struct {
	fields []byte
	body   relay.Body
}

func (b signedBody) Size() int64 { return int64(len(b.fields)) + b.body.Size() }

func (b signedBody) Reader() io.Reader {
	return io.MultiReader(strings.NewReader(string(b.fields)), b.body.Reader())
}
