// Command ingest measures syslog receivers beside each other: how fast each
// turns messages on a port into lines in files, at what cost, and what it loses.
//
//	go run ./bench/ingest                          everything, three rounds
//	go run ./bench/ingest -n 100000 -rounds 1 -conns 4 -framing octet -udp-rate ''
//
// Each receiver gets the same payload, in a fresh process with an empty folder
// each time, and the receivers take turns within a round. A message counts when
// its line is in a file; messages are numbered, so that a lost or a doubled one
// shows. The table has the medians over the rounds.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
)

type options struct {
	n         int
	rounds    int
	receivers []string
	conns     []int
	programs  []int
	framings  []string
	udpRates  []int
	write     int
	dalogd    string
	dir       string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	o, err := parseFlags(os.Args[1:])
	if err == nil {
		err = bench(ctx, o)
	}
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "ingest:", err)
		os.Exit(1)
	}
}

func parseFlags(args []string) (options, error) {
	var o options
	f := flag.NewFlagSet("ingest", flag.ContinueOnError)
	f.IntVar(&o.n, "n", 1_000_000, "messages")
	f.IntVar(&o.rounds, "rounds", 3, "times each measurement is made")
	receivers := f.String("receivers", "dalogd,rsyslog,syslog-ng", "who is measured")
	conns := f.String("conns", "1,4,100", "numbers of TCP connections")
	programs := f.String("programs", "10", "numbers of programs, each with a file of its own")
	framings := f.String("framing", "octet,lf", "framings on TCP: octet (RFC 5424, counted), lf (RFC 5424 in lines), bsd (RFC 3164 in lines)")
	rates := f.String("udp-rate", "50000,150000", "datagrams offered a second; empty leaves UDP out")
	f.IntVar(&o.write, "write", 256<<10, "bytes a sender on TCP hands to the system at once; 250 is about a message")
	f.StringVar(&o.dalogd, "dalogd", "bin/dalogd", "the dalogd to measure")
	f.StringVar(&o.dir, "dir", "", "folder for the files; default: a temporary one")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	o.receivers, o.framings = list(*receivers), list(*framings)
	for _, framing := range o.framings {
		if framing != "octet" && framing != "lf" && framing != "bsd" {
			return o, fmt.Errorf("-framing: %q is neither octet nor lf nor bsd", framing)
		}
	}
	var err error
	if o.conns, err = numbers(*conns); err != nil {
		return o, fmt.Errorf("-conns: %w", err)
	}
	if o.programs, err = numbers(*programs); err != nil {
		return o, fmt.Errorf("-programs: %w", err)
	}
	if o.udpRates, err = numbers(*rates); err != nil {
		return o, fmt.Errorf("-udp-rate: %w", err)
	}
	if o.n < 1 || o.rounds < 1 || o.write < 1 {
		return o, fmt.Errorf("-n, -rounds and -write have to be at least 1")
	}
	return o, nil
}

func list(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' })
}

func numbers(s string) ([]int, error) {
	var all []int
	for _, field := range list(s) {
		n, err := strconv.Atoi(field)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("%q is no positive number", field)
		}
		all = append(all, n)
	}
	return all, nil
}
