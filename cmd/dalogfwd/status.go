package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/dalog-project/dalog/internal/cli"
	"github.com/dalog-project/dalog/internal/control"
	"github.com/dalog-project/dalog/internal/forwarder"
	"github.com/dalog-project/dalog/internal/syslog"
)

// Exit codes of status, plan and check.
const (
	exitTrouble    = 1 // something is not as it should be
	exitUnanswered = 2 // it cannot be told, or nothing can run like this
)

// trouble ends a command that has printed what is wrong, with a summary.
func trouble(summary []string) error {
	if len(summary) == 0 {
		return nil
	}
	return &cli.ExitError{Code: exitTrouble, Err: errors.New(strings.Join(summary, "; "))}
}

// showStatus is dalogfwd status.
func showStatus(stdout io.Writer, running control.Program, format string, maxLag time.Duration) error {
	var st liveStatus
	answer, err := running.Ask("status")
	if err == nil {
		if err = json.Unmarshal(answer, &st); err != nil {
			err = fmt.Errorf("dalogfwd gave an answer that this program does not understand: %w", err)
		}
	}
	if err != nil {
		return &cli.ExitError{Code: exitUnanswered, Err: err}
	}
	wrong := statusTrouble(&st, maxLag)
	if format == "json" {
		err = printJSON(stdout, struct {
			liveStatus
			OK      bool     `json:"ok"`
			Trouble []string `json:"trouble"`
		}{st, len(wrong) == 0, wrong})
	} else {
		err = printStatus(stdout, &st)
	}
	if err != nil {
		return err
	}
	return trouble(wrong)
}

// statusTrouble says what is not as it should be, in short.
func statusTrouble(st *liveStatus, maxLag time.Duration) (wrong []string) {
	if st.Connected == "" {
		wrong = append(wrong, "not connected to "+strings.Join(st.Servers, " or "))
	}
	late, bytes, unusable := 0, int64(0), 0
	for _, f := range st.Files {
		if f.Behind > 0 && f.BehindSeconds > maxLag.Seconds() {
			late++
			bytes += f.Behind
		}
		if f.Problem != "" {
			unusable++
		}
	}
	if late > 0 {
		wrong = append(wrong, fmt.Sprintf("behind for more than %s: %s of %s", maxLag, sizeText(bytes), count(late, "file")))
	}
	if unusable > 0 {
		wrong = append(wrong, "trouble with "+count(unusable, "file"))
	}
	if st.Problem != "" {
		wrong = append(wrong, st.Problem)
	}
	if last := st.LastReload; last != nil {
		if last.Error != "" {
			wrong = append(wrong, "the last reload: "+last.Error)
		}
		if len(last.Restart) > 0 {
			wrong = append(wrong, "settings wait for a restart: "+strings.Join(last.Restart, ", "))
		}
	}
	if st.Stats.LostBytes > 0 {
		wrong = append(wrong, sizeText(int64(st.Stats.LostBytes))+" lost since the start; the log says of which files")
	}
	return wrong
}

func printStatus(w io.Writer, st *liveStatus) error {
	now := time.Now()
	if st.Connected == "" {
		fmt.Fprintf(w, "not connected; server: %s, protocol %s\n", strings.Join(st.Servers, ", "), st.Protocol)
	} else {
		fmt.Fprintf(w, "connected to %s for %s, protocol %s\n", st.Connected, age(now.Sub(st.Since)), st.Protocol)
	}
	fmt.Fprintf(w, "delivered since the start: %d lines; unconfirmed %s, unread %s, lost %s; deleted files held: %s of at most %s\n",
		st.Stats.Delivered, sizeText(st.Stats.Unconfirmed), sizeText(st.Stats.Unread), sizeText(int64(st.Stats.LostBytes)),
		sizeText(st.HeldBytes), sizeText(st.HeldLimit))
	return printFiles(w, st.Files, func(f *forwarder.FileStatus) string {
		if f.Acked == nil {
			return "-"
		}
		return age(now.Sub(*f.Acked)) + " ago"
	})
}

// printFiles prints a table; last gives the column of the last confirmation, if
// it is wanted.
func printFiles(w io.Writer, files []forwarder.FileStatus, last func(*forwarder.FileStatus) string) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	head := "\nFILE\tPROGRAM\tSTATE\tDELIVERED\tSIZE\tTO SEND\t"
	if last != nil {
		head += "WAITING\tLAST ACK\t"
	}
	fmt.Fprintln(t, head)
	for i := range files {
		f := &files[i]
		name := f.Path
		if f.Name != "" {
			name = f.Name
		}
		fmt.Fprintf(t, "%s\t%s:%s\t%s\t", name, f.Program, syslog.SeverityName(f.Severity), f.State)
		if f.Source == "" {
			fmt.Fprint(t, "-\t-\t-\t")
		} else {
			fmt.Fprintf(t, "%s\t%s\t%s\t", sizeText(f.Offset), sizeText(f.Size), sizeText(f.Behind))
		}
		if last != nil {
			waiting := "-"
			if f.BehindSeconds > 0 {
				waiting = age(time.Duration(f.BehindSeconds * float64(time.Second)))
			}
			fmt.Fprintf(t, "%s\t%s\t", waiting, last(f))
		}
		fmt.Fprintln(t, f.Problem)
	}
	return t.Flush()
}

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func sizeText(n int64) string {
	switch {
	case n < 10<<10:
		return fmt.Sprintf("%d B", n)
	case n < 10<<20:
		return fmt.Sprintf("%d KiB", n>>10)
	case n < 10<<30:
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%d GiB", n>>30)
}

func age(d time.Duration) string {
	switch {
	case d < time.Minute:
		return d.Round(100 * time.Millisecond).String()
	case d < 48*time.Hour:
		return d.Round(time.Second).String()
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}
