package tail

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dalog-project/dalog/internal/delivery"
)

// Each case is what happens to app.log, with rotated files compressed at once.
func TestPacked(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		run  func(r *rig)
	}{
		{"renamed and packed between two looks", func(r *rig) {
			r.append("app.log", "a\n")
			r.look()
			r.append("app.log", "b\n")
			r.rename("app.log", "app.log.1")
			r.pack("app.log.1")
			r.append("app.log", "c\n")
			r.look()
			r.want("a", "b", "c")
		}},
		{"packed later, renamed, packed names shift", func(r *rig) {
			for i := range 4 {
				r.append("app.log", fmt.Sprintf("a%d\n", i))
				r.look()
				r.append("app.log", fmt.Sprintf("b%d\n", i))
				for n := i; n > 0; n-- {
					r.rename(fmt.Sprintf("app.log.%d.gz", n), fmt.Sprintf("app.log.%d.gz", n+1))
				}
				r.rename("app.log", "app.log.1")
				r.look()
				r.pack("app.log.1")
				r.look()
				if i%2 == 0 {
					r.step(2 * time.Minute) // closed
					r.step(time.Second)
				}
			}
			r.look()
			r.want("a0", "b0", "a1", "b1", "a2", "b2", "a3", "b3")
			r.restart()
			r.look()
			r.want()
		}},
		{"made, renamed and packed between two looks", func(r *rig) {
			r.append("app.log", "a\n")
			r.look()
			r.rename("app.log", "app.log.1")
			r.pack("app.log.1")
			for i := range 3 {
				r.rest()
				r.append("app.log", fmt.Sprintf("b%d\n", i))
				for n := i + 1; n > 0; n-- {
					r.rename(fmt.Sprintf("app.log.%d.gz", n), fmt.Sprintf("app.log.%d.gz", n+1))
				}
				r.rename("app.log", "app.log.1")
				r.pack("app.log.1")
			}
			r.append("app.log", "c\n")
			r.look()
			r.want("a", "b0", "b1", "b2", "c")
			assert.Equal(r.t, 3, r.saw(FileMissed))
			r.restart()
			r.look()
			r.want()
		}},
		{"made, renamed and packed between two looks, after an unread end", func(r *rig) {
			r.append("app.log", "a\n")
			r.look()
			r.append("app.log", "b\n")
			r.rename("app.log", "app.log.1")
			r.pack("app.log.1")
			for i := range 2 {
				r.rest()
				r.append("app.log", fmt.Sprintf("c%d\n", i))
				for n := i + 1; n > 0; n-- {
					r.rename(fmt.Sprintf("app.log.%d.gz", n), fmt.Sprintf("app.log.%d.gz", n+1))
				}
				r.rename("app.log", "app.log.1")
				if i > 0 { // as bzip2 leaves it
					require.NoError(r.t, os.Chtimes(r.path("app.log.1"), time.Time{}, time.Now().Truncate(time.Second)))
				}
				r.pack("app.log.1")
			}
			r.append("app.log", "d\n")
			r.look()
			r.want("a", "b", "c0", "c1", "d")
		}},
		{"copied, truncated and packed, the end unread", func(r *rig) {
			r.append("app.log", "a\n")
			r.look()
			r.append("app.log", "b\n")
			r.copy("app.log", "app.log.1")
			r.truncate("app.log")
			r.append("app.log", "c\n")
			r.pack("app.log.1")
			r.look()
			r.want("a", "b", "c")
			assert.Equal(r.t, 1, r.saw(CopyFound))
			r.step(2 * time.Minute)
			r.look()
			r.restart()
			r.look()
			r.want()
		}},
		{"copied, truncated and packed, nothing read", func(r *rig) {
			r.append("app.log", "")
			r.look()
			r.rest()
			r.append("app.log", "a\nb\n")
			r.step(time.Second)
			r.copy("app.log", "app.log.1")
			r.truncate("app.log")
			r.append("app.log", "c\n")
			r.pack("app.log.1")
			r.look()
			r.want("a", "b", "c")
		}},
		{"copied, truncated and packed twice", func(r *rig) {
			r.append("app.log", "a\n")
			r.look()
			for i := range 2 {
				r.append("app.log", fmt.Sprintf("b%d\n", i))
				if i > 0 {
					r.rename("app.log.1.gz", "app.log.2.gz")
				}
				r.copy("app.log", "app.log.1")
				r.truncate("app.log")
				r.pack("app.log.1")
				r.rest()
			}
			r.append("app.log", "c\n")
			r.look()
			r.want("a", "b0", "b1", "c")
		}},
		{"renamed and packed while away", func(r *rig) {
			r.append("app.log", "a\n")
			r.look()
			r.append("app.log", "b\n")
			r.rename("app.log", "app.log.1")
			r.pack("app.log.1")
			r.append("app.log", "c\n")
			r.restart()
			r.look()
			r.want("a", "b", "c")
			r.restart()
			r.look()
			r.step(2 * time.Minute)
			r.look()
			r.restart()
			r.look()
			r.want()
			assert.Zero(r.t, r.saw(FileLost))
		}},
		{"renamed and packed three times while away", func(r *rig) {
			r.append("app.log", "a\n")
			r.look()
			r.append("app.log", "b\n")
			for i := range 3 {
				for n := i; n > 0; n-- {
					r.rename(fmt.Sprintf("app.log.%d.gz", n), fmt.Sprintf("app.log.%d.gz", n+1))
				}
				r.rename("app.log", "app.log.1")
				r.pack("app.log.1")
				r.rest()
				r.append("app.log", fmt.Sprintf("c%d\n", i))
			}
			r.restart()
			r.look()
			r.want("a", "b", "c0", "c1", "c2")
		}},
		{"renamed and packed while away, nothing read before", func(r *rig) {
			r.append("app.log", "")
			r.look()
			r.append("app.log", "a\n")
			r.rename("app.log", "app.log.1")
			r.pack("app.log.1")
			r.append("app.log", "b\n")
			r.restart()
			r.look()
			r.want("a", "b")
			assert.Zero(r.t, r.saw(FileLost))
		}},
		{"copied, truncated and packed while away", func(r *rig) {
			r.append("app.log", "a\n")
			r.look()
			r.append("app.log", "b\n")
			r.copy("app.log", "app.log.1")
			r.truncate("app.log")
			r.append("app.log", "c\n")
			r.pack("app.log.1")
			r.restart()
			r.look()
			r.want("a", "b", "c")
		}},
		{"copied and truncated twice while away, the older one packed", func(r *rig) {
			r.append("app.log", "a\n")
			r.look()
			r.append("app.log", "b\n")
			r.copy("app.log", "app.log.1")
			r.truncate("app.log")
			r.append("app.log", "c\n")
			r.rename("app.log.1", "app.log.2")
			r.copy("app.log", "app.log.1")
			r.truncate("app.log")
			r.append("app.log", "d\n")
			r.pack("app.log.2")
			r.restart()
			r.look()
			r.want("a", "b", "c", "d")
		}},
		{"being packed while it is found", func(r *rig) {
			r.append("app.log", "a\n")
			r.look()
			r.rename("app.log", "app.log.1")
			r.append("app.log", "b\n")
			r.rename("app.log.1", "app.log.2")
			r.rename("app.log", "app.log.1")
			r.append("app.log", "c\n")
			require.NoError(r.t, os.Link(r.path("app.log.1"), r.path("keep")))
			r.pack("app.log.1")
			r.rename("keep", "app.log.1") // gzip removes it a moment later
			r.look()
			r.want("a", "b", "c")
			r.remove("app.log.1")
			r.look()
			r.restart()
			r.look()
			r.want()
		}},
		{"copied, truncated and being packed while it is found", func(r *rig) {
			r.append("app.log", "a\n")
			r.look()
			for i := range 2 {
				r.append("app.log", fmt.Sprintf("b%d\n", i))
				if i > 0 {
					r.rename("app.log.1.gz", "app.log.2.gz")
				}
				r.copy("app.log", "app.log.1")
				r.copy("app.log.1", "keep")
				r.truncate("app.log")
				r.pack("app.log.1")
				r.rest()
			}
			r.rename("keep", "app.log.1")
			r.append("app.log", "c\n")
			r.look()
			r.remove("app.log.1")
			r.look()
			r.want("a", "b0", "b1", "c")
		}},
		{"away in the middle of a packed file", func(r *rig) {
			r.append("app.log", "a\n")
			r.look()
			r.append("app.log", "b\n")
			r.rename("app.log", "app.log.1")
			r.pack("app.log.1")
			r.append("app.log", "c\n")
			r.restart()
			r.step(time.Second) // adopted and not yet read
			r.restart()
			r.look()
			r.want("a", "b", "c")
			r.rename("app.log.1.gz", "app.log.2.gz")
			r.restart()
			r.look()
			r.want()
		}},
		{"not confirmed before it was packed", func(r *rig) {
			r.append("app.log", "a\n")
			r.look()
			r.lazy = true
			r.append("app.log", "b\n")
			r.rename("app.log", "app.log.1")
			r.append("app.log", "c\n")
			r.look()
			r.pack("app.log.1")
			r.look()
			r.want("a", "b", "c")
			r.lazy = false
			r.restart()
			r.look()
			r.want("b", "c")
		}},
		{"packed and packed again names, existing ones are old news", func(r *rig) {
			r.append("app.log.1", "old\n")
			r.append("app.log.2", "older\n")
			r.pack("app.log.2")
			r.append("app.log", "a\n")
			r.look()
			r.rest()
			r.rename("app.log.2.gz", "app.log.3.gz")
			r.rename("app.log.1", "app.log.2")
			r.rename("app.log", "app.log.1")
			r.append("app.log", "b\n")
			r.pack("app.log.2")
			r.look()
			r.want("a", "b")
		}},
		{"a copy that was kept and packed", func(r *rig) {
			r.append("app.log", "a\n")
			r.look()
			r.copy("app.log", "app.log.7")
			r.pack("app.log.7")
			r.look()
			r.append("app.log", "b\n")
			r.look()
			r.rename("app.log", "app.log.1")
			r.append("app.log", "c\n")
			r.look()
			r.want("a", "b", "c")
		}},
		{"empty and closed, written to and packed", func(r *rig) {
			r.append("app.log", "a\n")
			r.look()
			r.rename("app.log", "app.log.1")
			r.append("app.log", "")
			r.look()
			r.rename("app.log.1", "app.log.2")
			r.rename("app.log", "app.log.1")
			r.append("app.log", "b\n")
			r.look()
			r.step(2 * time.Minute)
			r.step(time.Second)
			r.rest()
			r.look()
			r.append("app.log.1", "late\n")
			r.pack("app.log.1")
			r.look()
			r.want("a", "b", "late")
		}},
		{"packed without a number", func(r *rig) {
			r.append("app.log", "a\n")
			r.look()
			r.append("app.log", "b\n")
			r.pack("app.log")
			r.append("app.log", "c\n")
			r.restart()
			r.look()
			r.want("a", "b", "c")
		}},
		{"gone while away", func(r *rig) {
			r.append("app.log", "a\n")
			r.look()
			r.lazy = true
			r.append("app.log", "bb\n")
			r.look()
			r.want("a", "bb")
			for id, k := range r.memory.sources {
				k.Size = 5
				r.memory.sources[id] = k
			}
			r.lazy = false
			r.remove("app.log")
			r.append("app.log", "c\n")
			r.rest() // nothing is missed while names change
			r.restart()
			r.look()
			r.want("c")
			assert.Zero(r.t, r.saw(FileLost), "not at once")
			r.step(2 * time.Minute)
			r.look()
			require.Equal(r.t, 1, r.saw(FileLost))
			for _, e := range r.events {
				if e.Kind == FileLost {
					assert.EqualValues(r.t, 3, e.Unread)
				}
			}
			assert.Len(r.t, r.memory.sources, 1)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.run(tempRig(t, Config{TempDir: t.TempDir()}, "app.log"))
		})
	}
}

