package forwarder

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"sync"
	"time"
)

const handshakeTimeout = 10 * time.Second

// TLS is how servers are reached by TLS. The files are read again at the next
// connection when they have changed.
type TLS struct {
	// CA is a PEM file of the authorities that sign servers' certificates;
	// empty: those of the system.
	CA string
	// Cert and Key are PEM files of the certificate to show to servers; empty:
	// none.
	Cert, Key string
	// Name is the name that the server's certificate must have; empty: the name
	// or address by which it is reached.
	Name string
}

// dialTLS makes TLS connections.
type dialTLS struct {
	files TLS
	log   *slog.Logger

	mu     sync.Mutex // several goroutines may dial
	read   []fileState
	config *tls.Config
}

// fileState tells whether a file is the one that was read.
type fileState struct {
	size  int64
	mtime time.Time
}

// newDialTLS reads the files for the first time.
func newDialTLS(files TLS, log *slog.Logger) (*dialTLS, error) {
	if (files.Cert == "") != (files.Key == "") {
		return nil, errors.New("a certificate and its key belong together: only one of them is given")
	}
	d := &dialTLS{files: files, log: log}
	_, err := d.current()
	return d, err
}

// current gives the configuration, of the files as they are now. When they
// cannot be read, the one before stays in use.
func (d *dialTLS) current() (*tls.Config, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := make([]fileState, 3)
	for i, name := range []string{d.files.CA, d.files.Cert, d.files.Key} {
		if info, err := os.Stat(name); err == nil {
			now[i] = fileState{info.Size(), info.ModTime()}
		}
	}
	if d.config != nil && slices.Equal(now, d.read) {
		return d.config, nil
	}
	config, err := d.load()
	if err != nil {
		return d.config, err
	}
	d.config, d.read = config, now
	return config, nil
}

func (d *dialTLS) load() (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: d.files.Name}
	if d.files.CA != "" {
		pem, err := os.ReadFile(d.files.CA)
		if err != nil {
			return nil, fmt.Errorf("server CA: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("server CA: %s holds no PEM certificate", d.files.CA)
		}
	}
	if d.files.Cert != "" {
		pair, err := tls.LoadX509KeyPair(d.files.Cert, d.files.Key)
		if err != nil {
			return nil, fmt.Errorf("client certificate %s with key %s: %w", d.files.Cert, d.files.Key, err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

// handshake makes a TLS connection of conn, to a server that was reached as
// address. It closes conn where that fails.
func (d *dialTLS) handshake(ctx context.Context, conn net.Conn, address string) (net.Conn, error) {
	config, err := d.current()
	if config == nil {
		return nil, errors.Join(err, conn.Close())
	}
	if err != nil {
		d.log.Warn("TLS files have changed and cannot be read; those read before stay in use", "error", err)
	}
	if config.ServerName == "" {
		config = config.Clone()
		config.ServerName, _, _ = net.SplitHostPort(address)
	}
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	secured := tls.Client(conn, config)
	if err := secured.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, fmt.Errorf("TLS with %s: %w", address, explainTLS(err))
	}
	return secured, nil
}

// explainTLS says what to do about a certificate that is not accepted.
func explainTLS(err error) error {
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, &unknown):
		return fmt.Errorf("%w; name its CA with --tls-ca", err)
	case errors.As(err, &name):
		return fmt.Errorf("%w; say which name it has with --tls-name", err)
	case errors.As(err, &record):
		return fmt.Errorf("%w: the server does not speak TLS on this port", err)
	}
	return err
}
