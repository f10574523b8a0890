package upstream_test

import (
	"strings"
	"testing"
	"time"

	"github.com/relayd/relayd/internal/ledger"
	"github.com/relayd/relayd/internal/smtpwire/smtpwiretest"
	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/relay/upstream"
)

// limited lets every account do what the limits say, and gives the ledger.
func limited(l relay.Limits) (*ledger.Ledger, func(*upstream.Options)) {
	books := &ledger.Ledger{}
	return books, func(o *upstream.Options) {
		o.Ledger, o.LimitsOf = books, func(*relay.Account) relay.Limits { return l }
	}
}

func used(l *ledger.Ledger) ledger.Usage { return l.Remaining("jane", relay.Limits{}, time.Now()).Day }

// TestThrottle: a limit slows mail down before the provider has to.
func TestThrottle(t *testing.T) {
	t.Parallel()
	books, change := limited(relay.Limits{MessagesPerHour: 1})
	w := janes(t, change, signIn+accepted+bye)
	w.check(t, delivery(1), "delivered")
	a := w.check(t, delivery(1), "deferred local.throttle | slow local.throttle")
	if a.Trouble.Pause <= time.Hour || a.Trouble.Pause > 65*time.Minute || a.Trouble.Hint == "" {
		t.Errorf("%+v", a.Trouble)
	}
	if got := used(books); got.Messages.Used != 1 || got.Recipients.Used != 1 {
		t.Errorf("%+v", got)
	}
}

// TestThrottleBetweenTransactions: what was sent before stays sent.
func TestThrottleBetweenTransactions(t *testing.T) {
	t.Parallel()
	_, change := limited(relay.Limits{MessagesPerDay: 1, RecipientsPerMessage: 1})
	w := janes(t, change, signIn+accepted+bye)
	w.check(t, delivery(3), "delivered | deferred local.throttle | deferred local.throttle | slow local.throttle")
}

// TestThrottleWeb: the books are the same for every way.
func TestThrottleWeb(t *testing.T) {
	t.Parallel()
	books, change := limited(relay.Limits{RecipientsPerDay: 2})
	service := &web{}
	w := newWorld(t, func(o *upstream.Options) { change(o); o.Web = service }, account("jane", &smtpwiretest.Server{}))
	ways(w, relay.WayGraph)
	w.check(t, delivery(2), "delivered | delivered")
	w.check(t, delivery(1), "deferred local.throttle | slow local.throttle")
	service.after = says(relay.AtAfterDot, 400, "x: y")
	books.Cancel("jane", 1, 2, time.Now(), time.Now())
	w.check(t, delivery(1), "failed default.web_message")
	if got := used(books); got.Messages.Used != 0 || got.Recipients.Used != 0 {
		t.Errorf("what was refused is counted: %+v", got)
	}
	service.after = says(relay.AtAfterDot, 0, "local: timeout", unknown)
	w.check(t, delivery(1), "unknown outcome.unknown")
	if got := used(books); got.Messages.Used != 1 || got.Recipients.Used != 1 {
		t.Errorf("what may have been sent is not counted: %+v", got)
	}
}

// TestTooManyForAnAPI: an API cannot be given a message in parts.
func TestTooManyForAnAPI(t *testing.T) {
	t.Parallel()
	_, change := limited(relay.Limits{RecipientsPerMessage: 1})
	w := newWorld(t, func(o *upstream.Options) { change(o); o.Web = &web{} }, account("jane", &smtpwiretest.Server{}))
	ways(w, relay.WayGraph)
	w.check(t, delivery(2), "failed local.api_envelope | failed local.api_envelope")
}

// TestBooks: a row is a dialogue for two recipients, and what is counted after it.
func TestBooks(t *testing.T) {
	t.Parallel()
	two := signIn + envelope("r1@b.example", "r2@b.example")
	const three = "S: 250 ok\nS: 250 ok\nS: 250 ok\nS: 354 go\n"
	for name, c := range map[string]struct {
		script               string
		want                 string
		messages, recipients int
	}{
		"both accepted": {two + three + content + "S: 250 ok" + bye, "delivered | delivered", 1, 2},
		"one accepted":  {two + "S: 250 ok\nS: 550 5.1.1 who\nS: 250 ok\nS: 354 go" + content + "S: 250 ok" + bye, "failed recipient.unknown | delivered", 1, 1},
		"refused":       {two + three + content + "S: 550 5.7.1 spam" + bye, "failed message.content | failed message.content", 0, 0},
		"unknown":       {two + three + content, "unknown outcome.unknown | unknown outcome.unknown", 1, 2},
		"not signed in": {strings.Split(signIn, "S: 235")[0] + "S: 535 5.7.8 no\nend", "deferred auth.password | deferred auth.password | park auth.password", 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			books, change := limited(relay.Limits{})
			janes(t, change, c.script).check(t, delivery(2), c.want)
			if got := used(books); got.Messages.Used != c.messages || got.Recipients.Used != c.recipients {
				t.Errorf("%+v", got)
			}
		})
	}
}

