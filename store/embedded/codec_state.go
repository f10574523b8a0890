package embedded

import "github.com/relayd/relayd/relay"

func (e *encoder) state(s *relay.State) {
	e.byte(codecVersion)
	e.uint(s.Revision)
	e.route(&s.Route)
	e.bool(s.RouteFixed)
	e.bool(s.Hold != nil)
	if s.Hold != nil {
		e.hold(s.Hold)
	}
	e.span(s.HeldFor)
	e.copy(&s.Copy)
	e.bool(s.DelayTold)
	e.uint(uint64(len(s.Recipients)))
	for i := range s.Recipients {
		e.recipient(&s.Recipients[i])
	}
}

func (d *decoder) state() *relay.State {
	d.version()
	s := &relay.State{Revision: d.uint()}
	d.route(&s.Route)
	s.RouteFixed = d.bool()
	if d.bool() {
		s.Hold = d.hold()
	}
	s.HeldFor = d.span()
	d.copy(&s.Copy)
	s.DelayTold = d.bool()
	if n := d.count(); n > 0 {
		s.Recipients = make([]relay.RecipientState, n)
		for i := range s.Recipients {
			d.recipient(&s.Recipients[i])
		}
	}
	return s
}

func (e *encoder) recipient(r *relay.RecipientState) {
	e.byte(byte(r.Outcome))
	e.bool(r.DotSent)
	e.bool(r.Reported)
	e.int(int64(r.Attempts))
	e.int(int64(r.LookUps))
	e.time(r.Next)
	e.text(r.Rule)
	e.reply(&r.Reply)
	e.text(r.Peer)
	e.time(r.At)
}

func (d *decoder) recipient(r *relay.RecipientState) {
	r.Outcome = relay.Outcome(d.byte())
	r.DotSent = d.bool()
	r.Reported = d.bool()
	r.Attempts = int(d.int())
	r.LookUps = int(d.int())
	r.Next = d.time()
	r.Rule = d.text()
	d.reply(&r.Reply)
	r.Peer = d.text()
	r.At = d.time()
}

func (e *encoder) reply(r *relay.Reply) {
	e.int(int64(r.Code))
	for _, n := range r.Enhanced {
		e.int(int64(n))
	}
	e.text(r.Text)
}

func (d *decoder) reply(r *relay.Reply) {
	r.Code = int(d.int())
	for i := range r.Enhanced {
		r.Enhanced[i] = int(d.int())
	}
	r.Text = d.text()
}

func (e *encoder) route(r *relay.Route) {
	e.byte(byte(r.Kind))
	e.text(r.Account)
	e.text(r.Rule)
	e.text(r.Reason)
}

func (d *decoder) route(r *relay.Route) {
	r.Kind = relay.RouteKind(d.byte())
	r.Account = d.text()
	r.Rule = d.text()
	r.Reason = d.text()
}

func (e *encoder) hold(h *relay.Hold) {
	e.text(h.Reason)
	e.text(h.Rule)
	e.text(h.Account)
	e.text(h.By)
	e.time(h.Since)
}

func (d *decoder) hold() *relay.Hold {
	return &relay.Hold{Reason: d.text(), Rule: d.text(), Account: d.text(), By: d.text(), Since: d.time()}
}

func (e *encoder) copy(c *relay.Copy) {
	e.byte(byte(c.Status))
	e.text(c.Account)
	e.text(string(c.Way))
	e.text(c.Folder)
	e.uint(uint64(c.UID))
	e.uint(uint64(c.Validity))
	e.int(int64(c.Attempts))
	e.time(c.Since)
	e.time(c.Next)
	e.text(c.Reason)
}

func (d *decoder) copy(c *relay.Copy) {
	c.Status = relay.CopyStatus(d.byte())
	c.Account = d.text()
	if d.v > 1 {
		c.Way = relay.Way(d.text())
	}
	c.Folder = d.text()
	c.UID = uint32(d.uint())
	if d.v > 1 {
		c.Validity = uint32(d.uint())
	}
	c.Attempts = int(d.int())
	c.Since = d.time()
	c.Next = d.time()
	c.Reason = d.text()
}

func (e *encoder) event(v *relay.Event) {
	e.byte(codecVersion)
	e.time(v.At)
	e.text(string(v.Kind))
	e.text(v.By)
	e.route(&v.Route)
	e.text(v.Peer.Host)
	e.text(v.Peer.Addr)
	e.text(v.Peer.TLS)
	e.uint(uint64(len(v.Results)))
	for i := range v.Results {
		r := &v.Results[i]
		e.int(int64(r.Recipient))
		e.byte(byte(r.Outcome))
		e.reply(&r.Reply)
		e.text(r.Rule)
		e.text(r.Hint)
		e.span(r.Pause)
		e.bool(r.PeerReports)
	}
	e.text(v.Detail)
}

func (d *decoder) event() relay.Event {
	d.version()
	v := relay.Event{At: d.time(), Kind: relay.EventKind(d.text()), By: d.text()}
	d.route(&v.Route)
	v.Peer = relay.Peer{Host: d.text(), Addr: d.text(), TLS: d.text()}
	if n := d.count(); n > 0 {
		v.Results = make([]relay.Result, n)
		for i := range v.Results {
			r := &v.Results[i]
			r.Recipient = int(d.int())
			r.Outcome = relay.Outcome(d.byte())
			d.reply(&r.Reply)
			r.Rule = d.text()
			r.Hint = d.text()
			r.Pause = d.span()
			r.PeerReports = d.bool()
		}
	}
	v.Detail = d.text()
	return v
}
