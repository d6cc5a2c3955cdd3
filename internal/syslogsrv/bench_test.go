package syslogsrv

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dalog-project/dalog/internal/relp"
	"github.com/dalog-project/dalog/internal/syslog"
)

// benchMessage is 238 bytes without its frame.
var benchMessage = func() []byte {
	m := []byte(`<15>1 2026-11-23T08:27:00.123456+00:00 web1 celery 812 - [meta sequenceId="2"] [2026-11-23 08:27:00,345: INFO/ForkPoolWorker-1] Task docassemble.webapp.worker.background_action succeeded in 0.52s: `)
	return append(m, bytes.Repeat([]byte("x"), 238-len(m))...)
}()

// discard counts messages.
type discard struct{ n atomic.Int64 }

func (d *discard) Submit(_ context.Context, _ time.Time, msgs []syslog.Message, committed func(error)) error {
	d.n.Add(int64(len(msgs)))
	if committed != nil {
		committed(nil)
	}
	return nil
}

// flood sends messages over TCP: args are address, framing, number of
// connections and messages for each.
func flood(args []string) error {
	address, framing := args[0], args[1]
	connections, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	each, err := strconv.Atoi(args[3])
	if err != nil {
		return err
	}
	frame := append(bytes.Clone(benchMessage), '\n')
	if framing == "octet" {
		frame = fmt.Appendf(nil, "%d %s", len(benchMessage), benchMessage)
	}
	const perWrite = 1000
	block := bytes.Repeat(frame, perWrite)
	var group sync.WaitGroup
	failed := make(chan error, connections)
	for range connections {
		group.Go(func() {
			c, err := net.Dial("tcp", address)
			if err != nil {
				failed <- err
				return
			}
			if framing == "relp" {
				if err := floodRELP(c, each); err != nil {
					failed <- err
				}
				return
			}
			for left := each; left > 0; left -= perWrite {
				if _, err := c.Write(block[:min(left, perWrite)*len(frame)]); err != nil {
					failed <- err
					return
				}
			}
			if err := c.Close(); err != nil {
				failed <- err
			}
		})
	}
	group.Wait()
	close(failed)
	return <-failed
}

// floodRELP is flood for one connection with acknowledgements.
func floodRELP(c net.Conn, n int) error {
	client, err := relp.Open(context.Background(), c, relp.ClientConfig{})
	if err != nil {
		return err
	}
	for range n {
		if _, err := client.Send("syslog", benchMessage); err != nil {
			return err
		}
	}
	return client.Close()
}

// BenchmarkReceive is the way from the socket to the Sink. CPU is that of this
// process; the senders run in another one.
func BenchmarkReceive(b *testing.B) {
	for _, framing := range []string{"octet", "lf", "relp"} {
		for _, connections := range []int{1, 4, 100} {
			b.Run(fmt.Sprintf("%s/connections=%d", framing, connections), func(b *testing.B) {
				s, err := Listen(Config{
					Listen: []Endpoint{{Network: TCP, Address: "127.0.0.1:0"}},
					Log:    slog.New(slog.DiscardHandler),
				})
				require.NoError(b, err)
				ctx, cancel := context.WithCancel(b.Context())
				defer cancel()
				sink := new(discard)
				go s.Run(ctx, sink)

				each := max(b.N/connections, 1)
				total := int64(each * connections)
				b.SetBytes(int64(len(benchMessage)))
				b.ReportAllocs()
				cmd := child("flood", s.Bound()[0].Address, framing, strconv.Itoa(connections), strconv.Itoa(each))
				before := cpuTime(b)
				b.ResetTimer()
				require.NoError(b, cmd.Run())
				for sink.n.Load() < total {
					time.Sleep(100 * time.Microsecond)
				}
				b.StopTimer()
				b.ReportMetric(float64(cpuTime(b)-before)/float64(total), "cpu-ns/op")
			})
		}
	}
}

// floodDatagrams sends messages over UDP: args are address and their number.
func floodDatagrams(args []string) error {
	n, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	c, err := net.Dial("udp", args[0])
	if err != nil {
		return err
	}
	defer c.Close()
	for range n {
		if _, err := c.Write(benchMessage); err != nil {
			return err
		}
	}
	return nil
}

// BenchmarkReceiveDatagrams is the same for UDP, from one sender that does not
// wait; what the kernel drops is reported.
func BenchmarkReceiveDatagrams(b *testing.B) {
	s, err := Listen(Config{Listen: udpOnly, Log: slog.New(slog.DiscardHandler)})
	require.NoError(b, err)
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	sink := new(discard)
	go s.Run(ctx, sink)
	b.SetBytes(int64(len(benchMessage)))
	b.ReportAllocs()
	cmd := child("floodDatagrams", s.Bound()[0].Address, strconv.Itoa(b.N))
	before := cpuTime(b)
	b.ResetTimer()
	require.NoError(b, cmd.Run())
	for last := int64(-1); sink.n.Load() != last; time.Sleep(10 * time.Millisecond) {
		last = sink.n.Load()
	}
	b.StopTimer()
	b.ReportMetric(float64(cpuTime(b)-before)/float64(max(sink.n.Load(), 1)), "cpu-ns/op")
	b.ReportMetric(100*float64(int64(b.N)-sink.n.Load())/float64(b.N), "%lost")
}

// cpuTime is what this process has used, in nanoseconds.
func cpuTime(tb testing.TB) int64 {
	var u syscall.Rusage
	require.NoError(tb, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return u.Utime.Nano() + u.Stime.Nano()
}
