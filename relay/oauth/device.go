package oauth

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"net/url"
	"time"

	"golang.org/x/oauth2"

	"github.com/relayd/relayd/relay"
)

// Device is a consent by a code that the person types at the vendor (RFC 8628), and how
// it stands.
type Device struct {
	ID              string
	UserCode        string // what to type
	VerificationURL string // where
	CompleteURL     string // the same with the code in it; empty if the vendor has none
	Expires         time.Time
	Ended           time.Time // zero while it waits
	State           DeviceState
	Err             error        // why it failed: the errors of Finish
	Grant           *relay.Grant // once it is done
	Result          Result
}

// DeviceState is how a device flow stands.
type DeviceState string

// The states.
const (
	DeviceWaiting   DeviceState = "waiting" // for the person
	DeviceDone      DeviceState = "done"
	DeviceFailed    DeviceState = "failed"
	DeviceExpired   DeviceState = "expired"
	DeviceCancelled DeviceState = "cancelled"
)

// The limits of device flows.
const (
	maxDevices      = 256 // under way at one time
	maxLoginDevices = 4   // of these by one login
	deviceInterval  = 5 * time.Second
	maxInterval     = time.Minute
	deviceLifetime  = 30 * time.Minute // at most; vendors say 15
	deviceKept      = 10 * time.Minute // after its end, for the page to read
	maxUserCode     = 64
)

// device is a Device and its poller. What changes is under Service.mu.
type device struct {
	Device
	flow     *flow
	code     relay.Secret
	interval time.Duration
	cancel   context.CancelFunc
}

// BeginDevice starts a consent by code. It asks the vendor for one, and then keeps
// asking whether the person has typed it; Device tells how that stands. It returns
// ErrNoDevice, ErrApp, ErrBusy, or *relay.TokenError where the vendor fails.
func (s *Service) BeginDevice(ctx context.Context, q BeginRequest) (Device, error) {
	f, m, err := s.newFlow(ctx, q)
	if err != nil {
		return Device{}, err
	}
	if m.endpoints.Device == "" {
		return Device{}, ErrNoDevice
	}
	// Here too a vendor whose tokens open one resource is asked for the first only; the
	// others are probed for.
	scopes, err := m.scopes(f.Resources[0])
	if err != nil {
		return Device{}, err
	}
	for _, r := range f.Resources[1:] {
		more, err := m.scopes(r)
		if err != nil {
			return Device{}, err
		}
		if !m.vendor.OneResource {
			scopes = merge(scopes, more)
		}
	}
	if err := s.roomForDevice(f.Login); err != nil {
		return Device{}, err
	}
	d, err := s.askDevice(ctx, m, merge(scopes, m.vendor.Identity))
	if err != nil {
		return Device{}, s.explain(m, f.address, err)
	}
	d.flow, d.Result, d.State, d.ID = f, f.result(), DeviceWaiting, rand.Text()
	return s.startDevice(d, m)
}

// startDevice keeps the flow and starts to poll.
func (s *Service) startDevice(d *device, m *realm) (Device, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return Device{}, ErrClosed
	}
	ctx, cancel := context.WithDeadline(s.ctx, d.Expires)
	d.cancel = cancel
	s.devices[d.ID] = d
	s.running.Add(1)
	go func() {
		defer s.running.Done()
		defer cancel()
		s.poll(ctx, d, m)
	}()
	return d.Device, nil
}

func (s *Service) roomForDevice(login string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forgetDevices(time.Now())
	mine, all := 0, 0
	for _, d := range s.devices {
		if d.State == DeviceWaiting {
			all++
			if d.flow.Login == login {
				mine++
			}
		}
	}
	if mine >= maxLoginDevices || all >= maxDevices {
		return ErrBusy
	}
	return nil
}

// forgetDevices drops flows whose end nobody reads any more; the caller has s.mu.
func (s *Service) forgetDevices(now time.Time) {
	for id, d := range s.devices {
		if d.State != DeviceWaiting && now.Sub(d.Ended) > deviceKept {
			delete(s.devices, id)
		}
	}
}

