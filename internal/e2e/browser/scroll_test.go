package browser

import (
	"fmt"
	"net/url"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"
)

// Scrolling reaches every line in both directions, over closed parts, and never
// holds more than a few thousand rows.
func TestScrollingReachesEveryLine(t *testing.T) {
	onlyFull(t)
	const n = 12_000
	l := newLogs(t)
	l.numbered("app.log", n)
	d := l.serve("--rotate-size", "150KiB")
	b := newChrome(t).tab(t, d, wide)
	b.open("/-/view?file=app.log")
	b.waitLines()
	rows := b.rows()
	require.Equal(t, n-1, number(t, rows[len(rows)-1]), "it opens at the end")

	most := 0
	seen := map[int]bool{}
	look := func() (first, last int) {
		rows := b.rows()
		most = max(most, len(rows))
		first, last = number(t, rows[0]), number(t, rows[len(rows)-1])
		require.Equal(t, len(rows)-1, last-first, "the rows are all lines between the first and the last")
		for i := first; i <= last; i++ {
			seen[i] = true
		}
		return first, last
	}
	for first := n; first > 0; {
		b.run(chromedp.Evaluate[chromedp.Void](`document.querySelector("#log").scrollTop = 0`))
		b.wait(fmt.Sprintf(`Number(/line (\d+)/.exec(document.querySelector(".row .text").textContent)[1]) < %d`, first))
		b.settle()
		first, _ = look()
	}
	require.Len(t, seen, n)
	b.wait(`document.querySelector("#top").textContent === "Beginning"`)
	clear(seen)
	for last := -1; last < n-1; {
		b.run(chromedp.Evaluate[chromedp.Void](`document.querySelector("#log").scrollTop = 1e9`))
		_, last = look()
	}
	require.Less(t, most, 3000)
	t.Logf("at most %d rows at once", most)

	// What is seen stays where it is while lines are read above it.
	b.keys("G")
	b.run(chromedp.Evaluate[chromedp.Void](`document.querySelector("#log").scrollTop = 300`))
	b.settle()
	time.Sleep(100 * time.Millisecond)
	top := `document.elementFromPoint(500, document.querySelector("#log").getBoundingClientRect().top + 60).closest(".row").querySelector(".text").textContent`
	before := number(t, eval[string](b, top))
	b.run(chromedp.Evaluate[chromedp.Void](`document.querySelector("#log").scrollBy(0, -40)`))
	b.settle()
	time.Sleep(300 * time.Millisecond)
	require.InDelta(t, before-2, number(t, eval[string](b, top)), 2)

	// Anywhere by the rail, first and last line by keys.
	b.run(chromedp.Evaluate[chromedp.Void](`document.querySelector("#rail").focus()`), chromedp.KeyEvent(kb.End))
	b.keys("g")
	b.wait(`document.querySelector(".row .text").textContent.includes("line 0 ")`)
	require.Equal(t, 0, number(t, eval[string](b, top))/40)
	box := eval[[]float64](b, `(() => { const r = document.querySelector("#rail").getBoundingClientRect(); return [r.left + r.width / 2, r.top + r.height / 2]; })()`)
	b.run(chromedp.MouseClickXY(box[0], box[1]))
	b.wait(`Math.abs(Number(/line (\d+)/.exec(` + top + `)[1]) - 6000) < 600`)
}

// A link to a line shows that line, though the file was rotated meanwhile, and
// says so when the line is no longer kept.
func TestLinkToALine(t *testing.T) {
	onlyFull(t)
	l := newLogs(t)
	l.numbered("app.log", 3000)
	d := l.serve("--rotate-size", "64KiB", "--keep-count", "6")
	b := newChrome(t).tab(t, d, wide)
	b.open("/-/view?file=app.log&q=line+2900+")
	b.wait(`document.querySelectorAll(".row").length === 1`)
	b.keys("j")
	b.keys("\x1b") // the line that was chosen stays, without the filter
	b.wait(`document.querySelectorAll(".row").length > 1 && document.querySelector(".row.current .text")?.textContent.includes("line 2900 ")`)
	b.settle()
	b.keys("l")
	b.wait(`location.search.includes("at=")`)
	at := eval[string](b, `new URL(location.href).searchParams.get("at")`)
	link := "/-/view?file=app.log&at=" + at

	s := d.sender(t)
	for i := range 2000 {
		s.send("web1", "app", "info", fmt.Sprintf("INFO line %d of the file", 3000+i))
	}
	s.flush()
	b.wait(`fetch("/?format=json").then((a) => a.text()).then((t) => t.includes("app.log.1"))`)
	b.open(link)
	b.wait(`document.querySelector(".row.target")`)
	require.Contains(t, eval[string](b, `document.querySelector(".row.target .text").textContent`), "line 2900 ")
	require.True(t, eval[bool](b, `(() => { const r = document.querySelector(".row.target").getBoundingClientRect(); return r.top > 0 && r.bottom < innerHeight; })()`))

	// Each flood closes a part, until the one with the line has to go.
	gone := `fetch("/app.log?format=json&limit=1&from=` + url.QueryEscape(at) + `").then((a) => a.status === 410)`
	n := 5000
	for deadline := time.Now().Add(3 * time.Minute); !eval[bool](b, gone); time.Sleep(500 * time.Millisecond) {
		require.True(t, time.Now().Before(deadline), "the part is still there")
		for range 1500 {
			s.send("web1", "app", "info", fmt.Sprintf("INFO line %d of the file", n))
			n++
		}
		s.flush()
	}
	b.open(link)
	b.wait(`document.querySelector("#state[data-kind=failed]")`)
	require.Contains(t, b.text(), "no longer kept")
	b.click("#state .main")
	b.waitLines()
	b.wait(`/Here begins what is kept/.test(document.querySelector("#top").textContent)`)
}
