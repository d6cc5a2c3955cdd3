package logstore

import (
	"bytes"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/dalog-project/dalog/internal/syslog"
)

func TestAppendMessage(t *testing.T) {
	t.Parallel()
	sent := syslog.At(time.Date(2026, 3, 1, 1, 2, 3, 4005999, time.FixedZone("", 5*3600+1800)))
	base := func(change func(*syslog.Message)) syslog.Message {
		m := syslog.Message{Host: []byte("web1"), Program: []byte("celery"), Text: []byte("hello"), Time: sent, From: testPeer}
		if change != nil {
			change(&m)
		}
		return m
	}
	for _, c := range []struct {
		name   string
		m      syslog.Message
		layout LineFormat
		host   HostColumn
		want   string
	}{
		{"iso", base(nil), LineISO, HostClaimed,
			"2026-03-01T01:02:03.004005+05:30 web1 celery: hello\n"},
		{"iso, no usable time", base(func(m *syslog.Message) { m.Time = syslog.Timestamp{Sec: 5} }), LineISO, HostClaimed,
			"2026-11-23T08:27:00.123456-05:00 web1 celery: hello\n"},
		{"iso, UTC", base(func(m *syslog.Message) { m.Time.Offset = 0 }), LineISO, HostClaimed,
			"2026-02-28T19:32:03.004005+00:00 web1 celery: hello\n"},
		{"iso, west by less than an hour", base(func(m *syslog.Message) { m.Time.Offset = -30 * 60 }), LineISO, HostClaimed,
			"2026-02-28T19:02:03.004005-00:30 web1 celery: hello\n"},
		{"iso, zone of odd seconds", base(func(m *syslog.Message) { m.Time.Offset = 59 }), LineISO, HostClaimed,
			"2026-02-28T19:32:03.004005+00:00 web1 celery: hello\n"},
		{"bsd: wall clock of the sender, blank before the day", base(nil), LineBSD, HostPeer,
			"Mar  1 01:02:03 172.31.20.5 celery: hello\n"},
		{"bsd, no usable time", base(func(m *syslog.Message) { m.Time.Valid = false }), LineBSD, HostPeer,
			"Nov 23 08:27:00 172.31.20.5 celery: hello\n"},
		{"pid", base(func(m *syslog.Message) { m.PID = []byte("77") }), LineBSD, HostPeer,
			"Mar  1 01:02:03 172.31.20.5 celery[77]: hello\n"},
		{"no program", base(func(m *syslog.Message) { m.Program = nil; m.PID = []byte("77") }), LineBSD, HostPeer,
			"Mar  1 01:02:03 172.31.20.5 hello\n"},
		{"no text", base(func(m *syslog.Message) { m.Text = nil }), LineBSD, HostPeer,
			"Mar  1 01:02:03 172.31.20.5 celery: \n"},
		{"no text, but data", base(func(m *syslog.Message) {
			m.Text, m.MsgID, m.SD = nil, []byte("FLOW"), []byte("[j@2636 a=\"1\n\"][meta sequenceId=\"2\"]")
		}), LineISO, HostClaimed,
			`2026-03-01T01:02:03.004005+05:30 web1 celery: FLOW [j@2636 a="1\x0a"][meta sequenceId="2"]` + "\n"},
		{"no text, only data", base(func(m *syslog.Message) { m.Text, m.SD = nil, []byte(`[j@2636]`) }), LineISO, HostClaimed,
			"2026-03-01T01:02:03.004005+05:30 web1 celery: [j@2636]\n"},
		{"no text, only a message id", base(func(m *syslog.Message) { m.Text, m.MsgID = nil, []byte("UP") }), LineISO, HostClaimed,
			"2026-03-01T01:02:03.004005+05:30 web1 celery: UP\n"},
		{"no text, only a counter", base(func(m *syslog.Message) { m.Text, m.SD = nil, []byte(`[meta sequenceId="2"]`) }), LineISO, HostClaimed,
			"2026-03-01T01:02:03.004005+05:30 web1 celery: \n"},
		{"no text, as syslog-ng writes it", base(func(m *syslog.Message) { m.Text, m.SD = nil, []byte(`[j@2636]`) }), LineBSD, HostPeer,
			"Mar  1 01:02:03 172.31.20.5 celery: \n"},
		{"a clock that was never set", base(func(m *syslog.Message) { m.Flags = syslog.ClockUnsynced }), LineISO, HostClaimed,
			"2026-11-23T08:27:00.123456-05:00 web1 celery: hello\n"},
		{"blanks, tabs and UTF-8 stay", base(func(m *syslog.Message) { m.Text = []byte("\t  größe = 3 €  ") }), LineBSD, HostPeer,
			"Mar  1 01:02:03 172.31.20.5 celery: \t  größe = 3 €  \n"},
		{"unsafe bytes", base(func(m *syslog.Message) { m.Text = []byte("a\x00b\x1b[31mc\x7fd\xffe\rf\u0085g") }), LineBSD, HostPeer,
			`Mar  1 01:02:03 172.31.20.5 celery: a\x00b\x1b[31mc\x7fd\xffe\x0df\xc2\x85g` + "\n"},
		{"several lines", base(func(m *syslog.Message) { m.Text = []byte("one\n\ttwo\r\n\nfour") }), LineBSD, HostPeer,
			"Mar  1 01:02:03 172.31.20.5 celery: one\n" +
				"Mar  1 01:02:03 172.31.20.5 celery: \ttwo\n" +
				"Mar  1 01:02:03 172.31.20.5 celery: \n" +
				"Mar  1 01:02:03 172.31.20.5 celery: four\n"},
		{"truncated", base(func(m *syslog.Message) { m.Flags = syslog.Truncated }), LineBSD, HostPeer,
			"Mar  1 01:02:03 172.31.20.5 celery: hello [dalog: truncated]\n"},
		{"truncated, several lines", base(func(m *syslog.Message) { m.Flags = syslog.Truncated; m.Text = []byte("a\nb") }), LineBSD, HostPeer,
			"Mar  1 01:02:03 172.31.20.5 celery: a\nMar  1 01:02:03 172.31.20.5 celery: b [dalog: truncated]\n"},
		{"columns hold no blanks", base(func(m *syslog.Message) {
			m.Host, m.Program, m.PID = []byte("a b\nc"), []byte("p\tq\x00ü"), []byte("1 2\xff")
		}), LineBSD, HostClaimed,
			`Mar  1 01:02:03 a\x20b\x0ac p\x09q\x00ü[1\x202\xff]: hello` + "\n"},
		{"host claimed, none claimed", base(func(m *syslog.Message) { m.Host = nil }), LineBSD, HostClaimed,
			"Mar  1 01:02:03 172.31.20.5 celery: hello\n"},
		{"host both", base(nil), LineBSD, HostBoth,
			"Mar  1 01:02:03 172.31.20.5/web1 celery: hello\n"},
		{"host both, none claimed", base(func(m *syslog.Message) { m.Host = nil }), LineBSD, HostBoth,
			"Mar  1 01:02:03 172.31.20.5 celery: hello\n"},
		{"host both, the same", base(func(m *syslog.Message) { m.Host = []byte("172.31.20.5") }), LineBSD, HostBoth,
			"Mar  1 01:02:03 172.31.20.5 celery: hello\n"},
		{"host peer, unknown", base(func(m *syslog.Message) { m.From = nil }), LineBSD, HostPeer,
			"Mar  1 01:02:03 web1 celery: hello\n"},
		{"no host at all", base(func(m *syslog.Message) { m.From, m.Host = nil, nil }), LineBSD, HostBoth,
			"Mar  1 01:02:03 - celery: hello\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := formatter{layout: c.layout, host: c.host}
			got, lines := f.appendMessage([]byte("before\n"), &c.m, syslog.At(testTime))
			require.Equal(t, "before\n"+c.want, string(got))
			require.Equal(t, strings.Count(c.want, "\n"), lines)
		})
	}
}