// While a compressed file is written it is waited for.
func TestPackedHalf(t *testing.T) {
	t.Parallel()
	r := tempRig(t, Config{}, "app.log")
	r.append("app.log", "a\n")
	r.look()
	r.append("app.log", numbered(0, 1000))
	r.rename("app.log", "app.log.1")
	r.pack("app.log.1")
	whole, err := os.ReadFile(r.path("app.log.1.gz"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(r.path("app.log.1.gz"), whole[:len(whole)/2], 0o600))
	r.restart()
	r.look()
	r.want("a")
	require.NoError(t, os.WriteFile(r.path("app.log.1.gz"), whole, 0o600))
	r.look()
	r.want(numberedLines(0, 1000)...)
}

// A large rest comes in parts, each of whole lines.
func TestPackedInParts(t *testing.T) {
	t.Parallel()
	r := tempRig(t, Config{UnpackLimit: 3000}, "app.log")
	r.append("app.log", numbered(0, 500))
	r.look()
	r.want(numberedLines(0, 500)...)
	r.append("app.log", numbered(500, 2000))
	r.rename("app.log", "app.log.1")
	r.pack("app.log.1")
	r.append("app.log", "next\n")
	r.restart()
	for range 20 {
		r.look()
	}
	r.want(append(numberedLines(500, 2000), "next")...)
}

func TestUnpack(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	text := []byte(numbered(0, 100_000))
	pack := func(name string, w func(*bytes.Buffer) []byte) *os.File {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, w(new(bytes.Buffer)), 0o600))
		f, err := os.Open(path)
		require.NoError(t, err)
		t.Cleanup(func() { f.Close() })
		return f
	}
	gz := func(b *bytes.Buffer) []byte {
		z := gzip.NewWriter(b)
		_, _ = z.Write(text[:1000])
		require.NoError(t, z.Close()) // members one behind the other
		z.Reset(b)
		_, _ = z.Write(text[1000:])
		require.NoError(t, z.Close())
		return b.Bytes()
	}
	zst := func(b *bytes.Buffer) []byte {
		z, err := zstd.NewWriter(b)
		require.NoError(t, err)
		_, _ = z.Write(text)
		require.NoError(t, z.Close())
		return b.Bytes()
	}
	at := func(offset int64) delivery.Position {
		c, err := delivery.CursorAt(bytes.NewReader(text), offset)
		require.NoError(t, err)
		return c.Position()
	}
	for _, f := range []*os.File{pack("a.gz", gz), pack("a.zst", zst)} {
		for _, offset := range []int64{1, 500, 1024, 1025, 131072, 131073, 700_000, int64(len(text))} {
			wrong := at(offset)
			wrong.Tail++
			u, err := unpack(f, f.Name(), []packTarget{
				{position: at(offset), anchor: at(offset), wanted: true}, {anchor: wrong}, {anchor: delivery.Position{Offset: int64(len(text)) + 1}}, {},
			}, dir, 1<<30)
			require.NoError(t, err)
			require.NotNil(t, u.match)
			assert.Equal(t, at(offset), u.match.position)
			assert.EqualValues(t, len(text), u.size)
			assert.Equal(t, u.size, u.end)
			assert.True(t, holds(u.file, at(offset)))
			rest := make([]byte, u.size-offset)
			_, err = u.file.ReadAt(rest, offset)
			require.NoError(t, err)
			assert.Equal(t, text[offset:], rest)
			assert.Equal(t, text[:sampleSize], u.head)
			assert.Equal(t, text[len(text)-sampleSize:], u.last)
			u.drop()
			u, err = unpack(f, f.Name(), []packTarget{{position: at(offset), anchor: at(offset), wanted: true}}, dir, 1000)
			require.NoError(t, err)
			assert.LessOrEqual(t, u.end, offset+1000)
			assert.True(t, u.end == offset || text[u.end-1] == '\n')
			u.drop()
		}
		st, err := f.Stat()
		require.NoError(t, err)
		for range 20 {
			short := filepath.Join(dir, "short"+packing(f.Name()))
			b, err := os.ReadFile(f.Name())
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(short, b[:1+rand.N(st.Size()-1)], 0o600))
			s, err := os.Open(short)
			require.NoError(t, err)
			_, err = unpack(s, short, nil, dir, 1<<30)
			assert.ErrorIs(t, err, errSpoilt)
			s.Close()
		}
	}
	left, err := filepath.Glob(filepath.Join(dir, "*unpacked*"))
	require.NoError(t, err)
	assert.Empty(t, left)
	_, err = unpack(pack("b.gz", func(*bytes.Buffer) []byte { return []byte(strings.Repeat("x", 100)) }), "b.gz", nil, dir, 1)
	assert.ErrorIs(t, err, errSpoilt)
}

