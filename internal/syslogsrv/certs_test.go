package syslogsrv

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// authority is a CA made for a test.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string
	pool *x509.CertPool
}

// pair is a certificate of it with its key.
type pair struct {
	cert, key string // files
	tls       tls.Certificate
	ca        *authority
}

func newCA(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test CA"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	ca := &authority{cert: cert, key: key, file: filepath.Join(t.TempDir(), "ca.pem"), pool: x509.NewCertPool()}
	ca.pool.AddCert(cert)
	writePEM(t, ca.file, "CERTIFICATE", der)
	return ca
}

func writePEM(t *testing.T, file, kind string, der []byte) {
	t.Helper()
	require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
}

// issue makes a certificate with DNS names; a first name with "CN=" in front
// goes to the subject alone.
func (ca *authority) issue(t *testing.T, names ...string) *pair {
	t.Helper()
	dir := t.TempDir()
	return ca.issueTo(t, filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"), names...)
}

func (ca *authority) issueTo(t *testing.T, certFile, keyFile string, names ...string) *pair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: serial, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	for _, name := range names {
		if len(name) > 3 && name[:3] == "CN=" {
			template.Subject.CommonName = name[3:]
		} else if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca.cert, &key.PublicKey, ca.key)
	require.NoError(t, err)
	keyDER, err := x509.MarshalECPrivateKey(key)
	require.NoError(t, err)
	writePEM(t, certFile, "CERTIFICATE", der)
	writePEM(t, keyFile, "EC PRIVATE KEY", keyDER)
	p := &pair{cert: certFile, key: keyFile, ca: ca}
	p.tls, err = tls.LoadX509KeyPair(certFile, keyFile)
	require.NoError(t, err)
	return p
}

// load is the server's side with this certificate.
func (p *pair) load(t *testing.T) *Certificates {
	t.Helper()
	c, err := LoadCertificates(CertificateFiles{Cert: p.cert, Key: p.key})
	require.NoError(t, err)
	return c
}

// client sets up TLS over c with a client certificate, if any.
func (ca *authority) client(t *testing.T, c net.Conn, cert *pair) *tls.Conn {
	t.Helper()
	cfg := &tls.Config{RootCAs: ca.pool, ServerName: "log.test"}
	if cert != nil {
		cfg.Certificates = []tls.Certificate{cert.tls}
	}
	tc := tls.Client(c, cfg)
	t.Cleanup(func() { tc.Close() })
	return tc
}
