package browser

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Home says what there is, who is silent, what is refused and how much room is
// left, and grows while one looks.
func TestHome(t *testing.T) {
	onlyFull(t)
	l := newLogs(t)
	l.history(2 * time.Hour)
	d := l.serve("--rotate-size", "300KiB")
	b := newChrome(t).tab(t, d, wide)
	b.open("/")
	b.wait(`document.querySelectorAll("td.spark svg").length > 5`)
	require.Equal(t, "web3 is silent", eval[string](b, `document.querySelector(".tile.bad b").textContent`))
	require.Contains(t, b.text(), "nothing from any program for 4")
	require.Contains(t, b.text(), "of disk left")
	require.Contains(t, b.text(), "Nothing refused or dropped")
	b.wait(`document.querySelectorAll("#writers tbody tr.silent").length >= 6`)
	require.Zero(t, b.count(`#writers tbody tr.silent a[href*="web1"]`))
	b.wait(`document.querySelector('tr[data-file="worker.log"] td.hosts').textContent.includes("web1")`)

	// It grows.
	stop := l.keepWriting(d, 400)
	b.wait(`[...document.querySelectorAll(".growth")].some((c) => c.textContent.endsWith("/s"))`)
	stop()

	// Parts are shown beneath their file, and are text.
	b.open("/")
	b.wait(`document.querySelector("details summary")`)
	require.Contains(t, eval[string](b, `document.querySelector("tbody details summary").textContent`), "older part")

	// A search from here goes over all files.
	b.run(typeInto(`.everywhere input`, sessionUID+"\r"))
	b.waitLines()
	b.wait(`document.querySelectorAll(".row").length === 5`)
	require.Contains(t, eval[string](b, "location.href"), "/-/view?")
}

// When dalogd is away the page says so and keeps what it had.
func TestHomeWhileAway(t *testing.T) {
	onlyFull(t)
	l := newLogs(t)
	l.history(time.Hour)
	d := l.serve()
	b := newChrome(t).tab(t, d, wide)
	b.open("/")
	b.wait(`document.querySelectorAll(".tile").length > 2`)
	require.NoError(t, d.Kill())
	b.wait(`!document.querySelector("#stale").hidden`)
	require.Contains(t, b.text(), "does not answer")
	require.Contains(t, b.text(), "docassemble.log")
}
