package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/relayd/relayd/internal/api"
	"github.com/relayd/relayd/internal/apiclient"
)

// shownAccount is an account with what stands beside its record.
type shownAccount struct {
	*api.Account
	Verification *api.Verification `json:"verification,omitempty"`
	Usage        *api.AccountUsage `json:"usage,omitempty"`
}

func (r *remote) accountShow(ctx context.Context, client *apiclient.Client, args []string) error {
	a, err := findAccount(ctx, client, args[0])
	if err != nil {
		return err
	}
	usage, err := client.AccountUsage(ctx, a.ID)
	if err != nil {
		return err
	}
	return r.answer(shownAccount{Account: a, Usage: usage}, func(w io.Writer) {
		accountText(w, a)
		usageText(w, usage)
	})
}

// account prints an account with what its last verification learned.
func (r *remote) account(a *api.Account) error {
	return r.answer(a, func(w io.Writer) { accountText(w, a) })
}

func accountText(w io.Writer, a *api.Account) {
	cells := []string{"Account", a.Address, "ID", a.ID, "User", a.User, "Organisation", a.Organisation}
	cells = append(cells, settingsText(&a.Settings)...)
	cells = append(cells, "Sent folder", a.SentFolder, "Copies in Sent", a.CopyMode, "Bound to its user", bindingText(a.Binding),
		"State", a.State, "Since", whenever(a.StateSince), "Reason", a.StateReason, "Rule", a.StateRule,
		"Next sign-in", whenever(a.RetryAt))
	for _, alias := range a.Aliases {
		cells = append(cells, "Sends also as", aliasText(alias))
	}
	pairs(w, cells...)
	candidateText(w, a.Candidate)
	downText(w, a.Down)
	cardText(w, a.Card)
}

func bindingText(b *api.Binding) string {
	if b == nil {
		return ""
	}
	text := "by a code, " + when(b.At)
	if b.Kind == "mapping" {
		text = "by an administrator, " + when(b.At)
	}
	if b.By != "" {
		text += ", " + b.By
	}
	return text
}

func aliasText(a api.Alias) string {
	if a.ProvedAt == nil {
		return a.Address + " (not verified, so nothing is sent as it)"
	}
	return a.Address + " (verified " + when(*a.ProvedAt) + ")"
}

func candidateText(w io.Writer, k *api.Candidate) {
	if k == nil {
		return
	}
	line(w, "\nNew settings, tried beside those in force:")
	pairs(w, append(settingsText(&k.Settings), "Since", when(k.Since), "Tried by itself", whenever(k.TryAt), "Not proved, because", k.Reason)...)
}

func downText(w io.Writer, down []api.Rung) {
	if len(down) == 0 {
		return
	}
	line(w, "\nWays of sending that do not work at present:")
	var rows [][]string
	for _, d := range down {
		rows = append(rows, []string{d.Way, when(d.Since), whenever(d.RetryAt), d.Rule, d.Reason})
	}
	table(w, []string{"WAY", "SINCE", "TRIED AGAIN", "RULE", "REASON"}, rows)
}

// cardText prints all that verification learned. Here a no is worth as much as a yes.
func cardText(w io.Writer, k *api.Card) {
	if k == nil {
		return
	}
	line(w, "\nWhat the last verification learned:")
	pairs(w, "Verified", when(k.VerifiedAt), "Proved ways", strings.Join(k.Ways, ", "), "Outgoing server calls itself", k.SMTPHost,
		"Certificate", k.Certificate, "Offers", strings.Join(k.Extensions, ", "), "Largest message", limitText(k.MaxSize),
		"Mail arrives in", k.ArrivedIn, "Mail arrived after", strconv.FormatFloat(k.ArrivedAfter, 'f', 1, 64)+" s",
		"Keeps From", yesOrNo(k.KeepsFrom), "Keeps Message-ID", yesOrNo(k.KeepsHeaderID),
		"Names its own Message-ID", yesOrNo(k.ReplyNamesID), "Sent folder found", k.SentFolder,
		"Provider files sent mail", yesOrNo(k.FilesSent), "relayd can file copies", yesOrNo(k.Appends),
		"Largest copy", limitText(k.AppendLimit), "UIDPLUS", yesOrNo(k.UIDPlus))
}

// limitText is a size of which 0 means that none is known.
func limitText(n int64) string {
	if n == 0 {
		return ""
	}
	return size(n)
}

func yesOrNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// usageText prints what an account sent lately, and what is left of its limits.
func usageText(w io.Writer, u *api.AccountUsage) {
	line(w, "\nSending:")
	pairs(w, "In the last 24 hours", fmt.Sprintf("%d messages to %d recipients", u.Day.Messages.Used, u.Day.Recipients.Used),
		"Remaining today", leftText(u.Day), "Remaining this hour", leftText(u.Hour), "Remaining this minute", leftText(u.Minute))
	if !u.Known {
		line(w, "No limit of the provider is known.")
	}
}

// leftText is what a window still lets through; empty if it has no limit.
func leftText(v api.Window) string {
	var parts []string
	for _, b := range []struct {
		*api.Book
		of string
	}{{&v.Messages, "messages"}, {&v.Recipients, "recipients"}} {
		if b.Limit == 0 {
			continue
		}
		text := fmt.Sprintf("%d of %d %s", b.Left, b.Limit, b.of)
		if b.Learned {
			text += " (learned from a refusal)"
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, ", ")
}
