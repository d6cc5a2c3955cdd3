// Command search measures how dalogd finds lines, beside grep, ripgrep and zstd on
// the same bytes, in turn, in one run:
//
//	go run ./bench/search                            1 GiB of text, 10 GiB of history in compressed parts
//	go run ./bench/search -plain 256 -history 1024   less of both, in MiB
//
// It prints medians of the rounds. All files are read before, so that they come
// from memory as far as that has room.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

var (
	dalogd  = flag.String("dalogd", "bin/dalogd", "the program")
	rg      = flag.String("rg", "rg", "ripgrep")
	plain   = flag.Int("plain", 1024, "MiB of the file that is searched as it is")
	history = flag.Int("history", 10*1024, "MiB of text in compressed parts")
	rounds  = flag.Int("rounds", 5, "rounds")
	only    = flag.String("only", "", "measure this, and nothing else: histograms or followers")
	follow  = flag.Int("followers", 200, "clients that follow while messages are received")
	folder  = flag.String("dir", "", "where the files are made, and kept; default: a temporary folder")
)

func main() {
	log.SetFlags(0)
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		log.Fatal("bench/search: ", err)
	}
}

func run(ctx context.Context) error {
	switch *only {
	case "followers":
		return followers(ctx, *follow)
	case "", "histograms":
	default:
		return fmt.Errorf("-only %s: give histograms or followers", *only)
	}
	dir := *folder
	if dir == "" {
		var err error
		if dir, err = os.MkdirTemp("", "dalog-search-"); err != nil {
			return err
		}
		defer os.RemoveAll(dir)
	}
	made, err := makeFiles(dir)
	if err != nil {
		return err
	}
	server, err := startServer(ctx, dir)
	if err != nil {
		return err
	}
	defer server.stop()
	if err := server.waitForParts(ctx, made.parts); err != nil {
		return err
	}
	if *only == "histograms" {
		return histograms(ctx, server, made)
	}
	file := filepath.Join(dir, "docassemble.log")
	parts := filepath.Join(dir, "worker.log.d", "*.log.zst")
	count := func(name, query string) work {
		return work{"dalogd", func() (string, error) { return server.text("/" + name + "?count=1&" + query) }}
	}
	shell := func(name, command string) work {
		return work{name, func() (string, error) {
			out, err := exec.CommandContext(ctx, "sh", "-c", command).Output()
			if e, ok := err.(*exec.ExitError); ok && e.ExitCode() == 1 {
				err = nil // nothing found
			}
			return string(out), err
		}}
	}
	const regex = "question [0-9]+7 in [0-9]{4} ms"
	const bare = "[a-z]+[0-9]{3}@|1[0-9]{3} ms$"
	for _, c := range []struct {
		title string
		works []work
	}{
		{fmt.Sprintf("count a literal in %d MiB", *plain), []work{
			count("docassemble.log", "match=literal&grep=question+77+in"), shell("ripgrep", *rg+" -cF 'question 77 in' "+file), shell("grep", "LC_ALL=C grep -cF 'question 77 in' "+file)}},
		{"count a regex with a literal in it", []work{
			count("docassemble.log", "grep="+escape(regex)), shell("ripgrep", *rg+" -c '"+regex+"' "+file)}},
		{"count a regex without a literal", []work{
			count("docassemble.log", "grep="+escape(bare)), shell("ripgrep", *rg+" -c '"+bare+"' "+file)}},
		{fmt.Sprintf("a needle in %d MiB of compressed parts", made.history>>20), []work{
			count("worker.log", "match=literal&grep=uid%3D"+made.uid), shell("zstd | rg", "zstd -dcq "+parts+" | "+*rg+" -cF 'uid="+made.uid+"'")}},
		{"a needle, last hits first", []work{{"dalogd", func() (string, error) { return server.text("/worker.log?n=30&match=literal&grep=uid%3D" + made.uid) }}}},
		{fmt.Sprintf("last 30 lines of %d MiB, compressed", made.history>>20), []work{{"dalogd", func() (string, error) { return server.text("/worker.log?n=30") }}}},
		{"last 30 lines as JSON", []work{{"dalogd", func() (string, error) { return server.text("/worker.log?n=30&format=json") }}}},
		{fmt.Sprintf("last 30 lines of %d MiB, plain", *plain), []work{{"dalogd", func() (string, error) { return server.text("/docassemble.log?n=30") }}}},
		{"last 10 minutes of the plain file, counted", []work{count("docassemble.log", "since="+escape(made.plainEnd.Add(-10*time.Minute).Format(time.RFC3339)))}},
		{"errors among these", []work{count("docassemble.log", "level=error&since="+escape(made.plainEnd.Add(-10*time.Minute).Format(time.RFC3339)))}},
		{"last 10 minutes of the compressed parts, counted", []work{count("worker.log", "since="+escape(made.end.Add(-10*time.Minute).Format(time.RFC3339)))}},
		{"errors of an hour in the middle", []work{count("worker.log", "level=error&since="+escape(made.begin.Add(made.end.Sub(made.begin)/2).Format(time.RFC3339))+
			"&until="+escape(made.begin.Add(made.end.Sub(made.begin)/2+time.Hour).Format(time.RFC3339)))}},
	} {
		if err := compare(ctx, c.title, c.works); err != nil {
			return err
		}
	}
	if err := histograms(ctx, server, made); err != nil {
		return err
	}
	if err := server.memory(ctx); err != nil {
		return err
	}
	return followers(ctx, *follow)
}

// work is one way to an answer.
type work struct {
	name string
	do   func() (string, error)
}

// compare does all works in turn, rounds times, and prints the medians. Their
// answers must be alike.
func compare(ctx context.Context, title string, works []work) error {
	times := make([][]time.Duration, len(works))
	answer := ""
	for round := range *rounds + 1 {
		for i, w := range works {
			if err := ctx.Err(); err != nil {
				return err
			}
			began := time.Now()
			got, err := w.do()
			if err != nil {
				return fmt.Errorf("%s: %s: %w", title, w.name, err)
			}
			if round > 0 { // the first one warms up
				times[i] = append(times[i], time.Since(began))
			}
			if answer == "" {
				answer = got
			}
			if len(works) > 1 && strings.TrimSpace(got) != strings.TrimSpace(answer) {
				return fmt.Errorf("%s: %s says %.100q, %s %.100q", title, works[0].name, answer, w.name, got)
			}
		}
	}
	fmt.Printf("%-50s", title)
	if *rounds == 0 {
		fmt.Println(" (not measured)")
		return nil
	}
	for i, w := range works {
		slices.Sort(times[i])
		middle := times[i][len(times[i])/2]
		fmt.Printf("  %s %.1f ms", w.name, float64(middle.Microseconds())/1000)
		if i > 0 {
			fmt.Printf(" (dalogd %.2f x)", float64(times[0][len(times[0])/2])/float64(middle))
		}
	}
	fmt.Println()
	return nil
}