// TestQuota: a row is a provider's refusal after 40 messages were sent an hour ago, how
// long the lane rests, and the limit that is learned.
func TestQuota(t *testing.T) {
	t.Parallel()
	refuse := func(answer string) string {
		return signIn + envelope("r1@b.example") + "S: " + answer + "\nS: 503 no\nS: 503 no" + bye
	}
	for name, c := range map[string]struct {
		preset, answer, rule string
		limits               relay.Limits
		least, most          time.Duration
		learned              int // messages or recipients a day
	}{
		"a day, known to Microsoft": {"microsoft365", "554 5.2.0 SubmissionQuotaExceededException", "quota.daily.microsoft", relay.Limits{MessagesPerDay: 50}, 22 * time.Hour, 24 * time.Hour, 40},
		"a day, and nothing known":  {"microsoft365", "554 5.2.0 SubmissionQuotaExceededException", "quota.daily.microsoft", relay.Limits{}, 22 * time.Hour, 24 * time.Hour, 40},
		"the rule waits longer":     {"gmail", "550 5.4.5 Daily user sending limit exceeded.", "quota.daily.gmail", relay.Limits{MessagesPerDay: 50}, 24 * time.Hour, 24 * time.Hour, 40},
		"somebody else used it up":  {"microsoft365", "554 5.2.0 SubmissionQuotaExceededException", "quota.daily.microsoft", relay.Limits{MessagesPerDay: 5000}, time.Hour, time.Hour, 0},
		"by its words":              {"", "554 5.7.0 daily sending limit reached", "quota.word", relay.Limits{}, 22 * time.Hour, 24 * time.Hour, 40},
		"by other words":            {"", "554 5.7.0 Your hourly sending limit has been reached", "quota.word", relay.Limits{}, time.Hour, time.Hour, 0},
		"too many connections":      {"microsoft365", "432 4.3.2 sender thread limit exceeded", "quota.connections.microsoft", relay.Limits{MessagesPerDay: 50}, 3 * time.Minute, 3 * time.Minute, 0},
		"too fast":                  {"", "421 4.7.0 slower", "quota.rate", relay.Limits{MessagesPerDay: 50}, 15 * time.Minute, 15 * time.Minute, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			books, change := limited(c.limits)
			books.Count("jane", 40, 40, time.Now().Add(-time.Hour-5*time.Minute))
			script := refuse(c.answer)
			if strings.HasPrefix(c.answer, "421") {
				script = signIn + envelope("r1@b.example") + "S: " + c.answer
			}
			w := janes(t, change, script)
			w.accounts.change("jane", func(k *relay.Credentials) { k.Account.Preset = c.preset })
			a := w.check(t, delivery(1), "deferred "+c.rule+" | slow "+c.rule)
			if a.Trouble.Pause < c.least || a.Trouble.Pause > c.most {
				t.Errorf("the lane rests %v", a.Trouble.Pause)
			}
			day := books.Remaining("jane", relay.Limits{}, time.Now()).Day
			if got := max(day.Messages.Limit, day.Recipients.Limit); got != c.learned {
				t.Errorf("learned %d, want %d", got, c.learned)
			}
		})
	}
}

// TestLimitsOfConnections: the provider's numbers go before those of the options.
func TestLimitsOfConnections(t *testing.T) {
	t.Parallel()
	_, change := limited(relay.Limits{MessagesPerConnection: 1, Connections: 1})
	w := janes(t, func(o *upstream.Options) { change(o); o.MaxMessages, o.MaxPerAccount = 50, 50 },
		signIn+accepted+bye, signIn+accepted+bye)
	w.check(t, delivery(1), "delivered")
	w.check(t, delivery(1), "delivered")
	if made, reused := w.meter.counts(); made != 2 || reused != 0 {
		t.Errorf("%d made, %d reused", made, reused)
	}
}

// TestPresetDecides: the rules are those of the preset, and not of the kind of account.
func TestPresetDecides(t *testing.T) {
	t.Parallel()
	script := signIn + envelope("r1@b.example") + "S: 550 5.4.5 Daily user sending limit exceeded.\nS: 503 no\nS: 503 no" + bye
	for preset, want := range map[string]string{
		"gmail": "deferred quota.daily.gmail | slow quota.daily.gmail",
		"":      "deferred quota.word | slow quota.word",
	} {
		w := janes(t, nil, script)
		w.accounts.change("jane", func(k *relay.Credentials) { k.Account.Preset = preset })
		w.check(t, delivery(1), want)
	}
}
