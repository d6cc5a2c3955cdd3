// Command demo shows dalog at work on one machine: dalogd, two app servers each
// with a dalogfwd of its own, and something that happens on them. Everything
// stays on the loopback interface and in one folder. It ends on Ctrl-C, or when
// a program ends that should not.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A second Ctrl-C ends the demo at once; its programs end with it.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("demo", flag.ContinueOnError)
	flags.SetOutput(stderr)
	bin := flags.String("bin", "bin", "folder with dalogd and dalogfwd")
	dir := flags.String("dir", ".demo", "folder for everything the demo writes")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	c := &cluster{bin: *bin, dir: *dir, stdout: stdout, log: &lineWriter{w: stderr}}
	if err := c.run(ctx); err != nil {
		fmt.Fprintln(stderr, "demo:", err)
		return 1
	}
	return 0
}
