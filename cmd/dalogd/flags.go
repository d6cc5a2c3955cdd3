package main

import (
	"cmp"
	"fmt"
	"io"
	"net"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/dalog-project/dalog/internal/cli"
	"github.com/dalog-project/dalog/internal/control"
	"github.com/dalog-project/dalog/internal/logstore"
	"github.com/dalog-project/dalog/internal/syslogsrv"
)

// flags are the command line; each one can also be set in the environment or in
// the configuration file.
type flags struct {
	LogDir     string   `group:"Files" placeholder:"DIR" default:"/usr/share/docassemble/log" help:"Folder of the log files. Created if the folder above it exists."`
	StateDir   string   `group:"Files" placeholder:"DIR" help:"Folder of dalogd's own state, on the same file system. Default: .dalogd in the log folder."`
	User       string   `group:"Files" placeholder:"USER[:GROUP]" help:"Whom dalogd becomes, when started as root, as soon as it has its ports and folders; the log files belong to it. By name or UID:GID; 'root' stays root. Default: www-data where that user exists."`
	LineFormat textLine `group:"Files" placeholder:"FORMAT" default:"iso" help:"How a stored line begins: 'iso' with date, zone and fractions, or 'bsd' as syslog-ng writes it (Nov 23 08:27:00)."`
	Host       textHost `group:"Files" placeholder:"WHICH" default:"claimed" help:"The host in a stored line: 'claimed' by the sender, the 'peer' address, or 'both' (PEER/CLAIMED)."`

	Durability textDurability `group:"Files" placeholder:"HOW" default:"sync" help:"What an acknowledged message is safe from: 'sync' from the loss of power; 'memory' from the death of dalogd, and a second later from the loss of power."`
	Salvage    bool           `group:"Files" help:"Start although dalogd's own records are damaged: the damaged ones are set aside, and its log tells what is missing."`

	Syslog     []endpoints  `group:"Receiving" placeholder:"ADDR" help:"Where to receive syslog, by default :514. HOST:PORT is TCP and UDP; tcp:HOST:PORT, udp:HOST:PORT, unix:PATH or unixgram:PATH is one of them. Octet-counted, LF, NUL, RELP and TLS senders are told apart on the same port. Repeatable. Port 0 takes a free one."`
	SyslogTLS  []tlsPort    `name:"syslog-tls" group:"Receiving" placeholder:"ADDR" help:"TCP address that takes TLS only, usually :6514. Repeatable."`
	MaxMessage cli.ByteSize `group:"Receiving" placeholder:"SIZE" default:"1MiB" help:"How much of one message is kept; the rest is skipped and the line marked."`
	Zone       []zoneRule   `group:"Receiving" placeholder:"[CIDR=]ZONE" help:"Time zone of senders whose times name none, such as America/New_York; with CIDR= only of those senders. Repeatable. Default: the system's."`

	Allow                 []prefixes `group:"Who may" placeholder:"CIDR" default:"private" help:"Networks that may send and read. 'private' stands for loopback and the private ranges, 'any' for all. Repeatable."`
	ProxyFrom             []prefixes `group:"Who may" placeholder:"CIDR" help:"Load balancers whose PROXY protocol header is believed. Repeatable."`
	MaxConnections        int        `group:"Who may" placeholder:"N" default:"10000" help:"Syslog connections at a time."`
	MaxSources            int        `group:"Receiving" placeholder:"N" default:"50000" help:"How many files of dalogfwd's there may be in all. Above, new ones are not taken and wait at their senders; the others go on."`
	ForgetSources         age        `group:"Receiving" placeholder:"AGE" default:"180d" help:"Forget files of dalogfwd's that nobody has sent or claimed for that long, as of app servers that are gone. Their lines stay. 40d at least; 0: never."`
	MaxConnectionsPerPeer int        `group:"Who may" placeholder:"N" default:"1000" help:"Syslog connections of one address at a time."`

	TLSCert      string   `name:"tls-cert" group:"TLS" placeholder:"FILE" help:"Certificate and chain (PEM). Read again when it changes."`
	TLSKey       string   `name:"tls-key" group:"TLS" placeholder:"FILE" help:"Its private key (PEM)."`
	TLSClientCA  string   `name:"tls-client-ca" group:"TLS" placeholder:"FILE" help:"Require every TLS sender to show a certificate of this CA (PEM)."`
	TLSAllowName []string `name:"tls-allow-name" group:"TLS" placeholder:"NAME" help:"Require one of these names in the sender's certificate: DNS name, *.DOMAIN or IP address, in subjectAltName, or in the common name where there is none. Repeatable."`

	keepFlags
	routeFlags

	HTTP      []httpAddr `name:"http" group:"Reading" placeholder:"ADDR" help:"Where to serve the log files over HTTP, by default :8080 and :8082. Repeatable. A taken port is tried again while another one works."`
	ReadyFile string     `group:"Reading" placeholder:"FILE" default:"/var/run/docassemble/ready" help:"The health check with ready=1 fails until this file exists. 'none': always ready."`

	httpFlags
	searchFlags

	cli.Base

	Run struct{} `cmd:"" default:"withargs" help:"Receive, store and serve. This is what dalogd does without a command."`

	Check struct{} `cmd:"" help:"Look for mistakes in the settings, without starting: each one is a line, and the exit code is 2."`

	Status struct {
		Output string `short:"o" enum:"text,json" default:"text" help:"'text' or 'json'."`
	} `cmd:"" help:"Tell how the running dalogd is. The exit code is 0 when all is well, 1 when something deserves a look, and 2 when lines are not stored or none answers."`

	Healthcheck struct {
		Ready bool `help:"Fail also while it is not ready: see --ready-file."`
	} `cmd:"" help:"Ask the running dalogd over HTTP whether it is well, for containers: exit code 0 or 1."`

	Reopen struct {
		Wait bool `help:"Return only when nothing more goes to files that were renamed or removed, and all of it is safe."`
	} `cmd:"" help:"Have the running dalogd open its log files anew, as a HUP signal does. For logrotate's postrotate."`

	Sources struct {
		List struct {
			Output string `short:"o" enum:"text,json" default:"text" help:"'text' or 'json'."`
		} `cmd:"" default:"withargs" help:"List them: from which byte to which each is stored, and what was left out."`
		Forget struct {
			Idle  age  `placeholder:"AGE" default:"180d" help:"Only those that nobody has sent or claimed for that long."`
			Force bool `help:"Allow an age below 40d: a dalogfwd that comes back sends such files again from their beginning."`
		} `cmd:"" help:"Forget those of app servers that are gone: their lines stay, only the positions go."`
	} `cmd:"" help:"The files that dalogfwd sends to the running dalogd."`

	Inspect struct {
		What string `arg:"" enum:"wal,checkpoint" help:"'wal' or 'checkpoint'."`
		Path string `arg:"" optional:"" help:"State folder. Default: that of --state-dir or --log-dir."`
	} `cmd:"" help:"Print dalogd's own records: the write-ahead log or the checkpoints."`

	Password struct {
		Name string `arg:"" help:"Name of the user."`
	} `cmd:"" help:"Read a password and print the line for the file of --users."`

	Token struct {
		Name string `arg:"" help:"Name under which the token reads."`
	} `cmd:"" help:"Make a token, and print the line for the file of --tokens."`

	command    string // the first word of the command
	configFile string // that was read; empty: none
}

