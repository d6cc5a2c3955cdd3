package syslog

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/leodido/go-syslog/v4/rfc5424"
	"github.com/stretchr/testify/require"
	"gopkg.in/mcuadros/go-syslog.v2/format"
	"pgregory.net/rapid"
)

// goSyslog parses by go-syslog.v2, whose panics come back as errors.
func goSyslog(f format.Format, raw string) (parts format.LogParts, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	p := f.GetParser([]byte(raw))
	p.Location(time.UTC)
	err = p.Parse()
	return p.Dump(), err
}

func parseChecked(t require.TestingT, raw string) (m Message) {
	in := []byte(raw)
	p := Parser{Zone: time.UTC}
	p.Parse(in, november, &m)
	checkMessage(t, in, &m)
	return m
}

func nilDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

var escapeValue = strings.NewReplacer(`\`, `\\`, `"`, `\"`, `]`, `\]`)

// Well-formed messages of RFC 5424 are read as go-syslog.v2 and a strict
// parser generated from the grammar read them.
func TestRFC5424LikeOthers(t *testing.T) {
	t.Parallel()
	column := func(limit int) *rapid.Generator[string] {
		return rapid.OneOf(rapid.Just("-"), rapid.StringMatching(fmt.Sprintf(`[!-~]{1,%d}`, limit)))
	}
	name := rapid.StringMatching(`[a-zA-Z][a-zA-Z0-9@._-]{0,20}`)
	value := rapid.StringMatching(`[ -~éß€]{0,20}`)
	text := rapid.OneOf(rapid.Just(""), rapid.StringMatching(`[ -~éß€\t]{0,100}[!-~é]`), rapid.StringMatching(`\[[a-z =":,0-9]{0,30}\] [a-z]{1,9}`))
	strict := rfc5424.NewParser()

	rapid.Check(t, func(t *rapid.T) {
		pri := rapid.IntRange(0, 191).Draw(t, "pri")
		stamp := "-"
		at := time.Unix(rapid.Int64Range(0, 4102444799).Draw(t, "sec"), 1000*rapid.Int64Range(0, 999_999).Draw(t, "micro"))
		if rapid.Bool().Draw(t, "timed") {
			zone := time.FixedZone("", 60*rapid.IntRange(-14*60, 14*60).Draw(t, "zone"))
			layout := rapid.SampledFrom([]string{"2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05.0Z07:00", "2006-01-02T15:04:05.000Z07:00", "2006-01-02T15:04:05.000000-07:00"}).Draw(t, "layout")
			stamp = at.In(zone).Format(layout)
			var err error
			at, err = time.Parse(time.RFC3339Nano, stamp)
			require.NoError(t, err)
		}
		host := column(255).Draw(t, "host")
		app := column(48).Draw(t, "app")
		pid := column(128).Draw(t, "pid")
		msgid := column(32).Draw(t, "msgid")
		body := text.Draw(t, "text")

		sd, cutShort := "", false
		elements := map[string]map[string]string{}
		for range rapid.IntRange(0, 3).Draw(t, "elements") {
			id := name.Draw(t, "id")
			if elements[id] != nil {
				continue
			}
			elements[id] = map[string]string{}
			sd += "[" + id
			for range rapid.IntRange(0, 3).Draw(t, "params") {
				key, v := name.Draw(t, "key"), value.Draw(t, "value")
				if _, again := elements[id][key]; again {
					continue
				}
				elements[id][key] = v
				sd += fmt.Sprintf(` %s="%s"`, key, escapeValue.Replace(v))
			}
			sd += "]"
			cutShort = cutShort || strings.Contains(sd[:len(sd)-1], "] ")
		}
		raw := fmt.Sprintf("<%d>1 %s %s %s %s %s %s", pri, stamp, host, app, pid, msgid, nilDash(sd))
		if body != "" {
			raw += " " + body
		}

		m := parseChecked(t, raw)
		require.Zero(t, m.Flags, raw)
		require.Equal(t, sd, string(m.SD))

		parsed, err := strict.Parse([]byte(raw))
		require.NoError(t, err, raw)
		their := parsed.(*rfc5424.SyslogMessage)
		pointed := func(s *string) string {
			if s == nil {
				return ""
			}
			return *s
		}
		require.Equal(t, *their.Priority, m.Pri)
		require.Equal(t, *their.Severity, m.Severity())
		require.Equal(t, *their.Facility, m.Facility())
		require.Equal(t, their.Version, m.Version)
		require.Equal(t, pointed(their.Hostname), string(m.Host))
		require.Equal(t, pointed(their.Appname), string(m.Program))
		require.Equal(t, pointed(their.ProcID), string(m.PID))
		require.Equal(t, pointed(their.MsgID), string(m.MsgID))
		require.Equal(t, pointed(their.Message), string(m.Text))
		require.Equal(t, their.Timestamp != nil, m.Time.Valid)
		if their.Timestamp != nil {
			require.True(t, their.Timestamp.Equal(m.Time.Time()), "%v: %v", their.Timestamp, m.Time)
			require.True(t, at.Equal(m.Time.Time()))
			_, offset := at.Zone()
			require.Equal(t, int32(offset), m.Time.Offset)
		}
		if sd != "" {
			require.Equal(t, elements, *their.StructuredData)
		}

		parts, err := goSyslog(&format.RFC5424{}, raw)
		require.NoError(t, err, raw)
		require.Equal(t, parts["priority"], int(m.Pri))
		require.Equal(t, parts["version"], int(m.Version))
		require.Equal(t, parts["hostname"], nilDash(string(m.Host)))
		require.Equal(t, parts["app_name"], nilDash(string(m.Program)))
		require.Equal(t, parts["proc_id"], nilDash(string(m.PID)))
		require.Equal(t, parts["msg_id"], nilDash(string(m.MsgID)))
		if m.Time.Valid {
			// It reads the fraction as a float.
			require.WithinDuration(t, parts["timestamp"].(time.Time), m.Time.Time(), time.Microsecond)
		}
		if !cutShort { // it takes an escaped bracket before a blank for the end
			require.Equal(t, parts["structured_data"], nilDash(string(m.SD)))
			require.Equal(t, parts["message"], string(m.Text))
		}
	})
}

// Well-formed messages of RFC 3164 are read as go-syslog.v2 reads them.
func TestRFC3164LikeOthers(t *testing.T) {
	t.Parallel()
	hosts := rapid.OneOf(rapid.StringMatching(`[a-z][a-z0-9.-]{0,30}[a-z0-9]`), rapid.SampledFrom([]string{"192.0.2.9", "2001:db8::9"}))
	tags := rapid.StringMatching(`/?[a-zA-Z][a-zA-Z0-9_./-]{0,30}`)
	pids := rapid.OneOf(rapid.Just(""), rapid.StringMatching(`[0-9]{1,7}`), rapid.StringMatching(`[a-z0-9-]{1,12}`))
	text := rapid.OneOf(rapid.Just(""), rapid.StringMatching(`[!-~é]([ -~é€]{0,100}[!-~é])?`))

	rapid.Check(t, func(t *rapid.T) {
		pri := rapid.IntRange(0, 191).Draw(t, "pri")
		at := november.Add(-time.Duration(rapid.IntRange(0, 363*86400).Draw(t, "age")) * time.Second)
		host, tag, pid := hosts.Draw(t, "host"), tags.Draw(t, "tag"), pids.Draw(t, "pid")
		body := text.Draw(t, "text")
		stamp := at.Format(time.Stamp)
		if rapid.Bool().Draw(t, "zero") {
			stamp = at.Format("Jan 02 15:04:05")
		}
		raw := fmt.Sprintf("<%d>%s %s %s", pri, stamp, host, tag)
		if pid != "" {
			raw += "[" + pid + "]"
		}
		raw += ":"
		if body != "" {
			raw += " " + body
		}

		m := parseChecked(t, raw)
		require.Zero(t, m.Flags, raw)
		require.Equal(t, pid, string(m.PID))
		require.Equal(t, at.Unix(), m.Time.Sec)

		parts, err := goSyslog(&format.RFC3164{}, raw)
		require.NoError(t, err, raw)
		require.Equal(t, parts["priority"], int(m.Pri))
		require.Equal(t, parts["hostname"], string(m.Host))
		require.Equal(t, parts["tag"], string(m.Program))
		require.Equal(t, parts["content"], string(m.Text))
		// It takes this year whatever the month.
		their := parts["timestamp"].(time.Time)
		if month, day := m.Time.Time().Month(), m.Time.Time().Day(); month != time.February || day != 29 {
			require.Equal(t, their.Format(time.Stamp), m.Time.Time().Format(time.Stamp))
		}
	})
}

// What the others refuse, or panic on, is kept.
func TestWhatOthersRefuseIsKept(t *testing.T) {
	t.Parallel()
	whole := []string{
		`<165>1 2026-03-07T04:05:06.250Z db3 billing 812 PAID [acct@32473 id="77" cur="EUR"] invoice 1201 settled`,
		`<86>Mar 17 04:05:06 gate7 sshd[901]: key accepted`,
	}
	for _, c := range readGolden(t, "messages/*.txt") {
		whole = append(whole, c.take(t, "in"))
	}
	strict := rfc5424.NewParser()
	const around = "\r\n\x00 \t\xef\xbb\xbf"
	pri := regexp.MustCompile("^<[0-9]*>[" + around + "]*$")
	var refused, panics int
	check := func(t require.TestingT, raw string) {
		m := parseChecked(t, raw)
		_, strictErr := strict.Parse([]byte(raw))
		_, err5424 := goSyslog(&format.RFC5424{}, raw)
		_, err3164 := goSyslog(&format.RFC3164{}, raw)
		if strictErr == nil && err5424 == nil && err3164 == nil {
			return
		}
		refused++
		if err3164 != nil && strings.HasPrefix(err3164.Error(), "panic") {
			panics++
		}
		// Whatever has more than a priority is there to be stored.
		if pri.ReplaceAllString(strings.Trim(raw, around), "") != "" {
			require.False(t, m.Empty(), "%q: %+v", raw, m)
		}
	}
	for _, raw := range whole {
		check(t, raw)
	}
	rapid.Check(t, func(t *rapid.T) {
		b := []byte(rapid.SampledFrom(whole).Draw(t, "message"))
		for range rapid.IntRange(1, 4).Draw(t, "changes") {
			if len(b) == 0 {
				break
			}
			at := rapid.IntRange(0, len(b)-1).Draw(t, "at")
			switch rapid.IntRange(0, 3).Draw(t, "change") {
			case 0:
				b = b[:at]
			case 1:
				b[at] = rapid.Byte().Draw(t, "byte")
			case 2:
				b = append(b[:at], b[at+1:]...)
			case 3:
				b = append(b[:at:at], append([]byte{rapid.SampledFrom([]byte(" <>[]:-\"\\0%")).Draw(t, "sign")}, b[at:]...)...)
			}
		}
		check(t, string(b))
	})
	require.Positive(t, refused)
	require.Positive(t, panics, "go-syslog.v2 is known to panic on some of them")
}
