package browser

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestSmoke is what `make test` sees of the pages: once through home, a file, a
// search, following, a session and the errors, on a desk by day and on a phone by
// night, under a policy without exception.
func TestSmoke(t *testing.T) {
	l := newLogs(t)
	l.history(2 * time.Hour)
	l.line("evil.log", time.Now(), "web1", "evil", `<img src=x onerror="window.hacked = 1"> end`)
	d := l.serve()
	c := newChrome(t)
	for _, s := range []screen{wide, {360, 740, "dark"}} {
		t.Run(s.theme, func(t *testing.T) { c.tab(t, d, s).smoke(s) })
	}
	t.Run("policy", func(t *testing.T) {
		b := c.tab(t, d, wide)
		b.open("/-/view?file=evil.log")
		b.waitLines()
		require.Contains(t, b.rows()[0], "<img src=x onerror")
		require.True(t, eval[bool](b, `window.hacked === undefined`))
		b.policyHolds("/-/view?file=worker.log")
	})
}

func (b *tab) smoke(s screen) {
	t := b.t
	fits := func(where string) {
		t.Helper()
		b.look(where + "-" + s.theme)
		require.LessOrEqual(t, eval[int](b, "document.documentElement.scrollWidth"), int(s.width), "%s is wider than the screen", where)
		dark := eval[bool](b, `getComputedStyle(document.body).backgroundColor.match(/\d+/g).slice(0, 3).every((c) => c < 80)`)
		require.Equal(t, s.theme == "dark", dark, "the theme of %s", where)
	}
	b.open("/")
	b.wait(`document.querySelectorAll("td.spark svg").length > 1`) // of those on the screen
	b.wait(`document.querySelector(".tile.bad b")?.textContent === "` + silentHost + ` is silent"`)
	fits("home")

	b.open("/-/view?file=worker.log")
	b.waitLines()
	b.wait(`document.querySelector("#histogram svg")`)
	fits("file")
	b.search("no such parcel")
	b.wait(`document.querySelector(".row mark")`)
	b.wait(`Number(document.querySelector("#count").textContent.replace(",", "")) > 3`)
	b.click(".row .opener")
	b.wait(`document.querySelector(".traceback")?.textContent.includes("no such parcel")`)
	fits("search")

	b.open("/-/view?follow=1")
	b.wait(`document.querySelector("#follow").dataset.state === "live"`)
	sender := b.daemon.sender(t)
	sender.send("web1", "docassemble", "info", "docassemble: this line comes while one looks, in "+s.theme)
	sender.flush()
	b.wait(`[...document.querySelectorAll(".row")].at(-1).textContent.includes("looks, in ` + s.theme + `")`)

	b.open("/-/view?session=uid:" + sessionUID)
	b.wait(`document.querySelectorAll(".row").length === 5`)
	fits("session")

	b.open("/-/errors")
	b.wait(`document.querySelectorAll(".group").length > 3`)
	fits("errors")
	b.click(".group h2 a")
	b.waitLines()
}
