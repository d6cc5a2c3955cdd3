package httpindex

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dalog-project/dalog/internal/logstore"
)

// line makes the i-th stored line of a test file: one a second from 08:00 UTC.
func line(i int, host, program, text string) string {
	at := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC).Add(time.Duration(i) * time.Second)
	return at.Format("2006-01-02T15:04:05.000000-07:00") + " " + host + " " + program + ": " + text + "\n"
}

// workerLines are the lines of the test file: every third is of web2, every
// tenth an error.
func workerLines(n int) (all []string) {
	for i := range n {
		host, text := "web1", fmt.Sprintf("[INFO/MainProcess] task %d done", i)
		if i%3 == 2 {
			host = "web2"
		}
		if i%10 == 9 {
			text = fmt.Sprintf("[x: ERROR/MainProcess] task %d failed", i)
		}
		all = append(all, line(i, host, "celery", text))
	}
	return all
}

// A rotated is a log folder with worker.log, whose first lines have expired,
// the next are in closed parts and the last in the active file.
type rotated struct {
	base  string
	lines []string
	at    []int // offsets
	gone  int   // lines that have expired
}

func serveRotated(t testing.TB, packed bool) rotated {
	t.Helper()
	const n = 100
	f := rotated{lines: workerLines(n), gone: n / 10}
	dir := t.TempDir()
	offset := 0
	for _, l := range f.lines {
		f.at = append(f.at, offset)
		offset += len(l)
	}
	f.at = append(f.at, offset)
	require.NoError(t, os.Mkdir(filepath.Join(dir, "worker.log.d"), 0o755))
	cuts := []int{f.gone, 4 * n / 10, 7 * n / 10}
	for i, from := range cuts[:2] {
		name := fmt.Sprintf("worker.log.d/%020d.log", f.at[from])
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(strings.Join(f.lines[from:cuts[i+1]], "")), 0o600))
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "worker.log"), []byte(strings.Join(f.lines[cuts[2]:], "")), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "uwsgi.log"), []byte(line(50, "web1", "uwsgi", "fifty")+line(95, "web3", "uwsgi", "ninety-five")), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "old.log.gz"), []byte("\x1f\x8b"), 0o600))
	store, err := logstore.Open(logstore.Config{Dir: dir, Logger: discard})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	if packed {
		run(t, store)
		require.Eventually(t, func() bool { return store.Stats().Packed == 2 }, eventually, tick)
	}
	f.base = serve(t, Config{Logs: store})
	return f
}

// join gives the lines with these numbers.
func (f rotated) join(numbers ...int) string {
	var b strings.Builder
	for _, i := range numbers {
		b.WriteString(f.lines[i])
	}
	return b.String()
}

func upTo(from, to, step int) (all []int) {
	for i := from; i < to; i += step {
		all = append(all, i)
	}
	return all
}

