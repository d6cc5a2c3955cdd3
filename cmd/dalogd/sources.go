package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/dalog-project/dalog/internal/cli"
	"github.com/dalog-project/dalog/internal/delivery"
	"github.com/dalog-project/dalog/internal/httpindex"
	"github.com/dalog-project/dalog/internal/logstore"
	"github.com/dalog-project/dalog/internal/syslogsrv"
)

// listSources joins what the store has and what the senders said of it.
func listSources(receiver *syslogsrv.Server, store *logstore.Store) []httpindex.SourceState {
	said := map[delivery.SourceKey]syslogsrv.SourceInfo{}
	for _, s := range receiver.Sources() {
		said[s.Key] = s
	}
	lines := []httpindex.SourceState{}
	for _, s := range store.Sources() {
		info := said[s.SourceKey]
		lines = append(lines, httpindex.SourceState{
			Peer: s.Peer, Addr: info.Addr, Host: info.Host, Path: info.Path, Source: s.ID.String()[:8],
			First: s.First, Committed: s.Offset, Skipped: s.Skipped, LastSeen: time.Unix(s.Seen, 0).UTC(), Connected: info.Live,
		})
	}
	slices.SortStableFunc(lines, func(a, b httpindex.SourceState) int {
		return cmp.Or(cmp.Compare(a.Host, b.Host), cmp.Compare(a.Path, b.Path), a.LastSeen.Compare(b.LastSeen))
	})
	return lines
}

// printSources asks the running dalogd for its sources and prints them.
func printSources(stdout io.Writer, f *flags) error {
	answer, err := f.running().Ask("sources")
	if err != nil {
		return err
	}
	if f.Sources.List.Output == "json" {
		_, err := stdout.Write(answer)
		return err
	}
	var lines []httpindex.SourceState
	if err := json.Unmarshal(answer, &lines); err != nil {
		return fmt.Errorf("answer of dalogd: %w", err)
	}
	if len(lines) == 0 {
		_, err := fmt.Fprintln(stdout, "No file has been sent by a dalogfwd that says how far it has come (--protocol relp).")
		return err
	}
	table := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "HOST\tFILE\tFIRST\tCOMMITTED\tSKIPPED\tLAST SEEN\tSENDER")
	for _, l := range lines {
		sender := cmp.Or(l.Peer, l.Addr)
		switch {
		case l.Host == "" && l.Path == "": // since dalogd was started
			sender = cmp.Or(l.Peer, "not seen since the start")
		case !l.Connected:
			sender += " (not connected)"
		}
		fmt.Fprintf(table, "%s\t%s\t%d\t%d\t%d\t%s\t%s\n", cmp.Or(l.Host, "-"), cmp.Or(l.Path, l.Source), l.First, l.Committed, l.Skipped,
			l.LastSeen.Local().Format(time.DateTime), sender)
	}
	return table.Flush()
}

// writeSources answers "sources".
func writeSources(receiver *syslogsrv.Server, store *logstore.Store) ([]byte, error) {
	b, err := json.MarshalIndent(listSources(receiver, store), "", "  ")
	return append(b, '\n'), err
}

// forgetSources has the running dalogd forget sources that are idle.
func forgetSources(stdout io.Writer, f *flags) error {
	idle := time.Duration(f.Sources.Forget.Idle)
	if idle < syslogsrv.LeastForgetAge && !f.Sources.Forget.Force {
		return &cli.ExitError{Code: cli.ExitUsage, Err: errors.New(
			"--idle below 40d: a dalogfwd that comes back would send the files again from their beginning. Give --force if none will")}
	}
	answer, err := f.running().Ask("forget", idle.String())
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(stdout, "%s forgotten; their lines stay\n", answer)
	return err
}

// forget answers "forget AGE" with how many sources that were.
func forget(ctx context.Context, receiver *syslogsrv.Server, words []string) ([]byte, error) {
	if len(words) != 1 {
		return nil, errors.New("forget: an age is expected")
	}
	idle, err := time.ParseDuration(words[0])
	if err != nil || idle < 0 {
		return nil, fmt.Errorf("forget: %q is no age", words[0])
	}
	n := receiver.ForgetIdle(ctx, time.Now().Add(-idle))
	return strconv.AppendInt(nil, int64(n), 10), nil
}
