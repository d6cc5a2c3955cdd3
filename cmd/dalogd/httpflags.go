package main

import (
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"

	"github.com/dalog-project/dalog/internal/access"
	"github.com/dalog-project/dalog/internal/cli"
	"github.com/dalog-project/dalog/internal/syslogsrv"
)

// httpFlags say who may read over HTTP.
type httpFlags struct {
	HTTPS         []httpAddr `name:"https" group:"Reading" placeholder:"ADDR" help:"Where to serve the log files over HTTPS, usually :8443, with the certificate of --tls-cert; readers need none of their own. Repeatable."`
	OpenTo        []prefixes `group:"Reading" placeholder:"CIDR" help:"Networks that may read without a login; 'none': no network, which docassemble's Logs page cannot deal with. Repeatable. Default: those of --allow."`
	LoginFrom     []prefixes `group:"Reading" placeholder:"CIDR" help:"Networks that may read after a login, besides those of --allow; 'any': all. Repeatable."`
	Users         string     `group:"Reading" placeholder:"FILE" help:"Who may log in: lines NAME:BCRYPT, as 'dalogd password NAME' and htpasswd -B write them. Read again when it changes."`
	Tokens        string     `group:"Reading" placeholder:"FILE" help:"Bearer tokens of programs: lines NAME:SHA256, as 'dalogd token NAME' writes them. Read again when it changes."`
	Rights        string     `group:"Reading" placeholder:"FILE" help:"Which files a name may read: lines NAME: PATTERN PATTERN, such as 'alice: worker.log nginx*'; * is every other name, anonymous who has no login. Without this file everybody who may read may read all. Read again when it changes."`
	TrustProxy    []prefixes `group:"Reading" placeholder:"CIDR" help:"HTTP proxies whose X-Forwarded-For, X-Forwarded-Proto and Forwarded headers are believed. Repeatable."`
	ProxyUsers    bool       `group:"Reading" help:"Believe the name in X-Forwarded-User of those proxies; they must remove what others send in this header."`
	HTTPName      []string   `name:"http-name" group:"Reading" placeholder:"NAME" help:"Name under which browsers open the pages, or *.DOMAIN. Addresses, this machine's name, and names of private networks (logserver, logs.internal) need no mention. Repeatable."`
	HTTPMax       int        `name:"http-max" group:"Reading" placeholder:"N" default:"0" help:"HTTP connections at a time; past it, the one that has been without a request for longest is closed. 0: as many as the limit of open files allows, and 10000 at most."`
	HTTPMaxOfPeer int        `name:"http-max-per-peer" group:"Reading" placeholder:"N" default:"0" help:"HTTP connections of one address at a time, proxies of --trust-proxy excepted. 0: a quarter of --http-max."`
}

func (f *flags) checkHTTP() error {
	switch {
	case len(f.HTTPS) > 0 && f.TLSCert == "":
		return fmt.Errorf("--https needs --tls-cert and --tls-key")
	case f.ProxyUsers && len(flatten(f.TrustProxy)) == 0:
		return fmt.Errorf("--proxy-users needs --trust-proxy, the addresses of the proxies")
	case len(f.LoginFrom) > 0 && f.Users == "" && f.Tokens == "" && !f.ProxyUsers:
		return fmt.Errorf("--login-from needs --users or --tokens, who may log in")
	case f.HTTPMax < 0 || f.HTTPMaxOfPeer < 0:
		return fmt.Errorf("--http-max and --http-max-per-peer must be 0 or more")
	}
	return nil
}

// accessConfig is who may read.
func accessConfig(f *flags, log *slog.Logger) access.Config {
	allowed := flatten(f.Allow)
	cfg := access.Config{
		Open:       allowed,
		Login:      append(flatten(f.LoginFrom), allowed...),
		Private:    syslogsrv.PrivateNetworks(),
		Proxies:    flatten(f.TrustProxy),
		ProxyUsers: f.ProxyUsers,
		Names:      append([]string{hostname()}, f.HTTPName...),
		Files:      access.Files{Users: f.Users, Tokens: f.Tokens, Rights: f.Rights},
		Logger:     log,
	}
	if f.OpenTo != nil {
		cfg.Open = flatten(f.OpenTo)
	}
	return cfg
}

// newGuard reads who may read.
func newGuard(f *flags, log *slog.Logger) (*access.Guard, error) {
	guard, err := access.New(accessConfig(f, log))
	if err != nil {
		return nil, &cli.ExitError{Code: cli.ExitUsage, Err: err}
	}
	return guard, nil
}

// filter accepts only from peers that may connect. It works on connections, so
// that the responses keep their fast ways of writing.
type filter struct {
	net.Listener
	may     func(netip.Addr) bool
	refused func(netip.Addr) // counts a peer that may not
}

func (f *filter) Accept() (net.Conn, error) {
	for {
		c, err := f.Listener.Accept()
		if err != nil {
			return nil, err
		}
		tcp, ok := c.RemoteAddr().(*net.TCPAddr)
		if !ok { // a local socket, guarded by its file
			return c, nil
		}
		addr := tcp.AddrPort().Addr().Unmap()
		if f.may(addr) {
			return c, nil
		}
		f.refused(addr)
		c.Close()
	}
}

// network reads the words that stand for networks.
func network(word string) ([]netip.Prefix, bool) {
	switch strings.ToLower(word) {
	case "private":
		return syslogsrv.PrivateNetworks(), true
	case "any":
		return []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}, true
	case "none":
		return nil, true
	}
	return nil, false
}
