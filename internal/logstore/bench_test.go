package logstore

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/dalog-project/dalog/internal/syslog"
)

var benchPrograms = []string{
	"docassemble", "websockets", "celery", "celerysingle", "uwsgi",
	"nginx", "apache", "supervisor", "postgres", "cron",
}

// benchMessages are n messages that take 238 bytes on the wire (RFC 5424,
// octet-counted), each of the programs in turn.
func benchMessages(n int, programs []string) []syslog.Message {
	msgs := make([]syslog.Message, n)
	for i := range msgs {
		program := programs[i%len(programs)]
		head := fmt.Sprintf("<15>1 2026-11-23T08:27:00.123456+00:00 web1 %s 4711 - - ", program)
		msgs[i] = message(program, string(bytes.Repeat([]byte("ip=203.0.113.24 user=pat@example.org "), 10)[:238-4-len(head)-1]))
		msgs[i].PID = []byte("4711")
		msgs[i].Time = syslog.At(testTime.Add(time.Duration(i) * 10 * time.Microsecond))
	}
	return msgs
}

func manyPrograms(n int) []string {
	programs := make([]string, n)
	for i := range programs {
		programs[i] = fmt.Sprintf("program%d", i)
	}
	return programs
}

// BenchmarkFill is routing and formatting alone, per message.
func BenchmarkFill(b *testing.B) {
	for _, n := range []int{1, 10, 1000} {
		b.Run(fmt.Sprintf("programs=%d", n), func(b *testing.B) {
			programs := manyPrograms(n)
			f := filler{router: newRouter(nil, 2000, 2000)}
			msgs := benchMessages(1000, programs)
			out := &batch{data: make([]byte, 0, 1<<20)}
			cpu := cpuTime(b)
			b.ReportAllocs()
			for b.Loop() {
				out.data, out.parts = out.data[:0], out.parts[:0]
				f.fill(out, msgs, syslog.At(testTime))
			}
			b.ReportMetric(float64((cpuTime(b)-cpu).Nanoseconds())/float64(b.N)/1000, "cpu-ns/msg")
		})
	}
}

// BenchmarkBytesToLines is all that a message costs between the socket and the
// committer: framing, parsing, routing and formatting.
func BenchmarkBytesToLines(b *testing.B) {
	var wire []byte
	for _, m := range benchMessages(1000, benchPrograms) {
		wire = syslog.AppendOctetRFC5424(wire, m.Pri, m.Time, string(m.Host), string(m.Program), 1, m.Text)
	}
	f := filler{router: newRouter(nil, 1000, 1000)}
	out := &batch{data: make([]byte, 0, 1<<20)}
	msgs := make([]syslog.Message, 1000)
	var parser syslog.Parser
	var framer syslog.Framer
	cpu := cpuTime(b)
	b.ReportAllocs()
	for b.Loop() {
		rest := wire
		for i := range msgs {
			frame, n, flags, ok := framer.Next(rest, false)
			if !ok {
				b.Fatal("no frame")
			}
			rest = rest[n:]
			parser.Parse(frame, testTime, &msgs[i])
			msgs[i].Flags |= flags
			msgs[i].From = testPeer
		}
		out.data, out.parts = out.data[:0], out.parts[:0]
		f.fill(out, msgs, syslog.At(testTime))
	}
	b.ReportMetric(float64((cpuTime(b)-cpu).Nanoseconds())/float64(b.N)/1000, "cpu-ns/msg")
}

// BenchmarkSubmit is the way from messages to files in a real folder.
func BenchmarkSubmit(b *testing.B) {
	for _, c := range []struct {
		submitters, messages, programs int
		wait                           bool
	}{
		{4, 1000, 10, false},
		{4, 1000, 10, true},
		{4, 1000, 900, false},
		{1000, 4, 10, false},
		{1000, 50, 10, false},
		{1000, 50, 900, false},
	} {
		b.Run(fmt.Sprintf("submitters=%d/batch=%d/programs=%d/wait=%t", c.submitters, c.messages, c.programs, c.wait), func(b *testing.B) {
			s, stop := runStore(b, Config{Dir: b.TempDir(), MaxFilesPerPeer: 1000})
			programs := benchPrograms
			if c.programs > 10 {
				programs = manyPrograms(c.programs)
			}
			var committed func(error)
			if c.wait {
				committed = func(err error) {
					if err != nil {
						b.Error(err)
					}
				}
			}
			all := benchMessages(max(c.programs, c.messages)*2, programs)
			submit(b, s, benchMessages(c.programs, programs)...) // creates the files
			created := s.Stats()
			cpu := cpuTime(b)
			b.ResetTimer()
			var wg sync.WaitGroup
			each := (b.N + c.submitters - 1) / c.submitters
			for i := range c.submitters {
				wg.Go(func() {
					from := i % max(1, c.programs-c.messages+1)
					for range each {
						if err := s.Submit(context.Background(), testTime, all[from:from+c.messages], committed); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			stop()
			n := float64(each*c.submitters) * float64(c.messages)
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/n, "ns/msg")
			b.ReportMetric(float64((cpuTime(b)-cpu).Nanoseconds())/n, "cpu-ns/msg")
			st := s.Stats()
			b.ReportMetric(float64(st.Bytes-created.Bytes)/n, "B/msg")
			b.ReportMetric(n/float64(st.Groups-created.Groups), "msg/group")
		})
	}
}

// BenchmarkList is the list of a folder of so many files.
func BenchmarkList(b *testing.B) {
	for _, n := range []int{10, 1000} {
		b.Run(fmt.Sprintf("files=%d", n), func(b *testing.B) {
			s, _ := runStore(b, Config{})
			for i := range n - 10 {
				mustCreate(b, s, fmt.Sprintf("file%d.log", i))
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.List(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkLastLines is opening a large file and finding its last 30 lines.
func BenchmarkLastLines(b *testing.B) {
	s, _ := runStore(b, Config{})
	for range 100 {
		submit(b, s, benchMessages(1000, []string{"celery"})...)
	}
	b.ReportAllocs()
	for b.Loop() {
		sn, err := s.OpenFile("worker.log")
		if err != nil {
			b.Fatal(err)
		}
		if _, err := sn.LastLines(30); err != nil {
			b.Fatal(err)
		}
		sn.Close()
	}
}
