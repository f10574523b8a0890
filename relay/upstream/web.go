package upstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"

	"github.com/relayd/relayd/internal/smtpwire"
	"github.com/relayd/relayd/internal/webmail"
	"github.com/relayd/relayd/relay"
)

// The rules of what relayd finds before a message goes by an HTTP API.
const (
	ruleEnvelope = "local.api_envelope" // the header and the envelope name different people
	ruleSize     = "local.api_size"
	ruleFrom     = "local.api_from" // the API would put another address into From
	ruleSettings = "local.api_settings"
)

// byWeb sends to all that is left, in one request. It gives the verdict for which
// another way is to be tried; nil if everybody has a result.
func (a *attempt) byWeb(ctx context.Context, way relay.Way) *verdict {
	content, why, err := a.prepare(way)
	switch {
	case err != nil:
		a.stop(ruleNotReached, relay.Local("connection lost", "because the content could not be read from the spool"))
		return nil
	case why != nil:
		return why
	}
	if !a.fetch(ctx) {
		return nil
	}
	a.out.Peer = webPeer(a.cred, way)
	to := len(a.left)
	booked, ok := a.book(to)
	if !ok {
		return nil
	}
	v := a.request(ctx, way, content)
	if v != nil && v.result.Outcome != relay.Delivered && v.result.Outcome != relay.Unknown {
		to = 0
	}
	booked.keep(to)
	switch {
	case v == nil:
		a.brokenOff()
		return nil
	case v.other && v.result.Outcome != relay.Unknown:
		return v // it says for certain that nothing was sent
	}
	a.out.Trouble = graver(a.out.Trouble, v.trouble)
	a.heedQuota()
	for _, i := range a.left {
		a.set(i, v.result)
	}
	a.left = nil
	return nil
}

// prepare makes the content that an API takes. The verdict says why the message cannot
// go this way, and the error that it could not be read.
func (a *attempt) prepare(way relay.Way) (webmail.Content, *verdict, error) {
	m := a.del.Message
	if way == relay.WayGraph && !m.From.Equal(a.account.Address) {
		// Graph does not look at From: the mailbox's own address goes out.
		return webmail.Content{}, a.unfit(way, ruleFrom, relay.Enhanced{5, 7, 1},
			"which would replace the From address "+m.From.String()+" by the mailbox's own"), nil
	}
	if most := a.limits.RecipientsPerMessage; most > 0 && len(a.left) > most {
		return webmail.Content{}, a.unfit(way, ruleEnvelope, relay.Enhanced{5, 5, 3},
			fmt.Sprintf("where a message has %d recipients at most and cannot be sent in parts", most)), nil
	}
	recipients := make([]relay.Address, 0, len(a.left))
	for _, i := range a.left {
		recipients = append(recipients, m.Envelope.Recipients[a.del.Recipients[i]].Address)
	}
	content, err := webmail.Prepare(a.del.Body.Reader, a.del.Body.Size(), m.Bcc, recipients)
	most := webmail.MaxSize(way)
	switch {
	case errors.Is(err, webmail.ErrEnvelope), errors.Is(err, webmail.ErrHeader):
		return content, a.unfit(way, ruleEnvelope, relay.Enhanced{5, 5, 0},
			"which sends to everybody whom the header names, and not only to the recipients ("+err.Error()+")"), nil
	case errors.Is(err, webmail.ErrResent):
		return content, a.unfit(way, ruleEnvelope, relay.Enhanced{5, 5, 0},
			"which sends a re-sent message to its first recipients again ("+err.Error()+")"), nil
	case errors.Is(err, webmail.ErrTooLarge), err == nil && most > 0 && content.Size > most:
		return content, a.unfit(way, ruleSize, relay.Enhanced{5, 3, 4}, // RFC 1870 §6
			fmt.Sprintf("which takes %d octets at most; the message has %d", most, content.Size)), nil
	}
	return content, nil, err
}