func TestFind(t *testing.T) {
	t.Parallel()
	files := []rotated{serveRotated(t, true), serveRotated(t, false)}
	for _, c := range []struct {
		query string
		want  []int
	}{
		{"format=text", upTo(10, 100, 1)},
		{"n=30", upTo(70, 100, 1)},
		{"n=31", upTo(69, 100, 1)},
		{"n=75", upTo(25, 100, 1)},
		{"n=1000", upTo(10, 100, 1)},
		{"grep=failed", upTo(19, 100, 10)},
		{"grep=failed&n=3", []int{79, 89, 99}},
		{"grep=failed&limit=3", []int{19, 29, 39}},
		{"grep=failed&limit=3&direction=backward", []int{79, 89, 99}},
		{"grep=failed&direction=backward", upTo(19, 100, 10)},
		{"grep=task+(1|2)9", []int{19, 29}},
		{"grep=task&grep=9+failed", upTo(19, 100, 10)},
		{"grep=failed&grep=web2", []int{29, 59, 89}},
		{"grep=FAILED", nil},
		{"grep=FAILED&case=ignore", upTo(19, 100, 10)},
		{"grep=FAILED&case=ignore&match=literal", upTo(19, 100, 10)},
		{"grep=(1|2)9&match=literal", nil},
		{"grep=[x:&match=literal", upTo(19, 100, 10)},
		{"grep=done&invert=1", upTo(19, 100, 10)},
		{"grep=done&grep=1&invert=1", nil},
		{"grep=done&grep=task+1&invert=1", []int{29, 39, 49, 59, 69, 79, 89, 99}},
		{"exclude=done", upTo(19, 100, 10)},
		{"grep=task+5&exclude=failed", upTo(50, 59, 1)},
		{"grep=", upTo(10, 100, 1)},
		{"host=web2", upTo(11, 100, 3)},
		{"host=WEB2", upTo(11, 100, 3)},
		{"host=web1,web2", upTo(10, 100, 1)},
		{"host=web1&host=web2", upTo(10, 100, 1)},
		{"host=web3", nil},
		{"program=celery&host=web2&level=error", []int{29, 59, 89}},
		{"program=uwsgi", nil},
		{"level=error", upTo(19, 100, 10)},
		{"level=info", upTo(10, 100, 1)},
		{"level=critical", nil},
		{"since=2026-11-23T08:00:50Z", upTo(50, 100, 1)},
		{"since=2026-11-23T08:00:50Z&until=2026-11-23T08:00:52Z", []int{50, 51}},
		{"since=2026-11-23+08:00:50&zone=UTC&limit=1", []int{50}},
		{"since=2026-11-23+03:00:50&zone=America/New_York&limit=1", []int{50}},
		{"until=2026-11-23T08:00:11Z", []int{10}},
		{"since=2026-11-24", nil},
		{"since=2026-11-22&until=2026-11-23&zone=UTC", nil},
		{"until=-1d", upTo(10, 100, 1)},
		{"grep=task+55+&context=1", []int{54, 55, 56}},
		{"grep=task+55+&before=2", []int{53, 54, 55}},
		{"grep=task+(55|57)+&after=1", []int{55, 56, 57, 58}},
		{"grep=task+40+&context=2", []int{38, 39, 40, 41, 42}},
		{"grep=task+10+&context=2", []int{10, 11, 12}},
		{"grep=task+(98|99)&context=1&n=1", []int{98, 99}},
	} {
		t.Run(c.query, func(t *testing.T) {
			t.Parallel()
			for _, f := range files {
				resp, body := get(t, f.base+"/worker.log?"+c.query)
				require.Equal(t, http.StatusOK, resp.StatusCode, body)
				require.Equal(t, f.join(c.want...), body)
				head, none := do(t, http.MethodHead, f.base+"/worker.log?"+c.query)
				require.Equal(t, http.StatusOK, head.StatusCode)
				require.Empty(t, none)
				resp, body = get(t, f.base+"/worker.log?"+strings.Replace(c.query, "format=text", "", 1)+"&format=json")
				require.Equal(t, http.StatusOK, resp.StatusCode, body)
				require.Equal(t, jsonType, resp.Header.Get("Content-Type"))
				require.Equal(t, f.join(c.want...), parseAnswer(t, body).text())
			}
		})
	}
}

// answer is a JSON answer.
type answer struct {
	File       string
	Start, End int64
	Lines      []struct {
		File                      string
		Offset, End               int64
		Time                      time.Time
		Host, Program, PID, Level string
		Text, Raw                 string
		Guessed, Hit              bool
		Matches                   [][2]int
		Event                     *int64
	}
	First, Last *int64
	More        bool
	Limited     string
	Next        any
	Scanned     int64
	Missing     int64
}

func parseAnswer(t testing.TB, body string) (a answer) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(body), &a), body)
	return a
}

func (a answer) text() string {
	var b strings.Builder
	for _, l := range a.Lines {
		b.WriteString(l.Raw + "\n")
	}
	return b.String()
}

