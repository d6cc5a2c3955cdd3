package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/dalog-project/dalog/internal/cli"
	"github.com/dalog-project/dalog/internal/control"
	"github.com/dalog-project/dalog/internal/forwarder"
)

// flags are the command line; each one can also be set in the environment or in
// the configuration file.
type flags struct {
	Server            string `group:"Where to" placeholder:"HOST[:PORT],..." help:"The log server, port 514 by default. Of several the first that answers is used, and the ones before it are tried again every 30 seconds. Without it $LOGSERVER, then 'log server' in docassemble's own configuration (--docassemble-config). Looked up at each connection; a server that cannot be reached is waited for."`
	DocassembleConfig string `group:"Where to" placeholder:"FILE" default:"/usr/share/docassemble/config/config.yml" help:"docassemble's configuration, for its 'log server'; it may be missing. 'none': not read."`

	Protocol string `group:"Where to" placeholder:"NAME" enum:"relp,syslog,bsd" default:"relp" help:"'relp' is acknowledged: to dalogd each line exactly once, to rsyslog (imrelp) at least once. 'syslog' is RFC 5424 with octet counts, for syslog-ng and rsyslog (imtcp); 'bsd' is RFC 3164 with LF, for servers of before 2019: these two have no acknowledgements."`
	TLS      bool   `group:"Where to" help:"Speak TLS. The server's certificate must be for the name in --server, or for --tls-name. Any of the flags below turns it on too."`
	TLSCA    string `group:"Where to" name:"tls-ca" placeholder:"FILE" help:"PEM file of the authority that signs the server's certificate. Default: those of the system."`
	TLSCert  string `group:"Where to" name:"tls-cert" placeholder:"FILE" help:"PEM file of the certificate to show to the server. Read again when it changes, as are the other two."`
	TLSKey   string `group:"Where to" name:"tls-key" placeholder:"FILE" help:"PEM file of its key."`
	TLSName  string `group:"Where to" name:"tls-name" placeholder:"NAME" help:"The name in the server's certificate, where it is another one than in --server."`
	Hostname string `group:"Where to" placeholder:"NAME" help:"The host that the messages claim. Default: $SERVERHOSTNAME, else the system's name without domain."`

	File       []file       `group:"What" placeholder:"PATH=PROGRAM[:SEVERITY]" help:"A file to follow, the program its lines are sent as, and the severity by name or number (default info). PATH may be a pattern such as /var/log/app/*.log. Repeatable. Files that do not exist are waited for. Default: the ten logs of a docassemble app server."`
	StartAtEnd bool         `group:"What" help:"Begin at the end of the files that exist when they are followed for the first time. Default: at the beginning."`
	KeepBlank  bool         `group:"What" help:"Send empty lines too."`
	MaxLine    cli.ByteSize `group:"What" placeholder:"SIZE" default:"1MiB" help:"Longer lines are sent in several pieces, with marks; to servers other than dalogd, and with other protocols than relp, also those that do not fit into one message (64 KiB, to rsyslog by RELP 8 kB)."`

	OldDir      []string     `group:"What" placeholder:"DIR" help:"A folder that rotated files are put into (logrotate's olddir), relative to that of the file. Needed only where files may come, be rotated and be moved there while dalogfwd does not run: what it has begun to read it finds in folders beside the file by itself. Repeatable."`
	HoldDeleted cli.ByteSize `group:"What" placeholder:"SIZE" default:"1GiB" help:"How much deleted files may take on the disk that are held open because they are not delivered. Beyond it the oldest are given up, which is told and counted."`
	Pin         bool         `group:"What" help:"Keep a second name (a hard link) of each followed file in --state-dir, so that one that is deleted while dalogfwd does not run is still read to its end. Needs --state-dir on the file system of the files; --hold-deleted bounds what is kept. logrotate skips files that have a second name, unless allowhardlink is set for them."`

	StateDir string `group:"State" placeholder:"DIR" default:"/var/lib/dalogfwd" help:"Folder of the positions up to which each file is delivered. Keep it over restarts: without it all files are sent again."`

	metricsFlags
	importFlags
	cli.Base

	Run struct{} `cmd:"" default:"withargs" help:"Follow and deliver. This is what dalogfwd does without a command."`

	Plan struct {
		Output string `short:"o" enum:"text,json" default:"text" help:"'text' or 'json'."`
	} `cmd:"" help:"Show what would be sent, from where, as what, and why not; nothing is touched. Exit code 1: a file cannot be read, or no server is set."`
	Status struct {
		Output string        `short:"o" enum:"text,json" default:"text" help:"'text' or 'json'."`
		MaxLag time.Duration `placeholder:"TIME" default:"1m" help:"Older lines that are not delivered are trouble."`
	} `cmd:"" help:"Ask the dalogfwd that runs with --state-dir how it stands: per file the position, what waits and for how long, the last confirmation. Exit code 1: not connected, behind, or lines were lost; 2: none is running."`
	Reload struct {
		Wait bool `help:"Wait until the new configuration is in force; exit code 1 if it is not."`
	} `cmd:"" help:"Have the dalogfwd that runs with --state-dir read its configuration again, as a HUP signal does."`
	Check struct{} `cmd:"" help:"Look for mistakes without starting: settings, state folder, files, servers. Exit code 2: it would not start; 1: it would, and something would not be delivered."`

	command string // the first word of the command
}

