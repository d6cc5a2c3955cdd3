package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/dalog-project/dalog/internal/cli"
	"github.com/dalog-project/dalog/internal/forwarder"
)

// showPlan is dalogfwd plan.
func showPlan(stdout io.Writer, f *flags, env cli.Environment, format string) error {
	config, err := f.config(env)
	if err != nil {
		return &cli.ExitError{Code: cli.ExitUsage, Err: err}
	}
	plan, err := forwarder.MakePlan(config)
	if err != nil {
		return &cli.ExitError{Code: exitUnanswered, Err: err}
	}
	if format == "json" {
		err = printJSON(stdout, plan)
	} else {
		err = printPlan(stdout, &plan)
	}
	if err != nil {
		return err
	}
	return trouble(planTrouble(&plan))
}

// planTrouble says what will not be sent though it should.
func planTrouble(plan *forwarder.Plan) (wrong []string) {
	unusable := 0
	for _, f := range plan.Files {
		if f.Problem != "" {
			unusable++
		}
	}
	if unusable > 0 {
		wrong = append(wrong, "trouble with "+count(unusable, "file"))
	}
	if len(plan.Servers) == 0 {
		wrong = append(wrong, "no log server is set")
	}
	return wrong
}

func printPlan(w io.Writer, plan *forwarder.Plan) error {
	servers := "nowhere: no log server is set"
	if len(plan.Servers) > 0 {
		servers = strings.Join(plan.Servers, ", else ")
	}
	fmt.Fprintf(w, "to: %s\nprotocol: %s\nas host: %s\nstate: %s: %s\n", servers, plan.Protocol, plan.Hostname, plan.StateDir, plan.State)
	if err := printFiles(w, plan.Files, nil); err != nil {
		return err
	}
	for _, pattern := range plan.Idle {
		fmt.Fprintf(w, "no file fits %s yet\n", pattern)
	}
	for _, note := range plan.Notes {
		fmt.Fprintln(w, note)
	}
	var bytes int64
	n := 0
	for _, f := range plan.Files {
		if f.Source != "" {
			n++
			bytes += f.Behind
		}
	}
	_, err := fmt.Fprintf(w, "\n%s to follow, %s to send now. What is awaited is followed when it appears; rotated files of before the first start are left alone.\n",
		count(n, "file"), sizeText(bytes))
	return err
}
