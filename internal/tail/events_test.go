package tail

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// events are texts that belong together, each as the program of that name
// writes it. Behind "plain" and those in whole nothing more is waited for.
var events = map[string]string{
	"plain": "2026-11-23 08:27:00 INFO ready\n",
	"python, by the logger": `ERROR:root:cannot divide
Traceback (most recent call last):
  File "/srv/app.py", line 3, in <module>
    return {'a':{}}['a']['b'] + 1 / 0
           ~~~~~~~~~~~~~^^^^^
KeyError: 'b'
`,
	"python, with the cause": `Traceback (most recent call last):
  File "/srv/app.py", line 6, in <module>
    f()
KeyError: 'b'

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "/srv/app.py", line 8, in <module>
    raise ValueError("second") from e
ValueError: second
`,
	"python, while handling another": `[2026-11-23 08:27:00: ERROR/MainProcess] Task x raised
Traceback (most recent call last):
  File "/srv/app.py", line 13, in <module>
    try: 1/0
         ~^~
ZeroDivisionError: division by zero

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/srv/app.py", line 14, in <module>
    except Exception: raise KeyError('x')
                      ^^^^^^^^^^^^^^^^^^^
KeyError: 'x'
`,
	"python, a group": `ERROR in worker
  + Exception Group Traceback (most recent call last):
  |   File "/srv/app.py", line 18, in <module>
  |     raise ExceptionGroup("eg", [ValueError(1), g])
  | ExceptionGroup: eg (2 sub-exceptions)
  | a note
  +-+---------------- 1 ----------------
    | Traceback (most recent call last):
    |   File "/srv/app.py", line 18, in f
    | ValueError: 1
    +---------------- 2 ----------------
    | ExceptionGroup: in (1 sub-exception)
    +-+---------------- 1 ----------------
      | KeyError: 'y'
      +------------------------------------
`,
	"python, of another process": `concurrent.futures.process._RemoteTraceback: 
"""
Traceback (most recent call last):
  File "/usr/lib/python3.11/concurrent/futures/process.py", line 256, in _process_worker
    r = call_item.fn(*call_item.args, **call_item.kwargs)
ZeroDivisionError: division by zero
"""

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "/srv/app.py", line 5, in <module>
    print(e.submit(f).result())
ZeroDivisionError: division by zero
`,
	"java": `java.lang.IllegalStateException: no room
	at org.example.Store.put(Store.java:17)
	at org.example.Main.main(Main.java:4)
	Suppressed: java.io.IOException: closed
		at org.example.Store.close(Store.java:20)
Caused by: java.io.IOException: disk full
	at org.example.Disk.write(Disk.java:9)
	... 2 more
`,
	"java, told by a logger": `08:27:00 ERROR o.e.Main - failed
java.lang.IllegalStateException: no room
	at org.example.Store.put(Store.java:17)
`,
	"go": `panic: assignment to entry in nil map

goroutine 1 [running]:
main.f(...)
	/srv/main.go:9
main.main()
	/srv/main.go:5 +0x2c
exit status 2
`,
	"indented": "SELECT *\n  FROM t\n  WHERE x\n",
}

// A traceback without a first line of its own belongs to the line before it. The
// first line of a Java stack trace is taken for that of an event.
const bareTraceback, ownEvent = "python, with the cause", "java, told by a logger"

func TestLastEvent(t *testing.T) {
	t.Parallel()
	plain := events["plain"]
	for name, event := range events {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lines := strings.SplitAfter(event, "\n")
			lines = lines[:len(lines)-1]
			befores := []string{"", plain, plain + plain, event}
			if name == bareTraceback {
				befores = befores[:1]
			}
			for _, before := range befores {
				for n := 1; n <= len(lines); n++ {
					p := before + strings.Join(lines[:n], "")
					start, open := LastEvent([]byte(p))
					if before != event && name != ownEvent { // the same twice may be a chain
						assert.Equal(t, len(before), start, "%q", p)
					}
					if n > 1 && n < len(lines) && !strings.Contains(name, "another process") && lines[n] != "goroutine 1 [running]:\n" {
						assert.True(t, open, "%q", p)
					}
				}
				start, open := LastEvent([]byte(before + event + plain))
				assert.Equal(t, len(before+event), start)
				assert.False(t, open)
			}
		})
	}
}

