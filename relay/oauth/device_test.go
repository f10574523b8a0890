package oauth

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/relayd/relayd/relay"
)

func (w *world) device(login string) Device {
	w.t.Helper()
	d, err := w.BeginDevice(w.t.Context(), BeginRequest{
		App: "app-1", Organisation: "acme", Account: "jane", Address: addressOf("jane@acme.example"), Login: login,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return d
}

func (w *world) progress(d Device) Device {
	w.t.Helper()
	now, err := w.DeviceProgress(d.ID, testLogin)
	if err != nil {
		w.t.Fatal(err)
	}
	return now
}

// A consent by a code: the vendor is asked at its own interval, and slower when it says
// so.
func TestDevice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorldAt(t, newPipeVendor(t), nil)
		app := w.app(microsoft)
		w.vendor.set(func(v *vendorServer) {
			v.pending = []string{"authorization_pending", "slow_down", "authorization_pending"}
		})
		d := w.device(testLogin)
		if d.State != DeviceWaiting || d.UserCode != "ABCD-EFGH" || d.VerificationURL != vendorURL+"/activate" || d.CompleteURL != "" {
			t.Fatalf("%+v", d)
		}
		if left := time.Until(d.Expires); left < 14*time.Minute || left > 15*time.Minute {
			t.Errorf("it ends in %s", left)
		}
		if form := w.vendor.requests("/device")[0].form; form.Get("client_id") != "client-1" || !strings.Contains(form.Get("scope"), "SMTP.Send") {
			t.Errorf("asked with %v", form)
		}
		if _, err := w.DeviceProgress(d.ID, "session-2"); !errors.Is(err, ErrState) {
			t.Error(err)
		}
		for i, wanted := range []struct {
			after time.Duration
			polls int
		}{{4 * time.Second, 0}, {2 * time.Second, 1}, {5 * time.Second, 2}, {5 * time.Second, 2}, {5 * time.Second, 3}, {10 * time.Second, 4}} {
			time.Sleep(wanted.after)
			synctest.Wait()
			if n := len(w.vendor.requests("/token")); n != wanted.polls {
				t.Errorf("step %d: %d polls, not %d", i, n, wanted.polls)
			}
		}
		d = w.progress(d)
		if d.State != DeviceDone || d.Err != nil || d.Grant == nil || d.Grant.ID != "jane" || !d.Result.Confirmed {
			t.Fatalf("%+v", d)
		}
		w.mustToken(w.account("jane", "jane@acme.example", app))
		if w.CancelDevice(d.ID, testLogin) != nil || w.progress(d).State != DeviceDone {
			t.Error("what is done was cancelled")
		}
		time.Sleep(deviceKept + time.Second)
		w.forgetOld(time.Now())
		if _, err := w.DeviceProgress(d.ID, testLogin); !errors.Is(err, ErrState) {
			t.Error(err)
		}
	})
}

