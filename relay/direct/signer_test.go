package direct

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-msgauth/dkim"

	"github.com/relayd/relayd/relay"
)

// text is content in memory.
type text string

func (b text) Size() int64       { return int64(len(b)) }
func (b text) Reader() io.Reader { return strings.NewReader(string(b)) }

// keyring is a table of keys.
type keyring map[string][]SigningKey

func (k keyring) Keys(_ context.Context, domain string) ([]SigningKey, error) {
	if domain == "fault.example" {
		return nil, errors.New("the directory cannot be read")
	}
	return k[domain], nil
}

func newKey(t testing.TB, domain, selector, algorithm string) SigningKey {
	t.Helper()
	pkcs8, err := GenerateKey(algorithm)
	if err != nil {
		t.Fatal(err)
	}
	return SigningKey{
		ID: selector + "." + domain, Revision: 1, Domain: domain, Selector: selector,
		Algorithm: algorithm, Created: time.Now(), Private: relay.Secret(pkcs8),
	}
}

func newSigner(keys Keys) *signer {
	return &signer{keys: keys, domain: "relay.example", life: DefaultSignatureLife, cache: newKeyCache(), made: newSignatures()}
}

// lookup serves the records of the keys as a DNS would.
func (k keyring) lookup(t testing.TB) func(string) ([]string, error) {
	t.Helper()
	return func(name string) ([]string, error) {
		for _, keys := range k {
			for _, key := range keys {
				record, value, err := DNSRecord(key.Domain, key.Selector, key.Algorithm, []byte(key.Private.Reveal()))
				if err != nil {
					t.Error(err)
				}
				if record == name+"." {
					return []string{strings.ReplaceAll(strings.Trim(value, `"`), `" "`, "")}, nil
				}
			}
		}
		return nil, fmt.Errorf("no record %s", name)
	}
}

const letter = "Received: from app\r\n by relay.example;\r\n Sat, 21 Nov 2026 12:00:00 +0000\r\n" +
	"From: Jane <jane@acme.example>\r\nTo: bob@world.example\r\nSubject: A letter\r\n with a folded subject\r\n" +
	"Date: Sat, 21 Nov 2026 12:00:00 +0000\r\nMessage-ID: <1@acme.example>\r\nMIME-Version: 1.0\r\n" +
	"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n" +
	"List-Unsubscribe: <https://acme.example/u>\r\n\r\nGrüße,\r\n.\r\n\r\n  two   spaces \r\n\r\n\r\n"

var jane = relay.Address{Local: "jane", Domain: "acme.example"}

// letterFrom is a new message.
func letterFrom(from relay.Address) *relay.Message {
	return &relay.Message{ID: relay.NewID(time.Now()), From: from}
}

func signed(t testing.TB, s *signer, from relay.Address, content string) string {
	t.Helper()
	fields, err := s.sign(t.Context(), letterFrom(from), text(content))
	if err != nil {
		t.Fatal(err)
	}
	all, err := io.ReadAll(signedBody{fields, text(content)}.Reader())
	if err != nil {
		t.Fatal(err)
	}
	return string(all)
}

func TestWhichDomainSigns(t *testing.T) {
	t.Parallel()
	acme := []SigningKey{newKey(t, "acme.example", "r1", AlgorithmRSA), newKey(t, "acme.example", "e1", AlgorithmEd25519)}
	own := []SigningKey{newKey(t, "relay.example", "own", AlgorithmEd25519)}
	for name, c := range map[string]struct {
		keys keyring
		from string
		want []string // d=/a= of the signatures, in order
	}{
		"both keys of the From domain": {keyring{"acme.example": acme, "relay.example": own}, "acme.example",
			[]string{"acme.example ed25519-sha256 e1", "acme.example rsa-sha256 r1"}},
		"only one key":                    {keyring{"acme.example": acme[:1]}, "acme.example", []string{"acme.example rsa-sha256 r1"}},
		"no key of From, so our own":      {keyring{"relay.example": own}, "acme.example", []string{"relay.example ed25519-sha256 own"}},
		"a subdomain is another domain":   {keyring{"acme.example": acme, "relay.example": own}, "sub.acme.example", []string{"relay.example ed25519-sha256 own"}},
		"no key at all, so no signature":  {keyring{}, "acme.example", nil},
		"From is our own domain":          {keyring{"relay.example": own}, "relay.example", []string{"relay.example ed25519-sha256 own"}},
		"a report without From, our own":  {keyring{"relay.example": own}, "", []string{"relay.example ed25519-sha256 own"}},
		"never a key of another customer": {keyring{"other.example": acme}, "acme.example", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fields, err := newSigner(c.keys).sign(t.Context(), letterFrom(relay.Address{Local: "jane", Domain: c.from}), text(letter))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range splitFields(string(fields)) {
				got = append(got, tag(f, "d")+" "+tag(f, "a")+" "+tag(f, "s"))
			}
			if strings.Join(got, ", ") != strings.Join(c.want, ", ") {
				t.Errorf("got %v; want %v", got, c.want)
			}
		})
	}
}

