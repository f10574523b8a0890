package exchange

import (
	"bytes"
	"crypto/hmac"
	"crypto/md5"
	"crypto/rand"
	"crypto/rc4"
	"encoding/binary"
	"errors"
	"hash"
	"slices"
	"strings"
	"time"
	"unicode/utf16"

	"golang.org/x/crypto/md4" //nolint:staticcheck // NTLM is made of MD4
)

// The messages of NTLM (MS-NLMP §2.2.1).
const (
	negotiateMessage    = 1
	challengeMessage    = 2
	authenticateMessage = 3
)

// What client and server agree on (MS-NLMP §2.2.2.5).
const (
	flagUnicode       = 0x00000001
	flagOEM           = 0x00000002
	flagRequestTarget = 0x00000004
	flagSign          = 0x00000010
	flagSeal          = 0x00000020
	flagNTLM          = 0x00000200
	flagAlwaysSign    = 0x00008000
	flagTargetDomain  = 0x00010000
	flagExtended      = 0x00080000
	flagTargetInfo    = 0x00800000
	flagVersion       = 0x02000000
	flag128           = 0x20000000
	flagKeyExchange   = 0x40000000
	flag56            = 0x80000000
)

// What is told about the target (MS-NLMP §2.2.2.1).
const (
	pairEnd            = 0
	pairComputer       = 1
	pairDomain         = 2
	pairDNSComputer    = 3
	pairDNSDomain      = 4
	pairFlags          = 6
	pairTimestamp      = 7
	pairFlagHasMIC     = 0x2
	signature          = "NTLMSSP\x00"
	challengeLength    = 8
	proofLength        = 16
	micOffset          = 72
	authenticateHeader = 64
	clockSkew          = 36 * time.Hour // how far apart the clocks may be for NTLMv2
)

var (
	errMessage     = errors.New("no message of NTLM")
	errVersion1    = errors.New("an answer other than NTLMv2")
	errNoChallenge = errors.New("an NTLM answer on a connection that was given no challenge")
	errMIC         = errors.New("the messages of the handshake were changed")
	errClock       = errors.New("the client's clock is too far off")
)

// handshake is what the server keeps from the first message to the third.
type handshake struct {
	negotiate, challenge []byte
	nonce                [challengeLength]byte
	now                  time.Time
}

func messageType(m []byte) (uint32, error) {
	if len(m) < 16 || string(m[:8]) != signature {
		return 0, errMessage
	}
	kind := binary.LittleEndian.Uint32(m[8:])
	if kind != negotiateMessage && kind != authenticateMessage {
		return 0, errMessage
	}
	return kind, nil
}

// newHandshake answers the client's first message.
func newHandshake(negotiate []byte, domain string, now time.Time) (*handshake, error) {
	asked := binary.LittleEndian.Uint32(negotiate[12:])
	charset := asked & flagUnicode
	if charset == 0 { // MS-NLMP §3.2.5.1.1: the client's other choice, or none at all
		if charset = asked & flagOEM; charset == 0 {
			return nil, errMessage
		}
	}
	h := &handshake{negotiate: bytes.Clone(negotiate), now: now}
	if _, err := rand.Read(h.nonce[:]); err != nil {
		return nil, err
	}
	flags := uint32(flagRequestTarget | flagNTLM | flagAlwaysSign | flagTargetDomain | flagExtended | flagTargetInfo | flagVersion)
	flags |= charset | asked&(flagSign|flagSeal|flag128|flagKeyExchange|flag56)
	target, info := []byte(domain), targetInfo(domain, now)
	if charset == flagUnicode {
		target = toUTF16(domain)
	}
	const header = 56
	var b []byte
	b = append(b, signature...)
	b = binary.LittleEndian.AppendUint32(b, challengeMessage)
	b = appendField(b, len(target), header)
	b = binary.LittleEndian.AppendUint32(b, flags)
	b = append(b, h.nonce[:]...)
	b = append(b, make([]byte, 8)...)
	b = appendField(b, len(info), header+len(target))
	b = append(b, 10, 0, 0x63, 0x45, 0, 0, 0, 15) // Windows 10.0.17763, revision 15 of NTLM
	h.challenge = slices.Concat(b, target, info)
	return h, nil
}

func appendField(b []byte, length, offset int) []byte {
	b = binary.LittleEndian.AppendUint16(b, uint16(length))
	b = binary.LittleEndian.AppendUint16(b, uint16(length))
	return binary.LittleEndian.AppendUint32(b, uint32(offset))
}

func targetInfo(domain string, now time.Time) []byte {
	dns := strings.ToLower(domain) + ".example"
	var b []byte
	for _, p := range []struct {
		id    uint16
		value []byte
	}{
		{pairDomain, toUTF16(domain)},
		{pairComputer, toUTF16("MAIL")},
		{pairDNSDomain, toUTF16(dns)},
		{pairDNSComputer, toUTF16("mail." + dns)},
		{pairTimestamp, binary.LittleEndian.AppendUint64(nil, toFiletime(now))},
		{pairEnd, nil},
	} {
		b = binary.LittleEndian.AppendUint16(b, p.id)
		b = binary.LittleEndian.AppendUint16(b, uint16(len(p.value)))
		b = append(b, p.value...)
	}
	return b
}

