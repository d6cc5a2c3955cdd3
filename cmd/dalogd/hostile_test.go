package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dalog-project/dalog/internal/cli"
)

// hostile are peers that mean no good, each from an address of its own.
type hostile struct {
	t     *testing.T
	d     *daemon
	ctx   context.Context
	group sync.WaitGroup
}

// dialFrom connects from 127.0.0.HOST.
func (h *hostile) dialFrom(host byte) net.Conn {
	h.t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, host)}}
	c, err := dialer.DialContext(h.ctx, "tcp", h.d.addr["tcp"])
	require.NoError(h.t, err)
	h.t.Cleanup(func() { c.Close() })
	return c
}

// idle opens connections and says nothing.
func (h *hostile) idle(n int) {
	for i := range n {
		h.dialFrom(byte(10 + i%4))
	}
}

// handshakes begins TLS and does not go on.
func (h *hostile) handshakes(n int) {
	client, server := net.Pipe()
	defer server.Close()
	go tls.Client(client, &tls.Config{InsecureSkipVerify: true}).Handshake()
	hello := make([]byte, 8192)
	size, err := server.Read(hello)
	require.NoError(h.t, err)
	for i := range n {
		h.dialFrom(20).Write(hello[:size/(1+i%2)])
	}
}

// drips sends a byte at a time, with a second in between.
func (h *hostile) drips(n int) {
	for range n {
		c := h.dialFrom(30)
		h.group.Go(func() {
			for _, b := range []byte("120 <13>drip: drip drip drip drip drip") {
				if _, err := c.Write([]byte{b}); err != nil {
					return
				}
				select {
				case <-time.After(time.Second):
				case <-h.ctx.Done():
					return
				}
			}
		})
	}
}

// counts announces much and sends a part of it.
func (h *hostile) counts(n int) {
	part := append([]byte("9999999 <13>count: "), bytes.Repeat([]byte("c"), 600<<10)...)
	for range n {
		c := h.dialFrom(40)
		h.group.Go(func() { c.Write(part) })
	}
}

// longLine sends one line of size bytes without an end.
func (h *hostile) longLine(size int) {
	c := h.dialFrom(50)
	h.group.Go(func() {
		block := bytes.Repeat([]byte("l"), 64<<10)
		c.Write([]byte("<13>line: "))
		for sent := 0; sent < size; sent += len(block) {
			if _, err := c.Write(block); err != nil {
				h.t.Errorf("long line: %v", err)
				return
			}
		}
		c.Close()
	})
}

// programs sends a message each from n programs.
func (h *hostile) programs(n int) {
	c := h.dialFrom(60)
	h.group.Go(func() {
		var b bytes.Buffer
		for i := range n {
			fmt.Fprintf(&b, "<13>program%d: hello\n", i)
		}
		if _, err := c.Write(b.Bytes()); err != nil {
			h.t.Errorf("program names: %v", err)
		}
		c.Close()
	})
}

// datagrams sends those that bring other servers down.
func (h *hostile) datagrams() {
	c := dial(h.t, "udp", h.d.addr["udp"])
	h.group.Go(func() {
		for h.ctx.Err() == nil {
			for _, s := range []string{"<0>", "<13>", "", "<", "<13", "\x00", "<999999999999>", "<13>1 ", "1 "} {
				c.Write([]byte(s))
			}
			time.Sleep(time.Millisecond)
		}
	})
}

// goodMessages are messages of a sender that behaves, in frames, from number
// from on.
func goodMessages(from, n int) []byte {
	var frames []byte
	for i := from; i < from+n; i++ {
		m := fmt.Sprintf("<13>1 2026-11-23T08:27:00Z web1 good - - - %09d %s", i, strings.Repeat("g", 180))
		frames = fmt.Appendf(frames, "%d %s", len(m), m)
	}
	return frames
}

// sendWell sends n of them and waits until they are stored. It returns how
// many a second that were.
func sendWell(t *testing.T, d *daemon, from, n int) float64 {
	t.Helper()
	frames := goodMessages(from, n)
	c := dial(t, "tcp", d.addr["tcp"])
	begin := time.Now()
	_, err := c.Write(frames)
	require.NoError(t, err)
	require.NoError(t, c.Close())
	last := fmt.Appendf(nil, " %09d ggg", from+n-1)
	eventually(t, func() bool { return bytes.Contains(tail(t, filepath.Join(d.dir, "good.log"), 4096), last) }, "all is stored")
	return float64(n) / time.Since(begin).Seconds()
}

// tail is the end of a file, at most size bytes of it.
func tail(t *testing.T, name string, size int64) []byte {
	t.Helper()
	f, err := os.Open(name)
	if os.IsNotExist(err) {
		return nil
	}
	require.NoError(t, err)
	defer f.Close()
	info, err := f.Stat()
	require.NoError(t, err)
	b := make([]byte, min(size, info.Size()))
	_, err = f.ReadAt(b, info.Size()-int64(len(b)))
	require.NoError(t, err)
	return b
}

// peakMemory is the most that the process had resident, in bytes.
func (d *daemon) peakMemory() (size int64) {
	d.t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", d.cmd.Process.Pid))
	require.NoError(d.t, err)
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			_, err := fmt.Sscanf(rest, "%d kB", &size)
			require.NoError(d.t, err)
		}
	}
	return size << 10
}

// Beside peers that hold connections, never end what they begin, and flood, a
// sender that behaves loses nothing, keeps half of its rate, and dalogd stays
// small.
func TestHostilePeers(t *testing.T) {
	cert, key := selfSigned(t)
	d := startDaemon(t, "--tls-cert", cert, "--tls-key", key, "--rotate-size", "0", "--rotate-every", "never")
	batch := 200_000
	if underRace {
		batch /= 10
	}
	stored := 0
	// Another load on the machine can spoil one measurement, not all.
	best := func(before func()) (rate float64) {
		for range 4 {
			before()
			rate = max(rate, sendWell(t, d, stored, batch))
			stored += batch
		}
		return rate
	}
	alone := best(func() {})

	ctx, cancel := context.WithCancel(t.Context())
	h := &hostile{t: t, d: d, ctx: ctx}
	defer h.group.Wait()
	defer cancel()
	h.idle(2000)
	h.handshakes(200)
	h.drips(50)
	h.counts(50)
	h.datagrams()
	eventually(t, func() bool { return d.metric("dalogd_connections_open") >= 2250 }, "the hostile peers are connected")

	lineSize := 1 << 30
	if testing.Short() || underRace {
		lineSize = 100 << 20
	}
	beside := best(func() {
		h.longLine(lineSize / 4)
		h.programs(25_000)
	})
	peak := d.peakMemory()
	t.Logf("alone %.0f messages/s, beside hostile peers %.0f; at most %d MiB resident", alone, beside, peak>>20)
	require.Greater(t, beside, alone/2)
	if !underRace { // which multiplies memory
		require.Less(t, peak, int64(130<<20))
	}

	cancel()
	h.group.Wait()
	d.signal(15)
	d.wantExit(cli.ExitOK)
	lines := d.lines("good.log")
	require.Len(t, lines, stored)
	for i, line := range lines {
		require.Contains(t, line, fmt.Sprintf(" %09d ggg", i))
	}
}

// selfSigned makes a certificate for the test.
func selfSigned(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"log.test"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	require.NoError(t, err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	require.NoError(t, os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	require.NoError(t, os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}), 0o600))
	return cert, key
}