// running is the dalogd with these folders.
func (f *flags) running() control.Program {
	return control.Program{Name: "dalogd", StateDir: f.stateDir(), Settings: "--log-dir and --state-dir"}
}

func (f *flags) stateDir() string {
	return cmp.Or(f.StateDir, filepath.Join(f.LogDir, ".dalogd"))
}

const description = `Receives syslog, stores it as plain text files, and serves them over HTTP.

Each message becomes a line in a file named after its program; docassemble's files have their usual names. What was received survives a crash of dalogd, and after a second at most one of the machine.

Examples:

  dalogd
  dalogd --log-dir /var/log/central --syslog :5140 --http 127.0.0.1:8080
  dalogd --syslog :514 --syslog unixgram:/dev/log --allow private --allow 203.0.113.0/24
  dalogd --syslog-tls :6514 --tls-cert cert.pem --tls-key key.pem --tls-client-ca ca.pem

  dalogd check --config /etc/dalog/dalogd.yaml
  dalogd inspect wal --log-dir /var/log/central
  dalogd status
  dalogd reopen --wait

  dalogd --https :8443 --tls-cert cert.pem --tls-key key.pem --login-from any --users users
  dalogd password alice >>users

Signals: TERM and INT read what has been sent, store it and exit, at once when repeated; HUP reads the configuration and the TLS files and opens the log files anew.

Exit codes: 0 stopped as asked; 1 internal failure; 2 wrong usage; 3 address in use (with several HTTP addresses: all of them); 4 no right to listen on a port; 5 log folder cannot be used; 6 another dalogd uses the folder; 70 disk failure while running.

Each flag has two other forms, which count in this order after the flag itself: an environment variable, DALOGD_LOG_DIR for --log-dir, with lists separated by commas; and a line in the configuration file, log_dir: DIR, with lists as [a, b]. Empty, "null" and "None" count as not set. 'dalogd config print' shows what is in force and why, 'dalogd check' what is wrong.`

// parseFlags reads args and, where they are silent, environ and the
// configuration file.
func parseFlags(args, environ []string, stdout, stderr io.Writer) (*flags, *cli.Invocation, error) {
	f := new(flags)
	program := cli.Program{
		Name: "dalogd", Description: description, ConfigFile: "/etc/dalog/dalogd.yaml", Version: versionText(),
		Args: args, Environ: environ, Stdout: stdout, Stderr: stderr,
	}
	inv, err := program.Parse(f)
	if err != nil || inv.Done {
		return f, inv, err
	}
	f.command = inv.Command
	f.configFile = inv.ConfigFile
	return f, inv, inv.Locate(f.check())
}

