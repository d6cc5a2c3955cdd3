package browser

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Whatever a log says is shown as text: nothing of it runs, turns the text
// around it, colours it, or makes the page stand still.
func TestHostileText(t *testing.T) {
	onlyFull(t)
	l := newLogs(t)
	now := time.Now().Add(-time.Minute)
	hostile := []string{
		`<script>window.hacked = 1</script>`,
		`<img src=x onerror="window.hacked = 1"><svg onload="window.hacked = 1">`,
		`"><iframe srcdoc="<script>parent.hacked = 1</script>">`,
		`javascript:window.hacked=1 uid=javascript:window.hacked=1 user="><b> i=<i> ip='onclick=`,
		"evil \u202egnp.exe\u202c and \u2066isolate\u2069 and \u200bzero\ufeff",
		"\x1b[31mred\x1b[0m \x07bell \x00nul",
		`stored escapes \x1b[31mred\x1b[0m \x00`,
		"wide 表单错误 🙂 and שגיאה בטופס · خطأ في النموذج",
		`{"__proto__":{"hacked":1},"constructor":{"prototype":{"hacked":1}},"<b>":"<script>window.hacked=1</script>"}`,
		strings.Repeat("((((((((", 2000),
		strings.Repeat("A", 1<<20) + " the end",
		strings.Repeat("é\u202e", 1<<19),
	}
	for i, text := range hostile {
		l.line("evil.log", now.Add(time.Duration(i)*time.Millisecond), "<b>web1", "evil<u>", text)
	}
	l.line("a b&c.log", now, "web1", "amp", "a name with a blank")
	d := l.serve()
	c := newChrome(t)
	b := c.tab(t, d, wide)

	harmless := func() {
		t.Helper()
		require.True(t, eval[bool](b, `window.hacked === undefined && ({}).hacked === undefined`))
		require.Zero(t, b.count(`#lines script, #lines img, #lines iframe, #lines b, #lines u, #lines svg:not(.icon)`))
	}
	for _, page := range []string{"/-/view?file=evil.log", "/-/view", "/-/view?file=evil.log&q=script", "/-/errors?since=", "/-/plain?file=evil.log", "/", "/-/view?file=<script>window.hacked%3D1</script>&q=<img+src=x+onerror=window.hacked=1>&session=uid:<script>"} {
		b.open(page)
		b.wait(`document.readyState === "complete"`)
		time.Sleep(300 * time.Millisecond)
		harmless()
	}
	b.open("/-/view?file=evil.log")
	b.wait(`document.querySelectorAll(".row").length === ` + itoa(len(hostile)))
	text := b.text()
	for _, want := range []string{"<script>window.hacked = 1</script>", "U+202E", "U+2066", "U+200B", "表单错误", "שגיאה בטופס"} {
		require.Contains(t, text, want)
	}
	require.NotContains(t, text, "\u202e")
	require.NotContains(t, text, "\x1b")
	require.Less(t, eval[int](b, `document.querySelector("#lines").textContent.length`), 60_000, "long lines are not held whole")

	// Opened, the long line is all there, and the page stays alive meanwhile.
	b.run(evaluate(`[...document.querySelectorAll(".row")].find((r) => r.textContent.includes("AAAA")).querySelector(".opener").click()`))
	b.wait(`document.querySelector(".detail .quiet")`)
	longest := b.longestTask(func() {
		b.run(evaluate(`document.querySelector(".detail .quiet").click()`))
		b.wait(`document.querySelector(".long").textContent.endsWith("the end") && !document.querySelector(".detail .quiet")`)
	})
	require.Equal(t, 1<<20+8, eval[int](b, `document.querySelector(".long").textContent.length`))
	t.Logf("a line of 1 MB opened: longest task %.0f ms", longest)
	require.LessOrEqual(t, longest, 100.0)

	// JSON is a table, and touches nothing.
	b.run(evaluate(`[...document.querySelectorAll(".row")].find((r) => r.textContent.includes("__proto__")).querySelector(".opener").click()`))
	b.wait(`document.querySelector(".fields")`)
	harmless()

	// A name that needs quoting.
	b.open("/")
	b.wait(`document.querySelector('tr[data-file="a b&c.log"]') || document.querySelector('tr[data-file="evil.log"]')`)
}

// The policy has no exception, on no page.
func TestPolicy(t *testing.T) {
	onlyFull(t)
	l := newLogs(t)
	l.history(time.Hour)
	d := l.serve()
	b := newChrome(t).tab(t, d, wide)
	for _, page := range []string{"/", "/-/view?file=worker.log", "/-/errors", "/-/plain?file=worker.log"} {
		b.policyHolds(page)
	}
}

// policyHolds opens a page, whose policy must be strict and in force.
func (b *tab) policyHolds(page string) {
	b.t.Helper()
	policy := b.daemon.get(b.t, page+map[bool]string{true: "?format=html"}[page == "/"]).Header.Get("Content-Security-Policy")
	for _, part := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "require-trusted-types-for 'script'", "trusted-types 'none'"} {
		require.Contains(b.t, policy, part, page)
	}
	require.NotContains(b.t, policy, "unsafe")
	require.NotContains(b.t, policy, "http")
	b.open(page)
	b.wait(`document.readyState === "complete"`)
	require.True(b.t, eval[bool](b, `(() => { try { document.body.innerHTML = "<b>"; return false; } catch { return true; } })()`), page)
	// The console tells of that, and of nothing else.
	select {
	case complaint := <-b.complaints:
		require.Contains(b.t, complaint, "TrustedHTML")
	case <-time.After(patience):
		b.t.Fatalf("%s: the browser did not complain of markup", page)
	}
	require.Zero(b.t, b.count("[style]:not(.seen):not(.brush):not(.tip):not(#rail span)"), "no styles in the markup of %s", page)
	require.True(b.t, eval[bool](b, `performance.getEntriesByType("resource").every((e) => e.name.startsWith(location.origin))`), "nothing from elsewhere")
}
