package api

import "github.com/relayd/relayd/relay"

// ViewSettings writes settings in the words of the API. They hold no secret.
func ViewSettings(s *relay.Settings) Settings {
	out := Settings{
		Provider: s.Provider, Preset: s.Preset, Ways: Words(s.Ways), SMTP: viewServer(s.SMTP), IMAP: viewServer(s.IMAP),
		SignIn: string(s.SignIn), App: s.App,
	}
	if out.SignIn == "" {
		out.SignIn = "password"
	}
	if s.EWS.URL != "" {
		out.EWS = &EWS{URL: s.EWS.URL, Version: s.EWS.Version, Login: s.EWS.Login}
	}
	return out
}

// Words are values of a vocabulary as texts; nil for none.
func Words[T ~string](values []T) []string {
	var out []string
	for _, v := range values {
		out = append(out, string(v))
	}
	return out
}

// viewServer shows a server; nothing if there is none.
func viewServer(s relay.Server) *Server {
	if s.Host == "" {
		return nil
	}
	return &Server{Host: s.Host, Port: s.Port, TLS: string(s.TLS), Login: s.Login}
}