// The formatter remembers the last second: what it wrote before must not show.
func TestFormatterRemembersRightly(t *testing.T) {
	t.Parallel()
	for _, layout := range []LineFormat{LineISO, LineBSD} {
		shared := formatter{layout: layout}
		for _, at := range []syslog.Timestamp{
			{Sec: 0, Valid: true}, {Sec: 0, Nsec: 999999999, Valid: true}, {Sec: 0, Offset: 3600, Valid: true},
			{Sec: 1, Offset: 3600, Valid: true}, {Sec: -1, Offset: -3600, Valid: true}, {Sec: 253402300799, Valid: true},
			{Sec: -62135596800, Valid: true}, {Sec: 1, Offset: 3600, Valid: true},
		} {
			alone := formatter{layout: layout}
			require.Equal(t, string(alone.appendTime(nil, at)), string(shared.appendTime(nil, at)))
			layout := "2006-01-02T15:04:05.000000-07:00"
			if shared.layout == LineBSD {
				layout = time.Stamp
			}
			require.Equal(t, at.Time().Format(layout), string(alone.appendTime(nil, at)))
		}
	}
}

func FuzzAppendMessage(f *testing.F) {
	f.Add([]byte("web1"), []byte("celery"), []byte("77"), []byte("text\nmore"), int64(1<<31), int32(500), int32(-3600), true)
	f.Add([]byte(" \n"), []byte{0xff}, []byte("]: "), []byte("\x00\r\n\n"), int64(0), int32(0), int32(0), false)
	f.Fuzz(func(t *testing.T, host, program, pid, text []byte, sec int64, nsec, offset int32, valid bool) {
		const year9999 = 253402300799
		m := syslog.Message{Host: host, Program: program, PID: pid, Text: text, From: testPeer}
		m.Time = syslog.Timestamp{
			Sec: (sec%year9999 + year9999) % year9999, Nsec: int32(uint32(nsec) % 1e9), Offset: offset % 86400, Valid: valid,
		}
		for _, layout := range []LineFormat{LineISO, LineBSD} {
			for _, host := range []HostColumn{HostClaimed, HostPeer, HostBoth} {
				w := formatter{layout: layout, host: host}
				got, lines := w.appendMessage(nil, &m, syslog.At(testTime))
				require.True(t, utf8.Valid(got))
				require.Equal(t, bytes.Count(text, []byte("\n"))+1, lines)
				require.Equal(t, lines, bytes.Count(got, []byte("\n")))
				header := w.appendHeader(nil, &m, syslog.At(testTime))
				for line := range bytes.Lines(got) {
					require.True(t, bytes.HasPrefix(line, header))
					require.True(t, bytes.HasSuffix(line, []byte("\n")))
				}
				blanks := 2 // after time and host
				if layout == LineBSD {
					blanks += 2 // within the time
					if header[4] == ' ' {
						blanks++
					}
				}
				if len(program) > 0 {
					blanks++
				}
				require.Equal(t, blanks, bytes.Count(header, []byte(" ")), "%q", header)
			}
		}
	})
}

