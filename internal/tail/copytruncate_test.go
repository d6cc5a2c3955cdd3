package tail

import (
	"bytes"
	"compress/gzip"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/dalog-project/dalog/internal/delivery"
)

// copyTruncate is logrotate at work on app.log with copytruncate, one step after
// the other as it calls the system, and a program that writes to the file.
type copyTruncate struct {
	*rig
	compress, delay bool // as logrotate has them
	width           int  // of lines
	window          bool // the program writes between the copy and the truncation, too

	next    int          // number of the next line
	mayMiss map[int]bool // lines that logrotate may lose
	kept    int          // app.log.1 to app.log.N exist, compressed or not
	half    []byte       // the rest of what is being written
	times   time.Time    // of the file that is compressed
}

// step is one thing that happens to the folder.
type step struct {
	name string
	do   func()
}

func (c *copyTruncate) write(lines int, lost bool) {
	var b strings.Builder
	for range lines {
		fmt.Fprintf(&b, "%06d %s\n", c.next, strings.Repeat("x", c.width))
		c.mayMiss[c.next] = lost
		c.next++
	}
	c.append("app.log", b.String())
}

// rotation is one rotation, step by step.
func (c *copyTruncate) rotation() []step {
	packed := "app.log.1"
	pack := []step{
		{"gz made", func() {
			if !c.exists(packed) {
				return
			}
			b, err := os.ReadFile(c.path(packed))
			require.NoError(c.t, err)
			st, err := os.Stat(c.path(packed))
			require.NoError(c.t, err)
			c.times = st.ModTime()
			var z bytes.Buffer
			w := gzip.NewWriter(&z)
			_, _ = w.Write(b)
			require.NoError(c.t, w.Close())
			c.half = z.Bytes()
			c.append(packed+".gz", "")
		}},
		{"gz half written", func() {
			if c.exists(packed) {
				n := len(c.half) / 2
				c.append(packed+".gz", string(c.half[:n]))
				c.half = c.half[n:]
			}
		}},
		{"gz written", func() {
			if c.exists(packed) {
				c.append(packed+".gz", string(c.half))
			}
		}},
		{"gz has its time", func() {
			if c.exists(packed) {
				require.NoError(c.t, os.Chtimes(c.path(packed+".gz"), c.times, c.times))
			}
		}},
		{"copy removed", func() {
			if c.exists(packed) {
				c.remove(packed)
			}
		}},
	}
	var steps []step
	if c.compress && c.delay {
		steps = append(steps, pack...)
	}
	steps = append(steps,
		step{"names shifted", func() {
			for n := c.kept; n > 0; n-- {
				for _, ext := range []string{"", ".gz"} {
					if from := fmt.Sprint("app.log.", n, ext); c.exists(from) {
						c.rename(from, fmt.Sprint("app.log.", n+1, ext))
					}
				}
			}
			c.kept++
		}},
		step{"copy made", func() { c.append("app.log.1", "") }},
		step{"copy half written", func() {
			b, err := os.ReadFile(c.path("app.log"))
			require.NoError(c.t, err)
			n := len(b)/2 + 3
			c.append("app.log.1", string(b[:n]))
			c.half = b[n:]
		}},
		step{"copy written", func() { c.append("app.log.1", string(c.half)) }},
	)
	if c.window {
		steps = append(steps, step{"written to meanwhile", func() { c.write(2, true) }})
	}
	steps = append(steps,
		step{"truncated", func() { c.truncate("app.log") }},
		step{"written to", func() { c.write(1, false) }},
	)
	if c.compress && !c.delay {
		steps = append(steps, pack...)
	}
	return append(steps, step{"written to more", func() { c.write(12, false) }})
}

func newCopyTruncate(t T, dir string, c copyTruncate) *copyTruncate {
	c.rig = newRig(t, dir, Config{TempDir: dir}, "app.log")
	c.server = map[delivery.SourceID]int64{}
	c.mayMiss = map[int]bool{}
	return &c
}

