package syslog

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var november = time.Date(2026, 11, 23, 8, 27, 0, 0, time.UTC)

func TestMessages(t *testing.T) {
	t.Parallel()
	runGolden(t, "messages/*.txt", func(t *testing.T, c golden) {
		zone := time.UTC
		if name := c.take(t, "zone"); name != "" {
			var err error
			zone, err = time.LoadLocation(name)
			require.NoError(t, err)
		}
		received := november
		if s := c.take(t, "received"); s != "" {
			var err error
			received, err = time.Parse(time.RFC3339, s)
			require.NoError(t, err)
		}
		in := c.take(t, "in")
		raw := []byte(in)

		peer := &Peer{Name: "peer"}
		m := Message{Flags: 0xffff, Version: 7, Text: []byte("old"), SD: []byte("old"), Sequence: []byte("old"), From: peer}
		p := Parser{Zone: zone}
		p.Parse(raw, received, &m)

		want := func(key, got string) {
			assert.Equal(t, c.take(t, key), got, "%s:%d: %s of %q", c.file, c.line, key, in)
		}
		version := ""
		if m.Version != 0 || len(c.fields["version"]) > 0 && c.fields["version"][0] != "" {
			version = strconv.Itoa(int(m.Version))
		}
		flags := strings.TrimPrefix(flagsText(m.Flags), "-")
		want("pri", strconv.Itoa(int(m.Pri)))
		want("version", version)
		want("time", timeText(m.Time))
		want("host", string(m.Host))
		want("program", string(m.Program))
		want("pid", string(m.PID))
		want("msgid", string(m.MsgID))
		want("sd", string(m.SD))
		want("sequence", string(m.Sequence))
		want("text", string(m.Text))
		want("flags", flags)
		assert.Equal(t, c.take(t, "empty") == "true", m.Empty())
		assert.Same(t, peer, m.From)
		assert.Equal(t, in, string(raw), "input changed")

		// A second time, with what the parser learned the first time.
		var again Message
		p.Parse(raw, received, &again)
		again.From = peer
		assert.Equal(t, m, again)
	})
}

func timeText(t Timestamp) string {
	if !t.Valid {
		return ""
	}
	return t.Time().Format(time.RFC3339Nano)
}

func TestParseDoesNotAllocate(t *testing.T) {
	var inputs [][]byte
	for _, c := range readGolden(t, "messages/*.txt") {
		inputs = append(inputs, []byte(c.take(t, "in")))
	}
	p := Parser{Zone: time.UTC}
	var m Message
	allocs := testing.AllocsPerRun(10, func() {
		for _, raw := range inputs {
			p.Parse(raw, november, &m)
		}
	})
	assert.Zero(t, allocs)
}

func TestParseLongFields(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("n", 300)
	var p Parser
	var m Message

	p.Parse([]byte("<13>1 2026-03-07T04:05:06Z "+long+" "+long+" - - - text"), november, &m)
	assert.Equal(t, long[:255], string(m.Host))
	assert.Equal(t, long[:255], string(m.Program))
	assert.Equal(t, "text", string(m.Text))
	assert.Equal(t, Truncated, m.Flags)

	p.Parse([]byte("<13>Mar 17 04:05:06 gate7 "+long+": text"), november, &m)
	assert.Equal(t, "gate7", string(m.Host))
	assert.Empty(t, m.Program)
	assert.Equal(t, long+": text", string(m.Text))

	p.Parse([]byte("<13>Mar 17 04:05:06 gate7 "+long[:255]+": text"), november, &m)
	assert.Equal(t, long[:255], string(m.Program))

	p.Parse([]byte("<13>Mar 17 04:05:06 gate7 app["+long+"]: text"), november, &m)
	assert.Empty(t, m.Program)
	assert.Equal(t, "app["+long+"]: text", string(m.Text))

	p.Parse([]byte("<13>Mar 17 04:05:06 "+long+" app: text"), november, &m)
	assert.Empty(t, m.Host)
	assert.Equal(t, long+" app: text", string(m.Text))
}

// What stands where a header breaks off is kept, wherever that is.
func TestDefectiveHeadersKeepTheText(t *testing.T) {
	t.Parallel()
	var p Parser
	var m Message
	whole := `<165>1 2026-03-07T04:05:06Z db3 billing 812 PAID [q@32473 a="1"] needle`
	for cut := range len(whole) - len("needle") {
		raw := whole[:cut] + "needle"
		p.Parse([]byte(raw), november, &m)
		found := false
		for _, field := range [][]byte{m.Text, m.Host, m.Program, m.PID, m.MsgID} {
			found = found || strings.HasSuffix(string(field), "needle")
		}
		assert.True(t, found, "%q: %+v", raw, m)
	}
}
