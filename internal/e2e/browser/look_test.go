package browser

import (
	"testing"
	"time"
)

// TestLook is the short look: home, a file and the errors are shown, without a
// complaint.
func TestLook(t *testing.T) {
	l := newLogs(t)
	l.history(2 * time.Hour)
	d := l.serve()
	c := newChrome(t)
	b := c.tab(t, d, wide)
	b.open("/")
	b.wait(`document.querySelectorAll("td.spark svg").length > 3`)
	b.look("home")
	b.open("/-/view?file=worker.log")
	b.waitLines()
	b.wait(`document.querySelector("#histogram svg")`)
	b.look("file")
	b.open("/-/errors")
	b.wait(`document.querySelectorAll(".group").length > 3`)
	b.look("errors")
	b.open("/-/view?session=uid:" + sessionUID)
	b.waitLines()
	b.wait(`document.querySelector("#histogram svg")`)
	b.look("session")
}
