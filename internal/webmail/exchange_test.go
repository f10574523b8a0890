package webmail_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/md5"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"unicode/utf16"

	"golang.org/x/crypto/md4" //nolint:staticcheck // NTLM has no other

	"github.com/relayd/relayd/relay"
)

// exchange is an Exchange server as far as the client sees it: it checks NTLM's and
// Basic's sign-in, the version and the grammar of the operations.
type exchange struct {
	*service
	schemes    []string
	domain     string // of NTLM; empty with a user principal name
	user       string
	password   string
	tooNew     []string                    // versions that it does not know
	perRequest bool                        // NTLM signs in one request, not the connection
	replies    map[string]http.HandlerFunc // by operation, in place of its own
	flags      uint32                      // more flags of NTLM's challenge
}

func serveExchange(t testing.TB) *exchange {
	t.Helper()
	x := &exchange{schemes: []string{"Negotiate", "NTLM", `Basic realm="acme"`}, domain: "ACME", user: "jane", password: "pässword", replies: map[string]http.HandlerFunc{}}
	x.service = serve(t, x.handle)
	return x
}

// credentials for the server's own user.
func (x *exchange) credentials() *relay.Credentials {
	c := &relay.Credentials{Password: relay.Secret(x.password)}
	c.Account = relay.Account{ID: "a1", User: "u1", Address: relay.Address{Local: "jane", Domain: "acme.example"}}
	c.Account.Provider = relay.ProviderExchange
	c.Account.EWS = relay.EWS{URL: "https://" + host + "/EWS/Exchange.asmx", Login: x.domain + `\` + x.user}
	return c
}

func (x *exchange) handle(w http.ResponseWriter, r *http.Request) {
	if !x.admit(w, r) {
		return
	}
	body, _ := io.ReadAll(r.Body)
	operation := firstMatch(body, `<s:Body><m:(\w+)`)
	version := firstMatch(body, `RequestServerVersion Version="(\w+)"`)
	for _, v := range x.tooNew {
		if v == version {
			say(http.StatusInternalServerError, "text/xml", fault("ErrorInvalidServerVersion", "The specified server version is invalid.", ""))(w, r)
			return
		}
	}
	if reply := x.replies[operation]; reply != nil {
		reply(w, r)
		return
	}
	say(http.StatusOK, "text/xml; charset=utf-8", success(operation, ""))(w, r)
}

func firstMatch(body []byte, pattern string) string {
	if m := regexp.MustCompile(pattern).FindSubmatch(body); m != nil {
		return string(m[1])
	}
	return ""
}

// admit answers 401 until the request or its connection is signed in.
func (x *exchange) admit(w http.ResponseWriter, r *http.Request) bool {
	c := connectionOf(r)
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	message, _ := base64.StdEncoding.DecodeString(token)
	offered := strings.Contains(strings.Join(x.schemes, " "), scheme) && scheme != ""
	switch {
	case scheme == "" && c.signedIn:
		c.signedIn = !x.perRequest
		return true
	case offered && scheme == "Basic" && string(message) == x.user+":"+x.password:
		return true
	case offered && scheme != "Basic" && bytes.HasPrefix(message, []byte("NTLMSSP\x00\x01")):
		c.challenge = []byte("8 octets")
		w.Header().Add("Www-Authenticate", scheme+" "+base64.StdEncoding.EncodeToString(x.challengeMessage(c.challenge)))
		w.WriteHeader(http.StatusUnauthorized)
		return false
	case offered && scheme != "Basic" && c.challenge != nil && x.proves(message, c.challenge):
		c.challenge, c.signedIn = nil, !x.perRequest
		return true
	}
	for _, s := range x.schemes {
		w.Header().Add("Www-Authenticate", s)
	}
	w.WriteHeader(http.StatusUnauthorized)
	return false
}

// challengeMessage is MS-NLMP §2.2.1.2 with one AV pair, the domain.
func (x *exchange) challengeMessage(challenge []byte) []byte {
	info := binary.LittleEndian.AppendUint16([]byte{2, 0}, 8)
	info = append(append(info, utf16le("ACME")...), 0, 0, 0, 0)
	const header = 48
	m := append([]byte("NTLMSSP\x00\x02\x00\x00\x00"), make([]byte, 8)...)
	m = binary.LittleEndian.AppendUint32(m, 0x1|0x200|0x80000|0x800000|x.flags)
	m = append(append(m, challenge...), make([]byte, 8)...)
	m = binary.LittleEndian.AppendUint16(m, uint16(len(info)))
	m = binary.LittleEndian.AppendUint16(m, uint16(len(info)))
	m = binary.LittleEndian.AppendUint32(m, header)
	return append(m, info...)
}

// proves checks the NTLMv2 response of MS-NLMP §3.3.2.
func (x *exchange) proves(m, challenge []byte) bool {
	if len(m) < 64 || !bytes.HasPrefix(m, []byte("NTLMSSP\x00\x03")) {
		return false
	}
	part := func(at int) []byte {
		n, from := int(binary.LittleEndian.Uint16(m[at:])), int(binary.LittleEndian.Uint32(m[at+4:]))
		return m[from : from+n]
	}
	response, domain, user := part(20), part(28), part(36)
	if !bytes.Equal(domain, utf16le(x.domain)) || !bytes.Equal(user, utf16le(x.user)) || len(response) < 24 {
		return false
	}
	hash := md4.New()
	hash.Write(utf16le(x.password))
	key := hmacMD5(hash.Sum(nil), utf16le(strings.ToUpper(x.user)+x.domain))
	return hmac.Equal(response[:16], hmacMD5(key, append(append([]byte(nil), challenge...), response[16:]...)))
}

func hmacMD5(key, data []byte) []byte {
	mac := hmac.New(md5.New, key)
	mac.Write(data)
	return mac.Sum(nil)
}

func utf16le(s string) (b []byte) {
	for _, u := range utf16.Encode([]rune(s)) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return b
}

const soapFrame = `<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Header>` +
	`<h:ServerVersionInfo MajorVersion="15" MinorVersion="2" xmlns:h="http://schemas.microsoft.com/exchange/services/2006/types"/></s:Header><s:Body>%s</s:Body></s:Envelope>`

// response is the frame of an operation's answer.
func response(operation, messages string) string {
	return fmt.Sprintf(soapFrame, fmt.Sprintf(`<m:%sResponse xmlns:m="http://schemas.microsoft.com/exchange/services/2006/messages" `+
		`xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types"><m:ResponseMessages>%s</m:ResponseMessages></m:%[1]sResponse>`, operation, messages))
}

func one(operation, inner string) string {
	return fmt.Sprintf(`<m:%sResponseMessage ResponseClass="Success"><m:ResponseCode>NoError</m:ResponseCode>%s</m:%[1]sResponseMessage>`, operation, inner)
}

func success(operation, inner string) string { return response(operation, one(operation, inner)) }

func refusal(operation, code, text string) string {
	return response(operation, fmt.Sprintf(`<m:%sResponseMessage ResponseClass="Error"><m:MessageText>%s</m:MessageText><m:ResponseCode>%s</m:ResponseCode>`+
		`<m:DescriptiveLinkKey>0</m:DescriptiveLinkKey><m:Items/></m:%[1]sResponseMessage>`, operation, text, code))
}

// fault is a SOAP fault as Exchange throttles with.
func fault(code, text, backOff string) string {
	value := ""
	if backOff != "" {
		value = `<t:MessageXml xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types"><t:Value Name="BackOffMilliseconds">` + backOff + `</t:Value></t:MessageXml>`
	}
	return fmt.Sprintf(soapFrame, `<s:Fault><faultcode xmlns:a="http://schemas.microsoft.com/exchange/services/2006/types">a:`+code+`</faultcode>`+
		`<faultstring xml:lang="en-US">`+text+`</faultstring><detail><e:ResponseCode xmlns:e="http://schemas.microsoft.com/exchange/services/2006/errors">`+code+
		`</e:ResponseCode>`+value+`</detail></s:Fault>`)
}