func TestFindByOffset(t *testing.T) {
	t.Parallel()
	f := serveRotated(t, true)
	url := f.base + "/worker.log?"
	at := func(i int) string { return strconv.Itoa(f.at[i]) }
	for _, c := range []struct {
		query string
		want  []int
	}{
		{"from=" + at(10), upTo(10, 100, 1)},
		{"from=" + at(69) + "&limit=2", []int{69, 70}},
		{"from=" + strconv.Itoa(f.at[69]+1) + "&limit=2", []int{70, 71}},
		{"from=" + at(40) + "&to=" + at(43), []int{40, 41, 42}},
		{"from=" + at(40) + "&to=" + strconv.Itoa(f.at[43]+1), []int{40, 41, 42, 43}},
		{"to=" + at(12), []int{10, 11}},
		{"from=" + at(99) + "&limit=5", []int{99}},
		{"from=" + at(100), nil},
		{"from=" + at(42) + "&direction=backward&limit=3", []int{39, 40, 41}},
		{"from=" + at(11) + "&direction=backward&limit=3", []int{10}},
		{"from=" + at(10) + "&direction=backward&limit=3", nil},
		{"from=" + at(42) + "&direction=backward&to=" + at(40), []int{40, 41}},
		{"from=" + at(50) + "&grep=failed&limit=1&direction=backward", []int{49}},
		{"from=" + at(50) + "&grep=failed&n=1", []int{49}},
	} {
		t.Run(c.query, func(t *testing.T) {
			t.Parallel()
			resp, body := get(t, url+c.query)
			require.Equal(t, http.StatusOK, resp.StatusCode, body)
			require.Equal(t, f.join(c.want...), body)
		})
	}
}

func TestFindJSON(t *testing.T) {
	t.Parallel()
	f := serveRotated(t, true)
	resp, body := get(t, f.base+"/worker.log?grep=failed&limit=2&from="+strconv.Itoa(f.at[15]), "Accept", "application/json")
	require.Equal(t, http.StatusOK, resp.StatusCode)
	a := parseAnswer(t, body)
	require.Equal(t, "worker.log", a.File)
	require.EqualValues(t, f.at[10], a.Start)
	require.EqualValues(t, f.at[100], a.End)
	require.Len(t, a.Lines, 2)
	l := a.Lines[0]
	require.Equal(t, "worker.log", l.File)
	require.EqualValues(t, f.at[19], l.Offset)
	require.EqualValues(t, f.at[20], l.End)
	require.Equal(t, "web1", l.Host)
	require.Equal(t, "celery", l.Program)
	require.Equal(t, "error", l.Level)
	require.False(t, l.Guessed)
	require.True(t, l.Hit)
	require.Equal(t, "[x: ERROR/MainProcess] task 19 failed", l.Text)
	require.Equal(t, time.Date(2026, 11, 23, 8, 0, 19, 0, time.UTC), l.Time.UTC())
	require.Len(t, l.Matches, 1)
	require.Equal(t, "failed", l.Raw[l.Matches[0][0]:l.Matches[0][1]])
	require.True(t, a.More)
	require.Equal(t, "lines", a.Limited)
	require.EqualValues(t, f.at[30], a.Next)
	require.EqualValues(t, f.at[19], *a.First)
	require.EqualValues(t, f.at[29], *a.Last)

	// Pages join without a gap, in both directions.
	for _, way := range []string{"", "&direction=backward"} {
		var pages []string
		next := ""
		for more := true; more; {
			_, body := get(t, f.base+"/worker.log?format=json&limit=7"+way+next)
			a := parseAnswer(t, body)
			pages = append(pages, a.text())
			more = a.More
			next = fmt.Sprintf("&from=%.0f", a.Next)
		}
		if way != "" {
			slices.Reverse(pages)
		}
		require.Equal(t, f.join(upTo(10, 100, 1)...), strings.Join(pages, ""), way)
		require.Len(t, pages, 13)
	}
}