// askDevice gets a code from the vendor (RFC 8628 §3.1).
func (s *Service) askDevice(ctx context.Context, m *realm, scopes []string) (*device, error) {
	var got *oauth2.DeviceAuthResponse
	a, ok := s.call(ctx, func(ctx context.Context) (err error) {
		got, err = s.config(m, scopes, "").DeviceAuth(ctx)
		return err
	})
	if a.err != nil {
		return nil, broken(a.err)
	}
	if f := a.refusal(); f != nil {
		return nil, f
	}
	if !ok || !isToken(got.DeviceCode) || got.UserCode == "" || len(got.UserCode) > maxUserCode || !isSecureURL(got.VerificationURI) {
		return nil, local("protocol", "the answer is no device code", nil)
	}
	d := &device{code: relay.Secret(got.DeviceCode), interval: deviceInterval}
	d.UserCode, d.VerificationURL = relay.Printable(got.UserCode), got.VerificationURI
	if isSecureURL(got.VerificationURIComplete) {
		d.CompleteURL = got.VerificationURIComplete
	}
	now := time.Now()
	if d.Expires = got.Expiry; !d.Expires.After(now) || d.Expires.After(now.Add(deviceLifetime)) {
		d.Expires = now.Add(deviceLifetime)
	}
	if got.Interval > 0 {
		d.interval = min(time.Duration(min(got.Interval, 3600))*time.Second, maxInterval)
	}
	return d, nil
}

// poll asks until the person has consented, or it is over (RFC 8628 §3.4, §3.5).
func (s *Service) poll(ctx context.Context, d *device, m *realm) {
	interval := d.interval
	timer := time.NewTimer(interval)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-s.closing:
			s.endDevice(d, DeviceCancelled, nil, identity{}, ErrClosed)
			return
		case <-ctx.Done():
			s.expireDevice(ctx, d)
			return
		}
		got, err := s.ask(ctx, m, nil, url.Values{
			"grant_type":  {"urn:ietf:params:oauth:grant-type:device_code"},
			"device_code": {d.code.Reveal()},
		})
		if err == nil {
			g, id, err := s.settle(context.WithoutCancel(ctx), m, d.flow, got)
			s.endDevice(d, DeviceDone, g, id, err)
			return
		}
		var f *failure
		switch errors.As(err, &f); {
		case ctx.Err() != nil:
			s.expireDevice(ctx, d)
			return
		case f != nil && f.code == "authorization_pending":
		case f != nil && f.code == "slow_down":
			interval += deviceInterval // RFC 8628 §3.5: and so for all that follow
		case f != nil && f.code == "expired_token":
			s.endDevice(d, DeviceExpired, nil, identity{}, ErrState)
			return
		case f != nil && (f.code == "access_denied" || f.code == "authorization_declined"):
			s.endDevice(d, DeviceFailed, nil, identity{}, denial(f.code, ""))
			return
		case f != nil && m.judge(f) == temporary && (f.reply.Code == 0 || f.reply.Code >= 500 || f.reply.Code == 429):
			interval = min(2*interval, maxInterval) // §3.5: and on a lost connection
		default:
			s.endDevice(d, DeviceFailed, nil, identity{}, s.explain(m, d.flow.address, err))
			return
		}
		timer.Reset(max(interval, pauseOf(f)))
	}
}

func pauseOf(f *failure) time.Duration {
	if f == nil {
		return 0
	}
	return f.pause
}

// expireDevice ends a flow whose time is over, or that was cancelled.
func (s *Service) expireDevice(ctx context.Context, d *device) {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		s.endDevice(d, DeviceExpired, nil, identity{}, ErrState)
		return
	}
	s.endDevice(d, DeviceCancelled, nil, identity{}, nil)
}

func (s *Service) endDevice(d *device, state DeviceState, g *relay.Grant, id identity, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil && state == DeviceDone {
		state = DeviceFailed
	}
	d.State, d.Err, d.Grant, d.Ended = state, err, g, time.Now()
	d.Result.Confirmed, d.Result.Claim = id.address != "", id.claim
	if state == DeviceDone && d.flow.Done != nil {
		done := d.Device
		s.running.Go(func() { d.flow.Done(done) })
	}
}

// DeviceProgress tells how a device flow stands, to the login that began it. It returns
// ErrState if there is none, or none any more.
func (s *Service) DeviceProgress(id, login string) (Device, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.devices[id]
	if d == nil || subtle.ConstantTimeCompare([]byte(d.flow.Login), []byte(login)) != 1 {
		return Device{}, ErrState
	}
	return d.Device, nil
}

// CancelDevice ends a device flow that waits; one that has ended is left alone.
func (s *Service) CancelDevice(id, login string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.devices[id]
	if d == nil || subtle.ConstantTimeCompare([]byte(d.flow.Login), []byte(login)) != 1 {
		return ErrState
	}
	d.cancel()
	return nil
}
