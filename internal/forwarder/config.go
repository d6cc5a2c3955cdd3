package forwarder

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"time"
)

// Limits of the syslog protocols over TCP.
const (
	// maxFrame is the longest frame in bytes, with its count. syslog-ng closes
	// the connection on a longer one.
	maxFrame = 65536
	// facilityUser is the facility of all messages (RFC 5424, section 6.2.1).
	facilityUser = 1
	defaultPort  = "514"
)

// Config says what to send where. Zero values mean the defaults.
type Config struct {
	// Servers are host or host:port, port 514 by default. The first that can be
	// reached is used; the ones before it are tried again while it is.
	Servers []string
	// Protocol is "relp" (dalog's own batches where the server has them, otherwise
	// RELP's messages; default), "syslog" (RFC 5424, octet-counted) or "bsd"
	// (RFC 3164, LF at the end).
	Protocol string
	TLS      *TLS   // nil: plain
	Hostname string // as the messages claim; must be set
	Files    []File
	// StateDir is made if it is missing. One forwarder at a time may use it.
	StateDir  string
	FromEnd   bool // begin at the end of files never seen before, see tail.Config
	KeepBlank bool // send empty lines too
	MaxLine   int  // bytes, see tail.Config
	// Window is how many bytes may be sent and not yet acknowledged; memory
	// grows with it. Default 8 MiB.
	Window int
	// PeerTimeout is how long a peer may take no bytes before the connection is
	// given up. Default 60 s.
	PeerTimeout time.Duration
	// StopTimeout bounds the sending of the rest when Run's context ends.
	// Default 5 s.
	StopTimeout time.Duration
	// SaveEvery is how often positions are written. Default 1 s.
	SaveEvery time.Duration
	// FailBack is how often better servers are tried. Default 30 s.
	FailBack time.Duration
	// RotateWait: see tail.Config.
	RotateWait time.Duration
	// OldDirs are folders that rotated files are put into, see tail.Config.
	OldDirs []string
	// HoldDeleted is how many bytes of deleted files that are not delivered may be
	// held open; beyond it the oldest are given up. Default 1 GiB.
	HoldDeleted int64
	// Pin gives followed files a second name in StateDir, see tail.Config.
	Pin bool
	Log *slog.Logger // default: discards
}

// File is what to follow and how to send it.
type File struct {
	Pattern  string // path or glob
	Program  string
	Severity uint8 // 0 (emergency) to 7 (debug)
}

// Errors of Open.
var (
	// ErrState says that the state folder cannot be used.
	ErrState = errors.New("state folder cannot be used")
	// ErrInUse says that another forwarder uses the state folder.
	ErrInUse = errors.New("state folder is in use")
)

func (c *Config) setDefaults() error {
	if len(c.Servers) == 0 {
		return errors.New("no server given")
	}
	for i, s := range c.Servers {
		address, err := serverAddress(s)
		if err != nil {
			return err
		}
		c.Servers[i] = address
	}
	if c.Protocol == "" {
		c.Protocol = protocolRELP
	}
	if c.MaxLine <= 0 {
		c.MaxLine = 1 << 20
	}
	if c.Window <= 0 {
		c.Window = 8 << 20
	}
	if c.PeerTimeout <= 0 {
		c.PeerTimeout = time.Minute
	}
	if c.StopTimeout <= 0 {
		c.StopTimeout = 5 * time.Second
	}
	if c.SaveEvery <= 0 {
		c.SaveEvery = time.Second
	}
	if c.FailBack <= 0 {
		c.FailBack = 30 * time.Second
	}
	if c.HoldDeleted <= 0 {
		c.HoldDeleted = 1 << 30
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return nil
}

// Check finds what is wrong with c, the TLS files included. Neither the state
// folder nor the files to follow are touched.
func (c Config) Check() error {
	c.Servers = slices.Clone(c.Servers)
	_, _, err := c.complete()
	return err
}

// complete sets the defaults and reads what c names.
func (c *Config) complete() (protocol, *dialTLS, error) {
	if err := c.setDefaults(); err != nil {
		return nil, nil, err
	}
	proto, ok := protocols[c.Protocol]
	if !ok {
		return nil, nil, fmt.Errorf("protocol %q is not known", c.Protocol)
	}
	if c.TLS == nil {
		return proto, nil, nil
	}
	secure, err := newDialTLS(*c.TLS, c.Log)
	return proto, secure, err
}

func notInHost(r rune) bool {
	return r <= ' ' || r == 0x7f || strings.ContainsRune(`,;/\"'=?#@()<>`+"`", r)
}

// serverAddress completes host, host:port, [v6]:port or a bare IPv6 address.
func serverAddress(s string) (string, error) {
	s = strings.TrimSpace(s)
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		host, port = strings.Trim(s, "[]"), defaultPort
		if strings.Contains(host, ":") && net.ParseIP(host) == nil {
			return "", fmt.Errorf("server %q: expected host or host:port", s)
		}
	}
	if host == "" || port == "" {
		return "", fmt.Errorf("server %q: expected host or host:port", s)
	}
	if i := strings.IndexFunc(host, notInHost); i >= 0 {
		return "", fmt.Errorf("server %q: %q cannot be in a host name; write host or host:port, several of them with commas between", s, host[i:i+1])
	}
	if _, err := net.LookupPort("tcp", port); err != nil {
		return "", fmt.Errorf("server %q: no such port", s)
	}
	return net.JoinHostPort(host, port), nil
}
