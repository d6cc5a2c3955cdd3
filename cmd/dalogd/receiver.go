package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"syscall"
	"time"

	"github.com/dalog-project/dalog/internal/cli"
	"github.com/dalog-project/dalog/internal/syslogsrv"
)

// httpSocketName is the FileDescriptorName= of sockets for HTTP.
const httpSocketName = "http"

// hints say what to do about refusals.
var hints = map[syslogsrv.Reason]string{
	syslogsrv.NotAllowed:    "allow its network with --allow",
	syslogsrv.ReaderRefused: "allow its network with --allow",
	syslogsrv.TooMany:       "raise --max-connections",
	syslogsrv.TooManyOfPeer: "raise --max-connections-per-peer",
	syslogsrv.NoDescriptors: "raise the limit of open files (LimitNOFILE=, ulimit -n)",
	syslogsrv.TLSNotOffered: "set --tls-cert and --tls-key",
	syslogsrv.ProxyUnlisted: "list it with --proxy-from to believe the address it tells",
}

// openReceiver binds all syslog addresses. Sockets of the service manager take
// the place of the default addresses; those for HTTP are returned.
func openReceiver(f *flags, env cli.Environment, certs *syslogsrv.Certificates, log *slog.Logger) (*syslogsrv.Server, []net.Listener, error) {
	cfg := syslogsrv.Config{Rules: f.rules(), MaxMessage: int(f.MaxMessage), TLS: certs, Hints: hints, Log: log}
	sockets, err := syslogsrv.Inherited(func(key string) string { return env[key] })
	if err != nil {
		return nil, nil, &cli.ExitError{Code: cli.ExitUsage, Err: err}
	}
	var web []net.Listener
	for _, s := range sockets {
		if s.Name == httpSocketName && s.Listener != nil {
			web = append(web, s.Listener)
		} else {
			cfg.Inherited = append(cfg.Inherited, s)
		}
	}
	cfg.Listen = f.syslogEndpoints(len(cfg.Inherited) > 0)
	receiver, err := syslogsrv.Listen(cfg)
	if err != nil {
		for _, l := range web {
			l.Close()
		}
		return nil, nil, explainListen(err)
	}
	return receiver, web, nil
}

// loadCertificates reads the TLS files; nil if there are none.
func loadCertificates(f *flags) (*syslogsrv.Certificates, error) {
	if f.TLSCert == "" {
		return nil, nil
	}
	certs, err := syslogsrv.LoadCertificates(f.certificateFiles())
	if err != nil {
		return nil, &cli.ExitError{Code: cli.ExitUsage, Err: err}
	}
	return certs, nil
}

// rules are what the flags say about senders.
func (f *flags) rules() syslogsrv.Rules {
	r := syslogsrv.Rules{
		Allow:                 flatten(f.Allow),
		ProxyFrom:             flatten(f.ProxyFrom),
		Zones:                 make(map[netip.Prefix]*time.Location),
		MaxConnections:        f.MaxConnections,
		MaxConnectionsPerPeer: f.MaxConnectionsPerPeer,
		MaxSources:            f.MaxSources,
		ForgetSources:         time.Duration(f.ForgetSources),
	}
	for _, z := range f.Zone {
		if z.prefix.IsValid() {
			r.Zones[z.prefix] = z.zone
		} else {
			r.Zone = z.zone
		}
	}
	return r
}

func (f *flags) certificateFiles() syslogsrv.CertificateFiles {
	return syslogsrv.CertificateFiles{Cert: f.TLSCert, Key: f.TLSKey, ClientCA: f.TLSClientCA, AllowNames: f.TLSAllowName}
}

// explainListen adds what to do, and the exit code.
func explainListen(err error) error {
	var e *syslogsrv.ListenError
	if !errors.As(err, &e) {
		return err
	}
	var twice *syslogsrv.TwiceError
	if errors.As(e.Err, &twice) {
		return &cli.ExitError{Code: cli.ExitUsage, Err: fmt.Errorf("cannot listen on %s %s: dalogd itself does already, on %s %s. Leave one of the two out of --syslog", e.Endpoint.Kind(), e.Endpoint.Address, twice.First.Kind(), twice.First.Address)}
	}
	return explainBind(e.Endpoint.Network, e.Endpoint.Kind(), e.Endpoint.Address, "--syslog", e.Err)
}

func explainBind(network, kind, address, flag string, err error) error {
	_, port, _ := net.SplitHostPort(address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE) && port == "":
		return &cli.ExitError{Code: cli.ExitInUse, Err: fmt.Errorf("cannot listen on %s %s: another program answers on it. Stop that, or choose another path with %s", kind, address, flag)}
	case errors.Is(err, syscall.EADDRINUSE):
		find := "ss -ltnp"
		if network == syslogsrv.UDP {
			find = "ss -lunp"
		}
		return &cli.ExitError{Code: cli.ExitInUse, Err: fmt.Errorf("cannot listen on %s %s: the port is taken. See by whom with: %s 'sport = :%s'; stop that, or choose another address with %s", kind, address, find, port, flag)}
	case errors.Is(err, syscall.EACCES) && port != "":
		return &cli.ExitError{Code: cli.ExitNoRight, Err: fmt.Errorf("cannot listen on %s %s: no right to use ports below 1024. Give it with: setcap cap_net_bind_service=+ep /path/to/dalogd, or in the systemd unit: AmbientCapabilities=CAP_NET_BIND_SERVICE; or choose a higher port: %s :5140", kind, address, flag)}
	case errors.Is(err, syscall.EACCES):
		return &cli.ExitError{Code: cli.ExitNoRight, Err: fmt.Errorf("cannot listen on %s %s: no right to create the socket there. Choose another path with %s, or change the folder's owner", kind, address, flag)}
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return &cli.ExitError{Code: cli.ExitUsage, Err: fmt.Errorf("cannot listen on %s %s: this machine has no such address. See those it has with: ip address; choose another one with %s", kind, address, flag)}
	}
	return &cli.ExitError{Code: cli.ExitUsage, Err: fmt.Errorf("cannot listen on %s %s: %w. Choose another address with %s", kind, address, err, flag)}
}
