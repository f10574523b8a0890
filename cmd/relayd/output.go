package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/relayd/relayd/relay"
)

// answer prints v: as JSON if that was asked for, else as human writes it.
func (r *remote) answer(v any, human func(io.Writer)) error {
	if !r.json {
		b := new(strings.Builder)
		human(b)
		_, err := io.WriteString(r.stdout, b.String())
		return err
	}
	enc := json.NewEncoder(r.stdout)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// done prints one sentence about a change that has no other answer.
func (r *remote) done(format string, args ...any) error {
	if r.json {
		return nil
	}
	_, err := fmt.Fprintf(r.stdout, format+"\n", args...)
	return err
}

// table prints rows under their heads. Every cell is made safe for a terminal:
// much of it came from strangers.
func table(w io.Writer, heads []string, rows [][]string) {
	if len(rows) == 0 {
		line(w, "none")
		return
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row(t, heads)
	for _, cells := range rows {
		row(t, cells)
	}
	flush(t)
}

// pairs prints names and values below each other; empty values are left out.
func pairs(w io.Writer, cells ...string) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for i := 0; i+1 < len(cells); i += 2 {
		if cells[i+1] != "" {
			row(t, []string{cells[i] + ":", cells[i+1]})
		}
	}
	flush(t)
}

func row(w io.Writer, cells []string) {
	safe := make([]string, len(cells))
	for i, c := range cells {
		if safe[i] = relay.Printable(c); safe[i] == "" {
			safe[i] = "-"
		}
	}
	line(w, "%s", strings.Join(safe, "\t"))
}

// line writes into a buffer, which cannot fail.
func line(w io.Writer, format string, args ...any) {
	_, _ = fmt.Fprintf(w, format+"\n", args...) //nolint:errcheck // see above
}

func flush(t *tabwriter.Writer) { _ = t.Flush() } //nolint:errcheck // writes into a buffer

// when is a time in the way that people compare with their logs.
func when(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format("2006-01-02 15:04:05")
}

func whenever(t *time.Time) string {
	if t == nil {
		return ""
	}
	return when(*t)
}

// yes is a boolean for people; no is left out by pairs.
func yes(b bool) string {
	if b {
		return "yes"
	}
	return ""
}

// size is a number of octets for people.
func size(n int64) string {
	const unit = 1024
	switch {
	case n < unit:
		return fmt.Sprintf("%d B", n)
	case n < unit*unit:
		return fmt.Sprintf("%.1f KiB", float64(n)/unit)
	}
	return fmt.Sprintf("%.1f MiB", float64(n)/(unit*unit))
}
