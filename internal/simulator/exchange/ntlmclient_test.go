package exchange_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/md5"
	"crypto/rc4"
	"encoding/base64"
	"encoding/binary"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"golang.org/x/crypto/md4" //nolint:staticcheck // NTLM is made of MD4
)

// ntlmClient is what a client knows, and how it can go wrong.
type ntlmClient struct {
	domain, user, password string
	at                     time.Time // its clock; zero means now
	version1               bool      // answers with 24 bytes
	breakMIC               bool
	noMIC                  bool
}

const ntlmFlags = 0xe0088235 // Unicode, sign, seal, extended security, 128, key exchange, 56

func ntlmNegotiate() []byte {
	b := append([]byte("NTLMSSP\x00"), 1, 0, 0, 0)
	b = binary.LittleEndian.AppendUint32(b, ntlmFlags)
	return append(b, make([]byte, 16)...)
}

func utf16LE(s string) []byte {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return b
}

func hmacMD5(key []byte, parts ...[]byte) []byte {
	h := hmac.New(md5.New, key)
	h.Write(bytes.Join(parts, nil))
	return h.Sum(nil)
}

// authenticate answers a challenge (MS-NLMP §3.1.5.1.2).
func (c ntlmClient) authenticate(t *testing.T, negotiate, challenge []byte) []byte {
	t.Helper()
	if len(challenge) < 56 || string(challenge[:8]) != "NTLMSSP\x00" || challenge[8] != 2 {
		t.Fatalf("no challenge: %x", challenge)
	}
	if c.at.IsZero() {
		c.at = time.Now()
	}
	infoLength, infoAt := binary.LittleEndian.Uint16(challenge[40:]), binary.LittleEndian.Uint32(challenge[44:])
	pairs := bytes.TrimSuffix(challenge[infoAt:infoAt+uint32(infoLength)], []byte{0, 0, 0, 0})
	if !c.noMIC {
		pairs = append(bytes.Clone(pairs), 6, 0, 4, 0, 2, 0, 0, 0)
	}
	hash := md4.New()
	hash.Write(utf16LE(c.password))
	key := hmacMD5(hash.Sum(nil), utf16LE(strings.ToUpper(c.user)+c.domain))
	blob := append([]byte{1, 1, 0, 0, 0, 0, 0, 0}, binary.LittleEndian.AppendUint64(nil, uint64(c.at.Unix()+11644473600)*1e7)...)
	blob = append(blob, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0)
	blob = append(append(blob, pairs...), 0, 0, 0, 0, 0, 0, 0, 0)
	proof := hmacMD5(key, challenge[24:32], blob)
	response := append(bytes.Clone(proof), blob...)
	if c.version1 {
		response = response[:24]
	}
	base := hmacMD5(key, proof)
	exported, encrypted := []byte("0123456789abcdef"), make([]byte, 16)
	cipher, err := rc4.NewCipher(base)
	if err != nil {
		t.Fatal(err)
	}
	cipher.XORKeyStream(encrypted, exported)

	const header = 88
	m := append([]byte("NTLMSSP\x00"), 3, 0, 0, 0)
	var payload []byte
	for _, field := range [][]byte{make([]byte, 24), response, utf16LE(c.domain), utf16LE(c.user), utf16LE("PC"), encrypted} {
		m = binary.LittleEndian.AppendUint16(m, uint16(len(field)))
		m = binary.LittleEndian.AppendUint16(m, uint16(len(field)))
		m = binary.LittleEndian.AppendUint32(m, uint32(header+len(payload)))
		payload = append(payload, field...)
	}
	m = binary.LittleEndian.AppendUint32(m, ntlmFlags)
	m = append(m, make([]byte, header-len(m))...)
	m = append(m, payload...)
	mic := hmacMD5(exported, negotiate, challenge, m)
	if c.breakMIC {
		mic[0]++
	}
	copy(m[72:], mic)
	return m
}

// challenged sends the first message and gives the second.
func (f *fixture) challenged(t *testing.T, scheme string) (negotiate, challenge []byte) {
	t.Helper()
	negotiate = ntlmNegotiate()
	a := f.do(t, http.MethodPost, "/EWS/Exchange.asmx", getInbox("Exchange2013"), "Authorization", scheme+" "+base64.StdEncoding.EncodeToString(negotiate))
	token, ok := strings.CutPrefix(a.header.Get("WWW-Authenticate"), scheme+" ")
	if a.status != http.StatusUnauthorized || !ok {
		t.Fatalf("the first message was answered %d, %q", a.status, a.header["Www-Authenticate"])
	}
	challenge, err := base64.StdEncoding.DecodeString(token)
	if err != nil {
		t.Fatal(err)
	}
	return negotiate, challenge
}

// signIn goes through the whole exchange and gives the last answer.
func (f *fixture) signIn(t *testing.T, scheme string, c ntlmClient) answer {
	t.Helper()
	negotiate, challenge := f.challenged(t, scheme)
	return f.do(t, http.MethodPost, "/EWS/Exchange.asmx", getInbox("Exchange2013"),
		"Authorization", scheme+" "+base64.StdEncoding.EncodeToString(c.authenticate(t, negotiate, challenge)))
}

func getInbox(version string) string {
	return envelope(version, "", folderRequest(`<t:DistinguishedFolderId Id="inbox"/>`))
}

func folderRequest(ids string) string {
	return `<m:GetFolder><m:FolderShape><t:BaseShape>Default</t:BaseShape></m:FolderShape><m:FolderIds>` + ids + `</m:FolderIds></m:GetFolder>`
}
