package browser

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"

	"github.com/dalog-project/dalog/internal/e2e/peers"
)

// screens are what people have: both themes, a phone and a wide desk.
var screens = []screen{{1600, 1000, "light"}, {1600, 1000, "dark"}, {360, 740, "light"}, {360, 740, "dark"}}

type finding struct {
	ID, Impact, Help string
	Nodes            []struct {
		HTML           string
		FailureSummary string
	}
}

// axe runs the rules of axe-core on what the tab shows.
func (b *tab) axe(source, where string) {
	b.t.Helper()
	if !eval[bool](b, "Boolean(window.axe)") {
		b.run(evaluate(source + "; void 0"))
	}
	result := eval[string](b, `axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"] }).then((r) => JSON.stringify(r.violations.map(({ id, impact, help, nodes }) => ({ id, impact, help, nodes: nodes.slice(0, 3).map(({ html, failureSummary }) => ({ html, failureSummary })) }))))`)
	var findings []finding
	require.NoError(b.t, json.Unmarshal([]byte(result), &findings))
	for _, f := range findings {
		serious := f.Impact == "serious" || f.Impact == "critical"
		text := fmt.Sprintf("%s: %s (%s): %s", where, f.ID, f.Impact, f.Help)
		for _, n := range f.Nodes {
			text += fmt.Sprintf("\n  %.200s\n  %.300s", n.HTML, n.FailureSummary)
		}
		if serious {
			b.t.Error(text)
		} else {
			b.t.Log(text)
		}
	}
}

// No page has a serious finding, in both themes, narrow and wide, with its
// dialogs and its empty and failed states; and nothing is wider than the screen.
func TestAccessibility(t *testing.T) {
	onlyFull(t)
	cache, err := peers.Cache()
	require.NoError(t, err)
	axe, err := os.ReadFile(filepath.Join(cache, "axe-core", "axe.min.js"))
	require.NoError(t, err, "scripts/peers.sh browser brings it")
	l := newLogs(t)
	l.history(time.Hour)
	d := l.serve()
	c := newChrome(t)
	for _, s := range screens {
		name := fmt.Sprintf("%s-%d", s.theme, s.width)
		t.Run(name, func(t *testing.T) {
			b := c.tab(t, d, s)
			check := func(where string) {
				t.Helper()
				b.look(where + "-" + name)
				b.axe(string(axe), where)
				require.LessOrEqual(t, eval[int](b, "document.documentElement.scrollWidth"), int(s.width), "%s is wider than the screen", where)
			}
			b.open("/")
			b.wait(`document.querySelectorAll("td.spark svg").length > 1 && document.querySelectorAll(".tile").length > 2`)
			check("home")
			b.open("/-/errors")
			b.wait(`document.querySelectorAll(".group").length > 3`)
			check("errors")
			b.open("/-/plain?file=worker.log")
			check("plain")
			b.open("/-/view?session=uid:" + sessionUID)
			b.waitLines()
			b.settle()
			b.keys("j")
			check("session")
			b.open("/-/view?file=worker.log&q=error")
			b.waitLines()
			b.settle()
			b.keys("j")
			b.keys("\r")
			check("file")
			b.open("/-/view?file=worker.log&q=nothing+like+this")
			b.wait(`document.querySelector("#state[data-kind=empty]") && !document.querySelector("#state").hidden`)
			check("empty")
			b.open("/-/view?file=nothing.log")
			b.wait(`document.querySelector("#state[data-kind=failed]")`)
			check("failed")
			for _, dialog := range []string{"files", "range", "bundle", "settings", "help"} {
				b.open("/-/view?file=worker.log")
				b.waitLines()
				b.settle()
				b.run(evaluate(`document.querySelector("#` + dialog + `").click()`))
				b.wait(`document.querySelector("#` + dialog + `-dialog").open && !document.querySelector("#` + dialog + `-dialog").textContent.includes("Loading the list")`)
				check(dialog)
			}
		})
	}
}

// Everything can be reached and done without a mouse.
func TestKeyboardAlone(t *testing.T) {
	onlyFull(t)
	l := newLogs(t)
	l.history(time.Hour)
	d := l.serve()
	b := newChrome(t).tab(t, d, wide)
	focus := `(document.activeElement.id || document.activeElement.className || document.activeElement.tagName)`

	// From home into a file.
	b.open("/")
	b.wait(`document.querySelectorAll(".tile").length > 2`)
	b.keys("\t")
	require.Equal(t, "skip", eval[string](b, focus))
	b.keys("\r\t\t")
	b.wait(`document.activeElement.closest("#files")`)
	for range 60 {
		if eval[bool](b, `Boolean(document.activeElement.textContent === "worker.log" && document.activeElement.closest("#files"))`) {
			break
		}
		b.keys("\t")
	}
	b.keys("\r")
	b.wait(`location.pathname === "/-/view"`)
	b.waitLines()
	b.settle()

	// Every control is reached by Tab, in the order of the screen, and shows it.
	seen := map[string]bool{}
	for range 40 {
		b.keys("\t")
		seen[eval[string](b, focus)] = true
	}
	for _, id := range []string{"files", "q", "exact", "regex", "invert", "mode-filter", "mode-mark", "prev", "next", "level", "range", "bundle", "share", "settings", "help", "plot", "rail", "follow", "errors"} {
		require.True(t, seen[id], "%s is not reached: %v", id, seen)
	}

	// The keys of the help do what it says, but for where one types or chooses.
	b.run(evaluate(`document.activeElement.blur()`))
	b.keys("?")
	b.wait(`document.querySelector("#help-dialog").open`)
	require.Greater(t, b.count("#help-keys kbd"), 30)
	b.keys("\x1b")
	b.wait(`!document.querySelector("#help-dialog").open`)
	b.keys("G")
	b.wait(`document.querySelector(".row.current")`)
	b.keys("kkk")
	row := eval[string](b, `document.activeElement.querySelector(".time").href`)
	require.NotEmpty(t, row)
	b.keys("e")
	b.keys("E")
	b.wait(`document.activeElement.dataset.level === "error"`)
	b.keys("\r")
	b.wait(`document.activeElement.classList.contains("open")`)
	b.keys("y")
	b.wait(`!document.querySelector("#toast").hidden`)
	b.keys("v")
	b.wait(`document.querySelector("#lines.wrap")`)
	b.keys("v")
	b.keys("f")
	b.wait(`document.querySelector("#follow").dataset.state === "live"`)
	b.keys("f")
	b.wait(`document.querySelector("#follow").dataset.state === "off"`)

	// A range by the chart.
	b.run(evaluate(`document.querySelector(".plot").focus()`))
	b.keys(kb.ArrowLeft + kb.ArrowLeft + kb.ArrowLeft)
	b.wait(`!document.querySelector(".tip").hidden`)
	b.keys("\r")
	b.wait(`location.search.includes("time=")`)
	b.settle()

	// The rail.
	b.run(evaluate(`document.querySelector("#rail").focus()`))
	b.keys(kb.Home)
	b.wait(`document.querySelector("#top").textContent.includes("Beginning")`)

	// From a line of docassemble to its session.
	b.open("/-/view?file=docassemble.log&q=landlrod")
	b.waitLines()
	b.keys("j")
	b.keys("u")
	b.wait(`location.search.includes("session=uid")`)
	b.keys("h")
	b.wait(`location.pathname === "/"`)
}
