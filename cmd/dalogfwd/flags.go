package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/dalog-project/dalog/internal/forwarder"
)

// flags are the command line. Every flag has an environment variable, which
// counts where the flag is not given.
type flags struct {
	Server   string `group:"Where to" placeholder:"HOST[:PORT],..." help:"The log server, port 514 by default. Of several the first that answers is used, and the ones before it are tried again every 30 seconds. Also $LOGSERVER. Looked up at each connection; a server that cannot be reached is waited for."`
	Protocol string `group:"Where to" placeholder:"NAME" enum:"relp,syslog,bsd" default:"relp" help:"'relp' is acknowledged: to dalogd each line exactly once, to rsyslog (imrelp) at least once. 'syslog' is RFC 5424 with octet counts, for syslog-ng and rsyslog (imtcp); 'bsd' is RFC 3164 with LF, for servers of before 2019: these two have no acknowledgements."`
	TLS      bool   `group:"Where to" help:"Speak TLS. The server's certificate must be for the name in --server, or for --tls-name. Any of the flags below turns it on too."`
	TLSCA    string `group:"Where to" name:"tls-ca" placeholder:"FILE" help:"PEM file of the authority that signs the server's certificate. Default: those of the system."`
	TLSCert  string `group:"Where to" name:"tls-cert" placeholder:"FILE" help:"PEM file of the certificate to show to the server. Read again when it changes, as are the other two."`
	TLSKey   string `group:"Where to" name:"tls-key" placeholder:"FILE" help:"PEM file of its key."`
	TLSName  string `group:"Where to" name:"tls-name" placeholder:"NAME" help:"The name in the server's certificate, where it is another one than in --server."`
	Hostname string `group:"Where to" placeholder:"NAME" help:"The host that the messages claim. Default: $SERVERHOSTNAME, else the system's name without domain."`

	File       []file   `group:"What" placeholder:"PATH=PROGRAM[:SEVERITY]" help:"A file to follow, the program its lines are sent as, and the severity by name or number (default info). PATH may be a pattern such as /var/log/app/*.log. Repeatable. Files that do not exist are waited for. Default: the ten logs of a docassemble app server."`
	StartAtEnd bool     `group:"What" help:"Begin at the end of the files that exist when they are followed for the first time. Default: at the beginning."`
	KeepBlank  bool     `group:"What" help:"Send empty lines too."`
	MaxLine    byteSize `group:"What" placeholder:"SIZE" default:"1MiB" help:"Longer lines, and those that do not fit into one message (64 KiB), are sent in several pieces, with marks."`

	StateDir string `group:"State" placeholder:"DIR" default:"/var/lib/dalogfwd" help:"Folder of the positions up to which each file is delivered. Keep it over restarts: without it all files are sent again."`

	LogFormat string `group:"Own log, on stderr" placeholder:"FORMAT" enum:"text,json" default:"text" help:"'text' or 'json'."`
	LogLevel  string `group:"Own log, on stderr" placeholder:"LEVEL" enum:"debug,info,warn,error" default:"info" help:"'debug', 'info', 'warn' or 'error'."`

	Version kong.VersionFlag `help:"Print the version and exit."`
}

const description = `Follows log files, through every rotation, and delivers their lines to a log server.

The files are the buffer: while the server is away nothing is dropped and memory does not grow. A restart goes on where it stopped. dalogd keeps how far each file has come together with the lines, on its disk, so that each line is there once, whichever side crashes. With the protocols "syslog" and "bsd" lines count as delivered when the server's TCP has acknowledged them: what its process had not read when it was killed is lost, and after a crash the lines of the last second are sent again. The first half of a line without its end waits for the other half.

Examples:

  dalogfwd --server logs.example.org
  LOGSERVER=10.0.0.5 dalogfwd
  dalogfwd --server a.example.org,b.example.org:1514 --file /srv/app/log/app.log=app:debug
  dalogfwd --server logs --file '/var/log/app/*.log=app' --file /var/log/nginx/error.log=nginx:error

Signals: TERM and INT send what the files hold, for at most 5 seconds, write the positions and exit; at once when repeated; HUP does nothing.

Exit codes: 0 stopped as asked; 1 internal failure; 2 wrong usage or no server given; 5 state folder cannot be used; 6 another dalogfwd uses the state folder.

Each flag can be given as an environment variable instead: DALOGFWD_STATE_DIR for --state-dir, and so on, lists separated by commas. Empty, "null" and "None" count as not set.`

// asked is how kong's --help and --version end the parsing.
type asked struct{ code int }

// parseFlags reads args and, where they are silent, environ. done says that
// help or version was printed and nothing else is wanted.
func parseFlags(args []string, env environment, stdout, stderr io.Writer) (f *flags, done bool, err error) {
	f = new(flags)
	defer func() {
		if r := recover(); r != nil {
			if _, ok := r.(asked); !ok {
				panic(r)
			}
			done = true
		}
	}()
	parser, err := kong.New(f,
		kong.Name("dalogfwd"), kong.Description(description),
		kong.Writers(stdout, stderr), kong.Exit(func(code int) { panic(asked{code}) }),
		kong.ConfigureHelp(kong.HelpOptions{WrapUpperBound: 100, NoExpandSubcommands: true}),
		kong.ValueFormatter(func(v *kong.Value) string {
			if v.Name == "help" || v.Name == "version" {
				return v.OrigHelp
			}
			help := v.OrigHelp
			if v.HasDefault {
				help += " Default: " + v.Default + "."
			}
			return fmt.Sprintf("%s ($%s)", help, envName(v.Name))
		}),
		kong.Vars{"version": versionText()},
		kong.Resolvers(env),
	)
	if err != nil {
		return nil, false, err
	}
	if _, err := parser.Parse(args); err != nil {
		return nil, false, fmt.Errorf("%w; see dalogfwd --help", err)
	}
	if !isSet(f.Server) {
		f.Server = env["LOGSERVER"]
	}
	if f.Server == "" {
		return nil, false, errors.New("no log server: set LOGSERVER or give --server HOST[:PORT]; see dalogfwd --help")
	}
	if f.MaxLine < 1<<10 || f.MaxLine > 16<<20 {
		return nil, false, errors.New("--max-line must be from 1KiB to 16MiB")
	}
	return f, false, nil
}

// config is what the flags ask for.
func (f *flags) config(env environment) (forwarder.Config, error) {
	c := forwarder.Config{
		Protocol:  f.Protocol,
		Hostname:  f.Hostname,
		StateDir:  f.StateDir,
		FromEnd:   f.StartAtEnd,
		KeepBlank: f.KeepBlank,
		MaxLine:   int(f.MaxLine),
		Files:     docassembleFiles(),
	}
	if f.TLS || f.TLSCA != "" || f.TLSCert != "" || f.TLSKey != "" || f.TLSName != "" {
		c.TLS = &forwarder.TLS{CA: f.TLSCA, Cert: f.TLSCert, Key: f.TLSKey, Name: f.TLSName}
	}
	for s := range strings.SplitSeq(f.Server, ",") {
		if isSet(strings.TrimSpace(s)) {
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
