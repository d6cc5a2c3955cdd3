package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/dalog-project/dalog/internal/cli"
)

// Levels of a status, which are its exit codes, as monitoring plugins have them.
const (
	statusOK       = 0
	statusWarning  = 1
	statusCritical = 2
)

var statusWords = []string{"ok", "warning", "critical"}

// status is how a running dalogd is.
type status struct {
	State      string        `json:"state"`
	Reasons    []string      `json:"reasons"` // why it is not ok
	Version    string        `json:"version"`
	PID        int           `json:"pid"`
	UID        int           `json:"uid"`
	Since      time.Time     `json:"since"`
	Now        time.Time     `json:"now"`
	ConfigFile string        `json:"config_file"`
	LastReload *cli.Reloaded `json:"last_reload"`
	Listening  []string      `json:"listening"`

	LogDir string `json:"log_dir"`
	Store  struct {
		Messages     int64  `json:"messages"`
		Bytes        int64  `json:"bytes"`
		Uncommitted  int64  `json:"uncommitted_bytes"`
		Files        int64  `json:"files"`
		Parts        int64  `json:"parts"`
		PartBytes    int64  `json:"parts_bytes"`
		RemovedParts int64  `json:"parts_removed"`
		FreeBytes    uint64 `json:"free_bytes"`
		TotalBytes   uint64 `json:"total_bytes"`
	} `json:"store"`

	Connections int               `json:"connections"`
	Received    map[string]uint64 `json:"received"` // messages by protocol
	Refused     map[string]uint64 `json:"refused"`  // by reason
	Lost        uint64            `json:"lost"`
	Dropped     uint64            `json:"datagrams_dropped"`
	Senders     []sender          `json:"senders"`
}

// sender is one sending address.
type sender struct {
	Name     string    `json:"name"`
	Speaks   []string  `json:"speaks"`
	TLS      bool      `json:"tls"`
	Messages uint64    `json:"messages"`
	Last     time.Time `json:"last"`
}

// maxSenders bounds those that are listed: the ones that sent last.
const maxSenders = 100

