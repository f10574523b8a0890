package simulator

import (
	"errors"
	"strings"

	"github.com/emersion/go-sasl"
)

// passwordCheck answers whether a password opens an account, with the error that
// the protocol wants.
type passwordCheck func(login, password string) error

// tokenCheck does the same for an OAuth token.
type tokenCheck func(user, token string) error

// errMechanism: the provider does not offer it.
var errMechanism = errors.New("mechanism not offered")

// saslServer is the server's side of a mechanism.
func saslServer(mechanism string, challenge bool, password passwordCheck, token tokenCheck) (sasl.Server, error) {
	switch mechanism {
	case sasl.Plain:
		return sasl.NewPlainServer(func(identity, login, secret string) error {
			if identity != "" && identity != login {
				return password("", "") // nobody may act for another
			}
			return password(login, secret)
		}), nil
	case sasl.Login:
		return &loginServer{check: password}, nil
	case xoauth2:
		return &bearerServer{parse: parseXOAUTH2, check: token, challenge: challenge}, nil
	case oauthBearer:
		return &bearerServer{parse: parseOAuthBearer, check: token, challenge: true}, nil // RFC 7628 §3.2.3
	}
	return nil, errMechanism
}

// errLogin is what a malformed LOGIN exchange gets.
var errLogin = errors.New("malformed LOGIN exchange")

// loginServer is LOGIN, which go-sasl offers to clients only.
type loginServer struct {
	check passwordCheck
	login *string
	asked bool
}

// Next takes the user name and then the password.
func (l *loginServer) Next(response []byte) (challenge []byte, done bool, err error) {
	switch {
	case l.login == nil && response == nil && !l.asked:
		l.asked = true
		return []byte("Username:"), false, nil
	case l.login == nil && response != nil:
		login := string(response)
		l.login = &login
		return []byte("Password:"), false, nil
	case l.login != nil:
		return nil, true, l.check(*l.login, string(response))
	}
	return nil, false, errLogin
}

// bearerServer is XOAUTH2 or OAUTHBEARER.
type bearerServer struct {
	parse     func(response string) (user, token string, ok bool)
	check     tokenCheck
	challenge bool // tells what is wrong in a challenge before it refuses
	refused   error
}

// What a challenge says. A request that cannot be read is another matter than a
// token that does not open.
const (
	badToken   = `{"status":"400","schemes":"Bearer","scope":"https://mail.google.com/"}`
	badRequest = `{"status":"invalid_request","schemes":"Bearer"}`
)

// Next takes the response that holds the token, and after a challenge the empty one
// that ends the exchange.
func (b *bearerServer) Next(response []byte) (challenge []byte, done bool, err error) {
	if b.refused != nil {
		return nil, true, b.refused // whatever the client said to the challenge
	}
	if response == nil {
		return []byte{}, false, nil
	}
	user, token, ok := b.parse(string(response))
	reason := badToken
	if !ok {
		user, token, reason = "", "", badRequest
	}
	if err := b.check(user, token); err != nil {
		if !b.challenge {
			return nil, true, err
		}
		b.refused = err
		return []byte(reason), false, nil
	}
	return nil, true, nil
}

// parseXOAUTH2 reads "user=U^Aauth=Bearer T^A^A", where ^A is 0x01.
func parseXOAUTH2(response string) (user, token string, ok bool) {
	rest, found := strings.CutSuffix(response, "\x01\x01")
	name, auth, split := strings.Cut(rest, "\x01")
	user, isUser := strings.CutPrefix(name, "user=")
	token, isToken := cutBearer(auth)
	return user, token, found && split && isUser && isToken && user != "" && token != ""
}

// parseOAuthBearer reads "n,a=U,^Ahost=H^Aport=P^Aauth=Bearer T^A^A" (RFC 7628 §3.1).
func parseOAuthBearer(response string) (user, token string, ok bool) {
	parts := strings.SplitN(response, ",", 3)
	if len(parts) != 3 || parts[0] != "n" {
		return "", "", false
	}
	escaped, isUser := strings.CutPrefix(parts[1], "a=")
	// RFC 5801 §4: a comma and an equals sign in the name are escaped.
	user = strings.NewReplacer("=2C", ",", "=3D", "=").Replace(escaped)
	rest, found := strings.CutSuffix(parts[2], "\x01\x01")
	for pair := range strings.SplitSeq(strings.TrimPrefix(rest, "\x01"), "\x01") {
		if value, is := strings.CutPrefix(pair, "auth="); is {
			token, _ = cutBearer("auth=" + value)
		}
	}
	return user, token, isUser && found && user != "" && token != ""
}

// cutBearer gives T of "auth=Bearer T".
func cutBearer(auth string) (token string, ok bool) {
	value, isAuth := strings.CutPrefix(auth, "auth=")
	scheme, token, split := strings.Cut(value, " ")
	if !isAuth || !split || !strings.EqualFold(scheme, "Bearer") {
		return "", false
	}
	return token, true
}
