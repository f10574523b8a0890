package oauthsim

import (
	"bytes"
	"html/template"
	"net/http"
)

// consentPage is what the page of the authorisation endpoint shows.
type consentPage struct {
	ID, Client       string
	Accounts, Scopes []string
	NeedsAdmin       bool
}

// devicePage is what the page for devices shows.
type devicePage struct {
	Code     string
	Accounts []string
}

// adminPage is what an administrator sees.
type adminPage struct {
	Client, Redirect, State, Scope string
}

// pages are small enough for a browser and for a test that reads them. Each form
// posts to the address of its page.
var pages = template.Must(template.New("").Parse(`
{{define "head"}}<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Simulated sign-in</title></head><body>{{end}}
{{define "foot"}}</body></html>{{end}}

{{define "consent"}}{{template "head"}}
{{if .NeedsAdmin}}<h1>Need admin approval</h1>
<p>{{.Client}} needs permissions that only an administrator can grant.</p>
<form method="post"><input type="hidden" name="request" value="{{.ID}}">
<button name="decision" value="deny">Return to the application without granting consent</button></form>
{{else}}<h1>{{.Client}} wants to use your mailbox</h1>
{{$page := .}}{{range .Accounts}}<form method="post"><input type="hidden" name="request" value="{{$page.ID}}">
<input type="hidden" name="account" value="{{.}}"><h2>{{.}}</h2>
{{range $page.Scopes}}<p><label><input type="checkbox" name="scope" value="{{.}}" checked> {{.}}</label></p>
{{end}}<button name="decision" value="allow">Allow</button> <button name="decision" value="deny">Deny</button></form>
{{end}}{{end}}{{template "foot"}}{{end}}

{{define "device"}}{{template "head"}}<h1>Connect a device</h1>
<form method="post"><p><label>Code <input name="user_code" value="{{.Code}}"></label></p>
<p><label>Account <select name="account">{{range .Accounts}}<option>{{.}}</option>{{end}}</select></label></p>
<button name="decision" value="allow">Allow</button> <button name="decision" value="deny">Deny</button></form>
{{template "foot"}}{{end}}

{{define "admin"}}{{template "head"}}<h1>{{.Client}} wants permissions for everybody</h1><p>{{.Scope}}</p>
<form method="post"><input type="hidden" name="client_id" value="{{.Client}}">
<input type="hidden" name="redirect_uri" value="{{.Redirect}}"><input type="hidden" name="state" value="{{.State}}">
<input type="hidden" name="scope" value="{{.Scope}}">
<button name="decision" value="allow">Accept</button> <button name="decision" value="deny">Cancel</button></form>
{{template "foot"}}{{end}}

{{define "done"}}{{template "head"}}<h1>Done</h1><p>You may close this page.</p>{{template "foot"}}{{end}}
{{define "refused"}}{{template "head"}}<h1>That does not work</h1><p>{{.}}</p>{{template "foot"}}{{end}}
`))

func showPage(w http.ResponseWriter, status int, name string, data any) {
	var b bytes.Buffer
	if err := pages.ExecuteTemplate(&b, name, data); err != nil {
		http.Error(w, "the page cannot be shown", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // who does not read it has left
}