// check looks until nothing more can come, and compares.
func (c *copyTruncate) check() {
	c.settle()
	c.restart()
	c.settle()
	c.now = c.now.Add(time.Hour)
	c.settle()
	var wrong []string
	came := map[int]int{}
	for _, line := range c.lines {
		var n int
		_, err := fmt.Sscanf(line, "%d ", &n)
		require.NoError(c.t, err, "%q", line)
		came[n]++
	}
	for n := range c.next {
		switch {
		case came[n] == 0 && !c.mayMiss[n]:
			wrong = append(wrong, fmt.Sprintf("line %d is lost", n))
		case came[n] > 1:
			wrong = append(wrong, fmt.Sprintf("line %d came %d times", n, came[n]))
		}
	}
	for _, e := range c.events {
		if e.Unread > 0 && !c.window {
			wrong = append(wrong, fmt.Sprintf("event %d tells of %d bytes lost", e.Kind, e.Unread))
		}
	}
	if len(wrong) > 0 {
		require.Fail(c.t, strings.Join(wrong, "; "), "%s", c.story())
	}
}

func (c *copyTruncate) settle() {
	c.look()
	c.step(11 * time.Second)
	c.look()
}

// What is done between two steps.
const (
	nothing     = iota
	looks       // looks once, and does not read
	reads       // looks and reads, until nothing is new
	readsLazily // the same, but what the server has is not known here
	restarts    // and looks once
	restartsAndReads
	actionCount
)

var actionNames = []string{"nothing", "look", "read", "read, unconfirmed", "restart, look", "restart, read"}

func (c *copyTruncate) act(action int) {
	if action != nothing {
		c.log("    %s", actionNames[action])
	}
	switch action {
	case looks:
		c.step(time.Second)
	case reads:
		c.look()
	case readsLazily:
		c.lazy = true
		c.look()
		c.lazy = false
	case restarts:
		c.restart()
		c.step(time.Second)
	case restartsAndReads:
		c.restart()
		c.look()
	}
}

// run lets rotations happen, with act before each step and behind the last one.
func (c *copyTruncate) run(rotations int, act func(step int)) {
	c.append("app.log", "")
	c.look()
	c.write(5, false)
	i := 0
	for range rotations {
		act(i)
		c.write(3, false)
		for _, s := range c.rotation() {
			i++
			act(i)
			c.log("%s", s.name)
			s.do()
		}
		i++
	}
	act(i)
	c.check()
}

var copyTruncateForms = []copyTruncate{
	{compress: true},
	{compress: true, delay: true},
	{},
	{compress: true, window: true},
}

func (c *copyTruncate) form() string {
	return fmt.Sprintf("compress %t, delay %t, window %t", c.compress, c.delay, c.window)
}

var awayPlans = flag.Int("plans", 1, "TestCopyTruncateAway: of 48 ways to look, how many are tried for each time away")

// dalogfwd is stopped before any step of two rotations and started before any
// later one. What it does before that, at the start and later on comes in turn.
func TestCopyTruncateAway(t *testing.T) {
	t.Parallel()
	type plan struct {
		width, before, start, later int
	}
	var plans []plan
	for _, width := range []int{0, 2000} {
		for _, before := range []int{nothing, looks, reads, readsLazily} {
			for _, start := range []int{restarts, restartsAndReads} {
				for _, later := range []int{nothing, looks, reads} {
					plans = append(plans, plan{width, before, start, later})
				}
			}
		}
	}
	for i, form := range copyTruncateForms {
		t.Run(form.form(), func(t *testing.T) {
			t.Parallel()
			total := 2 * (len(form.rotation()) + 1)
			turn := i
			for down := range total {
				for up := down; up <= total; up++ {
					turn++
					for i := range min(*awayPlans, len(plans)) {
						plan := plans[(turn+i)%len(plans)]
						form.width = plan.width
						t.Run(fmt.Sprintf("width %d: %s until %d, %s at %d, then %s", plan.width, actionNames[plan.before], down, actionNames[plan.start], up, actionNames[plan.later]), func(t *testing.T) {
							c := newCopyTruncate(t, t.TempDir(), form)
							defer func() { c.tailer.Close() }()
							c.run(2, func(step int) {
								switch {
								case step < down:
									c.act(plan.before)
								case step == up:
									c.act(plan.start)
								case step > up:
									c.act(plan.later)
								}
							})
						})
					}
				}
			}
		})
	}
}