// It never leaves the text, and always begins with a line.
func TestLastEventOfAnything(t *testing.T) {
	t.Parallel()
	pieces := []string{"\n", " ", "\t", "\r\n", "a", "Traceback (most recent call last):", `"""`, "Caused by: ", "panic: ", "x.Error: ", "  + "}
	for _, text := range events {
		pieces = append(pieces, text)
	}
	rapid.Check(t, func(t *rapid.T) {
		p := strings.Join(rapid.SliceOf(rapid.SampledFrom(pieces)).Draw(t, "pieces"), "") + "\n"
		if rapid.Bool().Draw(t, "long") {
			p = strings.Repeat("  indented\n", 7000) + p
		}
		start, _ := LastEvent([]byte(p))
		require.GreaterOrEqual(t, start, 0)
		require.Less(t, start, len(p))
		require.True(t, start == 0 || p[start-1] == '\n')
		require.True(t, start == 0 || len(p)-start <= holdBytes || len(p) <= holdBytes)
	})
}

// A traceback that is written line by line comes in one chunk, and nothing that
// is complete waits for it.
func TestTracebackComesWhole(t *testing.T) {
	t.Parallel()
	r := tempRig(t, Config{}, "app.log")
	r.append("app.log", "")
	r.look()
	event := events["python, while handling another"]
	lines := strings.SplitAfter(event, "\n")
	r.append("app.log", "before\n"+strings.Join(lines[:3], ""))
	r.step(time.Second)
	r.read()
	r.want("before")
	for _, line := range lines[3:] {
		r.append("app.log", line)
		r.step(fastLook / 2)
		r.read()
	}
	r.want()
	var chunks int
	for range 20 {
		r.step(fastLook)
		chunks += r.read()
	}
	assert.Equal(t, 1, chunks)
	r.want(strings.Split(strings.TrimSuffix(event, "\n"), "\n")...)

	r.append("app.log", event+"after\n")
	r.step(time.Second)
	assert.Equal(t, 1, r.read(), "nothing to wait for")
}

// What never ends is held back for a moment, and never more than holdBytes.
func TestHoldsBackLittle(t *testing.T) {
	t.Parallel()
	r := tempRig(t, Config{}, "app.log")
	r.append("app.log", "")
	r.look()
	r.append("app.log", "head\n  body\n")
	r.step(time.Second)
	require.Zero(t, r.read())
	for range 3 * holdFor / fastLook {
		r.append("app.log", "  more\n")
		r.step(fastLook)
		r.read()
	}
	require.Greater(t, len(r.lines), 2, "the moment is over")
	r.lines = nil
	r.append("app.log", strings.Repeat("  more\n", holdBytes/6))
	r.step(time.Second)
	r.read()
	require.NotEmpty(t, r.lines)
}

// The next file of a path waits for an event that is held back in the last one.
func TestHeldBackBeforeTheNextFile(t *testing.T) {
	t.Parallel()
	r := tempRig(t, Config{}, "app.log")
	r.append("app.log", "")
	r.look()
	r.append("app.log", "head\n  body\n")
	r.step(time.Second)
	r.read()
	r.rename("app.log", "app.log.1")
	r.append("app.log", "next\n")
	for range 30 {
		r.step(5 * fastLook)
		r.read()
	}
	r.want("head", "  body", "next")
}

// At the end nothing is held back.
func TestEndHoldsNothing(t *testing.T) {
	t.Parallel()
	r := tempRig(t, Config{}, "app.log")
	r.append("app.log", "")
	r.look()
	r.append("app.log", "head\n  body\n")
	r.step(time.Second)
	r.read()
	r.want()
	r.tailer.ending = true
	r.step(time.Millisecond)
	r.tailer.lookAgain()
	r.step(0)
	r.read()
	r.want("head", "  body")
}

func BenchmarkLastEvent(b *testing.B) {
	line := "2026-11-23 08:27:00,123 INFO " + strings.Repeat("x", 200) + "\n"
	p := []byte(strings.Repeat(line, holdBytes/len(line)))
	b.SetBytes(int64(len(p)))
	for b.Loop() {
		LastEvent(p)
	}
}
