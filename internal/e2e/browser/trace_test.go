package browser

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/tracing"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// longestTask does something and gives the milliseconds of the longest task of
// the page meanwhile.
func (b *tab) longestTask(do func()) float64 {
	b.t.Helper()
	ctx, cancel := context.WithCancel(b.ctx)
	defer cancel()
	data, done := chromedp.Events(ctx, tracing.DataCollected), chromedp.Events(ctx, tracing.TracingComplete)
	_, err := chromedp.Call(b.ctx, tracing.Start, tracing.StartParams{TraceConfig: &tracing.TraceConfig{IncludedCategories: []string{"toplevel"}, ExcludedCategories: []string{"*"}}})
	require.NoError(b.t, err)
	do()
	_, err = chromedp.Call(b.ctx, tracing.End, cdp.Empty{})
	require.NoError(b.t, err)
	go func() {
		for range done {
			time.Sleep(200 * time.Millisecond) // what is queued before it
			cancel()
			return
		}
	}()
	type event struct {
		Name     string
		PID, TID int
		Dur      float64
		TDur     float64 // of it on a processor
		Args     struct{ Name string }
	}
	main := map[[2]int]bool{}
	var tasks []event
	for part, err := range data {
		if err != nil {
			break
		}
		for _, raw := range part.Value {
			var e event
			if json.Unmarshal(raw, &e) != nil {
				continue
			}
			switch {
			case e.Name == "thread_name" && e.Args.Name == "CrRendererMain":
				main[[2]int{e.PID, e.TID}] = true
			case e.Dur > 0:
				tasks = append(tasks, e)
			}
		}
	}
	var longest event
	for _, e := range tasks {
		if main[[2]int{e.PID, e.TID}] && e.Dur > longest.Dur {
			longest = e
		}
	}
	require.Positive(b.t, longest.Dur, "no task was traced")
	b.t.Logf("longest task: %.0f ms, %.0f ms of them on a processor", longest.Dur/1000, longest.TDur/1000)
	return longest.Dur / 1000
}

func TestLongestTask(t *testing.T) {
	onlyFull(t)
	l := newLogs(t)
	l.numbered("app.log", 5000)
	d := l.serve()
	b := newChrome(t).tab(t, d, wide)
	b.open("/-/view?file=app.log")
	b.waitLines()
	busy := b.longestTask(func() { b.run(evaluate(`{ const t = performance.now(); while (performance.now() - t < 300); }`)) })
	require.Greater(t, busy, 299.0)
	scroll := b.longestTask(func() {
		for range 20 {
			b.run(evaluate(`document.querySelector("#log").scrollTop = 0`))
			time.Sleep(100 * time.Millisecond)
		}
	})
	t.Logf("longest task while scrolling: %.0f ms", scroll)
	require.LessOrEqual(t, scroll, 100.0)
}
