package syslogng

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"
)

// Config is what a configuration says that dalogfwd can do.
type Config struct {
	Files   []File
	Servers []string // HOST:PORT; of one that is a variable, the variable in backquotes
	BSD     bool     // the servers want RFC 3164 in lines
	// Left are things that were not taken over, each with its line.
	Left []string
}

// File is a file that is followed.
type File struct{ Path, Program, Priority string }

// Import reads a configuration. An error means that it is none.
func Import(text string) (*Config, error) {
	tokens, err := lex(text)
	if err != nil {
		return nil, err
	}
	tree, _, err := parse(tokens, "", 0)
	if err != nil {
		return nil, err
	}
	c := new(Config)
	used := map[string]bool{} // sources and destinations of log statements
	for _, n := range tree {
		if n.name == "log" {
			c.log(n, used)
		}
	}
	for _, n := range tree {
		name := ""
		if len(n.words) > 0 {
			name = n.words[0]
		}
		switch n.name {
		case "source":
			if !used[name] {
				c.left(n, "source %s, which no log statement uses", name)
				continue
			}
			for _, driver := range n.nodes {
				c.source(driver)
			}
		case "destination":
			if !used[name] {
				c.left(n, "destination %s, which no log statement uses", name)
				continue
			}
			for _, driver := range n.nodes {
				c.destination(driver)
			}
		case "log":
		case "options":
			c.left(n, "global options: dalogfwd needs none")
		default:
			if !strings.HasPrefix(n.name, "@version") {
				c.left(n, "%s %s", n.name, strings.Join(n.words, " "))
			}
		}
	}
	slices.SortStableFunc(c.Left, func(a, b string) int { return cmp.Compare(lineOf(a), lineOf(b)) })
	return c, nil
}

func lineOf(s string) (n int) {
	_, _ = fmt.Sscanf(s, "line %d:", &n)
	return n
}

func (c *Config) left(n *node, format string, args ...any) {
	c.Left = append(c.Left, fmt.Sprintf("line %d: ", n.line)+strings.TrimSpace(fmt.Sprintf(format, args...)))
}

// log notes which sources and destinations go together. A filter between them is
// not what dalogfwd does.
func (c *Config) log(n *node, used map[string]bool) {
	for _, child := range n.nodes {
		name := ""
		if len(child.nodes) > 0 {
			name = child.nodes[0].name
		}
		switch child.name {
		case "source", "destination":
			used[name] = true
		case "flags":
		default:
			c.left(child, "%s(%s) in a log statement: everything is sent", child.name, name)
		}
	}
}

// known are options of file sources that are taken over or that dalogfwd does by
// itself.
var known = strings.Fields("program-override default-priority default-level default-severity default-facility follow-freq flags log-fetch-limit log-msg-size log-iw-size max-files base-dir filename-pattern recursive monitor-method tags")

func (c *Config) source(d *node) {
	file := ""
	switch d.name {
	case "file":
		if len(d.nodes) > 0 {
			file = d.nodes[0].name
		}
	case "wildcard-file", "wildcard_file":
		file = path.Join(d.option("base-dir"), d.option("filename-pattern"))
	default:
		c.left(d, "source %s(): dalogfwd follows files; messages from there can go to dalogd directly", d.name)
		return
	}
	if file == "" || !path.IsAbs(file) {
		c.left(d, "%s() without an absolute path", d.name)
		return
	}
	for i, o := range d.nodes {
		name := strings.ReplaceAll(o.name, "_", "-")
		switch {
		case d.name == "file" && i == 0 || slices.Contains(known, name):
		default:
			c.left(o, "%s() of %s", o.name, file)
		}
	}
	if facility := d.option("default-facility"); facility != "" && facility != "user" {
		c.left(d, "default-facility(%s) of %s: dalogfwd sends user", facility, file)
	}
	if d.option("recursive") == "yes" {
		c.left(d, "recursive(yes) of %s: name each folder", file)
	}
	program := d.option("program-override")
	if program == "" {
		program = strings.TrimSuffix(strings.Trim(path.Base(file), "*."), ".log")
		c.left(d, "%s has no program-override(): its lines are sent as %q", file, program)
	}
	c.Files = append(c.Files, File{file, program, cmp.Or(d.option("default-priority", "default-level", "default-severity"), "notice")})
}

func (c *Config) destination(d *node) {
	transport := d.option("transport")
	bsd := false
	switch d.name {
	case "syslog":
	case "tcp", "network":
		bsd = true
		for _, o := range d.nodes {
			if o.name == "flags" && slices.ContainsFunc(o.nodes, func(f *node) bool { return f.name == "syslog-protocol" }) {
				bsd = false
			}
		}
	default:
		c.left(d, "destination %s(): dalogfwd delivers to log servers", d.name)
		return
	}
	host, port := "", cmp.Or(d.option("port", "destport"), "514")
	if len(d.nodes) > 0 && len(d.nodes[0].nodes) == 0 {
		host = d.nodes[0].name
	}
	switch {
	case host == "":
		c.left(d, "%s() without a host", d.name)
		return
	case transport == "udp":
		c.left(d, "%s(%s) by UDP: it is delivered by TCP", d.name, host)
	case transport == "tls" || d.option("tls") != "":
		c.left(d, "TLS of %s(%s): see --tls of dalogfwd", d.name, host)
	}
	c.BSD = c.BSD || bsd
	if port != "514" {
		host += ":" + port
	}
	c.Servers = append(c.Servers, host)
}