func TestFindErrors(t *testing.T) {
	t.Parallel()
	f := serveRotated(t, true)
	for _, c := range []struct {
		path   string
		status int
		want   string // of the error
	}{
		{"/worker.log?grep=(", 400, "grep=\"(\": missing closing ): `(`; to search for these characters as they are, add match=literal"},
		{"/worker.log?grep=" + strings.Repeat("x", 1025), 400, "the pattern has 1025 bytes, at most 1024 are taken"},
		{"/worker.log?grep=" + url.QueryEscape(strings.Repeat("(x{100}){100}", 8)), 400, "invalid repeat count"},
		{"/worker.log?grep=%5CC", 400, "invalid escape sequence"},
		{"/worker.log?" + strings.Repeat("grep=x&", 21), 400, "grep is given 21 times, at most 20 are taken"},
		{"/worker.log?match=glob", 400, `match="glob": give regex or literal`},
		{"/worker.log?case=upper", 400, `case="upper": give match or ignore`},
		{"/worker.log?invert=perhaps", 400, `invert="perhaps": give 1 or 0`},
		{"/worker.log?level=bad", 400, `level="bad": give debug, info, notice, warning, error or critical`},
		{"/worker.log?since=soon", 400, `since="soon": give a time such as 2026-11-23T08:00:00-05:00`},
		{"/worker.log?since=25:00", 400, `since="25:00": give a time`},
		{"/worker.log?since=-5", 400, `since="-5": give a time`},
		{"/worker.log?since=9999-01-01", 400, `the year 9999 is out of range`},
		{"/worker.log?since=2026-11-24&until=2026-11-23", 400, `until="2026-11-23" is before since="2026-11-24"`},
		{"/worker.log?since=08:00&zone=Mars/Olympus", 400, `zone="Mars/Olympus": give a name of the IANA time zone database`},
		{"/worker.log?zone=../../etc/passwd&since=08:00", 400, `zone=`},
		{"/worker.log?limit=0", 400, `limit="0": give a number of lines from 1 to 1000000`},
		{"/worker.log?limit=10001&format=json", 400, `limit=\"10001\": give a number of lines from 1 to 10000`},
		{"/worker.log?context=1001", 400, `context="1001": give a number of lines from 0 to 1000`},
		{"/worker.log?direction=up", 400, `direction="up": give forward or backward`},
		{"/worker.log?format=xml", 400, `format="xml": give text or json`},
		{"/worker.log?n=3&limit=4", 400, `n= stands for direction=backward with limit=`},
		{"/worker.log?from=-1", 400, `from="-1": give an offset from 0`},
		{"/worker.log?from=99999999999999999999", 400, `give an offset from 0`},
		{"/worker.log?from=1", 410, fmt.Sprintf(`from=1: what was there has expired; "worker.log" has bytes %d to %d`, f.at[10], f.at[100])},
		{"/worker.log?from=1&format=json", 410, fmt.Sprintf(`has bytes %d to %d","start":%d,"end":%d}`, f.at[10], f.at[100], f.at[10], f.at[100])},
		{"/worker.log?from=" + strconv.Itoa(f.at[100]+1), 416, "ends at"},
		{"/worker.log?grep=x&since=2026-11-23&since=2026-11-24", 400, "parameter since is given 2 times"},
		{"/worker.log?file=web.log", 400, `unknown parameter "file"`},
		{"/nope.log?grep=x", 404, `no such file: "/nope.log"`},
		{"/old.log.gz?grep=x", 400, `"old.log.gz": it is not text and has no lines`},
		{"/search?file=nope.log", 404, `no such file: "nope.log"`},
		{"/search?file=worker.log,nope.log&format=json", 404, `{"error":"no such file: \"nope.log\"`},
		{"/search?file=../etc/passwd", 404, `no such file`},
		{"/search?file=old.log.gz", 400, `it is not text`},
		{"/search?from=3", 400, `unknown parameter "from"`},
		{"/search?cursor=worker.log", 400, `cursor="worker.log": give what an earlier answer has as next`},
		{"/histogram?buckets=0", 400, `buckets=\"0\": give a number from 1 to 1000`},
		{"/histogram?file=nope.log", 404, `no such file`},
	} {
		t.Run(c.path[:min(len(c.path), 60)], func(t *testing.T) {
			t.Parallel()
			resp, body := get(t, f.base+c.path)
			require.Equal(t, c.status, resp.StatusCode, body)
			require.Contains(t, body, c.want)
			require.Equal(t, 1, strings.Count(body, "\n"), body)
		})
	}
}

