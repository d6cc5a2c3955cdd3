package browser

import (
	"testing"
	"time"
)

// TestLook is the short look: home and a file are shown, without a complaint.
func TestLook(t *testing.T) {
	l := newLogs(t)
	l.history(2 * time.Hour)
	d := l.serve()
	c := newChrome(t)
	b := c.tab(t, d, wide)
	b.open("/")
	b.wait(`document.querySelector("html.alive")`)
	b.wait(`document.querySelectorAll("td.spark svg").length > 3`)
	b.look("home")
	b.open("/-/view?file=docassemble.log")
	b.waitLines()
	b.wait(`document.querySelector("#histogram svg")`)
	b.look("file")
}
