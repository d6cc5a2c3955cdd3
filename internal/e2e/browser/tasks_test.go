package browser

import (
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// The tasks of docs/page-tasks.md, by what the screen says.
func TestTasks(t *testing.T) {
	onlyFull(t)
	l := newLogs(t)
	l.history(time.Hour)
	d := l.serve()
	c := newChrome(t)

	t.Run("the traceback of a user", func(t *testing.T) {
		b := c.tab(t, d, wide)
		b.open("/")
		b.run(typeInto(".everywhere input", sessionUser))
		b.click(".everywhere button")
		b.waitLines()
		b.settle()
		b.wait(`document.querySelectorAll(".row").length === 4`)
		b.click(`.row[data-level="error"] .opener`)
		b.wait(`document.querySelector(".traceback")?.textContent.includes("NameError: name 'landlrod' is not defined")`)
	})
	t.Run("which host is silent", func(t *testing.T) {
		b := c.tab(t, d, wide)
		b.open("/")
		b.wait(`document.querySelector(".tile.bad b")?.textContent === "` + silentHost + ` is silent"`)
		require.Contains(t, b.text(), "nothing from any program for 4")
	})
	t.Run("follow errors only", func(t *testing.T) {
		b := c.tab(t, d, wide)
		b.open("/")
		b.click(`nav a[href*="view"]`)
		b.waitLines()
		b.run(setValue("#level", "error"))
		b.settle()
		b.click("#follow")
		b.wait(`document.querySelector("#follow").dataset.state === "live"`)
		n := b.count(".row")
		s := d.sender(t)
		s.send("web1", "docassemble", "debug", "docassemble: nothing special")
		s.send("web1", "nginx", "error", time.Now().Format("2006/01/02 15:04:05")+" [error] 388#388: *71 connect() failed")
		s.flush()
		b.wait(`[...document.querySelectorAll(".row")].at(-1).textContent.includes("connect() failed")`)
		require.Equal(t, n+1, b.count(".row"))
	})
	t.Run("a link to a line", func(t *testing.T) {
		b := c.tab(t, d, wide)
		b.open("/-/view?file=docassemble.log")
		b.waitLines()
		b.settle()
		third := `[...document.querySelectorAll(".row")].filter((r) => r.getBoundingClientRect().top > 200)[3]`
		want := eval[string](b, third+`.querySelector(".text").textContent`)
		at := eval[[]float64](b, `(() => { const r = `+third+`.querySelector(".time").getBoundingClientRect(); return [r.left + r.width / 2, r.top + r.height / 2]; })()`)
		b.run(chromedp.MouseClickXY(at[0], at[1]))
		b.wait(`location.search.includes("at=") && document.querySelector("#toast").textContent === "Link to this line copied"`)
		link := eval[string](b, "location.pathname + location.search")
		b.open(link)
		b.wait(`document.querySelector(".row.target")`)
		require.Equal(t, want, eval[string](b, `document.querySelector(".row.target .text").textContent`))
	})
	t.Run("a bundle of ten minutes", func(t *testing.T) {
		b := c.tab(t, d, wide)
		b.open("/-/view?file=docassemble.log&q=landlrod")
		b.waitLines()
		b.settle()
		b.click("#bundle")
		b.wait(`document.querySelector("#bundle-dialog").open`)
		require.Equal(t, "Download the bundle", eval[string](b, `document.querySelector("#bundle-get").textContent`))
		link := eval[string](b, `document.querySelector("#bundle-get").href`)
		resp := d.get(t, strings.TrimPrefix(link, d.url))
		require.Equal(t, 200, resp.StatusCode, link)
		require.Equal(t, "application/zip", resp.Header.Get("Content-Type"))

		// Home leads there as well.
		b.open("/")
		b.click(`nav a[href$="#bundle"]`)
		b.wait(`document.querySelector("#bundle-dialog")?.open && document.querySelector("#bundle-get").href`)
		require.NotContains(t, eval[string](b, "location.href"), "#")
	})
}

// The pictures in docs/.
func TestPictures(t *testing.T) {
	onlyFull(t)
	l := newLogs(t)
	l.history(3 * time.Hour)
	d := l.serve()
	c := newChrome(t)
	b := c.tab(t, d, screen{1280, 800, "light"})
	b.open("/")
	b.wait(`document.querySelectorAll("td.spark svg").length > 5 && document.querySelectorAll(".tile").length > 2`)
	b.picture("home")
	b.open("/-/errors")
	b.wait(`document.querySelectorAll(".group").length > 5`)
	b.picture("errors")
	b.open("/-/view?session=ip:" + sessionIP)
	b.waitLines()
	b.settle()
	b.click(`.row[data-level="error"] .opener`)
	b.picture("session")
	b = c.tab(t, d, screen{1280, 800, "dark"})
	b.open("/-/view?file=worker.log&q=parcel&mark=1")
	b.waitLines()
	b.settle()
	b.keys("E")
	b.keys("\r")
	b.picture("file")
}
