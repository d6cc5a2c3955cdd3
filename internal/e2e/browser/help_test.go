package browser

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// onlyFull leaves a test to `make browser`.
func onlyFull(t *testing.T) {
	t.Helper()
	if !*full {
		t.Skip("only with -full")
	}
}

func typeInto(selector, text string) chromedp.Action[chromedp.Void] {
	return chromedp.SendKeys(chromedp.CSS(selector), text, chromedp.NodeVisible)
}

// rows is what the rows in the page say, from the first to the last.
func (b *tab) rows() []string {
	b.t.Helper()
	return eval[[]string](b, `[...document.querySelectorAll(".row .text")].map((e) => e.textContent)`)
}

// search types into the search box and waits until its answer is shown.
func (b *tab) search(text string) {
	b.t.Helper()
	b.run(chromedp.Evaluate[chromedp.Void](`document.querySelector("#q").focus(); document.querySelector("#q").select()`), chromedp.KeyEvent(text))
	b.wait(fmt.Sprintf(`new URL(location.href).searchParams.get("q") === %q`, text))
	b.settle()
}

// settle waits until nothing loads.
func (b *tab) settle() {
	b.t.Helper()
	b.wait(`!document.querySelector("#lines[aria-busy]") && !document.querySelector(".busy") && !document.querySelector("#histogram.loading")`)
}

// numbered writes n lines to a file, a second apart, the last one now.
func (l *logs) numbered(file string, n int) {
	begin := time.Now().Add(-time.Duration(n) * time.Second)
	for i := range n {
		text := fmt.Sprintf("INFO line %d of the file", i)
		if i%500 == 250 {
			text = fmt.Sprintf("ERROR line %d of the file", i)
		}
		l.line(file, begin.Add(time.Duration(i)*time.Second), fmt.Sprintf("web%d", 1+i%3), strings.TrimSuffix(file, ".log"), text)
	}
	l.flush()
}

// number finds the number of a line of numbered.
func number(t *testing.T, text string) int {
	t.Helper()
	var level string
	var n int
	_, err := fmt.Sscanf(text, "%s line %d of", &level, &n)
	require.NoError(t, err, "%q", text)
	return n
}

func evaluate(expression string) chromedp.Action[chromedp.Void] {
	return chromedp.Evaluate[chromedp.Void](expression)
}

// setValue changes a field as a person's choice does.
func setValue(selector, value string) chromedp.Action[chromedp.Void] {
	return evaluate(fmt.Sprintf(`(() => { const e = document.querySelector(%q); e.value = %q; e.dispatchEvent(new Event("input", { bubbles: true })); e.dispatchEvent(new Event("change", { bubbles: true })); })()`, selector, value))
}

// drag presses at (x, y) and lets go at (to, y).
func drag(x, y, to float64) chromedp.Action[chromedp.Void] {
	return chromedp.DragAndDropXY(x, y, to, y)
}

func quoteJS(s string) string { return fmt.Sprintf("%q", s) }
func itoa(n int) string       { return strconv.Itoa(n) }
