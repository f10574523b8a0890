package embedded

import "github.com/relayd/relayd/relay"

func (e *encoder) message(m *relay.Message) {
	e.byte(codecVersion)
	e.raw(m.ID[:])
	e.byte(byte(m.Kind))
	e.time(m.Accepted)
	e.text(m.Submitter)
	e.text(m.Organisation)
	e.text(m.Protocol)
	e.envelope(&m.Envelope)
	e.address(m.From)
	e.text(m.HeaderID)
	e.uint(uint64(len(m.Bcc)))
	for _, bcc := range m.Bcc {
		e.text(bcc)
	}
	e.int(m.Size)
	e.raw(m.BodyHash[:])
}

func (d *decoder) message() *relay.Message {
	d.version()
	m := &relay.Message{}
	copy(m.ID[:], d.take(len(m.ID)))
	m.Kind = relay.Kind(d.byte())
	m.Accepted = d.time()
	m.Submitter = d.text()
	m.Organisation = d.text()
	m.Protocol = d.text()
	d.envelope(&m.Envelope)
	m.From = d.address()
	m.HeaderID = d.text()
	if n := d.count(); n > 0 {
		m.Bcc = make([]string, n)
		for i := range m.Bcc {
			m.Bcc[i] = d.text()
		}
	}
	m.Size = d.int()
	copy(m.BodyHash[:], d.take(len(m.BodyHash)))
	return m
}

// The switches of an envelope in one octet.
const (
	flagSMTPUTF8 = 1 << iota
	flagEightBit
)

func (e *encoder) envelope(v *relay.Envelope) {
	e.address(v.ReturnPath)
	e.byte(byte(v.Ret))
	e.text(v.EnvID)
	var flags byte
	if v.SMTPUTF8 {
		flags |= flagSMTPUTF8
	}
	if v.EightBit {
		flags |= flagEightBit
	}
	e.byte(flags)
	e.uint(uint64(len(v.Recipients)))
	for i := range v.Recipients {
		r := &v.Recipients[i]
		e.address(r.Address)
		e.byte(byte(r.Notify))
		e.text(r.ORcpt)
	}
}

func (d *decoder) envelope(v *relay.Envelope) {
	v.ReturnPath = d.address()
	v.Ret = relay.Ret(d.byte())
	v.EnvID = d.text()
	flags := d.byte()
	v.SMTPUTF8, v.EightBit = flags&flagSMTPUTF8 != 0, flags&flagEightBit != 0
	if n := d.count(); n > 0 {
		v.Recipients = make([]relay.Recipient, n)
		for i := range v.Recipients {
			r := &v.Recipients[i]
			r.Address = d.address()
			r.Notify = relay.Notify(d.byte())
			r.ORcpt = d.text()
		}
	}
}