// authenticate is the client's last message.
type authenticate struct {
	raw          []byte
	flags        uint32
	domain, user string
	answer       []byte // to the challenge: the proof, then what it proves
	sessionKey   []byte // encrypted
}

func readAuthenticate(m []byte) (authenticate, error) {
	if len(m) < authenticateHeader {
		return authenticate{}, errMessage
	}
	a := authenticate{raw: m, flags: binary.LittleEndian.Uint32(m[60:])}
	var domain, user []byte
	for offset, to := range map[int]*[]byte{20: &a.answer, 28: &domain, 36: &user, 52: &a.sessionKey} {
		length := int(binary.LittleEndian.Uint16(m[offset:]))
		at := int64(binary.LittleEndian.Uint32(m[offset+4:]))
		if length > 0 && at+int64(length) > int64(len(m)) {
			return authenticate{}, errMessage
		}
		if length > 0 {
			*to = m[at : at+int64(length)]
		}
	}
	decode := fromOEM
	if a.flags&flagUnicode != 0 {
		decode = fromUTF16
	}
	a.domain, a.user = decode(domain), decode(user)
	return a, nil
}

// verify checks that the client knows the password (MS-NLMP §3.3.2), and, where the
// client says that it protected the handshake, that it was not changed (§3.1.5.1.2).
func (h *handshake) verify(a authenticate, password string) error {
	const blobHeader = 28 // version, zeros, time, client's challenge, zeros
	if len(a.answer) < proofLength+blobHeader {
		return errVersion1 // 24 bytes are NTLMv1, none is nobody
	}
	proof, blob := a.answer[:proofLength], a.answer[proofLength:]
	if blob[0] != 1 || blob[1] != 1 {
		return errVersion1
	}
	key := sum(hmac.New(md5.New, ntHash(password)), toUTF16(strings.ToUpper(a.user)+a.domain))
	if !hmac.Equal(proof, sum(hmac.New(md5.New, key), h.nonce[:], blob)) {
		return errPassword
	}
	if d := fromFiletime(binary.LittleEndian.Uint64(blob[8:])).Sub(h.now); d.Abs() > clockSkew {
		return errClock
	}
	if !hasMIC(blob[blobHeader:]) {
		return nil
	}
	return h.verifyMIC(a, sum(hmac.New(md5.New, key), proof))
}

func (h *handshake) verifyMIC(a authenticate, session []byte) error {
	if len(a.raw) < micOffset+proofLength {
		return errMIC
	}
	if a.flags&flagKeyExchange != 0 && a.flags&(flagSign|flagSeal) != 0 {
		if len(a.sessionKey) != len(session) {
			return errMIC
		}
		c, err := rc4.NewCipher(session)
		if err != nil {
			return err
		}
		exported := make([]byte, len(session))
		c.XORKeyStream(exported, a.sessionKey)
		session = exported
	}
	blank := slices.Concat(a.raw[:micOffset], make([]byte, proofLength), a.raw[micOffset+proofLength:])
	mic := a.raw[micOffset : micOffset+proofLength]
	if !hmac.Equal(mic, sum(hmac.New(md5.New, session), h.negotiate, h.challenge, blank)) {
		return errMIC
	}
	return nil
}

// hasMIC looks through the target's information as the client sent it back.
func hasMIC(pairs []byte) bool {
	for len(pairs) >= 4 {
		id, length := binary.LittleEndian.Uint16(pairs), int(binary.LittleEndian.Uint16(pairs[2:]))
		if id == pairEnd || 4+length > len(pairs) {
			return false
		}
		if value := pairs[4 : 4+length]; id == pairFlags && length == 4 {
			return binary.LittleEndian.Uint32(value)&pairFlagHasMIC != 0
		}
		pairs = pairs[4+length:]
	}
	return false
}

// ntHash is how Windows keeps a password.
func ntHash(password string) []byte { return sum(md4.New(), toUTF16(password)) }

func sum(h hash.Hash, parts ...[]byte) []byte {
	for _, p := range parts {
		h.Write(p) // a hash takes everything
	}
	return h.Sum(nil)
}

func toUTF16(s string) []byte {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return b
}

func fromUTF16(b []byte) string {
	units := make([]uint16, 0, len(b)/2)
	for ; len(b) >= 2; b = b[2:] {
		units = append(units, binary.LittleEndian.Uint16(b))
	}
	return string(utf16.Decode(units))
}

// fromOEM takes the client's unknown code page for Latin-1, which agrees with all of
// them in ASCII.
func fromOEM(b []byte) string {
	runes := make([]rune, 0, len(b))
	for _, c := range b {
		runes = append(runes, rune(c))
	}
	return string(runes)
}

// Windows counts 100 nanoseconds from the year 1601.
const filetimeOf1970 = 116444736000000000

func toFiletime(t time.Time) uint64 { return uint64(t.UnixNano()/100 + filetimeOf1970) }

func fromFiletime(f uint64) time.Time {
	const latest = uint64(1) << 62 // far beyond any clock, and safe to multiply below
	ticks := int64(min(f, latest)) - filetimeOf1970
	return time.Unix(ticks/1e7, ticks%1e7*100)
}
