package smtpwire

import (
	"context"
	"time"

	"github.com/relayd/relayd/relay"
)

// pipelineDepth is how many recipients are named before their answers are read:
// few enough for the answers to fit into the buffers of both kernels, so that
// neither side waits for the other (RFC 2920 §3.1).
const pipelineDepth = 100

// Transaction is one message for one server.
type Transaction struct {
	From       relay.Address // zero: the null reverse-path
	Recipients []relay.Recipient
	Body       relay.Body
	SMTPUTF8   bool      // the message was submitted under RFC 6531
	EightBit   bool      // the content was declared as BODY=8BITMIME
	Ret        relay.Ret // for peers with DSN (RFC 3461), as is EnvID
	EnvID      string

	// BeforeDot is called, and must return nil, before the last octet of the content
	// leaves. recipients are the indexes of all that may be accepted by it. It may
	// be nil.
	BeforeDot func(ctx context.Context, recipients []int) error
}

// Answer is what became of one recipient.
type Answer struct {
	Accepted bool        // the peer took responsibility
	Final    bool        // decided here: this peer can never take it; Reply has no code
	Where    relay.Where // where the answer came
	Reply    relay.Reply
}

// Receipt is what became of a Transaction.
type Receipt struct {
	Answers []Answer // one for each recipient, in their order, whatever happened
	DotSent bool     // the end of the content may have left
}

// Err is the first answer that is not a success; nil if every recipient was
// accepted.
func (r Receipt) Err() error {
	for _, a := range r.Answers {
		if !a.Accepted {
			return &ClientError{Where: a.Where, Reply: a.Reply, DotSent: r.DotSent}
		}
	}
	return nil
}

// Send takes one message through MAIL, RCPT and DATA or BDAT. The error is set if
// the connection is of no use afterwards; the Receipt is complete in any case.
//
// With PIPELINING all commands up to DATA leave in one flight (RFC 2920). A small
// message goes out whole in one flight by BDAT, if the peer offers CHUNKING as
// well: RFC 3030 §2 makes the peer discard it when no recipient was accepted. That
// saves one round trip. For larger ones BDAT saves none, the scan for dots costs
// nothing that can be measured, and a DATA that breaks off is understood by every
// server.
func (c *Client) Send(ctx context.Context, tx *Transaction) (Receipt, error) {
	s := &sending{c: c, ctx: ctx, tx: tx, answers: make([]Answer, len(tx.Recipients))}
	err := s.run()
	if err != nil {
		s.settle(err.Where, err.Reply)
		err.DotSent = s.dotSent
		return Receipt{s.answers, s.dotSent}, err
	}
	return Receipt{s.answers, s.dotSent}, nil
}

// sending is one Send. An answer without a Where is still open.
type sending struct {
	c        *Client
	ctx      context.Context
	tx       *Transaction
	answers  []Answer
	live     []int // recipients to be named to the peer
	accepted []int // by RCPT
	utf8     bool  // SMTPUTF8 is needed
	eightBit bool  // BODY=8BITMIME is to be given
	mailOK   bool
	dotSent  bool
}

// settle gives an answer to every recipient that has none yet.
func (s *sending) settle(where relay.Where, reply relay.Reply) {
	for i := range s.answers {
		if s.answers[i].Where == "" {
			s.answers[i] = Answer{Where: where, Reply: reply}
		}
	}
}

func (s *sending) run() *ClientError {
	release, err := s.c.begin(s.ctx, relay.AtMail)
	if err != nil {
		return asClientError(relay.AtMail, err)
	}
	defer release()
	if err := s.prepare(); err != nil {
		return s.giveUp(relay.AtMail, err)
	}
	if len(s.live) == 0 {
		return nil
	}
	if s.fitsOneFlight() {
		return s.sendAtOnce()
	}
	return s.sendByData()
}

// fitsOneFlight decides between the two ways of sending.
func (s *sending) fitsOneFlight() bool {
	c := s.c
	return c.ext.Chunking && c.ext.Pipelining &&
		s.tx.Body.Size() <= int64(c.opts.OneFlight) &&
		len(s.live) <= pipelineDepth &&
		time.Since(c.wire.last) <= c.opts.OneFlightIdle &&
		ackNow(c.wire.raw) // else Postfix's last answer comes 40 ms late, which is more than a round trip saves
}

// sendByData asks for the 354 and sends the content then.
func (s *sending) sendByData() *ClientError {
	open, err := s.envelope()
	if err != nil {
		return err
	}
	if !open {
		return s.leave()
	}
	if len(s.accepted) == 0 {
		// RFC 2920 §3.1 proposes a lone dot here. Closing cannot make a message of
		// nothing, whatever the peer thinks that we agreed on.
		return s.c.breakWith(protocol(relay.AtData, "DATA was accepted without any recipient"))
	}
	if err := s.content(); err != nil {
		return err
	}
	return s.finalAnswer()
}

// leave ends a transaction that will not be completed, so that the next MAIL is
// not a nested one.
func (s *sending) leave() *ClientError {
	if !s.mailOK || s.c.broken != nil {
		return s.c.broken
	}
	reply, err := s.c.command(relay.AtMail, s.c.opts.Timeouts.Command, "RSET")
	if err == nil && reply.Code != 250 {
		err = s.c.breakWith(refused(relay.AtMail, reply))
	}
	if err != nil {
		return asClientError(relay.AtMail, err)
	}
	return nil
}

// finalAnswer reads what the peer says to the complete message.
func (s *sending) finalAnswer() *ClientError {
	reply, err := s.c.reply(relay.AtAfterDot, s.c.opts.Timeouts.DataEnd)
	if err != nil {
		return asClientError(relay.AtAfterDot, err)
	}
	switch {
	case reply.Code < 300:
		for _, i := range s.accepted {
			s.answers[i] = Answer{Accepted: true, Where: relay.AtAfterDot, Reply: reply.Public()}
		}
	case reply.Code < 400:
		return s.c.breakWith(refused(relay.AtAfterDot, reply))
	default:
		s.settle(relay.AtAfterDot, reply.Public())
	}
	return s.c.broken
}

// giveUp ends the transaction because of a failure on our side: the connection is
// closed, so that the peer cannot take what it has for a message.
func (s *sending) giveUp(where relay.Where, cause error) *ClientError {
	_ = s.c.Close()
	e := failed(where, cause)
	if isContentFault(cause) {
		for i := range s.answers {
			if s.answers[i].Where == "" {
				s.answers[i] = Answer{Final: true, Where: where, Reply: badContent}
			}
		}
		e.Reply = badContent
	}
	return s.c.breakWith(e)
}
