package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/dalog-project/dalog/internal/cli"
	"github.com/dalog-project/dalog/internal/syslogng"
)

// importFlags are those of dalogfwd import.
type importFlags struct {
	Import struct {
		File string `arg:"" help:"The configuration, such as /etc/syslog-ng/syslog-ng.conf; - is standard input."`
	} `cmd:"" help:"Print a configuration file that does what one of syslog-ng does, and name what it could not take over. Exit code 1 if that is anything."`
}

// importConfig prints the configuration file for one of syslog-ng.
func importConfig(stdin io.Reader, stdout io.Writer, path string) error {
	var content []byte
	var err error
	if path == "-" {
		content, err = io.ReadAll(stdin)
	} else {
		content, err = os.ReadFile(path)
	}
	if err != nil {
		return &cli.ExitError{Code: cli.ExitUsage, Err: err}
	}
	c, err := syslogng.Import(string(content))
	if err != nil {
		return &cli.ExitError{Code: cli.ExitUsage, Err: fmt.Errorf("%s is no configuration of syslog-ng: %w", path, err)}
	}
	var out bytes.Buffer
	fmt.Fprintf(&out, "# From %s. Look at it with: dalogfwd plan --config FILE\n", path)
	servers := []string{}
	for _, s := range c.Servers {
		if strings.Contains(s, "`") { // a variable of the environment
			fmt.Fprintf(&out, "# The server is %s in the environment, which dalogfwd knows as well if it is LOGSERVER.\n", s)
			continue
		}
		servers = append(servers, s)
	}
	if len(servers) > 0 {
		fmt.Fprintf(&out, "server: %q\n", strings.Join(servers, ","))
	}
	protocol := "syslog"
	if c.BSD {
		protocol = "bsd"
	}
	fmt.Fprintf(&out, "# For a server that is not dalogd, which gets acknowledged batches without this line.\n#protocol: %s\n", protocol)
	left := c.Left
	if len(c.Files) > 0 {
		out.WriteString("file:\n")
	}
	for _, f := range c.Files {
		value := f.Path + "=" + f.Program + ":" + f.Priority
		if err := new(file).UnmarshalText([]byte(value)); err != nil {
			left = append(left, err.Error())
			continue
		}
		fmt.Fprintf(&out, "  - %q\n", value)
	}
	if len(left) > 0 {
		out.WriteString("\n# Not taken over:\n")
		for _, l := range left {
			fmt.Fprintf(&out, "# %s\n", strings.ReplaceAll(l, "\n", " "))
		}
	}
	if _, err := stdout.Write(out.Bytes()); err != nil {
		return err
	}
	if len(left) > 0 {
		return &cli.ExitError{Code: cli.ExitInternal, Err: fmt.Errorf("%d things were not taken over; they are named at the end", len(left))}
	}
	return nil
}
