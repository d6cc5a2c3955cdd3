package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"
)

// mark stands before a message's number in its text.
const mark = "seq="

var programs = []struct {
	name     string
	severity int
}{
	{"docassemble", 7}, {"websockets", 7}, {"celery", 7}, {"celerysingle", 7}, {"uwsgi", 7},
	{"nginx", 7}, {"nginx", 3}, {"supervisor", 6}, {"apache", 7}, {"apache", 3},
}

var words = strings.Fields(`answer block button cache choice clause clerk court deadline document draft field
	filing form hearing index interview ledger letter lookup matter notice package party queue record request
	review script section session signature status task template tenant upload variable worker`)

// payload is n messages such as the app servers of a cluster send, about 238
// bytes each, one after the other as they go over the wire.
type payload struct {
	stream []byte
	ends   []int // where each message ends in stream
}

// newPayload makes the same messages for the same n, framing and number of
// programs; 10 are those of docassemble.
func newPayload(n int, framing string, manyPrograms int) payload {
	r := rand.New(rand.NewPCG(1, 1))
	p := payload{stream: make([]byte, 0, n*250), ends: make([]int, n)}
	at := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	var b bytes.Buffer
	for i := range n {
		program := programs[r.IntN(len(programs))]
		if manyPrograms != len(programs) {
			program.name, program.severity = programName(r.IntN(manyPrograms)), 6
		}
		at = at.Add(time.Duration(r.IntN(2000)) * time.Microsecond)
		host := fmt.Sprintf("web%d", 1+r.IntN(8))
		b.Reset()
		if framing == "bsd" {
			fmt.Fprintf(&b, "<%d>%s %s %s[%d]: ", 8+program.severity, at.Format(time.Stamp), host, program.name, 100+r.IntN(20))
		} else {
			fmt.Fprintf(&b, "<%d>1 %s %s %s %d - - ", 8+program.severity, at.Format("2006-01-02T15:04:05.000000Z07:00"), host, program.name, 100+r.IntN(20))
		}
		fmt.Fprintf(&b, "docassemble: ip=10.0.%d.%d i=docassemble.forms:data/questions/form%02d.yml uid=%08x user=user%03d@example.org %s%09d",
			r.IntN(8), r.IntN(256), r.IntN(100), r.Uint32(), r.IntN(1000), mark, i)
		for range 3 + r.IntN(8) {
			b.WriteByte(' ')
			b.WriteString(words[r.IntN(len(words))])
		}
		if framing == "octet" {
			p.stream = strconv.AppendInt(p.stream, int64(b.Len()), 10)
			p.stream = append(p.stream, ' ')
		} else {
			b.WriteByte('\n')
		}
		p.stream = append(p.stream, b.Bytes()...)
		p.ends[i] = len(p.stream)
	}
	return p
}

func programName(i int) string { return fmt.Sprintf("program%04d", i) }

// split cuts the payload into k streams of about the same size, between
// messages.
func (p payload) split(k int) [][]byte {
	parts := make([][]byte, 0, k)
	from := 0
	for i := 1; i <= k; i++ {
		to := len(p.stream)
		if i < k {
			at, _ := slices.BinarySearch(p.ends, len(p.stream)/k*i)
			to = p.ends[at]
		}
		parts = append(parts, p.stream[from:to])
		from = to
	}
	return parts
}

// message is the i-th one without its line end.
func (p payload) message(i int) []byte {
	from := 0
	if i > 0 {
		from = p.ends[i-1]
	}
	return bytes.TrimSuffix(p.stream[from:p.ends[i]], []byte{'\n'})
}
