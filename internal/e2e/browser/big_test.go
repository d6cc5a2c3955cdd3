package browser

import (
	"bufio"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"sort"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var (
	bigSize   = flag.Int64("big", 10<<30, "bytes of the big file")
	followFor = flag.Duration("follow", 10*time.Minute, "how long the tab follows 5,000 lines a second")
)

// bigFile writes a file of that size whose lines lie evenly in the last day.
func (l *logs) bigFile(name string, size int64) {
	l.t.Helper()
	require.NoError(l.t, os.MkdirAll(l.dir, 0o755))
	f, err := os.Create(filepath.Join(l.dir, name))
	require.NoError(l.t, err)
	w := bufio.NewWriterSize(f, 1<<20)
	const body = " web1 app: INFO request 0123456789abcdef took 17 ms and gave 200 for /interview?i=docassemble.lease:data/questions/main.yml\n"
	lines := size / int64(len(body)+32)
	begin := time.Now().Add(-24 * time.Hour)
	step := 24 * time.Hour / time.Duration(lines)
	buf := make([]byte, 0, 256)
	for i := range lines {
		buf = begin.Add(time.Duration(i)*step).AppendFormat(buf[:0], "2006-01-02T15:04:05.000000-07:00")
		buf = append(buf, body...)
		if i%10_000 == 5000 {
			copy(buf[43:], "ERROR")
		}
		_, err := w.Write(buf)
		require.NoError(l.t, err)
	}
	require.NoError(l.t, w.Flush())
	require.NoError(l.t, f.Close())
	debug.FreeOSMemory()
}

// On 10 GB: first lines and jumps to a time within 300 ms, few rows, and no task
// over 100 ms, on a machine that does little else.
func TestBigFile(t *testing.T) {
	onlyFull(t)
	l := newLogs(t)
	l.bigFile("app.log", *bigSize)
	l.bigFile("small.log", 200_000)
	d := l.serve("--rotate-size", "0", "--rotate-every", "never")
	b := newChrome(t).tab(t, d, wide)

	open := func(file string) float64 {
		b.open("/-/view?file=" + file)
		b.wait(`performance.getEntriesByName("lines-shown").length`)
		return eval[float64](b, `performance.getEntriesByName("lines-shown")[0].startTime`)
	}
	jump := func(minutes int) float64 {
		return eval[float64](b, fmt.Sprintf(`(async () => {
			document.querySelector("#range").click();
			const goto = document.querySelector("#goto");
			goto.value = "-%dm";
			const begun = performance.now();
			performance.clearMarks();
			document.querySelector("#goto-ok").click();
			while (!performance.getEntriesByName("lines-shown").length) await new Promise((f) => setTimeout(f, 1));
			return performance.getEntriesByName("lines-shown")[0].startTime - begun;
		})()`, minutes))
	}
	var first, firstSmall, jumps, jumpsSmall []float64
	for i := range 7 {
		firstSmall = append(firstSmall, open("small.log"))
		jumpsSmall = append(jumpsSmall, jump(60+i*190))
		first = append(first, open("app.log"))
		jumps = append(jumps, jump(60+i*190))
	}
	most := 0
	longest := b.longestTask(func() {
		for i := range 40 {
			if i%10 == 0 {
				jump(30 + i*33)
			}
			b.run(evaluate(`document.querySelector("#log").scrollBy(0, 3000)`))
			most = max(most, b.count(".row"))
			time.Sleep(30 * time.Millisecond)
		}
	})
	t.Logf("%.1f GB: first lines %s, on a small file %s; jump to a time %s, on a small file %s; at most %d rows, longest task %.0f ms",
		float64(*bigSize)/1e9, middle(first), middle(firstSmall), middle(jumps), middle(jumpsSmall), most, longest)
	require.LessOrEqual(t, median(first), 300.0)
	require.LessOrEqual(t, median(jumps), 300.0)
	require.Less(t, most, 3000)
	require.LessOrEqual(t, longest, 100.0)
}

// Following 5,000 lines a second for minutes the tab's memory stays flat.
func TestFollowingForLong(t *testing.T) {
	onlyFull(t)
	l := newLogs(t)
	l.history(10 * time.Minute)
	d := l.serve()
	b := newChrome(t).tab(t, d, wide)
	b.open("/-/view?follow=1")
	b.wait(`document.querySelector("#follow").dataset.state === "live"`)
	stop := l.keepWriting(d, 5000)
	heap := `(gc(), gc(), performance.memory.usedJSHeapSize / 1e6)`
	var heaps []float64
	begun := time.Now()
	for time.Since(begun) < *followFor {
		time.Sleep(min(*followFor/10, 30*time.Second))
		heaps = append(heaps, eval[float64](b, heap))
		t.Logf("after %v: heap %.1f MB, %d rows", time.Since(begun).Round(time.Second), heaps[len(heaps)-1], b.count(".row"))
		require.Less(t, b.count(".row"), 3500)
		require.Equal(t, "live", eval[string](b, `document.querySelector("#follow").dataset.state`))
	}
	longest := b.longestTask(func() { time.Sleep(10 * time.Second) })
	sent := stop()
	t.Logf("%d lines in %v: heap %.1f MB at first, %.1f MB at last, longest task %.0f ms", sent, time.Since(begun).Round(time.Second), heaps[0], heaps[len(heaps)-1], longest)
	require.Less(t, heaps[len(heaps)-1], heaps[0]*1.5+10)
	require.LessOrEqual(t, longest, 100.0)
}

func median(v []float64) float64 {
	sort.Float64s(v)
	return v[len(v)/2]
}

func middle(v []float64) string {
	m := median(v)
	return fmt.Sprintf("%.0f ms (%.0f to %.0f)", m, v[0], v[len(v)-1])
}
