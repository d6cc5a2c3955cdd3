// Command forward measures how files are delivered: dalogfwd beside rsyslog and
// syslog-ng, each with the same file of lines.
//
// Two questions are asked. What does the forwarder cost: to a server that throws
// everything away (the peers) or to dalogd (dalogfwd, since batches need one that
// answers); only the forwarder's own processor time counts. And how fast does a
// file get into a file at the centre, acknowledged: rsyslog with RELP on both
// ends, without fsync, and dalogfwd to dalogd, with it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
)

type options struct {
	n      int
	rounds int
	bin    string
	dir    string
	cases  *regexp.Regexp
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	var o options
	f := flag.NewFlagSet("forward", flag.ContinueOnError)
	f.IntVar(&o.n, "n", 1_000_000, "lines")
	f.IntVar(&o.rounds, "rounds", 3, "times each measurement is made")
	f.StringVar(&o.bin, "bin", "bin", "folder with dalogd and dalogfwd")
	f.StringVar(&o.dir, "dir", "", "folder for the files; default: a temporary one")
	cases := f.String("cases", "", "only those whose name this regular expression matches")
	err := f.Parse(os.Args[1:])
	if err == nil {
		o.cases, err = regexp.Compile(*cases)
	}
	if err == nil {
		err = bench(ctx, o)
	}
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "forward:", err)
		os.Exit(1)
	}
}

func bench(ctx context.Context, o options) error {
	if o.dir == "" {
		dir, err := os.MkdirTemp("", "dalog-bench-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		o.dir = dir
	}
	lines, err := writeLines(filepath.Join(o.dir, "app.log"), o.n)
	if err != nil {
		return err
	}
	load, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return err
	}
	fmt.Printf("%d processors, load average before: %s; %d lines of %d bytes, %d rounds, files in %s\n",
		runtime.NumCPU(), strings.Join(strings.Fields(string(load))[:3], " "), o.n, lines/int64(o.n), o.rounds, o.dir)
	runs := map[string][]figures{}
	for round := range o.rounds {
		for i := range cases {
			c := cases[(i+round)%len(cases)] // nobody is always the first
			if !o.cases.MatchString(c.name) {
				continue
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
			dir := filepath.Join(o.dir, "run")
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return err
			}
			got, err := c.run(&setting{options: o, dir: dir, source: filepath.Join(o.dir, "app.log")})
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			runs[c.name] = append(runs[c.name], got)
			if err := os.RemoveAll(dir); err != nil {
				return err
			}
		}
	}
	report(runs, o.n)
	return nil
}

func report(runs map[string][]figures, n int) {
	fmt.Printf("%-44s %12s %12s %12s %10s %8s\n", "medians", "us CPU/line", "lines/s", "bytes/line", "peak MB", "lines")
	for _, c := range cases {
		all := runs[c.name]
		if len(all) == 0 {
			continue
		}
		m := medians(all)
		fmt.Printf("%-44s %12.3f %12.0f %12.1f %10.1f %8d\n", c.name, m.cpu*1e6/float64(n), float64(n)/m.seconds, float64(m.wire)/float64(n), m.peak, m.lines)
	}
	ratio := func(text, of, to string, f func(figures) float64) {
		if len(runs[of]) > 0 && len(runs[to]) > 0 {
			fmt.Printf("%s: %.3f\n", text, f(medians(runs[of]))/f(medians(runs[to])))
		}
	}
	cpu := func(f figures) float64 { return f.cpu }
	wire := func(f figures) float64 { return float64(f.wire) }
	rate := func(f figures) float64 { return 1 / f.seconds }
	ratio("CPU/line, dalogfwd to rsyslog omfwd", dalogCase, omfwdCase, cpu)
	ratio("CPU/line, dalogfwd to syslog-ng", dalogCase, syslogNGCase, cpu)
	ratio("bytes on the wire, dalogfwd to rsyslog omfwd", dalogCase, omfwdCase, wire)
	ratio("bytes on the wire, dalogfwd to syslog-ng", dalogCase, syslogNGCase, wire)
	ratio("lines/s file to file, dalog to rsyslog's RELP chain", dalogChain, relpChain, rate)
	ratio("CPU/line of both ends, dalog to rsyslog's RELP chain", dalogChain, relpChain, cpu)
}

func medians(all []figures) figures {
	pick := func(f func(figures) float64) float64 {
		values := make([]float64, len(all))
		for i := range all {
			values[i] = f(all[i])
		}
		slices.Sort(values)
		return values[len(values)/2]
	}
	return figures{
		seconds: pick(func(f figures) float64 { return f.seconds }),
		cpu:     pick(func(f figures) float64 { return f.cpu }),
		peak:    pick(func(f figures) float64 { return f.peak }),
		wire:    int64(pick(func(f figures) float64 { return float64(f.wire) })),
		lines:   int(pick(func(f figures) float64 { return float64(f.lines) })),
	}
}