// The ways in which a device flow ends without a consent.
func TestDeviceFails(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		vendor func(v *vendorServer)
		after  time.Duration
		act    func(w *world, d Device)
		state  DeviceState
		wanted func(error) bool
	}{
		{
			"nobody types it", func(v *vendorServer) { v.pending = make([]string, 1000); fill(v.pending, "authorization_pending") },
			16 * time.Minute, nil, DeviceExpired, func(err error) bool { return errors.Is(err, ErrState) },
		},
		{
			"the vendor says that it is over", func(v *vendorServer) { v.pending = []string{"expired_token"} },
			10 * time.Second, nil, DeviceExpired, func(err error) bool { return errors.Is(err, ErrState) },
		},
		{
			"the person says no", func(v *vendorServer) { v.pending = []string{"access_denied"} },
			10 * time.Second, nil, DeviceFailed, func(err error) bool { return errors.Is(err, ErrDenied) },
		},
		{
			"Microsoft's word for it", func(v *vendorServer) { v.pending = []string{"authorization_declined"} },
			10 * time.Second, nil, DeviceFailed, func(err error) bool { return errors.Is(err, ErrDenied) },
		},
		{
			"it is given up", func(v *vendorServer) { v.pending = []string{"authorization_pending"} },
			time.Second, func(w *world, d Device) {
				if err := w.CancelDevice(d.ID, "session-2"); !errors.Is(err, ErrState) {
					t.Error(err)
				}
				if err := w.CancelDevice(d.ID, testLogin); err != nil {
					t.Error(err)
				}
			}, DeviceCancelled, func(err error) bool { return err == nil },
		},
		{
			"the program ends", func(v *vendorServer) { v.pending = []string{"authorization_pending"} },
			time.Second, func(w *world, _ Device) { w.Close() }, DeviceCancelled, func(err error) bool { return errors.Is(err, ErrClosed) },
		},
		{
			"another address", func(v *vendorServer) { v.claims["preferred_username"], v.claims["email"] = "bob@acme.example", nil },
			10 * time.Second, nil, DeviceFailed, func(err error) bool { return strings.Contains(err.Error(), "bob@acme.example") },
		},
		{
			"a wrong secret", func(v *vendorServer) { v.pending = []string{"invalid_client"} },
			10 * time.Second, nil, DeviceFailed, func(err error) bool {
				var told *relay.TokenError
				return errors.As(err, &told) && told.Reply.Text == "invalid_client"
			},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorldAt(t, newPipeVendor(t), nil)
				w.app(microsoft)
				w.vendor.set(test.vendor)
				d := w.device(testLogin)
				time.Sleep(test.after)
				if test.act != nil {
					test.act(w, d)
				}
				synctest.Wait()
				d = w.progress(d)
				if d.State != test.state || !test.wanted(d.Err) || d.Grant != nil || len(w.grants.records) != 0 {
					t.Errorf("%s, %v", d.State, d.Err)
				}
			})
		})
	}
}

func fill(list []string, with string) {
	for i := range list {
		list[i] = with
	}
}

// A vendor that is down for a moment ends no device flow.
func TestDeviceOutlivesTrouble(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorldAt(t, newPipeVendor(t), nil)
		w.app(microsoft)
		d := w.device(testLogin)
		n := 0
		w.vendor.run(func(*http.Request, url.Values) *said {
			if n++; n > 3 {
				return nil
			}
			return &said{status: 503, body: "<html>"}
		})
		time.Sleep(3 * time.Minute)
		if d = w.progress(d); d.State != DeviceDone || n > 6 {
			t.Errorf("%s after %d polls: %v", d.State, n, d.Err)
		}
	})
}

// What BeginDevice refuses.
func TestBeginDevice(t *testing.T) {
	t.Parallel()
	ask := func(w *world) error {
		_, err := w.BeginDevice(t.Context(), BeginRequest{
			App: "app-1", Organisation: "acme", Account: "jane", Address: addressOf("jane@acme.example"), Login: testLogin,
		})
		return err
	}
	w := newWorld(t)
	w.app(func(a *relay.App) { a.Endpoints.Device = "" })
	if err := ask(w); !errors.Is(err, ErrNoDevice) { // Google has none for mail
		t.Error(err)
	}
	for _, body := range []string{
		`{}`, `<html>`, `{"device_code":"a","user_code":"b","verification_uri":"javascript:alert(1)"}`,
		`{"device_code":"a","user_code":"b","verification_uri":"http://vendor.example/"}`,
		`{"device_code":"a\r\n","user_code":"b","verification_uri":"https://vendor.example/"}`,
		`{"device_code":"a","user_code":"","verification_uri":"https://vendor.example/"}`,
		`{"device_code":"a","user_code":"` + strings.Repeat("x", 100) + `","verification_uri":"https://vendor.example/"}`,
	} {
		w := newWorld(t)
		w.app(microsoft)
		w.vendor.say(200, body)
		var told *relay.TokenError
		if err := ask(w); !errors.As(err, &told) || told.Reply.Text != "local: protocol the answer is no device code" {
			t.Errorf("%s: %v", body, err)
		}
	}
	w = newWorld(t)
	w.app(microsoft)
	w.vendor.set(func(v *vendorServer) { v.pending = make([]string, 1000); fill(v.pending, "authorization_pending") })
	for range maxLoginDevices {
		w.device(testLogin)
	}
	if err := ask(w); !errors.Is(err, ErrBusy) {
		t.Error(err)
	}
	w.device("session-2")
}