// What the parser says of a message only saves work.
func FuzzPlainMessage(f *testing.F) {
	for _, raw := range []string{
		"<13>1 2026-11-23T08:27:00.123456Z web1 celery 77 - - text", "<13>Nov 23 08:27:00 web1 celery[77]: text",
		"<13>1 - - - - - -", "<13>1 - web1 celery - - [meta sequenceId=\"1\"]", "<13>Nov 23 08:27:00 web1 my prog[a b]: text",
		"text\ttab", "<13>1 2026-11-23T08:27:00Z h p 1 - - a\nb", "<13>1 2026-11-23T08:27:00Z h p 1 - - \xef\xbb\xbf\xe9",
	} {
		f.Add([]byte(raw))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var p syslog.Parser
		m := syslog.Message{From: testPeer}
		p.Parse(raw, testTime, &m)
		careful := m
		careful.Plain = false
		for _, layout := range []LineFormat{LineISO, LineBSD} {
			for _, host := range []HostColumn{HostClaimed, HostPeer, HostBoth} {
				w := formatter{layout: layout, host: host}
				got, lines := w.appendMessage(nil, &m, syslog.At(testTime))
				want, wanted := w.appendMessage(nil, &careful, syslog.At(testTime))
				require.Equal(t, string(want), string(got))
				require.Equal(t, wanted, lines)
			}
		}
	})
}

func TestParseWords(t *testing.T) {
	t.Parallel()
	for word, want := range map[string]LineFormat{"iso": LineISO, "bsd": LineBSD} {
		got, err := ParseLineFormat(word)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	_, err := ParseLineFormat("ISO")
	require.EqualError(t, err, `line format "ISO": want iso or bsd`)
	for word, want := range map[string]HostColumn{"claimed": HostClaimed, "peer": HostPeer, "both": HostBoth} {
		got, err := ParseHostColumn(word)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	_, err = ParseHostColumn("")
	require.EqualError(t, err, `host column "": want claimed, peer or both`)
}