const description = `Follows log files, through every rotation, and delivers their lines to a log server.

The files are the buffer: while the server is away nothing is dropped and memory does not grow. A restart goes on where it stopped. dalogd keeps how far each file has come together with the lines, on its disk, so that each line is there once, whichever side crashes. With the protocols "syslog" and "bsd" lines count as delivered when the server's TCP has acknowledged them: what its process had not read when it was killed is lost, and after a crash the lines of the last second are sent again. The first half of a line without its end waits for the other half.

Examples:

  dalogfwd --server logs.example.org
  LOGSERVER=10.0.0.5 dalogfwd
  dalogfwd --server a.example.org,b.example.org:1514 --file /srv/app/log/app.log=app:debug
  dalogfwd --server logs --file '/var/log/app/*.log=app' --file /var/log/nginx/error.log=nginx:error
  dalogfwd plan
  dalogfwd status -o json

Signals: TERM and INT send what the files hold, for at most 5 seconds, write the positions and exit; at once when repeated. HUP reads the configuration again: what the files hold is sent, and all but state_dir, metrics and log_format changes at once. With a mistake in it the former one stays in force.

Exit codes: 0 stopped as asked; 1 internal failure; 2 wrong usage or no server given; 5 state folder cannot be used; 6 another dalogfwd uses the state folder.

Each flag has two other forms, which count in this order after the flag itself: an environment variable, DALOGFWD_STATE_DIR for --state-dir, with lists separated by commas; and a line in the configuration file, state_dir: DIR, with lists as [a, b]. Empty, "null" and "None" count as not set. 'dalogfwd config print' shows what is in force and why.`

// parseFlags reads args and, where they are silent, environ and the
// configuration file.
func parseFlags(args, environ []string, stdout, stderr io.Writer) (*flags, *cli.Invocation, error) {
	f := new(flags)
	program := cli.Program{
		Name: "dalogfwd", Description: description, ConfigFile: "/etc/dalog/dalogfwd.yaml", Version: versionText(),
		Fallback: docassembleServer,
		Args:     args, Environ: environ, Stdout: stdout, Stderr: stderr,
	}
	inv, err := program.Parse(f)
	if err != nil || inv.Done {
		return f, inv, err
	}
	f.command, _, _ = strings.Cut(inv.Command, " ")
	if f.command == "import" { // which needs no settings
		return f, inv, nil
	}
	return f, inv, inv.Locate(f.check())
}

// check finds what does not go together.
func (f *flags) check() error {
	asks := f.command == "plan" || f.command == "status" || f.command == "reload"
	if !cli.IsSet(f.Server) && !asks {
		return errors.New("no log server: set LOGSERVER or give --server HOST[:PORT]; see dalogfwd --help")
	}
	if f.MaxLine < 1<<10 || f.MaxLine > 16<<20 {
		return errors.New("--max-line must be from 1KiB to 16MiB")
	}
	return nil
}

// running is the dalogfwd with this state folder.
func (f *flags) running() control.Program {
	return control.Program{Name: "dalogfwd", StateDir: f.StateDir, Settings: "--state-dir"}
}

// config is what the flags ask for.
func (f *flags) config(env cli.Environment) (forwarder.Config, error) {
	c := forwarder.Config{
		Protocol:  f.Protocol,
		Hostname:  f.Hostname,
		StateDir:  f.StateDir,
		FromEnd:   f.StartAtEnd,
		KeepBlank: f.KeepBlank,
		MaxLine:   int(f.MaxLine),

		HoldDeleted: int64(f.HoldDeleted),
		Pin:         f.Pin,
		OldDirs:     f.OldDir,
		Files:       docassembleFiles(),
	}
	if f.TLS || f.TLSCA != "" || f.TLSCert != "" || f.TLSKey != "" || f.TLSName != "" {
		c.TLS = &forwarder.TLS{CA: f.TLSCA, Cert: f.TLSCert, Key: f.TLSKey, Name: f.TLSName}
	}
	for s := range strings.SplitSeq(f.Server, ",") {
		if cli.IsSet(strings.TrimSpace(s)) {
			c.Servers = append(c.Servers, s)
		}
	}
	if len(f.File) > 0 {
		c.Files = nil
		for _, one := range f.File {
			c.Files = append(c.Files, one.File)
		}
	}
	if c.Hostname == "" {
		c.Hostname = env["SERVERHOSTNAME"]
	}
	if c.Hostname == "" {
		name, err := os.Hostname()
		if err != nil {
			return c, fmt.Errorf("the system's host name cannot be had (%w): give --hostname", err)
		}
		c.Hostname, _, _ = strings.Cut(name, ".")
	}
	return c, nil
}
