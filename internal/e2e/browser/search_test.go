package browser

import (
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// Search as one types: filter or mark, text or pattern, with and without, with
// matches marked and counted.
func TestSearch(t *testing.T) {
	onlyFull(t)
	l := newLogs(t)
	l.numbered("app.log", 5000)
	d := l.serve()
	b := newChrome(t).tab(t, d, wide)
	b.open("/-/view?file=app.log")
	b.waitLines()

	b.keys("/")
	b.search("LINE 49")
	b.wait(`document.querySelector("#count").textContent === "111"`)
	b.wait(`document.querySelectorAll(".row").length === 111`) // 49, 490-499, 4900-4999
	require.Equal(t, 111, b.count(".row mark"))
	require.Equal(t, "line 49", eval[string](b, `document.querySelector("mark").textContent`))
	require.Contains(t, eval[string](b, `document.querySelector("#limits").textContent`), "111 matching lines")

	b.click("#exact")
	b.wait(`document.querySelector("#state[data-kind=empty]") && !document.querySelector("#state").hidden`)
	require.Contains(t, b.text(), "No line matches")
	b.click("#exact")
	b.waitLines()

	b.search(`line (\d)00\d `)
	b.wait(`document.querySelector("#state[data-kind=empty]")`)
	b.click("#regex")
	b.wait(`document.querySelector("#count").textContent === "40"`)

	// A pattern that is not finished is told beside the box, and the lines stay.
	b.search(`line (`)
	b.wait(`document.querySelector("#q").getAttribute("aria-invalid") === "true"`)
	require.Contains(t, eval[string](b, `document.querySelector("#count").textContent`), "missing")
	require.NotEmpty(t, b.rows())

	b.search("INFO")
	b.click("#invert")
	b.wait(`document.querySelector("#count").textContent === "10"`)
	b.wait(`document.querySelectorAll(".row").length === 10`)
	b.click("#invert")

	// All state is in the URL, and the way back leads through it.
	link := eval[string](b, "location.pathname + location.search")
	b.open(link)
	b.waitLines()
	require.Equal(t, "INFO", eval[string](b, `document.querySelector("#q").value`))
	require.Equal(t, link, eval[string](b, "location.pathname + location.search"))

	// Marking leaves the lines; n goes to the next match, far outside too.
	b.open("/-/view?file=app.log&q=ERROR&mark=1&exact=1")
	b.waitLines()
	b.wait(`document.querySelector("#count").textContent === "10"`)
	require.Len(t, b.rows(), 120)
	b.keys("N")
	b.wait(`document.querySelector(".row.current .text")?.textContent.startsWith("ERROR line 4750")`)
	b.keys("N")
	b.wait(`document.querySelector(".row.current .text")?.textContent.startsWith("ERROR line 4250")`)
	b.keys("n")
	b.wait(`document.querySelector(".row.current .text")?.textContent.startsWith("ERROR line 4750")`)
	require.Equal(t, "ERROR", eval[string](b, `document.querySelector(".row.current mark").textContent`))

	// A pattern that only RE2 understands.
	b.open("/-/view?file=app.log&regex=1&mark=1&exact=1&q=%28%3FP%3Clevel%3EERROR%29+line+4%5Cd%2B")
	b.waitLines()
	b.settle()
	b.keys("N")
	b.wait(`document.querySelector(".row.current .text")?.textContent.startsWith("ERROR line 4750")`)
	b.keys("N")
	b.wait(`document.querySelector(".row.current .text")?.textContent.startsWith("ERROR line 4250")`)

	// Around a hit, unfiltered.
	b.open("/-/view?file=app.log&q=line+2500+")
	b.wait(`document.querySelectorAll(".row").length === 1`)
	b.keys("j")
	b.keys("x")
	b.wait(`document.querySelectorAll(".row").length > 100 && document.querySelector(".row.target")`)
	require.Contains(t, eval[string](b, `document.querySelector(".row.target .text").textContent`), "line 2500 ")

	// Lines around each hit.
	b.open("/-/view?file=app.log&q=line+2500+&context=3")
	b.wait(`document.querySelectorAll(".row").length === 7`)
	require.Equal(t, 6, b.count(".row.around"))
}

// Levels, hosts, time: every filter narrows, and each can be taken away.
func TestFilters(t *testing.T) {
	onlyFull(t)
	l := newLogs(t)
	l.history(3 * time.Hour)
	d := l.serve()
	b := newChrome(t).tab(t, d, wide)
	b.open("/-/view?file=worker.log")
	b.waitLines()
	b.wait(`document.querySelectorAll("#chips .chip").length === 3`)

	b.run(setValue("#level", "error"))
	b.wait(`location.search.includes("level=error")`)
	b.settle()
	b.waitLines()
	require.Zero(t, b.count(`.row:not([data-level="error"]):not([data-level="critical"])`))

	b.click(`[data-chip="host=web2"]`)
	b.wait(`location.search.includes("host=web2")`)
	b.settle()
	b.waitLines()
	require.Zero(t, eval[int](b, `[...document.querySelectorAll(".row .host")].filter((e) => e.textContent !== "web2").length`))
	b.click(`[data-chip="host=web2"]`)
	b.wait(`!location.search.includes("host=")`)
	b.settle()

	// A drag over the bars is a range; the chip takes it away.
	const plotBox = `(() => { const r = document.querySelector(".plot").getBoundingClientRect(); return [r.left, r.top + r.height / 2, r.width]; })()`
	box := eval[[]float64](b, plotBox)
	b.run(drag(box[0]+box[2]*0.4, box[1], box[0]+box[2]*0.6))
	b.wait(`location.search.includes("since=") && location.search.includes("until=")`)
	b.settle()
	b.waitLines()
	b.click(`[data-chip="range"]`)
	b.wait(`!location.search.includes("since=")`)
	b.settle()

	// A click on a bar goes there; so does a time that is typed.
	b.open("/-/view?file=docassemble.log")
	b.waitLines()
	b.wait(`document.querySelector("#histogram svg")`)
	b.settle()
	box = eval[[]float64](b, plotBox)
	b.run(chromedp.MouseClickXY(box[0]+box[2]*0.5, box[1]))
	b.wait(`location.search.includes("time=")`)
	b.settle()
	middle := time.Now().Add(-90 * time.Minute)
	visible := `Date.parse(/(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)/.exec(document.querySelector("#where").textContent).slice(1).join("T") + "Z")`
	require.InDelta(t, middle.Unix(), eval[float64](b, visible)/1000, 600)
	b.keys("t")
	b.wait(`document.querySelector("#range-dialog").open`)
	b.run(typeInto("#goto", "nonsense\r"))
	b.wait(`document.querySelector("#range-error").textContent.includes("is no time")`)
	b.run(setValue("#goto", ""), typeInto("#goto", "-2h\r"))
	b.wait(`!document.querySelector("#range-dialog").open`)
	b.settle()
	b.wait(`Math.abs(` + visible + ` - (Date.now() - 7200e3)) < 300e3`)

	// Next and previous error, by key.
	b.keys("e")
	b.wait(`document.querySelector('.row.current[data-level="error"]')`)
	first := eval[string](b, `document.querySelector(".row.current .time").href`)
	b.keys("e")
	b.wait(`document.querySelector(".row.current .time").href !== ` + quoteJS(first))
	b.keys("E")
	b.wait(`document.querySelector(".row.current .time").href === ` + quoteJS(first))
}

// Several files by time, and a session over all of them.
func TestMergedAndSession(t *testing.T) {
	onlyFull(t)
	l := newLogs(t)
	l.history(2 * time.Hour)
	d := l.serve()
	b := newChrome(t).tab(t, d, wide)
	b.open("/-/view?file=access.log&file=uwsgi.log&file=worker.log")
	b.waitLines()
	times := eval[[]string](b, `[...document.querySelectorAll(".row .time")].map((e) => /[\d-]+ [\d:.]+/.exec(e.title)[0])`)
	require.IsNonDecreasing(t, times)
	require.Equal(t, 3, eval[int](b, `new Set([...document.querySelectorAll(".row .file")].map((e) => e.textContent)).size`))
	for range 5 {
		n := b.count(".row")
		b.run(evaluate(`document.querySelector("#log").scrollTop = 0`))
		b.wait(`document.querySelectorAll(".row").length > ` + itoa(n))
		b.settle()
	}
	times = eval[[]string](b, `[...document.querySelectorAll(".row .time")].map((e) => /[\d-]+ [\d:.]+/.exec(e.title)[0])`)
	require.IsNonDecreasing(t, times)

	// A field of docassemble is a link to its session.
	b.open("/-/view?file=docassemble.log&q=landlrod")
	b.waitLines()
	b.keys("\x1b")
	b.keys("\x1b") // without the search the header is short and has links
	b.open("/-/view?file=docassemble.log&q=NameError&mark=1&level=error&since=-25m&until=-15m")
	b.waitLines()
	b.run(evaluate(`[...document.querySelectorAll(".f-uid")].find((a) => a.textContent === "` + sessionUID + `").click()`))
	b.wait(`location.search.includes("session=uid")`)
	b.wait(`document.querySelectorAll(".row").length === 5`)
	require.Contains(t, strings.Join(b.rows(), "\n"), "background_action")

	// By address nginx's own lines are found as well.
	b.open("/-/view?session=ip:" + sessionIP)
	b.wait(`document.querySelectorAll(".row").length === 6`)
	require.Contains(t, strings.Join(b.rows(), "\n"), "GET /interview")

	// A link to a line of several files.
	b.keys("j")
	b.keys("j")
	b.keys("l")
	b.wait(`location.search.includes("at=")`)
	want := eval[string](b, `document.querySelector(".row.current .text").textContent`)
	b.open(eval[string](b, "location.pathname + location.search"))
	b.wait(`document.querySelector(".row.target")`)
	require.Equal(t, want, eval[string](b, `document.querySelector(".row.target .text").textContent`))
}