func TestSignatureVerifies(t *testing.T) {
	t.Parallel()
	keys := keyring{"acme.example": {newKey(t, "acme.example", "r1", AlgorithmRSA), newKey(t, "acme.example", "e1", AlgorithmEd25519)}}
	for name, content := range map[string]string{
		"letter":            letter,
		"empty body":        "From: jane@acme.example\r\n\r\n",
		"two To fields":     "From: jane@acme.example\r\nTo: a@x.example\r\nTo: b@x.example\r\n\r\nbody\r\n",
		"foreign signature": "DKIM-Signature: v=1; a=rsa-sha256; d=other.example; s=x; h=from; bh=x; b=x\r\n" + letter,
		"long body":         letter + strings.Repeat("All work and no play makes Jack a dull boy.\r\n", 20_000),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			message := signed(t, newSigner(keys), jane, content)
			if !strings.HasSuffix(message, content) {
				t.Fatal("the content was changed")
			}
			results, err := dkim.VerifyWithOptions(strings.NewReader(message), &dkim.VerifyOptions{LookupTXT: keys.lookup(t), MaxVerifications: 2})
			if err != nil && !errors.Is(err, dkim.ErrTooManySignatures) {
				t.Fatal(err)
			}
			for _, r := range results {
				if r.Err != nil {
					t.Errorf("%s: %v", r.Domain, r.Err)
				}
				if life := r.Expiration.Sub(r.Time); life < DefaultSignatureLife-time.Minute || life > DefaultSignatureLife+time.Minute {
					t.Errorf("valid for %v", life)
				}
			}
			for line := range strings.Lines(message[:len(message)-len(content)]) {
				if len(line) > 998 {
					t.Errorf("a line of %d characters", len(line))
				}
			}
		})
	}
}

// Section 11 of the attack list: what a person sees cannot be added, replaced or
// cut without breaking the signature.
func TestOversigningBreaksOnAddedFields(t *testing.T) {
	t.Parallel()
	keys := keyring{"acme.example": {newKey(t, "acme.example", "e1", AlgorithmEd25519)}}
	message := signed(t, newSigner(keys), jane, letter)
	check := func(m string) error {
		results, err := dkim.VerifyWithOptions(strings.NewReader(m), &dkim.VerifyOptions{LookupTXT: keys.lookup(t)})
		if err != nil {
			return err
		}
		return results[0].Err
	}
	if err := check(message); err != nil {
		t.Fatal(err)
	}
	if err := check("X-Other: field\r\n" + message); err != nil {
		t.Errorf("a field that nobody signs breaks it: %v", err)
	}
	for _, name := range oversigned() {
		if check(name+": added\r\n"+message) == nil {
			t.Errorf("an added %s passes", name)
		}
	}
	for _, change := range []string{"https://acme|https://evil", "Grüße|Bürde", "Subject: A|Subject: B", "two   spaces|twospaces"} {
		from, to, _ := strings.Cut(change, "|")
		if check(strings.Replace(message, from, to, 1)) == nil {
			t.Errorf("changed %q passes", from)
		}
	}
	if check(message+"added\r\n") == nil {
		t.Error("an added line passes: l= must not be used")
	}
}