// Rotated files are put into another folder.
func TestOldDir(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		cfg  Config
		run  func(r *rig)
	}{
		{"renamed", Config{}, func(r *rig) {
			r.append("app.log", "a\n")
			r.look()
			r.append("app.log", "b\n")
			r.rename("app.log", "old/app.log.1")
			r.append("app.log", "c\n")
			r.look()
			r.want("a", "b", "c")
		}},
		{"renamed while away", Config{}, func(r *rig) {
			r.append("app.log", "a\n")
			r.look()
			r.append("app.log", "b\n")
			r.rename("app.log", "old/app.log.1")
			r.append("app.log", "c\n")
			r.restart()
			r.look()
			r.want("a", "b", "c")
		}},
		{"renamed twice while away", Config{}, func(r *rig) {
			r.append("app.log", "a\n")
			r.look()
			r.append("app.log", "b\n")
			r.rename("app.log", "old/app.log.2")
			r.rest()
			r.append("app.log", "c\n")
			r.rename("app.log", "old/app.log.1")
			r.append("app.log", "d\n")
			r.restart()
			r.look()
			r.want("a", "b", "c", "d")
		}},
		{"renamed and packed twice while away", Config{}, func(r *rig) {
			r.append("app.log", "a\n")
			r.look()
			r.append("app.log", "b\n")
			r.rename("app.log", "old/app.log.2")
			r.pack("old/app.log.2")
			r.rest()
			r.append("app.log", "c\n")
			r.rename("app.log", "old/app.log.1")
			r.pack("old/app.log.1")
			r.append("app.log", "d\n")
			r.restart()
			r.look()
			r.look()
			r.want("a", "b", "c", "d")
		}},
		{"over and over", Config{OldDirs: []string{"old"}}, func(r *rig) {
			var want []string
			for i := range 8 {
				r.append("app.log", fmt.Sprintf("a%d\n", i))
				r.look()
				r.append("app.log", fmt.Sprintf("b%d\n", i))
				r.rename("app.log", fmt.Sprintf("old/app.log-2026112%d", i))
				if i%2 == 0 {
					r.pack(fmt.Sprintf("old/app.log-2026112%d", i))
				}
				if i%3 == 0 {
					r.restart()
				}
				r.look()
				r.step(2 * time.Minute)
				r.look()
				want = append(want, fmt.Sprintf("a%d", i), fmt.Sprintf("b%d", i))
			}
			r.restart()
			r.look()
			r.want(want...)
		}},
		{"copied and truncated", Config{}, func(r *rig) {
			r.append("app.log", "a\n")
			r.look()
			r.append("app.log", "b\n")
			r.copy("app.log", "old/app.log.1")
			r.truncate("app.log")
			r.append("app.log", "c\n")
			r.look()
			r.want("a", "b", "c")
		}},
		{"another program's file of that name", Config{}, func(r *rig) {
			r.append("app.log", "a\n")
			r.look()
			r.append("app.log", "b\n")
			r.remove("app.log")
			r.append("app.log", "c\n")
			r.restart()
			r.look()
			r.append("old/app.log.1", "not ours\n")
			r.append("old/app.log.2", "nor this\n")
			r.pack("old/app.log.2")
			r.look()
			r.want("a", "c")
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := tempRig(t, c.cfg, "app.log")
			require.NoError(t, os.Mkdir(r.path("old"), 0o700))
			c.run(r)
		})
	}
}
