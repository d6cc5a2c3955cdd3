package browser

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// Following shows new lines at once, holds still when one scrolls up or
// selects, says how many wait, and finds dalogd again.
func TestFollow(t *testing.T) {
	onlyFull(t)
	l := newLogs(t)
	l.numbered("app.log", 500)
	d := l.serve("--rotate-size", "64KiB")
	b := newChrome(t).tab(t, d, wide)
	b.open("/-/view?file=app.log")
	b.waitLines()
	b.keys("f")
	b.wait(`document.querySelector("#follow").dataset.state === "live"`)
	s := d.sender(t)
	n := 500
	send := func(count int) {
		for range count {
			s.send("web1", "app", "info", fmt.Sprintf("INFO line %d of the file", n))
			n++
		}
		s.flush()
	}
	last := `[...document.querySelectorAll(".row .text")].at(-1).textContent`
	sees := func(i int) { b.wait(fmt.Sprintf(`%s.includes("line %d ")`, last, i)) }
	send(10)
	sees(509)
	send(2000) // over rotations
	sees(2509)
	require.True(t, eval[bool](b, `(() => { const r = [...document.querySelectorAll(".row")].at(-1).getBoundingClientRect(); return r.bottom <= innerHeight; })()`), "the end is seen")

	// Scrolling up holds.
	b.run(evaluate(`document.querySelector("#log").scrollBy(0, -400)`))
	b.wait(`document.querySelector("#follow").dataset.state === "frozen"`)
	top := eval[string](b, `document.elementFromPoint(500, 300).closest(".row").textContent`)
	send(25)
	b.wait(`document.querySelector("#thaw").textContent.includes("25 new lines")`)
	require.Equal(t, top, eval[string](b, `document.elementFromPoint(500, 300).closest(".row").textContent`), "nothing moves")
	b.click("#thaw")
	sees(n - 1)
	b.wait(`document.querySelector("#follow").dataset.state === "live"`)

	// So does selecting.
	b.run(evaluate(`getSelection().selectAllChildren(document.querySelector(".chunk:last-child .row .text"))`))
	b.wait(`document.querySelector("#follow").dataset.state === "frozen"`)
	send(3)
	b.wait(`document.querySelector("#thaw").textContent.includes("3 new lines")`)
	b.run(evaluate(`getSelection().removeAllRanges()`))
	b.click("#thaw")
	sees(n - 1)

	// Filters hold for what comes.
	b.open("/-/view?file=app.log&q=special&follow=1")
	b.wait(`document.querySelector("#follow").dataset.state === "live"`)
	send(50)
	s.send("web1", "app", "info", "INFO line "+strconv.Itoa(n)+" of the file is special")
	s.flush()
	b.wait(`document.querySelectorAll(".row").length === 1`)

	// Of a traceback that comes while errors are followed, the lines between are
	// there when it is opened; two that follow each other are two.
	b.open("/-/view?file=app.log&level=error&follow=1")
	b.wait(`document.querySelector("#follow").dataset.state === "live"`)
	b.wait(`document.querySelector("#bottom").textContent === ""`)
	for _, what := range []string{"one", "two"} {
		for _, line := range []string{"Traceback (most recent call last):", `  File "app.py", line 7, in run`, "    raise ValueError()", "ValueError: " + what} {
			s.send("web1", "app", "info", line)
		}
	}
	s.flush()
	b.wait(`[...document.querySelectorAll(".row .last")].map((e) => e.textContent).join() === "ValueError: one,ValueError: two"`)
	b.keys("G")
	b.run(evaluate(`navigator.clipboard.writeText = (text) => ((window.copied = text), Promise.resolve())`))
	b.keys("y")
	b.wait(`(window.copied || "").split("\n").length === 4 && copied.includes("raise ValueError()")`)
	b.keys("\r")
	b.wait(`document.querySelector(".row.open .traceback")?.textContent.includes("raise ValueError()")`)
	require.Contains(t, eval[string](b, `document.querySelector(".row.open .opener").textContent`), "4 lines")
	require.NotContains(t, eval[string](b, `document.querySelector(".row.open .traceback").textContent`), "one")

	// dalogd goes and comes back.
	b.open("/-/view?file=app.log&follow=1")
	b.wait(`document.querySelector("#follow").dataset.state === "live"`)
	require.NoError(t, d.Kill())
	b.wait(`document.querySelector("#follow").dataset.state === "waiting"`)
	require.Contains(t, b.text(), "Connection lost")
	again := l.serve("--http", d.url[len("http://"):])
	s = again.sender(t)
	send(5)
	b.wait(`document.querySelector("#follow").dataset.state === "live"`)
	sees(n - 1)
}