func TestFaultsNeverSendUnsigned(t *testing.T) {
	t.Parallel()
	good := newKey(t, "acme.example", "e1", AlgorithmEd25519)
	broken, wrong, weak := good, good, good
	broken.ID, broken.Private = "b", "not a key"
	wrong.ID, wrong.Algorithm = "w", AlgorithmRSA
	weak.ID, weak.Algorithm, weak.Private = "k", AlgorithmRSA, weakKey(t)
	for name, c := range map[string]struct {
		keys    keyring
		from    string
		content string
	}{
		"directory fails":         {keyring{}, "fault.example", letter},
		"key cannot be read":      {keyring{"acme.example": {broken}}, "acme.example", letter},
		"key of other algorithm":  {keyring{"acme.example": {wrong}}, "acme.example", letter},
		"key too short":           {keyring{"acme.example": {weak}}, "acme.example", letter},
		"one of two is broken":    {keyring{"acme.example": {good, broken}}, "acme.example", letter},
		"no end of the header":    {keyring{"acme.example": {good}}, "acme.example", "From: jane@acme.example\r\n"},
		"selector breaks the tag": {keyring{"acme.example": {renamed(good, "a; d=evil.example")}}, "acme.example", letter},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fields, err := newSigner(c.keys).sign(t.Context(), letterFrom(relay.Address{Local: "jane", Domain: c.from}), text(c.content))
			if err == nil || fields != nil {
				t.Errorf("no fault, and the fields %q", fields)
			}
			if err != nil && strings.Contains(err.Error(), "not a key") {
				t.Errorf("the key is in the error: %v", err)
			}
		})
	}
}

func renamed(k SigningKey, selector string) SigningKey {
	k.ID, k.Selector = "renamed", selector
	return k
}

// weakKey is an RSA key of 512 bits. The standard library refuses to make one, so
// it is written down.
func weakKey(t *testing.T) relay.Secret {
	t.Helper()
	der, err := base64.StdEncoding.DecodeString(weakRSA)
	if err != nil {
		t.Fatal(err)
	}
	return relay.Secret(der)
}

// TestRSASignatureByHand checks one signature without the library that made it:
// only with the standard library and the text of RFC 6376.
func TestRSASignatureByHand(t *testing.T) {
	t.Parallel()
	key := newKey(t, "acme.example", "r1", AlgorithmRSA)
	content := "From: Jane   <jane@acme.example>\r\nSubject:  x\r\n  y \r\n\r\nbody  line \r\n\r\n\r\n"
	message := signed(t, newSigner(keyring{"acme.example": {key}}), jane, content)
	field := splitFields(message[:len(message)-len(content)])[0]

	bodyHash := sha256.Sum256([]byte("body line\r\n")) // §3.4.4
	if got := tag(field, "bh"); got != base64.StdEncoding.EncodeToString(bodyHash[:]) {
		t.Errorf("bh=%s", got)
	}
	if got, want := tag(field, "h"), "From:From:To:Cc:Subject:Subject:Date:Message-ID:MIME-Version:Content-Type:Reply-To"; got != want {
		t.Errorf("h=%s; want %s", got, want)
	}
	unfolded := regexp.MustCompile(`[ \t\r\n]+`).ReplaceAllString(strings.TrimPrefix(field, "DKIM-Signature:"), " ")
	withoutB := strings.TrimSpace(regexp.MustCompile(` b=.*$`).ReplaceAllString(strings.TrimSpace(unfolded), " b="))
	signedText := "from:Jane <jane@acme.example>\r\nsubject:x y\r\ndkim-signature:" + withoutB // §3.4.2, §3.7
	hash := sha256.Sum256([]byte(signedText))
	signature, err := base64.StdEncoding.DecodeString(tag(field, "b"))
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.ParsePKCS8PrivateKey([]byte(key.Private.Reveal()))
	if err != nil {
		t.Fatal(err)
	}
	public := private.(*rsa.PrivateKey).Public().(*rsa.PublicKey)
	if public.N.BitLen() != RSABits {
		t.Errorf("the key has %d bits", public.N.BitLen())
	}
	if err := rsa.VerifyPKCS1v15(public, crypto.SHA256, hash[:], signature); err != nil {
		t.Errorf("%v for the signed text\n%s", err, signedText)
	}
}

func TestDNSRecord(t *testing.T) {
	t.Parallel()
	for algorithm, pattern := range map[string]string{
		AlgorithmRSA:     `^"v=DKIM1; k=rsa; p=[A-Za-z0-9+/]{237}" "[A-Za-z0-9+/]+={0,2}"$`,
		AlgorithmEd25519: `^"v=DKIM1; k=ed25519; p=[A-Za-z0-9+/]{43}="$`,
	} {
		key := newKey(t, "acme.example", "s1", algorithm)
		name, value, err := DNSRecord("acme.example", "s1", algorithm, []byte(key.Private.Reveal()))
		if err != nil || name != "s1._domainkey.acme.example." || !regexp.MustCompile(pattern).MatchString(value) {
			t.Errorf("%s: %s %s, %v", algorithm, name, value, err)
		}
	}
	if _, _, err := DNSRecord("acme.example", "s1", AlgorithmRSA, []byte("junk")); err == nil {
		t.Error("junk has a record")
	}
	if _, err := GenerateKey("rsa-sha1"); err == nil {
		t.Error("rsa-sha1 can be generated")
	}
}

