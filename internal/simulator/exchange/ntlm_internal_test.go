package exchange

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"testing"
)

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// MS-NLMP §4.2.4: the values of Microsoft's own example.
func TestNTLMv2AsMicrosoftComputesIt(t *testing.T) {
	t.Parallel()
	if got := hex.EncodeToString(ntHash("Password")); got != "a4f49c406510bdcab6824ee7c30fd852" {
		t.Errorf("NTOWFv1 is %s", got)
	}
	h := &handshake{now: fromFiletime(0)}
	copy(h.nonce[:], unhex(t, "0123456789abcdef"))
	a := authenticate{user: "User", domain: "Domain", answer: append(
		unhex(t, "68cd0ab851e51c96aabc927bebef6a1c"),
		unhex(t, "01010000000000000000000000000000aaaaaaaaaaaaaaaa00000000"+
			"02000c0044006f006d00610069006e00"+"01000c00530065007200760065007200"+"0000000000000000")...)}
	if err := h.verify(a, "Password"); err != nil {
		t.Error(err)
	}
	if err := h.verify(a, "password"); !errors.Is(err, errPassword) {
		t.Errorf("another password: %v", err)
	}
	h.nonce[0]++
	if err := h.verify(a, "Password"); !errors.Is(err, errPassword) {
		t.Errorf("another challenge: %v", err)
	}
}

func TestChallengeKeepsTheClientsCharacterSet(t *testing.T) {
	t.Parallel()
	for _, charset := range []uint32{flagUnicode, flagOEM, flagUnicode | flagOEM} {
		negotiate := binary.LittleEndian.AppendUint32(append([]byte(signature), 1, 0, 0, 0), charset)
		h, err := newHandshake(negotiate, "CORP", fromFiletime(0))
		if err != nil {
			t.Fatal(err)
		}
		flags, length := binary.LittleEndian.Uint32(h.challenge[20:]), int(binary.LittleEndian.Uint16(h.challenge[12:]))
		unicode := charset&flagUnicode != 0
		if (flags&flagUnicode != 0) != unicode || (flags&flagOEM != 0) == unicode || length != len("CORP")*map[bool]int{true: 2, false: 1}[unicode] {
			t.Errorf("charset %x: flags %x, a target of %d bytes", charset, flags, length)
		}
	}
}

func FuzzNTLM(f *testing.F) {
	f.Add([]byte("NTLMSSP\x00\x01\x00\x00\x00\x01\x00\x00\x00"))
	f.Add(append([]byte("NTLMSSP\x00\x03\x00\x00\x00"), make([]byte, 76)...))
	f.Add(append([]byte("NTLMSSP\x00\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x30\x00\x30\x00\x40\x00\x00\x00"), make([]byte, 100)...))
	f.Fuzz(func(t *testing.T, m []byte) {
		h := &handshake{now: fromFiletime(0)}
		if kind, err := messageType(m); err == nil && kind == negotiateMessage {
			if made, err := newHandshake(m, "CORP", h.now); err == nil {
				h = made
			}
		}
		a, err := readAuthenticate(m)
		if err != nil {
			return
		}
		if err := h.verify(a, "a password that no fuzzer knows"); err == nil {
			t.Error("signed in")
		}
	})
}