// unfit is the verdict about a message that cannot go by an API. It holds only if there
// is no other way.
func (a *attempt) unfit(way relay.Way, rule string, code relay.Enhanced, why string) *verdict {
	text := relay.Printable("The account sends by " + nameOf(way) + ", " + why + ". By SMTP the message could go.")
	return &verdict{
		result:  relay.Result{Outcome: relay.Failed, Rule: rule, Hint: text, Reply: relay.Reply{Enhanced: code, Text: text}},
		failAll: true, blocks: true, other: true,
	}
}

func nameOf(way relay.Way) string {
	switch way {
	case relay.WayGraph:
		return "Microsoft Graph"
	case relay.WayGmailAPI:
		return "the Gmail API"
	}
	return "Exchange Web Services"
}

// request hands the message over, with a new token if the first one is refused. nil
// means that the attempt was broken off before anything was sent.
func (a *attempt) request(ctx context.Context, way relay.Way, content webmail.Content) *verdict {
	for {
		dot := &dotReader{a: a}
		receipt, err := a.handOver(ctx, way, webmail.Content{
			Size:   content.Size,
			Reader: func() io.Reader { return dot.watch(ctx, content.Reader()) },
		})
		dotSent := dot.end()
		a.job.Answered()
		if err == nil {
			return &verdict{result: relay.Result{Outcome: relay.Delivered, Reply: receipt.Reply}}
		}
		var failure *webmail.Error
		if !errors.As(err, &failure) {
			return wrongSettings(way, err)
		}
		if a.recordErr != nil || !dotSent && a.job.BrokenOff() {
			return nil
		}
		answer := smtpwire.Answer{Where: failure.Where, Reply: failure.Reply}
		if a.renew(ctx, &answer) {
			continue
		}
		return a.judgeWeb(failure, answer)
	}
}

// handOver is one request on a connection of its own.
func (a *attempt) handOver(ctx context.Context, way relay.Way, content webmail.Content) (webmail.Receipt, error) {
	client, err := a.d.o.Web.Open(a.cred, way)
	if err != nil {
		return webmail.Receipt{}, err
	}
	defer client.Close() //nolint:errcheck // the answer is here, or does not come
	return client.Send(ctx, content)
}

// judgeWeb turns the failure of a request into a verdict. answer is what it came to:
// the service's own, or that of the token endpoint behind it.
func (a *attempt) judgeWeb(failure *webmail.Error, answer smtpwire.Answer) *verdict {
	if answer.Where == relay.AtToken {
		return a.judge(answer)
	}
	v := weigh(a.d.o.Classifier.Classify(failure.Answer()), failure.Reply)
	v.blocks = true
	if failure.RetryAfter > 0 {
		v.result.Pause = failure.RetryAfter
		if v.trouble != nil {
			v.trouble.Pause = failure.RetryAfter
		}
	}
	if failure.Unknown {
		v.result.Outcome = relay.Unknown
	}
	return v
}

// wrongSettings is the verdict about an account whose settings do not even make a
// client.
func wrongSettings(way relay.Way, err error) *verdict {
	class := relay.Class{
		Rule: ruleSettings, Action: relay.ActionHoldAccount, Pause: restOfRung, OtherTransport: true,
		Hint: "The account's settings for " + nameOf(way) + " cannot be used: please connect it again.",
	}
	v := weigh(class, relay.Local("protocol", err.Error()))
	v.blocks = true
	return v
}

// webPeer names the service of a way.
func webPeer(c *relay.Credentials, way relay.Way) relay.Peer {
	var endpoints relay.Endpoints
	if c.App != nil {
		endpoints = c.App.Endpoints
	}
	address := c.Account.EWS.URL
	switch way {
	case relay.WayGraph:
		address = endpoints.Graph
		if address == "" {
			address = webmail.DefaultGraphBase
		}
	case relay.WayGmailAPI:
		address = endpoints.Gmail
		if address == "" {
			address = webmail.DefaultGmailBase
		}
	}
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" {
		return relay.Peer{Host: string(way)} // Open finds out
	}
	return relay.Peer{Host: u.Hostname()}
}