// check finds what does not go together.
func (f *flags) check() error {
	switch {
	case (f.TLSCert == "") != (f.TLSKey == ""):
		return fmt.Errorf("--tls-cert and --tls-key belong together; give both")
	case f.TLSCert == "" && len(f.SyslogTLS) > 0:
		return fmt.Errorf("--syslog-tls needs --tls-cert and --tls-key")
	case f.TLSCert == "" && f.TLSClientCA != "":
		return fmt.Errorf("--tls-client-ca needs --tls-cert and --tls-key")
	case len(f.TLSAllowName) > 0 && f.TLSClientCA == "":
		return fmt.Errorf("--tls-allow-name needs --tls-client-ca, the CA of the senders' certificates")
	case f.MaxConnections < 1 || f.MaxConnectionsPerPeer < 1:
		return fmt.Errorf("--max-connections and --max-connections-per-peer must be 1 or more")
	case f.MaxSources < 1:
		return fmt.Errorf("--max-sources must be 1 or more")
	case f.ForgetSources != 0 && time.Duration(f.ForgetSources) < syslogsrv.LeastForgetAge:
		return fmt.Errorf("--forget-sources must be 40d or more, or 0 for never: a dalogfwd that comes back earlier would send the files again")
	case f.MaxMessage < 1<<10 || f.MaxMessage > 64<<20:
		return fmt.Errorf("--max-message must be from 1KiB to 64MiB")
	}
	return cmp.Or(f.checkHTTP(), f.keepFlags.check(), f.searchFlags.check())
}

func (f *flags) syslogEndpoints(activated bool) []syslogsrv.Endpoint {
	all := flatten(f.Syslog)
	if len(all) == 0 && !activated {
		all = []syslogsrv.Endpoint{{Network: syslogsrv.TCP, Address: ":514"}, {Network: syslogsrv.UDP, Address: ":514"}}
	}
	for _, p := range f.SyslogTLS {
		all = append(all, p.endpoints...)
	}
	return all
}

func (f *flags) httpAddrs(activated bool) []httpAddr {
	if len(f.HTTP) == 0 && !activated {
		return []httpAddr{":8080", ":8082"}
	}
	return f.HTTP
}

func (f *flags) readyFile() string {
	if f.ReadyFile == "none" {
		return ""
	}
	return f.ReadyFile
}

// endpoints is one value of --syslog.
type endpoints []syslogsrv.Endpoint

func (e *endpoints) UnmarshalText(b []byte) (err error) {
	*e, err = syslogsrv.ParseEndpoints(string(b))
	return err
}

// httpAddr is one value of --http.
type httpAddr string

func (a *httpAddr) UnmarshalText(b []byte) error {
	_, port, err := net.SplitHostPort(string(b))
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return fmt.Errorf("%q is not HOST:PORT or :PORT", b)
	}
	*a = httpAddr(b)
	return nil
}

// tlsPort is one value of --syslog-tls.
type tlsPort struct{ endpoints }

func (p *tlsPort) UnmarshalText(b []byte) error {
	return p.endpoints.UnmarshalText(append([]byte("tls:"), b...))
}

// prefixes is one value of --allow and its like.
type prefixes []netip.Prefix

func (p *prefixes) UnmarshalText(b []byte) error {
	s := string(b)
	if networks, ok := network(s); ok {
		*p = networks
		return nil
	}
	if addr, err := netip.ParseAddr(s); err == nil {
		*p = prefixes{netip.PrefixFrom(addr, addr.BitLen())}
		return nil
	}
	prefix, err := netip.ParsePrefix(s)
	if err != nil {
		return fmt.Errorf("%q is neither a network such as 203.0.113.0/24 nor an address nor 'private', 'any' or 'none'", s)
	}
	*p = prefixes{prefix.Masked()}
	return nil
}

func flatten[T any, S ~[]T](lists []S) (all []T) {
	for _, l := range lists {
		all = append(all, l...)
	}
	return all
}

// zoneRule is one value of --zone.
type zoneRule struct {
	prefix netip.Prefix // invalid: everybody
	zone   *time.Location
}

func (z *zoneRule) UnmarshalText(b []byte) (err error) {
	cidr, name, ok := strings.Cut(string(b), "=")
	if !ok {
		name = cidr
	} else if z.prefix, err = netip.ParsePrefix(cidr); err != nil {
		return fmt.Errorf("%q is not a network such as 10.2.0.0/16", cidr)
	}
	if z.zone, err = time.LoadLocation(name); err != nil || name == "" {
		return fmt.Errorf("%q is not a time zone such as America/New_York", name)
	}
	return nil
}

// textLine, textDurability and textHost are the store's choices as flags.
type textLine struct{ logstore.LineFormat }

func (l *textLine) UnmarshalText(b []byte) (err error) {
	l.LineFormat, err = logstore.ParseLineFormat(string(b))
	return err
}

type textDurability struct{ logstore.Durability }

func (d *textDurability) UnmarshalText(b []byte) (err error) {
	d.Durability, err = logstore.ParseDurability(string(b))
	return err
}

type textHost struct{ logstore.HostColumn }

func (h *textHost) UnmarshalText(b []byte) (err error) {
	h.HostColumn, err = logstore.ParseHostColumn(string(b))
	return err
}
