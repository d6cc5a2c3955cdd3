package forwarder

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// certificate makes a certificate that signs itself, and its key.
func certificate(t *testing.T, name string) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	require.NoError(t, err)
	secret, err := x509.MarshalECPrivateKey(private)
	require.NoError(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: secret})
}

// The files are read again when they have changed; what cannot be read leaves the
// former ones in use.
func TestTLSFilesAreReadAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	files := TLS{CA: filepath.Join(dir, "ca"), Cert: filepath.Join(dir, "cert"), Key: filepath.Join(dir, "key")}
	at := time.Now()
	write := func(name string, content []byte) {
		t.Helper()
		require.NoError(t, os.WriteFile(name, content, 0o600))
		at = at.Add(time.Second)
		require.NoError(t, os.Chtimes(name, at, at))
	}
	_, err := newDialTLS(files, slog.New(slog.DiscardHandler))
	require.ErrorContains(t, err, "server CA")
	cert, key := certificate(t, "one")
	write(files.CA, cert)
	write(files.Cert, cert)
	write(files.Key, key)
	_, err = newDialTLS(TLS{Cert: files.Cert}, slog.New(slog.DiscardHandler))
	require.ErrorContains(t, err, "only one of them is given")

	d, err := newDialTLS(files, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	first, err := d.current()
	require.NoError(t, err)
	again, err := d.current()
	require.NoError(t, err)
	require.Same(t, first, again)

	cert, key = certificate(t, "two")
	write(files.Cert, cert) // and not yet its key
	again, err = d.current()
	require.Error(t, err)
	require.Same(t, first, again)
	write(files.Key, key)
	again, err = d.current()
	require.NoError(t, err)
	require.NotSame(t, first, again)
	require.Equal(t, "two", again.Certificates[0].Leaf.Subject.CommonName)
	write(files.CA, []byte("no certificate"))
	_, err = d.current()
	require.ErrorContains(t, err, "holds no PEM certificate")
}
