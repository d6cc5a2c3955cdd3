package syslogsrv

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// CertificateFiles are PEM files and who may connect with what.
type CertificateFiles struct {
	Cert, Key string
	// ClientCA, where set, makes a certificate signed by it a must for every
	// TLS client.
	ClientCA string
	// AllowNames narrows that to certificates with one of these names. A name
	// is compared, without regard to case, with the DNS names and IP
	// addresses of the certificate's subjectAltName, and with the common name
	// if it has neither; "*.example.org" stands for any one label in front.
	AllowNames []string
}

// Certificates is the server's side of TLS, read again when the files change.
type Certificates struct {
	current atomic.Pointer[tls.Config]

	mu    sync.Mutex
	files CertificateFiles
	tried [3]fileID // the files as they were at the last attempt
}

// fileID tells whether a file is still the one that was read.
type fileID struct {
	size  int64
	mtime time.Time
	info  os.FileInfo // for os.SameFile
}

func (a fileID) same(b fileID) bool {
	if a.info == nil || b.info == nil {
		return a.info == b.info
	}
	return a.size == b.size && a.mtime.Equal(b.mtime) && os.SameFile(a.info, b.info)
}

// LoadCertificates reads the files for the first time.
func LoadCertificates(files CertificateFiles) (*Certificates, error) {
	c := new(Certificates)
	return c, c.Change(files)
}

// Change takes other files into use. After an error the former ones stay.
func (c *Certificates) Change(files CertificateFiles) error {
	if len(files.AllowNames) > 0 && files.ClientCA == "" {
		return errors.New("names of clients are allowed, but no CA for their certificates is given")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.files
	c.files = files
	tried := c.identify()
	if err := c.load(); err != nil {
		c.files = before
		return err
	}
	c.tried = tried
	return nil
}

// reloadChanged reads the files if one of them is not the one last tried. A
// failure is returned once for each state of the files: certificate and key
// are replaced one after the other, and the second brings the next attempt.
func (c *Certificates) reloadChanged() (changed bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.identify()
	if slices.EqualFunc(now[:], c.tried[:], fileID.same) {
		return false, nil
	}
	c.tried = now
	return true, c.load()
}

func (c *Certificates) identify() (ids [3]fileID) {
	for i, name := range []string{c.files.Cert, c.files.Key, c.files.ClientCA} {
		if info, err := os.Stat(name); err == nil {
			ids[i] = fileID{info.Size(), info.ModTime(), info}
		}
	}
	return ids
}

func (c *Certificates) load() error {
	pair, err := tls.LoadX509KeyPair(c.files.Cert, c.files.Key)
	if err != nil {
		return fmt.Errorf("load TLS certificate %s with key %s: %w", c.files.Cert, c.files.Key, err)
	}
	cfg := &tls.Config{
		MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair},
		// Senders of syslog do not read. With a ticket left unread, the system of a
		// sender that closes resets the connection, and drops what it has not sent.
		SessionTicketsDisabled: true,
	}
	if c.files.ClientCA != "" {
		pem, err := os.ReadFile(c.files.ClientCA)
		if err != nil {
			return fmt.Errorf("load client CA: %w", err)
		}
		cfg.ClientCAs = x509.NewCertPool()
		if !cfg.ClientCAs.AppendCertsFromPEM(pem) {
			return fmt.Errorf("load client CA: %s holds no PEM certificate", c.files.ClientCA)
		}
		cfg.ClientAuth = tls.RequireAndVerifyClientCert
		if len(c.files.AllowNames) > 0 {
			cfg.VerifyConnection = verifyName(c.files.AllowNames)
		}
	}
	c.current.Store(cfg)
	return nil
}

// verifyName makes a check that runs for resumed sessions too, other than
// VerifyPeerCertificate.
func verifyName(allowed []string) func(tls.ConnectionState) error {
	return func(state tls.ConnectionState) error {
		names := certificateNames(state.PeerCertificates[0])
		for _, a := range allowed {
			if slices.ContainsFunc(names, func(name string) bool { return nameMatches(a, name) }) {
				return nil
			}
		}
		return fmt.Errorf("client certificate for %q, which is not an allowed name", names)
	}
}

func certificateNames(cert *x509.Certificate) []string {
	names := slices.Clone(cert.DNSNames)
	for _, ip := range cert.IPAddresses {
		names = append(names, ip.String())
	}
	if len(names) == 0 && cert.Subject.CommonName != "" {
		names = append(names, cert.Subject.CommonName)
	}
	return names
}

func nameMatches(allowed, name string) bool {
	if domain, ok := strings.CutPrefix(allowed, "*."); ok {
		label, rest, found := strings.Cut(name, ".")
		return found && label != "" && strings.EqualFold(domain, rest)
	}
	return strings.EqualFold(allowed, name)
}

// ForReaders is the configuration of a server that shows the same certificate,
// and wants none of its clients. It follows what the files say.
func (c *Certificates) ForReaders() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		// Said here because an http.Server that serves plain listeners as well
		// does not add it.
		NextProtos: []string{"h2", "http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return &c.current.Load().Certificates[0], nil
		},
	}
}
