package syslog

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestSniff(t *testing.T) {
	t.Parallel()
	runGolden(t, "sniff.txt", func(t *testing.T, c golden) {
		in := []byte(c.take(t, "in"))
		want := c.take(t, "protocol")
		needed := c.takeInt(t, "bytes")
		for n := range len(in) + 1 {
			p, decided := Sniff(in[:n], false)
			assert.Equal(t, n >= needed, decided, "%s:%d: decided by %q", c.file, c.line, in[:n])
			if decided {
				assert.Equal(t, want, p.String(), "%s:%d: %q", c.file, c.line, in[:n])
			} else {
				assert.Equal(t, Undecided, p)
			}
		}
	})
}

func TestSniffFinal(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in   string
		want Protocol
	}{
		{"", Undecided},
		{"2", Line},
		{"28 ", Line},
		{"1 open ", Line},
		{"28 \xef\xbb", Line},
		{"28 <", Octet},
		{"\x16\x03", Line},
		{"GET / HTTP/1.1", Line},
		{"PROXY TCP", Line},
		{"\r\n\r\n", Line},
		{"<", Line},
	} {
		p, decided := Sniff([]byte(c.in), true)
		assert.True(t, decided, "%q", c.in)
		assert.Equal(t, c.want, p, "%q", c.in)
	}
}

func TestSniffDecidesWithinItsSize(t *testing.T) {
	t.Parallel()
	long := make([]byte, sniffSize)
	for _, start := range []string{"GET ", "ABC ", "28 ", "1 open ", "\x16", "PROXY "} {
		for i := copy(long, start); i < len(long); i++ {
			long[i] = 'x'
		}
		for _, end := range []string{"", " HTTP/1.1\r\n"} {
			p, decided := Sniff(append(long[:sniffSize:sniffSize], end...), false)
			assert.True(t, decided, "%q", start)
			assert.Equal(t, Line, p, "%q", start)
		}
	}
}