func TestSearch(t *testing.T) {
	t.Parallel()
	f := serveRotated(t, true)
	fifty, ninety := line(50, "web1", "uwsgi", "fifty"), line(95, "web3", "uwsgi", "ninety-five")
	for _, c := range []struct{ query, want string }{
		{"since=2026-11-23T08:00:49Z&until=2026-11-23T08:00:52Z", f.join(49) + fifty + f.join(50, 51)},
		{"file=worker.log,uwsgi.log&since=2026-11-23T08:00:49Z&until=2026-11-23T08:00:52Z", f.join(49, 50) + fifty + f.join(51)},
		{"file=uwsgi.log", fifty + ninety},
		{"n=6", f.join(95) + ninety + f.join(96, 97, 98, 99)},
		{"grep=ninety|task+9&limit=7", f.join(90, 91, 92, 93, 94) + ninety + f.join(95)},
		{"grep=ninety-five&file=worker.log", ""},
		{"host=web3", ninety},
	} {
		t.Run(c.query, func(t *testing.T) {
			t.Parallel()
			resp, body := get(t, f.base+"/search?"+c.query)
			require.Equal(t, http.StatusOK, resp.StatusCode, body)
			require.Equal(t, sortedLines(c.want), sortedLines(body))
		})
	}
	_, all := get(t, f.base+"/search")
	require.Equal(t, 92, strings.Count(all, "\n"))
	for _, way := range []string{"", "&direction=backward"} {
		var pages []string
		next := ""
		for more := true; more; {
			_, body := get(t, f.base+"/search?format=json&limit=7"+way+next)
			a := parseAnswer(t, body)
			pages = append(pages, a.text())
			more = a.More
			next = "&cursor=" + url.QueryEscape(a.Next.(string))
			require.Less(t, len(pages), 20)
		}
		if way != "" {
			slices.Reverse(pages)
		}
		require.Equal(t, all, strings.Join(pages, ""), way)
	}
}

func sortedLines(s string) []string {
	all := strings.SplitAfter(s, "\n")
	slices.Sort(all)
	return all
}

func TestCount(t *testing.T) {
	t.Parallel()
	f := serveRotated(t, true)
	for path, want := range map[string]string{
		"/worker.log?count=1":                                 "90\n",
		"/worker.log?count=1&grep=failed":                     "9\n",
		"/worker.log?count=1&grep=failed&limit=4":             "4\n",
		"/worker.log?count=1&grep=nothing":                    "0\n",
		"/worker.log?count=1&from=" + strconv.Itoa(f.at[100]): "0\n",
		"/search?count=1":                                     "92\n",
		"/search?count=1&limit=91":                            "91\n",
		"/search?count=1&host=web3":                           "1\n",
	} {
		resp, body := get(t, f.base+path)
		require.Equal(t, http.StatusOK, resp.StatusCode, path)
		require.Equal(t, want, body, path)
		_, body = get(t, f.base+path+"&format=json")
		require.Contains(t, body, `{"count":`+strings.TrimSpace(want)+`,`, path)
	}
}

