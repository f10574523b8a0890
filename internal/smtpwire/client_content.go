package smtpwire

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/relayd/relayd/relay"
)

// readSize is how much content is read at one time.
const readSize = 32 << 10

// errNotRecorded marks a BeforeDot that failed.
var errNotRecorded = errors.New("given up before the final dot")

// badContent is the outcome of content that may never leave (RFC 3463: 5.6.0).
var badContent = relay.Reply{
	Enhanced: relay.Enhanced{5, 6, 0},
	Text:     "The message holds a bare CR, a bare LF or a NUL, so it cannot be sent",
}

// content sends the content after a 354, up to and with the final dot.
func (s *sending) content() *ClientError {
	size := s.tx.Body.Size()
	s.c.out = room(s.c.out, min(size+size/3+pieceSlack, writeSize))
	w := NewDotWriter(timedWriter{s.c, s.c.opts.Timeouts.DataBlock}, s.c.out)
	err := s.stream(w)
	if err == nil {
		err = w.Complete()
	}
	if err != nil {
		return s.contentFailed(err)
	}
	// An answer that is here already cannot be the answer to the dot.
	if err := s.c.due(relay.AtData); err != nil {
		return asClientError(relay.AtData, err)
	}
	if err := s.announce(s.accepted); err != nil {
		return s.giveUp(relay.AtData, err)
	}
	if err := w.Finish(); err != nil {
		return s.c.breakWith(failed(relay.AtAfterDot, err))
	}
	s.c.out = w.out
	return nil
}

// pieceSlack is room for the end of a content.
const pieceSlack = 16

// stream writes all content but its end.
func (s *sending) stream(w *DotWriter) error {
	n, err := s.copyTo(w)
	if err == nil && n != s.tx.Body.Size() {
		// A content that ends early looks like a whole one behind a final dot.
		w.err = errSize
		return w.err
	}
	return err
}

// errSize means that content is not as long as it was said to be.
var errSize = &sourceError{errors.New("it is not as long as it should be")}

func (s *sending) copyTo(w *DotWriter) (int64, error) {
	r := s.tx.Body.Reader()
	if direct, ok := r.(io.WriterTo); ok {
		n, err := direct.WriteTo(w)
		if err != nil && w.err == nil {
			w.err = &sourceError{err}
		}
		return n, w.err
	}
	s.c.in = room(s.c.in, min(s.tx.Body.Size()+1, readSize))
	return w.readFrom(r, s.c.in[:cap(s.c.in)])
}

// room gives buf, emptied, or a new one if it is too small.
func room(buf []byte, size int64) []byte {
	if int64(cap(buf)) < size {
		return make([]byte, 0, size)
	}
	return buf[:0]
}

// contentFailed tells our own failure from the peer's.
func (s *sending) contentFailed(err error) *ClientError {
	if isContentFault(err) || isSourceFault(err) {
		return s.giveUp(relay.AtData, err)
	}
	return s.lastWords(relay.AtData, err)
}

// announce calls BeforeDot. From here on the message may have been accepted.
func (s *sending) announce(recipients []int) error {
	if s.tx.BeforeDot != nil {
		if err := s.tx.BeforeDot(s.ctx, slices.Clone(recipients)); err != nil {
			return fmt.Errorf("%w: %w", errNotRecorded, err)
		}
	}
	s.dotSent = true
	return nil
}

// sendAtOnce sends envelope and content in one flight (RFC 2920, RFC 3030 §4.2).
// The message is complete when it leaves: from then on only its answers tell what
// became of it.
func (s *sending) sendAtOnce() *ClientError {
	body, err := s.wholeBody()
	if err != nil {
		return s.giveUp(relay.AtMail, err)
	}
	if err := s.c.due(relay.AtMail); err != nil {
		return asClientError(relay.AtMail, err)
	}
	if err := s.announce(s.live); err != nil {
		return s.giveUp(relay.AtMail, err)
	}
	out := s.appendMail(s.c.out[:0])
	for _, i := range s.live {
		out = s.appendRcpt(out, i)
	}
	out = strconv.AppendInt(append(out, "BDAT "...), int64(len(body)), 10)
	out = append(append(out, " LAST\r\n"...), body...)
	s.c.out = out
	if err := s.c.wire.write(out, s.c.opts.Timeouts.DataBlock); err != nil {
		return s.oneFlightFailed(err)
	}
	return s.takeOneFlight()
}

// oneFlightFailed: a part may have left, perhaps all of it. Only a refusal of MAIL
// that is here already proves that nothing was accepted.
func (s *sending) oneFlightFailed(cause error) *ClientError {
	return s.afterAll(s.lastWords(relay.AtMail, cause))
}

// takeOneFlight reads all answers of the flight.
func (s *sending) takeOneFlight() *ClientError {
	if err := s.takeEnvelope(true, s.live); err != nil {
		return s.afterAll(err)
	}
	if s.c.wire.r.Buffered() == 0 {
		ackNow(s.c.wire.raw) // the answer to BDAT may wait for this
	}
	if !s.mailOK || len(s.accepted) == 0 {
		// RFC 3030 §2: the peer refuses the chunk and keeps nothing of it.
		if _, err := s.answer(relay.AtAfterDot, s.c.opts.Timeouts.DataEnd); err != nil {
			return err
		}
		return s.leave()
	}
	if err := s.finalAnswer(); err != nil {
		return err
	}
	if !s.answers[s.accepted[0]].Accepted {
		return s.leave() // RFC 3030 §2: after a failed BDAT only RSET is sure
	}
	return nil
}

// afterAll moves a failure to the place where it really happened: behind the
// complete message. A real answer stays where it came.
func (s *sending) afterAll(e *ClientError) *ClientError {
	if e.Reply.Code == 0 {
		e.Where = relay.AtAfterDot
		e.Reply = afterDot(e)
	}
	return e
}

// afterDot names the place anew in the words of a failure.
func afterDot(e *ClientError) relay.Reply {
	if e.Err == nil {
		return e.Reply
	}
	return failed(relay.AtAfterDot, e.Err).Reply
}

// wholeBody reads and checks a small content.
func (s *sending) wholeBody() ([]byte, error) {
	limit := s.tx.Body.Size()
	s.c.in = room(s.c.in, limit+int64(len("\r\n")))
	buf := s.c.in[:limit]
	r := s.tx.Body.Reader()
	if _, err := io.ReadFull(r, buf); err != nil {
		return nil, &sourceError{err}
	}
	if n, err := io.ReadFull(r, make([]byte, 1)); n > 0 || err != io.EOF {
		return nil, errSize
	}
	if err := checkContent(buf); err != nil {
		return nil, err
	}
	if len(buf) > 0 && !bytes.HasSuffix(buf, []byte("\r\n")) {
		buf = append(buf, '\r', '\n')
	}
	return buf, nil
}
