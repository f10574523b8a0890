package embedded

import (
	"bytes"
	"reflect"
	"testing"
	"time"

	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store/storetest"
)

// fill sets every field of a value to something that is not its zero, so that a field
// which the codec forgets is seen.
func fill(v reflect.Value, n *int) {
	*n++
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(true)
	case reflect.String:
		v.SetString("text " + string(rune('a'+*n%26)))
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(*n))
	case reflect.Uint8, reflect.Uint32, reflect.Uint64:
		v.SetUint(uint64(*n))
	case reflect.Array:
		for i := range v.Len() {
			fill(v.Index(i), n)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 3, 3))
		for i := range v.Len() {
			fill(v.Index(i), n)
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), n)
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Unix(int64(1_800_000_000+*n), int64(*n)).UTC()))
			return
		}
		for i := range v.NumField() {
			fill(v.Field(i), n)
		}
	default:
		panic("no value for " + v.Type().String())
	}
}

func full[T any]() *T {
	v, n := new(T), 0
	fill(reflect.ValueOf(v).Elem(), &n)
	return v
}

func TestCodecKeepsEveryField(t *testing.T) {
	t.Parallel()
	for _, h := range []*head{
		{prefix: prefix{at: 5, size: 7, sum: 9, inFile: true, keyed: true, key: relay.SubmissionKey{1}}, message: full[relay.Message](), state: full[relay.State]()},
		{message: &relay.Message{}},
	} {
		frame := encodeHead([]byte("before"), h)[len("before"):]
		got, err := decodeHead(frame)
		if err != nil || !reflect.DeepEqual(got, h) {
			t.Fatalf("head\n got %+v, %v\nwant %+v", got, err, h)
		}
		if p, err := decodePrefix(frame[:prefixSize]); err != nil || p != h.prefix {
			t.Fatalf("prefix %+v, %v", p, err)
		}
	}
	for _, v := range []*relay.Event{full[relay.Event](), {}} {
		s := full[relay.State]()
		gotS, gotV, err := decodeChange(encodeChange(nil, s, v))
		if err != nil || !reflect.DeepEqual(gotS, s) || !reflect.DeepEqual(&gotV, v) {
			t.Fatalf("change\n got %+v %+v, %v\nwant %+v %+v", gotS, gotV, err, s, v)
		}
	}
	c := &change{message: full[relay.Message](), state: full[relay.State](), retiredAt: time.Unix(1, 2).UTC()}
	c.addEvent(numbered{2, *full[relay.Event]()})
	c.addEvent(numbered{1, relay.Event{}})
	c.addEvent(numbered{2, relay.Event{}})
	r, events, err := decodeHistory(encodeHistory(c), true)
	if err != nil || !reflect.DeepEqual(r.Message, c.message) || !reflect.DeepEqual(r.State, c.state) || r.Retired != c.retiredAt {
		t.Fatalf("history %+v, %v", r, err)
	}
	if len(events) != 2 || !reflect.DeepEqual(events[1], c.events[1].Event) {
		t.Fatalf("events %+v", events)
	}
}

// What an earlier release wrote reads as it was meant: version 1 of a Sent copy had
// neither the way nor the UIDVALIDITY.
func TestCodecReadsVersionOne(t *testing.T) {
	t.Parallel()
	var e encoder
	e.byte(1)
	e.byte(byte(relay.CopyFiled))
	e.text("account")
	e.text("Sent")
	e.uint(7)
	e.int(2)
	at := time.Unix(1_800_000_000, 0).UTC()
	e.time(at)
	e.time(time.Time{})
	e.text("reason")
	d := decoder{b: e.b}
	d.version()
	var got relay.Copy
	d.copy(&got)
	want := relay.Copy{Status: relay.CopyFiled, Account: "account", Folder: "Sent", UID: 7, Attempts: 2, Since: at, Reason: "reason"}
	if err := d.end(); err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
}

func TestCodecSeesDamage(t *testing.T) {
	t.Parallel()
	frame := encodeHead(nil, &head{message: storetest.NewMessage(time.Now(), "bob"), state: full[relay.State]()})
	for i := range frame {
		b := bytes.Clone(frame)
		b[i] ^= 4
		if _, err := decodeHead(b); err == nil {
			t.Fatalf("octet %d of %d was changed and nobody saw it", i, len(frame))
		}
		if _, err := decodeHead(frame[:i]); err == nil {
			t.Fatalf("cut at %d of %d and nobody saw it", i, len(frame))
		}
	}
}

// FuzzDecode feeds the decoders with anything: no panic, no memory beyond the input's
// measure, and what reads can be written and read again.
func FuzzDecode(f *testing.F) {
	s := full[relay.State]()
	f.Add(encodeHead(nil, &head{message: full[relay.Message](), state: s})[frameHeader:])
	f.Add(encodeChange(nil, s, full[relay.Event]())[frameHeader:])
	f.Add([]byte{1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f})
	f.Fuzz(func(t *testing.T, content []byte) {
		b, at := beginFrame(nil)
		frame := endFrame(append(b, content...), at) // so that the checksum hides nothing
		if h, err := decodeHead(frame); err == nil {
			again, err := decodeHead(encodeHead(nil, h))
			if err != nil || !reflect.DeepEqual(h, again) {
				t.Fatalf("head changed: %v", err)
			}
		}
		if s, _, err := decodeState(frame); err == nil {
			again, _, err := decodeChange(encodeChange(nil, s, &relay.Event{}))
			if err != nil || !reflect.DeepEqual(s, again) {
				t.Fatalf("state changed: %v", err)
			}
		}
		if v, err := decodeEvent(frame); err == nil {
			again, err := decodeEvent(encodeEvent(&v))
			if err != nil || !reflect.DeepEqual(v, again) {
				t.Fatalf("event changed: %v", err)
			}
		}
		decodeHistory(frame, true) //nolint:errcheck // only that it ends
		decodePrefix(frame)        //nolint:errcheck // only that it ends
		decodeKey(content)         //nolint:errcheck // only that it ends
	})
}
