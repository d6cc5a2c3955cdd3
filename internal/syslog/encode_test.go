package syslog

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"
)

func TestAppendRFC5424(t *testing.T) {
	t.Parallel()
	at := At(november)
	text := []byte("[2024-05-05 10:11:12,345: INFO/MainProcess] hello")
	message := `<15>1 2026-11-23T08:27:00+00:00 vm celery - - [meta sequenceId="2"] [2024-05-05 10:11:12,345: INFO/MainProcess] hello`
	assert.Equal(t, message, string(AppendRFC5424(nil, 15, at, "vm", "celery", 2, text)))
	assert.Equal(t, "before 118 "+message+"\n", string(AppendOctetRFC5424([]byte("before "), 15, at, "vm", "celery", 2, text)))

	at = At(time.Date(2026, 3, 7, 23, 5, 6, 999, time.FixedZone("", -(5*3600+1800))))
	assert.Equal(t, `<0>1 2026-03-07T23:05:06-05:30 - b_ro__ - - [meta sequenceId="18446744073709551615"] `,
		string(AppendRFC5424(nil, 0, at, "", "b ro\xc3\xbc", 1<<64-1, nil)))
	assert.Equal(t, `<13>1 - h `+strings.Repeat("p", 48)+` - - [meta sequenceId="1"] x`,
		string(AppendRFC5424(nil, 13, Timestamp{}, "h", strings.Repeat("p", 60), 1, []byte("x"))))
}

func TestAppendBSD(t *testing.T) {
	t.Parallel()
	assert.Equal(t, "before <15>Nov 23 08:27:00 vm celery: text\n", string(AppendBSD([]byte("before "), 15, At(november), "vm", "celery", []byte("text"))))
	at := At(time.Date(2026, 3, 7, 23, 5, 6, 0, time.FixedZone("", 3600)))
	assert.Equal(t, `<15>Mar  7 23:05:06 vm my_app: a\x0ab\x00`+"\r\n", string(AppendBSD(nil, 15, at, "vm", "my app", []byte("a\nb\x00\r"))))
}

func TestAppendTime(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		offset := 60 * rapid.IntRange(-23*60-59, 23*60+59).Draw(t, "offset")
		sec := rapid.Int64Range(-62135596800+86400, 253402300799-86400).Draw(t, "sec") // years 1 to 9999
		nsec := rapid.Int64Range(0, 999_999_999).Draw(t, "nsec")
		at := time.Unix(sec, nsec).In(time.FixedZone("", offset))
		stamp := At(at)
		for digits, layout := range map[int]string{
			0: "2006-01-02T15:04:05-07:00",
			3: "2006-01-02T15:04:05.000-07:00",
			6: "2006-01-02T15:04:05.000000-07:00",
			9: "2006-01-02T15:04:05.000000000-07:00",
		} {
			if got, want := string(stamp.appendRFC3339(nil, digits)), at.Format(layout); got != want {
				t.Fatalf("%d digits: %s, want %s", digits, got, want)
			}
		}
		if got, want := string(stamp.appendBSD(nil)), at.Format(time.Stamp); got != want {
			t.Fatalf("%s, want %s", got, want)
		}
	})
}

// What the encoders write is read back as it was, through the framer too.
func TestEncodedIsReadBack(t *testing.T) {
	t.Parallel()
	name := rapid.StringMatching(`[a-z][a-z0-9_.-]{0,20}`)
	text := rapid.StringMatching(`[!-~][ -~é€\t]{0,60}[!-~]`)
	zone := time.FixedZone("", -5*3600)
	rapid.Check(t, func(t *rapid.T) {
		pri := rapid.Uint8Max(191).Draw(t, "pri")
		host, program := name.Draw(t, "host"), name.Draw(t, "program")
		at := At(november.Add(-time.Duration(rapid.IntRange(0, 300*86400).Draw(t, "age")) * time.Second).In(zone))
		body := text.Draw(t, "text")
		p := Parser{Zone: zone}

		var stream []byte
		stream = AppendOctetRFC5424(stream, pri, at, host, program, 7, []byte(body))
		stream = AppendBSD(stream, pri, at, host, program, []byte(body))
		var f Framer
		for _, form := range []string{"octet", "bsd"} {
			frame, n, flags, ok := f.Next(stream, false)
			stream = stream[n:]
			if !ok || flags != 0 {
				t.Fatalf("%s: %q %v %v", form, frame, flags, ok)
			}
			var m Message
			p.Parse(frame, november, &m)
			if m.Pri != pri || string(m.Host) != host || string(m.Program) != program || string(m.Text) != body || m.Time != at || m.Flags != 0 {
				t.Fatalf("%s: %q: %+v", form, frame, m)
			}
		}
	})
}