func TestKeyCacheParsesARevisionOnce(t *testing.T) {
	t.Parallel()
	c, key := newKeyCache(), newKey(t, "acme.example", "e1", AlgorithmEd25519)
	first, err := c.get(key)
	if err != nil || first.Private != "" {
		t.Fatalf("%v; the cache keeps the key in text: %t", err, first.Private != "")
	}
	garbled := key
	garbled.Private = "junk"
	if again, err := c.get(garbled); err != nil || !again.private.(ed25519.PrivateKey).Equal(first.private) {
		t.Errorf("the same revision was parsed again: %v", err)
	}
	garbled.Revision++
	if _, err := c.get(garbled); err == nil {
		t.Error("a new revision was not parsed")
	}
	for i := range 2 * maxCachedKeys {
		key.ID = fmt.Sprint(i)
		if _, err := c.get(key); err != nil {
			t.Fatal(err)
		}
	}
	if len(c.keys) > maxCachedKeys {
		t.Errorf("%d keys in memory", len(c.keys))
	}
}

func splitFields(s string) []string {
	var fields []string
	for line := range strings.Lines(s) {
		if line[0] == ' ' || line[0] == '\t' {
			fields[len(fields)-1] += line
			continue
		}
		fields = append(fields, line)
	}
	return fields
}

// tag reads one tag of a DKIM-Signature field.
func tag(field, name string) string {
	_, value, _ := strings.Cut(field, ":")
	for part := range strings.SplitSeq(value, ";") {
		k, v, _ := strings.Cut(part, "=")
		if strings.TrimSpace(k) == name {
			return regexp.MustCompile(`\s`).ReplaceAllString(v, "")
		}
	}
	return ""
}

// FuzzSignedFields gives any header to the reader of field names.
func FuzzSignedFields(f *testing.F) {
	f.Add(letter)
	f.Add("From: a\r\nFrom : b\r\n: \r\n\r\n")
	f.Add(strings.Repeat("x", 5000) + "\r\n\r\n")
	f.Fuzz(func(t *testing.T, header string) {
		names, err := signedFields(strings.NewReader(header))
		if err != nil {
			return
		}
		if !strings.EqualFold(names[0], "From") {
			t.Errorf("From is not first in %v", names)
		}
		if n := len(strings.Join(names, ":")); n > 900 {
			t.Errorf("h= of %d characters", n)
		}
	})
}

func BenchmarkSign(b *testing.B) {
	for _, algorithm := range []string{AlgorithmRSA, AlgorithmEd25519} {
		for _, size := range []int{1 << 10, 100 << 10} {
			b.Run(fmt.Sprintf("%s/%dKiB", algorithm, size>>10), func(b *testing.B) {
				s := newSigner(keyring{"acme.example": {newKey(b, "acme.example", "k", algorithm)}})
				body := make([]byte, size/2)
				_, _ = rand.Read(body)
				content := text(letter + strings.ReplaceAll(fmt.Sprintf("%x", body), "0a0", "\r\n"))
				b.SetBytes(content.Size())
				b.ReportAllocs()
				for b.Loop() {
					if _, err := s.sign(b.Context(), letterFrom(jane), content); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// weakRSA is good for nothing but this test.
const weakRSA = "" +
	"MIIBVgIBADANBgkqhkiG9w0BAQEFAASCAUAwggE8AgEAAkEAxIjMsB3hkGSOBYd7SfJCOIr10STmRJHK/OvEALDi7yCMJpmFlbd42RE0swCT1i" +
	"iKI8A8R1xtFOEtY7kHdiBu8QIDAQABAkBIZQ/pLAij1LaQCNj8YzXLeDyWft4nkgDQ69P2YTIm3RQTxzJb3Zr8KsHVQWAtKTBPseFrD+Hq34Hk" +
	"GndTml1lAiEA5mSh0i0QvCwcUW8r+ZcjxZXPi/u4LNAJ/prFTA9Ga5sCIQDaYMlIt7UN8yu7yOcHQNwjMGWknC23NcchV78mqgiWYwIhAOM3+A" +
	"gKfei3MC54D8yV7Kee+hO6a4d2nYTGKzK6Fd9lAiEAxuDgT2Zm8HZmfNWBeXybPzzjRJ+rjq/eU0JbZnXx7isCIQDW2dIX/FYG4R1CQKF2L6EC" +
	"TLYSho6dtEZYhsnBJ9EadA=="
