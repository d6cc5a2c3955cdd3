package main

import (
	"fmt"
	"strings"

	"github.com/dalog-project/dalog/internal/logstore"
	"github.com/dalog-project/dalog/internal/syslog"
)

// routeFlags say which programs go to files of other names.
type routeFlags struct {
	Route []routeValue `group:"Files" placeholder:"PROGRAM[:SEVERITY]=FILE" help:"The log file for a program, in place of the one that it would have. PROGRAM may have * and ?; SEVERITY is one such as err, which stands for it and worse, or a range such as notice-debug. FILE is a name such as mail.log. The first rule that fits counts. Repeatable."`
}

func (f *routeFlags) routes() (all []logstore.Route) {
	for _, r := range f.Route {
		all = append(all, r.Route)
	}
	return all
}

// routeValue is one value of --route.
type routeValue struct{ logstore.Route }

func (r *routeValue) UnmarshalText(b []byte) error {
	what, file, ok := strings.Cut(string(b), "=")
	if !ok {
		return fmt.Errorf("%q names no file; write PROGRAM=FILE or PROGRAM:SEVERITY=FILE, such as postfix/*:err=mail_errors.log", b)
	}
	r.Route = logstore.Route{Program: what, Worst: 0, Least: 7, File: file}
	if i := strings.LastIndexByte(what, ':'); i >= 0 {
		r.Program = what[:i]
		from, to, isRange := strings.Cut(what[i+1:], "-")
		worst, err := syslog.ParseSeverity(from)
		if err != nil {
			return fmt.Errorf("%q: %w", b, err)
		}
		r.Worst, r.Least = 0, worst
		if isRange {
			least, err := syslog.ParseSeverity(to)
			if err != nil {
				return fmt.Errorf("%q: %w", b, err)
			}
			r.Worst, r.Least = min(worst, least), max(worst, least)
		}
	}
	return logstore.CheckRoute(r.Route)
}