// Anything is done between any two steps.
func TestCopyTruncate(t *testing.T) {
	t.Parallel()
	for _, form := range copyTruncateForms {
		t.Run(form.form(), func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(t *rapid.T) {
				dir, err := os.MkdirTemp("", "dalog-tail-")
				require.NoError(t, err)
				defer os.RemoveAll(dir)
				form := form
				form.width = rapid.SampledFrom([]int{0, 2000}).Draw(t, "width")
				c := newCopyTruncate(t, dir, form)
				defer func() { c.tailer.Close() }()
				c.run(rapid.IntRange(1, 3).Draw(t, "rotations"), func(int) {
					c.act(rapid.IntRange(0, actionCount-1).Draw(t, "action"))
				})
			})
		})
	}
}

// An empty file is not a copy of what was there when it was seen first: it becomes
// one of what is there when it is written.
func TestCopyWhileEmpty(t *testing.T) {
	t.Parallel()
	r := tempRig(t, Config{}, "app.log")
	r.append("app.log", "a\n")
	r.look()
	r.copy("app.log", "app.log.1")
	r.truncate("app.log")
	r.append("app.log", "b1\nb2\n")
	r.rename("app.log.1", "app.log.2")
	r.append("app.log.1", "")
	r.lazy = true
	r.look()
	r.want("a", "b1", "b2")
	r.append("app.log.1", "b1\nb2\n")
	r.truncate("app.log")
	r.append("app.log", "c1\nc2\nc3\n")
	r.restart()
	r.lazy = false
	r.look()
	r.want("b1", "b2", "c1", "c2", "c3")
	for _, e := range r.events {
		require.Zero(t, e.Unread, "event %d", e.Kind)
	}
}

// Copied, truncated, written to and renamed between two looks: it is the renamed
// file whose content is gone, and not that of the new one at the path.
func TestCopiedAndRenamed(t *testing.T) {
	t.Parallel()
	r := tempRig(t, Config{}, "app.log")
	r.append("app.log", "a\n")
	r.look()
	r.append("app.log", "b\n")
	r.copy("app.log", "app.log.1")
	r.truncate("app.log")
	r.append("app.log", "c\nd\ne\n")
	r.rename("app.log.1", "app.log.2")
	r.rename("app.log", "app.log.1")
	r.append("app.log", "f\n")
	r.step(time.Second)
	r.append("app.log", "g\n")
	r.look()
	require.ElementsMatch(t, []string{"a", "b", "c", "d", "e", "f", "g"}, r.lines)
	require.Equal(t, 1, r.saw(FileTruncated))
}

// The copy is between two names while it is looked for: it is looked for again, and
// nothing is taken for lost.
func TestCopyBetweenTwoNames(t *testing.T) {
	t.Parallel()
	r := tempRig(t, Config{}, "app.log")
	r.append("app.log", "a\n")
	r.look()
	r.append("app.log", "b\n")
	r.copy("app.log", "app.log.1")
	r.truncate("app.log")
	r.append("app.log", "c\n")
	r.rename("app.log.1", "away") // as if the folder had been read just then
	r.tailer.tick = time.Hour     // however long that takes here
	r.step(time.Second)
	r.read()
	r.step(time.Second)
	r.rename("away", "app.log.1")
	r.tailer.tick = tick
	r.look()
	r.want("a", "b", "c")
}