// status gathers everything. What is wrong is said in Reasons.
func (r *reloader) status(f *flags) *status {
	st := r.store.Stats()
	rs := r.receiver.Stats()
	s := &status{
		Version: versionText(), PID: os.Getpid(), UID: os.Geteuid(), Since: r.begun, Now: time.Now(),
		ConfigFile: r.configFile, LogDir: f.LogDir, Reasons: []string{},
		Connections: rs.Open, Received: map[string]uint64{}, Refused: map[string]uint64{}, Lost: rs.Lost, Dropped: rs.KernelDrops,
	}
	s.Store.Messages, s.Store.Bytes, s.Store.Uncommitted = st.Messages, st.Bytes, st.Uncommitted
	s.Store.Files, s.Store.Parts, s.Store.PartBytes, s.Store.RemovedParts = st.Files, st.Parts, st.PartBytes, st.Evicted
	var fs syscall.Statfs_t
	if err := syscall.Statfs(f.LogDir, &fs); err == nil {
		s.Store.FreeBytes, s.Store.TotalBytes = fs.Bavail*uint64(fs.Bsize), fs.Blocks*uint64(fs.Bsize)
	}
	for p, n := range rs.Messages {
		if n > 0 {
			s.Received[p.String()] = n
		}
	}
	for reason, n := range rs.Refused {
		if n > 0 {
			s.Refused[reason.String()] = n
		}
	}
	for _, p := range r.receiver.Peers() {
		one := sender{Name: p.Name, TLS: p.TLS, Messages: p.Messages, Last: p.LastSeen}
		for _, protocol := range p.Protocols {
			one.Speaks = append(one.Speaks, protocol.String())
		}
		s.Senders = append(s.Senders, one)
	}
	slices.SortStableFunc(s.Senders, func(a, b sender) int { return b.Last.Compare(a.Last) })
	s.Senders = s.Senders[:min(len(s.Senders), maxSenders)]
	for _, e := range r.receiver.Bound() {
		s.Listening = append(s.Listening, e.Kind()+" "+e.Address)
	}
	level := statusOK
	say := func(l int, format string, args ...any) {
		level = max(level, l)
		s.Reasons = append(s.Reasons, fmt.Sprintf(format, args...))
	}
	for _, w := range r.web.status() {
		if w.bound {
			s.Listening = append(s.Listening, w.what)
		} else {
			say(statusWarning, "%s is taken by another program and tried again", w.what)
		}
	}
	if err := r.store.Err(); err != nil {
		say(statusCritical, "lines are not stored: %s", strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	if last := r.state(); !last.At.IsZero() {
		s.LastReload = &last
		if last.Error != "" {
			say(statusWarning, "the last reload failed: %s", strings.ReplaceAll(last.Error, "\n", "; "))
		}
		if len(last.Restart) > 0 {
			say(statusWarning, "settings wait for a restart: %s", strings.Join(last.Restart, ", "))
		}
	}
	if rs.Lost > 0 {
		say(statusWarning, "%d messages were received and could not be stored", rs.Lost)
	}
	if rs.KernelDrops > 0 {
		say(statusWarning, "the kernel dropped %d datagrams because they came too fast", rs.KernelDrops)
	}
	if d := rs.Dalog; d.Sources >= d.SourceLimit {
		say(statusWarning, "there are %d files of dalogfwd, as many as may be: new ones wait at their senders (--max-sources; dalogd sources forget)", d.Sources)
	}
	if st.Overflow+st.Diverted > 0 {
		say(statusWarning, "%d messages and %d bytes went to overflow.log", st.Overflow, st.Diverted)
	}
	s.State = statusWords[level]
	return s
}

// printStatus asks the running dalogd and prints what it says. The error, where
// it is not well, carries the exit code only.
func printStatus(stdout io.Writer, f *flags) error {
	body, err := f.running().Ask("status")
	if err != nil {
		return &cli.ExitError{Code: statusCritical, Err: err}
	}
	var s status
	if err := json.Unmarshal(body, &s); err != nil {
		return &cli.ExitError{Code: statusCritical, Err: fmt.Errorf("dalogd gave an answer that this program does not understand: %w", err)}
	}
	if f.Status.Output == "json" {
		_, err = stdout.Write(append(body, '\n'))
	} else {
		err = s.write(stdout)
	}
	if level := slices.Index(statusWords, s.State); err == nil && level != statusOK {
		return &cli.ExitError{Code: level}
	}
	return err
}

// write prints the status for people.
func (s *status) write(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) { fmt.Fprintf(t, name+"\t"+format+"\n", args...) }
	row("dalogd", "%s, process %d of user %d, for %s", s.Version, s.PID, s.UID, ago(s.Now.Sub(s.Since)))
	row("state", "%s", s.State)
	for _, reason := range s.Reasons {
		row("", "- %s", reason)
	}
	config := s.ConfigFile
	if config == "" {
		config = "no file"
	}
	if s.LastReload != nil {
		config += fmt.Sprintf(", last reload %s ago", ago(s.Now.Sub(s.LastReload.At)))
	}
	row("configuration", "%s", config)
	row("listening", "%s", strings.Join(s.Listening, ", "))
	row("log folder", "%s: %d files, %d closed parts with %s, %s of %s free", s.LogDir, s.Store.Files, s.Store.Parts, size(s.Store.PartBytes), size(int64(s.Store.FreeBytes)), size(int64(s.Store.TotalBytes)))
	row("stored", "%s messages, %s; %s on their way", grouped(s.Store.Messages), size(s.Store.Bytes), size(s.Store.Uncommitted))
	row("received", "%s; %d connections", counts(s.Received), s.Connections)
	row("refused", "%s", counts(s.Refused))
	for i, p := range s.Senders {
		if i == 10 {
			row("", "and %d more: -o json", len(s.Senders)-i)
			break
		}
		name := ""
		if i == 0 {
			name = "senders"
		}
		speaks := strings.Join(p.Speaks, ", ")
		if p.TLS {
			speaks += " (TLS)"
		}
		last := "nothing yet"
		if !p.Last.IsZero() {
			last = "last " + ago(max(0, s.Now.Sub(p.Last))) + " ago"
		}
		row(name, "%s: %s, %s messages, %s", p.Name, speaks, grouped(int64(p.Messages)), last)
	}
	return t.Flush()
}

func counts(m map[string]uint64) string {
	if len(m) == 0 {
		return "nothing"
	}
	var all []string
	for name, n := range m {
		all = append(all, name+" "+grouped(int64(n)))
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

// ago is a time span with one unit that tells enough.
func ago(d time.Duration) string {
	switch {
	case d < 2*time.Minute:
		return strconv.Itoa(int(d.Seconds())) + " s"
	case d < 2*time.Hour:
		return strconv.Itoa(int(d.Minutes())) + " min"
	case d < 48*time.Hour:
		return strconv.Itoa(int(d.Hours())) + " h"
	}
	return strconv.Itoa(int(d.Hours()/24)) + " days"
}

func size(n int64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	v, i := float64(n), 0
	for v >= 1024 && i < len(units)-1 {
		v, i = v/1024, i+1
	}
	if i == 0 || v >= 100 {
		return fmt.Sprintf("%.0f %s", v, units[i])
	}
	return fmt.Sprintf("%.1f %s", v, units[i])
}

// grouped writes 1234567 as 1,234,567.
func grouped(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
