package syslog

import (
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/stretchr/testify/require"
)

// What a docassemble server's forwarder sends, 238 bytes without the count.
var (
	message5424 = pad(`<15>1 2026-11-23T08:27:00+00:00 web1 docassemble - - [meta sequenceId="104217"] docassemble: ip=203.0.113.24 i=docassemble.demo:data/questions/fees.yml uid=Jq7LkT0vWm user=pat@example.org `, 238)
	message3164 = pad(`<15>Nov 23 08:27:00 web1 docassemble[412]: docassemble: ip=203.0.113.24 i=docassemble.demo:data/questions/fees.yml uid=Jq7LkT0vWm user=pat@example.org `, 238)
)

func pad(s string, n int) []byte {
	return []byte(s + strings.Repeat("fetched the list of fees. ", 10)[:n-len(s)])
}

func benchmarkParse(b *testing.B, raw []byte, zone *time.Location) {
	p := Parser{Zone: zone}
	received := time.Date(2026, 11, 23, 8, 27, 1, 0, time.UTC)
	var m Message
	b.ReportAllocs()
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		p.Parse(raw, received, &m)
	}
	if len(m.Program) == 0 || !m.Time.Valid {
		b.Fatalf("not parsed: %+v", m)
	}
}

func BenchmarkParse5424(b *testing.B) { benchmarkParse(b, message5424, time.UTC) }

func BenchmarkParse3164(b *testing.B) { benchmarkParse(b, message3164, newYork(b)) }

func newYork(tb testing.TB) *time.Location {
	zone, err := time.LoadLocation("America/New_York")
	require.NoError(tb, err)
	return zone
}

// One operation is one message, framed and parsed.
func benchmarkStream(b *testing.B, stream []byte, messages int) {
	p := Parser{Zone: time.UTC}
	received := time.Date(2026, 11, 23, 8, 27, 1, 0, time.UTC)
	msgs := make([]Message, messages+1)
	var f Framer
	b.ReportAllocs()
	b.SetBytes(int64(len(stream) / messages))
	b.ResetTimer()
	for n := 0; n < b.N; {
		rest, i := stream, 0
		for ; ; i++ {
			frame, advance, flags, ok := f.Next(rest, false)
			rest = rest[advance:]
			if !ok {
				break
			}
			p.Parse(frame, received, &msgs[i])
			msgs[i].Flags |= flags
		}
		if i != messages || len(rest) > 0 {
			b.Fatalf("%d messages, %d bytes left", i, len(rest))
		}
		n += messages
	}
}

func BenchmarkOctetStream(b *testing.B) {
	var stream []byte
	for i := range 1000 {
		stream = AppendOctetRFC5424(stream, 15, Timestamp{Sec: 1795422420, Valid: true}, "web1", "docassemble", uint64(104000+i), message5424[80:])
	}
	benchmarkStream(b, stream, 1000)
}

func BenchmarkLineStream(b *testing.B) {
	line := append(message3164[:len(message3164):len(message3164)], '\n')
	benchmarkStream(b, []byte(strings.Repeat(string(line), 1000)), 1000)
}

// With NULs and no LF at all: the LF may not be looked for at each message.
func BenchmarkNULStream(b *testing.B) {
	line := append(message3164[:len(message3164):len(message3164)], 0)
	benchmarkStream(b, []byte(strings.Repeat(string(line), 1000)), 1000)
}

func BenchmarkAppendSafe(b *testing.B) {
	long := []byte(strings.Repeat("docassemble: ip=203.0.113.24 uid=Jq7LkT0vWm user=pat@example.org ", 1000))
	utf8 := []byte(strings.Repeat("Größe: 12 €, naïve café, Übergröße für alle ", 1000))
	for _, c := range []struct {
		name string
		text []byte
	}{
		{"short", message5424[80:]},
		{"ascii", long},
		{"tabs", []byte(strings.ReplaceAll(string(long), " ", "\t"))},
		{"utf8", utf8},
		{"binary", []byte(strings.Repeat("\x1b[31mred\x1b[0m \xff\x00", 1000))},
	} {
		b.Run(c.name, func(b *testing.B) {
			dst := make([]byte, 0, 4*len(c.text))
			b.ReportAllocs()
			b.SetBytes(int64(len(c.text)))
			for b.Loop() {
				dst = AppendSafe(dst[:0], c.text)
			}
		})
	}
}

func BenchmarkAppendOctetRFC5424(b *testing.B) {
	at := Timestamp{Sec: 1795422420, Offset: -5 * 3600, Valid: true}
	dst := make([]byte, 0, 1024)
	text := message5424[80:]
	b.ReportAllocs()
	for n := uint64(1); b.Loop(); n++ {
		dst = AppendOctetRFC5424(dst[:0], 15, at, "web1", "docassemble", n, text)
	}
}

func BenchmarkAppendBSD(b *testing.B) {
	at := Timestamp{Sec: 1795422420, Offset: -5 * 3600, Valid: true}
	dst := make([]byte, 0, 1024)
	text := message5424[80:]
	b.ReportAllocs()
	for b.Loop() {
		dst = AppendBSD(dst[:0], 15, at, "web1", "docassemble", text)
	}
}