func TestHistogram(t *testing.T) {
	t.Parallel()
	f := serveRotated(t, true)
	for _, c := range []struct{ query, want string }{
		{"?file=worker.log&buckets=9&zone=UTC", `{"from":"2026-11-23T08:00:10Z","to":"2026-11-23T08:01:39.000000001Z","step":10,"lines":90,"buckets":[
			{"time":"2026-11-23T08:00:10Z","counts":{"info":9,"error":1}}, {"time":"2026-11-23T08:00:20Z","counts":{"info":9,"error":1}}, {"time":"2026-11-23T08:00:30Z","counts":{"info":9,"error":1}},
			{"time":"2026-11-23T08:00:40Z","counts":{"info":9,"error":1}}, {"time":"2026-11-23T08:00:50Z","counts":{"info":9,"error":1}}, {"time":"2026-11-23T08:01:00Z","counts":{"info":9,"error":1}},
			{"time":"2026-11-23T08:01:10Z","counts":{"info":9,"error":1}}, {"time":"2026-11-23T08:01:20Z","counts":{"info":9,"error":1}}, {"time":"2026-11-23T08:01:30Z","counts":{"info":9,"error":1}}],
			"hosts":{"web1":60,"web2":30},"programs":{"celery":90},"limited":""}`},
		{"?since=2026-11-23T08:01:30Z&until=2026-11-23T08:02:00Z&buckets=1&zone=UTC", `{"from":"2026-11-23T08:01:30Z","to":"2026-11-23T08:02:00Z","step":30,"lines":11,"buckets":[
			{"time":"2026-11-23T08:01:30Z","counts":{"none":1,"info":9,"error":1}}],"hosts":{"web1":7,"web2":3,"web3":1},"programs":{"celery":10,"uwsgi":1},"limited":""}`},
		{"?file=docassemble.log&since=2026-11-23T08:01:30Z&until=2026-11-23T08:02:00Z&zone=UTC", `{"from":"2026-11-23T08:01:30Z","to":"2026-11-23T08:02:00Z","step":1,"lines":0,"buckets":[],"hosts":{},"programs":{},"limited":""}`},
	} {
		t.Run(c.query, func(t *testing.T) {
			t.Parallel()
			resp, body := get(t, f.base+"/histogram"+c.query)
			require.Equal(t, http.StatusOK, resp.StatusCode, body)
			require.JSONEq(t, c.want, body)
		})
	}
	resp, body := get(t, f.base+"/histogram")
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.Contains(t, body, `"lines":92`)
}

// Of very many names those are told apart that have the most lines.
func TestMostFrequentNames(t *testing.T) {
	t.Parallel()
	counts := map[string]int64{"": 2}
	for i := range maxCounted + 10 {
		counts[fmt.Sprintf("web%04d", i)] = int64(i + 1)
	}
	most(counts)
	require.Len(t, counts, maxCounted+1)
	require.EqualValues(t, 2+1+2+3+4+5+6+7+8+9+10, counts[""])
	require.EqualValues(t, maxCounted+10, counts[fmt.Sprintf("web%04d", maxCounted+9)])
}

// What one answer may have, and how much is searched for it, is the
// configuration's.
func TestLimitsOfOneSearch(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var text strings.Builder
	for i := range 20_000 {
		text.WriteString(line(i%3000, "web1", "celery", fmt.Sprintf("line %d", i)))
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "worker.log"), []byte(text.String()), 0o600))
	store, err := logstore.Open(logstore.Config{Dir: dir, Logger: discard, SearchCores: 1})
	require.NoError(t, err)
	defer store.Close()
	h := New(Config{Logs: store, Limits: Limits{Lines: 5, Scan: 200_000}})
	get := func(path string) (int, string) {
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, path, nil))
		return rec.Code, rec.Body.String()
	}
	for _, path := range []string{"/worker.log?", "/search?"} {
		code, body := get(path + "format=json&limit=6")
		require.Equal(t, 400, code)
		require.Contains(t, body, "from 1 to 5")
		for _, more := range []string{"", "&limit=5"} {
			code, body = get(path + "format=json&grep=line" + more)
			require.Equal(t, 200, code)
			require.Equal(t, 5, strings.Count(body, `"raw"`))
			require.Contains(t, body, `"limited":"lines"`)
		}
	}
	code, body := get("/worker.log?grep=line+19999")
	require.Equal(t, 200, code)
	require.Contains(t, body, "[dalog: not all was searched, the limit of one request was reached (scan); go on with from=")
	next := regexp.MustCompile(`from=(\d+)`).FindStringSubmatch(body)[1]
	offset, err := strconv.Atoi(next)
	require.NoError(t, err)
	require.Greater(t, offset, 200_000)
	require.Less(t, offset, 500_000)
}
