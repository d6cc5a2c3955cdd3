package browser

import (
	"archive/zip"
	"bytes"
	"io"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// Tracebacks are one row with their last line, whether they came as lines or as
// docassemble's one line; lines with fields open to a table.
func TestTracebacksAndFields(t *testing.T) {
	onlyFull(t)
	l := newLogs(t)
	now := time.Now().Add(-time.Minute)
	// First two hosts at once, whose lines overlap, then one.
	var alone []string
	for i, text := range []string{
		"[2026-03-01 10:24:03,412: ERROR/ForkPoolWorker-1] Task t[1] raised unexpected: ValueError('bad zip code')",
		"Traceback (most recent call last):", `  File "/usr/lib/python3.14/site-packages/celery/app/trace.py", line 453, in trace_task`,
		"    R = retval = fun(*args, **kwargs)", "                 ^^^^^^^^^^^^^^^^^^^^", "KeyError: 'zip'", "",
		"During handling of the above exception, another exception occurred:", "",
		"Traceback (most recent call last):", `  File "/usr/share/docassemble/lease/geo.py", line 41, in locate`, "    raise ValueError()", "ValueError: bad zip code",
		"[2026-03-01 10:24:09,120: INFO/ForkPoolWorker-1] Task t[1] done",
	} {
		for _, host := range []string{"web1", "web2"} {
			l.line("worker.log", now.Add(time.Duration(i)*time.Millisecond), host, "celery[77]", text)
		}
		alone = append(alone, strings.ReplaceAll(text, "bad zip", "no zip"))
	}
	for i, text := range alone {
		l.line("worker.log", now.Add(time.Second+time.Duration(i)*time.Millisecond), "web1", "celery[77]", strings.ReplaceAll(text, "in locate", "in find_parcel"))
	}
	l.line("worker.log", now.Add(2*time.Second), "web1", "celery[77]", `{"event":"done","task":{"id":7,"tags":["a","b"]},"ok":true}`)
	l.line("worker.log", now.Add(3*time.Second), "web1", "celery[77]", `level=info msg="all good" took=12ms size=9`)
	l.history(30 * time.Minute)
	d := l.serve()
	b := newChrome(t).tab(t, d, wide)
	b.open("/-/view?file=worker.log&since=-30s-not-a-time")
	b.wait(`document.querySelector("#state[data-kind=failed]")`) // and it says why
	require.Contains(t, b.text(), "give a time such as")

	// Lines that overlap are put together.
	b.open("/-/view?file=worker.log&q=bad+zip&mark=1&at=0")
	b.wait(`[...document.querySelectorAll(".row .text")].filter((e) => e.textContent.startsWith("12 linesValueError: bad zip code ")).length === 2`)

	// Found by any of its lines, a traceback is shown whole.
	b.open("/-/view?file=worker.log&q=in+find_parcel")
	b.wait(`document.querySelectorAll(".row").length === 1`)
	require.True(t, strings.HasPrefix(b.rows()[0], "12 linesValueError: no zip code"))
	b.keys("j")
	b.keys("\r")
	b.wait(`document.querySelector(".row.open .traceback")`)
	trace := eval[string](b, `document.querySelector(".traceback").textContent`)
	require.Contains(t, trace, "KeyError: 'zip'\n\nDuring handling")
	require.Contains(t, trace, "                 ^^^^")
	require.Equal(t, 1, b.count(".traceback .library"))
	b.keys("\r")
	b.wait(`!document.querySelector(".row.open")`)

	b.open("/-/view?file=docassemble.log&q=landlrod")
	b.waitLines()
	b.keys("j")
	b.keys("o")
	b.wait(`document.querySelector(".traceback")`)
	trace = eval[string](b, `document.querySelector(".traceback").textContent`)
	require.Equal(t, []string{
		"Traceback (most recent call last):",
		`  File "/usr/share/docassemble/local3.14/lib/python3.14/site-packages/docassemble/base/parse.py", line 8120, in assemble`,
		"    exec(compiled, user_dict)",
		`  File "<code block>", line 1, in <module>`,
		"    landlrod.name.first",
		"NameError: name 'landlrod' is not defined",
	}, strings.Split(strings.TrimSpace(trace), "\n"))

	for query, want := range map[string]string{"done+task": "task.tags[1]b", `all+good`: "msgall good"} {
		b.open("/-/view?file=worker.log&q=" + query)
		if query == "done+task" {
			b.open("/-/view?file=worker.log&q=" + url.QueryEscape(`"task":{"id":7`))
		}
		b.wait(`document.querySelectorAll(".row").length === 1`)
		b.click(".opener")
		b.wait(`document.querySelector(".fields")`)
		require.Contains(t, eval[string](b, `document.querySelector(".fields").textContent`), want)
	}

	// Unfolded for those who want it so.
	b.click("#settings")
	b.click("#set-fold")
	b.keys("\x1b")
	b.open("/-/view?file=worker.log&q=in+find_parcel")
	b.wait(`document.querySelectorAll(".row.open .traceback").length === 1`)
}

// Where a page of lines ends in the middle of a traceback, the next one puts it
// together, in either direction.
func TestTracebacksOverPages(t *testing.T) {
	onlyFull(t)
	l := newLogs(t)
	const n = 200
	at := time.Now().Add(-time.Hour)
	for i := range n {
		for j, text := range []string{
			"[2026-03-01 10:24:03,412: ERROR/ForkPoolWorker-1] Task t[1] raised unexpected: ValueError('bad')",
			"Traceback (most recent call last):", `  File "/usr/lib/python3.14/site-packages/celery/app/trace.py", line 453, in trace_task`,
			"    R = retval = fun(*args, **kwargs)", "                 ^^^^^^^^^^^^^^^^^^^^", "KeyError: 'zip'", "",
			"During handling of the above exception, another exception occurred:", "",
			"Traceback (most recent call last):", `  File "/usr/share/docassemble/lease/geo.py", line 41, in locate`, "    raise ValueError()", "ValueError: bad",
		} {
			for _, host := range []string{"web1", "web2", "web3"} {
				l.line("worker.log", at.Add(time.Duration(100*i+j)*time.Millisecond), host, "celery[77]", text)
			}
		}
	}
	d := l.serve()
	c := newChrome(t)
	for _, query := range []string{"file=worker.log", "file=worker.log&file=uwsgi.log"} {
		b := c.tab(t, d, wide)
		b.open("/-/view?" + query)
		b.waitLines()
		whole := func(unread int) { // rows at the end whose lines may not all be read yet
			t.Helper()
			b.settle()
			rows := b.rows()
			for i, text := range rows[:len(rows)-unread] {
				require.True(t, strings.HasPrefix(text, "12 linesValueError: bad "), "%s, row %d: %q", query, i, text)
			}
		}
		whole(0)
		scroll := func(to string, most, unread int, end string) {
			t.Helper()
			for i := 0; i < most && !eval[bool](b, end); i++ {
				b.run(evaluate(`document.querySelector("#log").scrollTop = ` + to))
				whole(unread)
			}
		}
		beginning := `document.querySelector("#top").textContent === "Beginning"`
		end := `document.querySelector("#bottom").textContent.startsWith("End")`
		const all = 2000 // looks, many of them between two pages
		scroll("0", all, 0, beginning)
		b.wait(beginning)
		scroll("1e9", all, 3, end)
		b.wait(end)
		whole(0)
		// A few pages up, those at the end are let go, which were read downward.
		scroll("0", 4, 3, beginning)
		b.wait("!(" + end + ")")
		scroll("1e9", all, 3, end)
		b.wait(end)
		whole(0)
	}
}

// Wrapping, zones, copying, downloads, the bundle.
func TestTakeAway(t *testing.T) {
	onlyFull(t)
	l := newLogs(t)
	l.history(time.Hour)
	d := l.serve()
	b := newChrome(t).tab(t, d, screen{1000, 700, "dark"})
	b.open("/-/view?file=access.log")
	b.waitLines()

	width := eval[int](b, `document.querySelector("#log").scrollWidth - document.querySelector("#log").clientWidth`)
	require.Positive(t, width)
	b.keys("v")
	b.wait(`document.querySelector("#log").scrollWidth === document.querySelector("#log").clientWidth`)
	b.keys("v")

	// The browser is in UTC, and so are the senders.
	clock := `document.querySelector(".row .time").firstChild.textContent`
	before := eval[string](b, clock)
	b.keys("z")
	require.Equal(t, before, eval[string](b, clock))
	b.click("#settings")
	b.run(evaluate(`document.querySelector("input[value=UTC]").click()`))
	b.keys("\x1b")
	require.Equal(t, before, eval[string](b, clock))

	// Copied is what is stored.
	b.run(evaluate(`window.copied = ""; document.addEventListener("copy", (e) => { window.copied = e.clipboardData.getData("text/plain"); })`))
	b.keys("G")
	b.run(evaluate(`(() => { const rows = [...document.querySelectorAll(".row")].slice(-3); const r = document.createRange(); r.setStart(rows[0].querySelector(".text"), 0); r.setEnd(rows[2].querySelector(".text"), 1); const s = getSelection(); s.removeAllRanges(); s.addRange(r); document.execCommand("copy"); })()`))
	copied := strings.Split(strings.TrimSuffix(eval[string](b, "window.copied"), "\n"), "\n")
	require.Len(t, copied, 3)
	for _, line := range copied {
		require.Regexp(t, regexp.MustCompile(`^\d{4}-\d\d-\d\dT\S+ web\d nginx: `), line)
	}
	b.run(evaluate(`getSelection().removeAllRanges()`))

	// What is seen, as text.
	b.open("/-/view?file=docassemble.log&q=landlrod")
	b.waitLines()
	b.keys("b")
	b.wait(`document.querySelector("#bundle-dialog").open`)
	seen := eval[string](b, `fetch(document.querySelector("#take-seen").href).then((a) => a.text())`)
	require.Equal(t, 1, strings.Count(seen, "\n"))
	require.Contains(t, seen, sessionUID)

	// The bundle: ten minutes around the line, all programs and hosts.
	require.Contains(t, eval[string](b, `document.querySelector("#bundle-command").textContent`), "archive.zip?since=")
	b.run(setValue("#bundle-minutes", "5"))
	resp := d.get(t, strings.TrimPrefix(eval[string](b, `document.querySelector("#bundle-get").href`), d.url))
	require.Equal(t, 200, resp.StatusCode)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	archive, err := zip.NewReader(bytes.NewReader(body), int64(len(body)))
	require.NoError(t, err)
	var names []string
	for _, f := range archive.File {
		names = append(names, f.Name)
	}
	require.Contains(t, strings.Join(names, " "), "docassemble.log")
	require.Contains(t, strings.Join(names, " "), "manifest")
	b.run(setValue("#bundle-time", "no time"))
	b.wait(`document.querySelector("#bundle-get").getAttribute("aria-disabled") === "true"`)
	b.run(chromedp.KeyEvent("\x1b"))
	b.wait(`!document.querySelector("#bundle-dialog").open`)
}

// Errors are grouped, and each kind opens to its occurrences.
func TestErrorGroups(t *testing.T) {
	onlyFull(t)
	l := newLogs(t)
	l.history(2 * time.Hour)
	d := l.serve()
	b := newChrome(t).tab(t, d, wide)
	b.open("/-/errors")
	b.wait(`document.querySelectorAll(".group").length > 5`)
	b.run(typeInto("#filter", "no such parcel"))
	b.wait(`document.querySelectorAll(".group").length === 1`)
	n := eval[string](b, `document.querySelector(".group .times").textContent`)
	b.click(".group h2 a")
	b.waitLines()
	b.settle()
	b.wait(`document.querySelector('[data-chip="pattern"]')`)
	for _, text := range b.rows() {
		require.Contains(t, text, "linesValueError: no such parcel")
	}
	t.Logf("%s events of one kind, %d rows", n, b.count(".row"))
	b.open("/-/errors?since=-1h&order=count")
	b.wait(`document.querySelectorAll(".group").length > 5`)
	counts := eval[[]int](b, `[...document.querySelectorAll(".group .times")].map((e) => -Number(e.textContent.replace(",", "")))`)
	require.IsNonDecreasing(t, counts)
}
