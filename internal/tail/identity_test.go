package tail

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A thousand files are rotated at once, with unread ends, in one of three ways
// each, once while they are followed and once while nobody looks.
func TestThousandRotated(t *testing.T) {
	t.Parallel()
	const files = 1000
	r := tempRig(t, Config{}, "*.log")
	name := func(i int) string { return fmt.Sprintf("%04d.log", i) }
	line := func(i, n int) string { return fmt.Sprintf("%04d %d\n", i, n) }
	for i := range files {
		r.append(name(i), line(i, 0))
	}
	r.look()
	n := 1
	for _, away := range []bool{false, true} {
		for i := range files {
			r.append(name(i), line(i, n))
			old := fmt.Sprint(name(i), ".1")
			if away {
				r.rename(old, fmt.Sprint(name(i), ".2"))
			}
			switch i % 3 {
			case 0:
				r.rename(name(i), old)
			case 1:
				r.copy(name(i), old)
				r.truncate(name(i))
			case 2: // written to once more, under its new name
				r.rename(name(i), old)
				r.append(old, line(i, n+10))
			}
			r.append(name(i), line(i, n+1))
		}
		if away {
			r.restart()
		}
		r.rest()
		r.look()
		n += 2
	}
	got := map[string][]string{}
	for _, line := range r.lines {
		file, number, _ := strings.Cut(line, " ")
		got[file] = append(got[file], number)
	}
	for i := range files {
		want := []string{"0", "1", "2", "3", "4"}
		if i%3 == 2 {
			want = []string{"0", "1", "11", "2", "3", "13", "4"}
		}
		require.Equal(t, want, got[fmt.Sprintf("%04d", i)], "file %d", i)
	}
	assert.Zero(t, r.saw(FileLost))
	r.lines = nil
	r.restart()
	r.look()
	r.want()
}

// Files that get their rotated names by links, one before the other goes, and the
// path's new file by a rename over the old one: at times a file has two names, and
// what is at the path has those of a rotated one.
func TestLinkChain(t *testing.T) {
	t.Parallel()
	for _, restarts := range []bool{false, true} {
		t.Run(fmt.Sprint("restarts ", restarts), func(t *testing.T) {
			t.Parallel()
			r := tempRig(t, Config{}, "app.log")
			look := func() {
				if restarts {
					r.restart()
				}
				r.look()
			}
			link := func(from, to string) {
				require.NoError(t, os.Link(r.path(from), r.path(to)))
				look()
			}
			var want []string
			write := func(name, line string) {
				r.append(name, line+"\n")
				want = append(want, line)
			}
			write("app.log", "first")
			look()
			for i := range 5 {
				write("app.log", fmt.Sprint("unread ", i))
				for n := i; n > 0; n-- {
					link(fmt.Sprint("app.log.", n), fmt.Sprint("app.log.", n+1))
					r.remove(fmt.Sprint("app.log.", n))
				}
				link("app.log", "app.log.1")
				write("app.log.1", fmt.Sprint("by its second name ", i))
				look()
				r.append("new", "")
				write("new", fmt.Sprint("new ", i))
				r.rename("new", "app.log")
				look()
				write("app.log.1", fmt.Sprint("late ", i))
				look()
			}
			r.want(want...)
			assert.Zero(t, r.saw(FileLost))
			assert.Zero(t, r.saw(FileTruncated))
		})
	}
}

// An inode that is used again and again, at once and over restarts, by files that
// begin alike, under the path's name and a rotated one.
func TestInodeReuseUnderRotation(t *testing.T) {
	t.Parallel()
	r := tempRig(t, Config{}, "app.log")
	head := strings.Repeat("same head ", 200) + "\n"
	inodes := map[uint64]int{}
	for i := range 300 {
		r.append("app.log", head+fmt.Sprintf("generation %d\n", i))
		st, err := lookAt(r.path("app.log"))
		require.NoError(t, err)
		inodes[st.key.ino]++
		r.look()
		if i%2 == 0 {
			r.append("app.log", "the end\n")
		}
		r.rename("app.log", "app.log.1") // over the one before
		if i%3 == 0 {
			r.restart()
		}
		r.look()
		want := []string{strings.TrimSuffix(head, "\n"), fmt.Sprint("generation ", i)}
		if i%2 == 0 {
			want = append(want, "the end")
		}
		r.want(want...)
		if i%5 == 0 { // so that the inode is free
			r.step(2 * time.Minute)
			r.step(time.Second)
		}
	}
	t.Logf("300 generations in %d inodes", len(inodes))
}

// The same file by two patterns, one of them over a linked folder, is read once.
func TestLinkedFolder(t *testing.T) {
	t.Parallel()
	r := tempRig(t, Config{}, "logs/*.log", "link/*.log")
	require.NoError(t, os.Mkdir(r.path("logs"), 0o700))
	require.NoError(t, os.Symlink("logs", r.path("link")))
	r.append(filepath.Join("logs", "app.log"), "a\n")
	r.look()
	r.append(filepath.Join("link", "app.log"), "b\n")
	r.rename("logs/app.log", "logs/app.log.1")
	r.append("logs/app.log", "c\n")
	r.look()
	r.want("a", "b", "c")
	r.restart()
	r.look()
	r.want()
}
