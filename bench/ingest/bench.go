package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// udpSenders is the number of hosts that datagrams seem to come from: a receiver
// with several sockets spreads them by sender.
const udpSenders = 4

// load is one row of the table, measured with every receiver.
type load struct {
	name     string
	framing  string // "udp" for datagrams
	conns    int    // 0 for datagrams
	programs int
	rate     int // datagrams a second
}

func loads(o options) []load {
	var all []load
	for _, framing := range o.framings {
		for _, conns := range o.conns {
			for _, programs := range o.programs {
				l := load{name: fmt.Sprintf("tcp %s, %d conns", framing, conns), framing: framing, conns: conns, programs: programs}
				if len(o.programs) > 1 || programs != 10 {
					l.name += fmt.Sprintf(", %d programs", programs)
				}
				all = append(all, l)
			}
		}
	}
	for _, rate := range o.udpRates {
		all = append(all, load{name: fmt.Sprintf("udp, %d/s offered", rate), framing: "udp", programs: 10, rate: rate})
	}
	return all
}

// datagrams are at most ten seconds of the offered rate.
func (l load) messages(o options) int {
	if l.framing == "udp" {
		return min(o.n, 10*l.rate)
	}
	return o.n
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
	average, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return err
	}
	fmt.Printf("%d processors, load average before: %s; %d messages, %d rounds, files in %s\n",
		runtime.NumCPU(), strings.Join(strings.Fields(string(average))[:3], " "), o.n, o.rounds, o.dir)

	runs := make(map[string][]figures) // by load and receiver
	for _, l := range loads(o) {
		wire := l.framing
		if wire == "udp" {
			wire = "lf"
		}
		p := newPayload(l.messages(o), wire, l.programs)
		for round := range o.rounds {
			for i := range o.receivers {
				// Nobody is always the first.
				name := o.receivers[(i+round)%len(o.receivers)]
				f, err := runOne(ctx, o, l, name, p)
				if ctx.Err() != nil {
					return ctx.Err()
				}
				if err != nil {
					return fmt.Errorf("%s, %s: %w", l.name, name, err)
				}
				fmt.Fprintf(os.Stderr, "%-36s round %d  %-10s %8.0f msg/s  %.3f us/msg  %4.0f MB  lost %d  doubled %d\n",
					l.name, round+1, name, f.rate(), f.cpuPerLine(), f.peak, len(p.ends)-f.lines, f.doubled)
				runs[l.name+name] = append(runs[l.name+name], f)
			}
		}
	}
	printTable(o, runs)
	return nil
}

// runOne measures one receiver under one load, in a folder that is removed
// afterwards.
func runOne(ctx context.Context, o options, l load, name string, p payload) (f figures, err error) {
	dir := filepath.Join(o.dir, name)
	defer os.RemoveAll(dir)
	r, err := startReceiver(name, l.framing, dir, o, l.programs)
	if r != nil && r.Process != nil {
		defer func() { err = errors.Join(err, r.Kill()) }()
	}
	if err != nil {
		return figures{}, err
	}
	network, addr, n := "tcp", r.tcp, l.conns
	if l.framing == "udp" {
		network, addr, n = "udp", r.udp, udpSenders
	}
	sockets, err := dial(network, addr, n)
	if err != nil {
		return figures{}, err
	}
	defer closeAll(sockets)
	return measure(r, len(p.ends), func() error {
		if network == "udp" {
			return sendUDP(ctx, sockets, p, l.rate)
		}
		return sendTCP(ctx, sockets, p.split(n), o.write)
	})
}

// printTable prints the medians, and how they compare with rsyslog's where that
// was measured.
func printTable(o options, runs map[string][]figures) {
	fmt.Printf("\n%-36s  %-10s %10s %9s %8s %9s %8s   %s\n", "load", "receiver", "msg/s", "us/msg", "peak MB", "lost", "doubled", "rate and CPU to rsyslog's")
	for _, l := range loads(o) {
		for _, name := range o.receivers {
			of := runs[l.name+name]
			rate, cpu := median(of, figures.rate), median(of, figures.cpuPerLine)
			ratio := ""
			if base := runs[l.name+"rsyslog"]; base != nil {
				ratio = fmt.Sprintf("%.2f x, %.2f x", rate/median(base, figures.rate), cpu/median(base, figures.cpuPerLine))
			}
			fmt.Printf("%-36s  %-10s %10.0f %9.3f %8.0f %9.0f %8.0f   %s\n", l.name, name, rate, cpu,
				median(of, func(f figures) float64 { return f.peak }),
				median(of, func(f figures) float64 { return float64(l.messages(o) - f.lines) }),
				median(of, func(f figures) float64 { return float64(f.doubled) }), ratio)
		}
	}
}

func median(of []figures, value func(figures) float64) float64 {
	values := make([]float64, len(of))
	for i, f := range of {
		values[i] = value(f)
	}
	slices.Sort(values)
	return (values[(len(values)-1)/2] + values[len(values)/2]) / 2
}
