package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/relayd/relayd/internal/api"
	"github.com/relayd/relayd/internal/apiclient"
	"github.com/relayd/relayd/relay"
)

func newQueue(e *environment) *cobra.Command {
	r := &remote{environment: e}
	c := r.flags(group("queue", "Messages: what waits, and what became of each"))
	c.AddCommand(
		r.queueList(),
		r.command("show ID", "Show a message and everything that happened to it", exactly("the message"), r.queueShow),
		r.command("status", "Show how much waits", exactly(), r.queueStatus),
		r.queueHold(),
		r.steer("release", "Let held messages go on", (*apiclient.Client).Release),
		r.steer("retry", "Try messages again now", (*apiclient.Client).Retry),
		r.steer("cancel", "End messages for everybody who still waits; nobody gets a report", (*apiclient.Client).Cancel),
	)
	return c
}

func (r *remote) queueList() *cobra.Command {
	var held, everything bool
	var limit int
	var cursor, outcome, submitter, from, recipient, messageID, account string
	c := r.command("list", "List messages that wait, the newest first", exactly(),
		func(ctx context.Context, client *apiclient.Client, _ []string) error {
			f := apiclient.Filter{
				"outcome": outcome, "from": from, "recipient": recipient,
				"message_id": messageID, "cursor": cursor, "limit": strconv.Itoa(limit),
			}
			if held {
				f["held"] = "true"
			}
			// A search is for a message, wherever it is; without one, for what waits.
			if !everything && outcome+submitter+from+recipient+messageID+account == "" {
				f["waiting"] = "true"
			}
			if err := references(ctx, client, f, submitter, account); err != nil {
				return err
			}
			page, err := client.Messages(ctx, f)
			if err != nil {
				return err
			}
			return r.answer(page, func(w io.Writer) { messageTable(w, page) })
		})
	flags := c.Flags()
	flags.BoolVar(&held, "held", false, "only messages that are held as a whole")
	flags.BoolVar(&everything, "all", false, "also messages for which nothing is left to do")
	flags.StringVar(&outcome, "outcome", "", "some recipient stands so: pending, deferred, unknown, held, delivered, failed or cancelled")
	flags.StringVar(&submitter, "submitter", "", "login or id of the submitter")
	flags.StringVar(&from, "from", "", "address in From")
	flags.StringVar(&recipient, "rcpt", "", "address of some recipient")
	flags.StringVar(&messageID, "message-id", "", "the Message-ID field with its angle brackets")
	flags.StringVar(&account, "account", "", "address or id of the account of the route")
	flags.IntVar(&limit, "limit", 50, "messages on one page, at most 500")
	flags.StringVar(&cursor, "cursor", "", "go on after this message")
	return c
}

// references turns what people call a submitter and an account into their ids.
func references(ctx context.Context, client *apiclient.Client, f apiclient.Filter, submitter, account string) error {
	if submitter != "" {
		s, err := findSubmitter(ctx, client, submitter)
		if err != nil {
			return err
		}
		f["submitter"] = s.ID
	}
	if account != "" {
		a, err := findAccount(ctx, client, account)
		if err != nil {
			return err
		}
		f["account"] = a.ID
	}
	return nil
}

func messageTable(w io.Writer, page api.List[api.Message]) {
	var rows [][]string
	for i := range page.Items {
		m := &page.Items[i]
		rows = append(rows, []string{m.ID, when(m.Accepted), standing(m), m.Route.Kind, m.From, recipients(m), why(m)})
	}
	table(w, []string{"ID", "ACCEPTED", "STATUS", "ROUTE", "FROM", "RECIPIENTS", "WHY"}, rows)
	if page.Next != "" {
		line(w, "More: relayd queue list --cursor %s (with the same flags)", page.Next)
	}
}

// standing is how a message stands: while something is left to do, its status; then
// what became of its recipients.
func standing(m *api.Message) string {
	if m.Status != "done" || len(m.Recipients) == 0 {
		return m.Status
	}
	count := map[string]int{}
	for _, rcpt := range m.Recipients {
		count[rcpt.Outcome]++
	}
	if len(count) == 1 {
		return m.Recipients[0].Outcome
	}
	return fmt.Sprintf("%d of %d delivered", count["delivered"], len(m.Recipients))
}

// recipients is the first recipient and how many others there are.
func recipients(m *api.Message) string {
	switch n := len(m.Recipients); n {
	case 0:
		return ""
	case 1:
		return m.Recipients[0].Address
	default:
		return fmt.Sprintf("%s and %d more", m.Recipients[0].Address, n-1)
	}
}

// why is what a person would ask next: the reason of the hold, else the last words
// of a peer about somebody who still waits or failed.
func why(m *api.Message) string {
	if m.Hold != nil {
		return m.Hold.Reason
	}
	for _, rcpt := range m.Recipients {
		if rcpt.Reply != "" && rcpt.Outcome != "delivered" {
			return rcpt.Reply
		}
	}
	if len(m.Waits) > 0 {
		return m.Waits[0].Reason
	}
	return ""
}

func (r *remote) queueShow(ctx context.Context, client *apiclient.Client, args []string) error {
	m, err := client.Message(ctx, args[0])
	if err != nil {
		return noMessage(args[0], err)
	}
	return r.answer(m, func(w io.Writer) { story(w, m) })
}

// noMessage says of an id that names no message how ids are found.
func noMessage(id string, err error) error {
	var problem *apiclient.Error
	if !errors.As(err, &problem) || problem.Status != http.StatusNotFound {
		return err
	}
	if _, bad := relay.ParseID(id); bad != nil {
		return fmt.Errorf("%q is %w; relayd queue list --all shows the messages", relay.Printable(id), bad)
	}
	return errors.New("there is no message of this id, or its history is no longer kept; relayd queue list --all shows the messages")
}

func (r *remote) queueStatus(ctx context.Context, client *apiclient.Client, _ []string) error {
	u, err := client.Usage(ctx)
	if err != nil {
		return err
	}
	return r.answer(u, func(w io.Writer) { line(w, "%d messages wait, %s in all.", u.Messages, size(u.Bytes)) })
}

func (r *remote) queueHold() *cobra.Command {
	var reason string
	c := r.steer("hold", "Keep messages back until they are released",
		func(client *apiclient.Client, ctx context.Context, id string) (*api.MessageDetail, error) {
			return client.Hold(ctx, id, reason)
		})
	c.Flags().StringVar(&reason, "reason", "", "why; stands in the timeline")
	return c
}

// steer makes a command that does one thing to each message that is named. One
// that does not work does not keep the others from it.
func (r *remote) steer(verb, short string, do func(*apiclient.Client, context.Context, string) (*api.MessageDetail, error)) *cobra.Command {
	return r.command(verb+" ID...", short, between(1, "the message..."),
		func(ctx context.Context, client *apiclient.Client, ids []string) error {
			var errs []error
			all := []*api.MessageDetail{}
			for _, id := range ids {
				m, err := do(client, ctx, id)
				if err != nil {
					errs = append(errs, fmt.Errorf("%s %s: %w", verb, relay.Printable(id), noMessage(id, err)))
					continue
				}
				all = append(all, m)
			}
			err := r.answer(all, func(w io.Writer) {
				for _, m := range all {
					line(w, "%s  %s  %s", m.ID, m.Status, strings.TrimSpace(relay.Printable(why(&m.Message))))
				}
			})
			return errors.Join(append(errs, err)...)
		})
}
