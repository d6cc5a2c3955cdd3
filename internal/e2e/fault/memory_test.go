package fault

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dalog-project/dalog/internal/e2e/peers"
)

// deliver runs everything until all lines have arrived, and stops it.
func (c *cluster) deliver() {
	c.t.Helper()
	d := c.run()
	for _, s := range c.servers {
		s.start()
		for _, f := range s.files {
			c.waitLast(f)
		}
	}
	for _, s := range c.servers {
		s.stop()
	}
	d.stop()
}

// times counts how often each line of a file is at the centre, and wants them in
// order as far as they came the first time.
func (c *cluster) times(f *appFile) []int {
	c.t.Helper()
	counts := make([]int, f.next)
	highest := -1
	for _, seq := range c.stored(f) {
		require.LessOrEqual(c.t, seq, highest+1, "line %d of %s", seq, f.path)
		highest = max(highest, seq)
		counts[seq]++
	}
	return counts
}

// dalogfwd's state is lost: it cannot know what was delivered, and sends all files
// again. Nothing is missing, and what was not delivered before is there once.
func TestForwarderStateLost(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1, 3)
	s := c.servers[0]
	for _, f := range s.files {
		f.append(t, 200)
	}
	c.deliver()
	require.NoError(t, os.RemoveAll(s.state))
	for _, f := range s.files {
		f.append(t, 100)
	}
	c.deliver()
	again := 0
	for _, f := range s.files {
		counts := c.times(f)
		for seq, n := range counts {
			want := 2
			if seq >= 200 {
				want = 1
			}
			require.Equal(t, want, n, "line %d of %s", seq, f.path)
			again += n - 1
		}
	}
	t.Logf("lines %d, stored twice %d, lost 0", 3*300, again)
}

// dalogd's folder is replaced by an older copy of it: dalogfwd sends again what is
// missing there, and only that.
func TestServerRestored(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 2, 3)
	backup := filepath.Join(t.TempDir(), "backup")
	appendAll := func(n int) {
		for _, s := range c.servers {
			for _, f := range s.files {
				f.append(t, n)
			}
		}
	}
	appendAll(200)
	c.deliver()
	copyFolder(t, c.dir, backup, nil)
	// Of one file the copy knows nothing; another one is not written to any more.
	fresh := &appFile{path: filepath.Join(filepath.Dir(c.servers[0].files[0].path), "fresh.log"), program: "p90", source: 90}
	c.servers[0].files = append(c.servers[0].files, fresh)
	t.Cleanup(fresh.close)
	appendAll(100)
	c.deliver()
	require.NoError(t, os.RemoveAll(c.dir))
	copyFolder(t, backup, c.dir, nil)
	for _, f := range c.servers[1].files {
		f.append(t, 50)
	}
	d := c.run()
	for _, s := range c.servers {
		s.start()
		for _, f := range s.files {
			c.waitLast(f)
		}
		eventually(t, "dalogfwd to tell", func() bool { return s.saw("the server has less of the file than it had confirmed") })
		s.stop()
	}
	d.stop()
	t.Logf("lines %d: 0 lost, 0 duplicated, in order", c.require())
}

// A machine is cloned, with dalogfwd's state, the files and their identities. Both
// go on writing: nothing of either is taken for the other's, and nothing that
// was delivered before comes again.
func TestClonedMachine(t *testing.T) {
	t.Parallel()
	peers.NeedRoot(t, "mount file systems")
	need(t, "unshare")
	image := filepath.Join(t.TempDir(), "image")
	makeImage(t, image, "ext4", 32)
	here := mounted(t, "-o", "loop", image)
	c := newCluster(t, 1, 0)
	one := c.servers[0]
	one.state, one.host = here.folder("state"), "one"
	for k := range 3 {
		one.files = append(one.files, &appFile{path: here.folder(fmt.Sprintf("f%d.log", k)), program: fmt.Sprintf("p%d", k), source: k})
	}
	for _, f := range one.files {
		f.append(t, 100)
	}
	c.deliver()
	for _, f := range one.files {
		f.close()
	}

	here.sync() // it may stay mounted in namespaces that others have made meanwhile
	require.NoError(t, here.unmount())
	clone := image + "2"
	out, err := exec.Command("cp", "--sparse=always", image, clone).CombinedOutput()
	require.NoError(t, err, "%s", out)
	here.attach()
	there := mounted(t, "-o", "loop", clone)
	two := &appServer{
		t: t, addr: c.addr, state: one.state, host: "two",
		wrap: []string{"unshare", "-m", "sh", "-c", `mount --make-rprivate / && mount --bind "$1" "$2" && shift 2 && exec "$@"`, "sh", there.dir, here.dir},
	}
	t.Cleanup(func() {
		two.kill()
		if t.Failed() {
			t.Logf("the clone said:\n%s", two.output.String())
		}
	})
	for k, f := range one.files {
		// What follows are lines of another source, beside the first 100 of the same.
		two.files = append(two.files, &appFile{path: f.path, program: f.program, source: 10 + k})
	}
	d := c.run()
	one.start()
	two.start()
	for round := range 20 {
		for k := range one.files {
			one.files[k].append(t, 5)
			twin := *two.files[k]
			twin.path, twin.file = there.folder(filepath.Base(twin.path)), nil
			twin.append(t, 5+round%3)
			twin.close()
			two.files[k].next = twin.next
		}
		time.Sleep(50 * time.Millisecond)
	}
	eventually(t, "all lines of both to arrive", func() bool {
		for k, f := range one.files {
			mine, theirs, _ := c.storedOf(f, two.files[k])
			if len(mine) < f.next || len(theirs) < two.files[k].next {
				return false
			}
		}
		return true
	})
	one.stop()
	two.stop()
	d.stop()
	again := 0
	for k, f := range one.files {
		mine, theirs, _ := c.storedOf(f, two.files[k])
		require.Len(t, mine, f.next)
		require.Len(t, theirs, two.files[k].next)
		for i, seq := range mine {
			require.Equal(t, i, seq)
		}
		for i, seq := range theirs {
			require.Equal(t, i, seq)
		}
	}
	t.Logf("lines of both %d, stored twice %d, lost 0", 3*(one.files[0].next+two.files[0].next), again)
	require.True(t, one.saw("going on under a new name") || two.saw("going on under a new name"))
}

// storedOf is the numbers of the lines of two sources in the same central file.
func (c *cluster) storedOf(a, b *appFile) (ofA, ofB []int, total int) {
	c.t.Helper()
	names, err := generations(c.dir, a.program)
	require.NoError(c.t, err)
	for _, name := range names {
		data, err := contents(name)
		require.NoError(c.t, err)
		for len(data) > 0 {
			end := 0
			for end < len(data) && data[end] != '\n' {
				end++
			}
			if end == len(data) {
				break
			}
			source, seq, err := parseLine(data[:end])
			require.NoError(c.t, err)
			switch source {
			case a.source:
				ofA = append(ofA, seq)
			case b.source:
				ofB = append(ofB, seq)
			}
			total++
			data = data[end+1:]
		}
	}
	return ofA, ofB, total
}
