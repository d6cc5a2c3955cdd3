package forwarder

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dalog-project/dalog/internal/delivery"
	"github.com/dalog-project/dalog/internal/tail"
	"github.com/dalog-project/dalog/internal/vfs"
	"github.com/dalog-project/dalog/internal/vfs/vfstest"
)

func known(n byte, offset int64) tail.Known {
	return tail.Known{
		ID:       delivery.SourceID{n},
		File:     vfs.Identity{Handle: "handle" + string(n), Inode: uint64(n), Birth: int64(n) * 1e9},
		Path:     fmt.Sprintf("/var/log/%d.log", n),
		Position: delivery.Position{Offset: offset, Head: 1, Tail: uint32(offset)},
	}
}

func openedRegistry(t require.TestingT, fsys vfs.FS) *registry {
	r, damage, err := openRegistry(fsys)
	require.NoError(t, err)
	require.NoError(t, damage)
	return r
}

// contents gives what the registry remembers, by source.
func contents(r *registry) (offsets map[byte]int64) {
	offsets = map[byte]int64{}
	for _, k := range r.Sources() {
		offsets[k.ID[0]] = k.Position.Offset
	}
	return offsets
}

func TestRegistryRemembers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	fsys, err := vfs.Open(dir)
	require.NoError(t, err)
	r := openedRegistry(t, fsys)
	assert.Empty(t, r.Sources())
	a, b, c := known(1, 0), known(2, 100), known(3, 7)
	require.NoError(t, r.Apply(tail.Change{Add: []tail.Known{a, b, c}, Marks: map[string]int64{"/var/log/1.log": 5, "/var/log/*": 6, "gone": 1}}))
	require.NoError(t, r.Apply(tail.Change{Drop: []delivery.SourceID{c.ID}, Done: []delivery.SourceID{b.ID}, Unfollow: []string{"gone"},
		Marks: map[string]int64{"/var/log/1.log": 3}}))
	a.Position = delivery.Position{Offset: 50, Head: 7, Tail: 8}
	r.confirm(a.ID, a.Position)
	r.confirm(c.ID, a.Position) // no longer known
	moved := known(1, 0)
	moved.File.Inode = 99
	require.NoError(t, r.Apply(tail.Change{Add: []tail.Known{moved}}))
	a.File.Inode = 99 // the rest of a truncated file is in its copy; what is confirmed stays so
	b.Done = true
	want := []tail.Known{a, b}
	assert.ElementsMatch(t, want, r.Sources())

	a.Position.Offset = 60
	r.confirm(a.ID, a.Position)
	want[0] = a
	again := openedRegistry(t, fsys)
	assert.Equal(t, int64(50), contents(again)[1], "a position is not durable before it is saved")
	require.NoError(t, r.save())
	again = openedRegistry(t, fsys)
	assert.ElementsMatch(t, want, again.Sources())
	assert.Equal(t, map[string]int64{"/var/log/1.log": 5, "/var/log/*": 6}, again.Marks(), "marks only rise")

	info, err := os.Stat(filepath.Join(dir, registryName))
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode())
}

func TestRegistryForgets(t *testing.T) {
	t.Parallel()
	r := openedRegistry(t, vfstest.New(vfstest.Options{}).FS())
	now := time.Unix(1e9, 0)
	r.now = func() time.Time { return now }
	a, b := known(1, 0), known(2, 0)
	require.NoError(t, r.Apply(tail.Change{Add: []tail.Known{a, b}}))
	now = now.Add(keepUnseen / 2)
	r.Seen([]delivery.SourceID{a.ID})
	now = now.Add(keepUnseen/2 + time.Minute)
	r.Seen([]delivery.SourceID{})
	assert.Equal(t, map[byte]int64{1: 0}, contents(r))
	assert.Equal(t, map[string]int64{b.Path: b.File.Birth}, r.Marks())
}

// A file that is not, to the byte, what was written is never taken for one.
func TestRegistryDamaged(t *testing.T) {
	t.Parallel()
	sources := map[delivery.SourceID]entry{}
	for n := range byte(3) {
		k := known(n, int64(n)*10)
		sources[k.ID] = entry{Known: k, Seen: 12345}
	}
	good := encodeRegistry(sources, map[string]int64{"/var/log/app.log": 9})
	list, marks, err := decodeRegistry(good)
	require.NoError(t, err)
	require.Len(t, list, 3)
	require.Equal(t, map[string]int64{"/var/log/app.log": 9}, marks)

	for n := range good {
		_, _, err := decodeRegistry(good[:n])
		require.Error(t, err, "cut at %d", n)
		_, _, err = decodeRegistry(append(good[:n:n], make([]byte, len(good)-n)...))
		if n < len(good)-4 {
			require.Error(t, err, "zeros from %d", n)
		}
		for bit := range 8 {
			b := append([]byte(nil), good...)
			b[n] ^= 1 << bit
			_, _, err := decodeRegistry(b)
			require.Error(t, err, "bit %d of byte %d", bit, n)
			require.NotErrorIs(t, err, errNewerRegistry)
		}
	}
	_, _, err = decodeRegistry(append(good, 0))
	require.Error(t, err)
}

func FuzzDecodeRegistry(f *testing.F) {
	k := known(1, 10)
	f.Add(encodeRegistry(map[delivery.SourceID]entry{k.ID: {Known: k}}, map[string]int64{"a": 1}))
	f.Fuzz(func(t *testing.T, body []byte) {
		// With a good checksum, so that what is behind it is reached.
		b := le.AppendUint32(body, crcOf(body))
		list, marks, err := decodeRegistry(b)
		if err != nil {
			return
		}
		sources := map[delivery.SourceID]entry{}
		for _, e := range list {
			sources[e.ID] = e
		}
		again, againMarks, err := decodeRegistry(encodeRegistry(sources, marks))
		require.NoError(t, err)
		require.Len(t, again, len(sources))
		require.Equal(t, marks, againMarks)
	})
}

func TestRegistryOfNewerVersion(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := encodeRegistry(nil, nil)
	le.PutUint32(b[len(registryMagic):], registryVersion+1)
	b = le.AppendUint32(b[:len(b)-4], crcOf(b[:len(b)-4]))
	require.NoError(t, os.WriteFile(filepath.Join(dir, registryName), b, 0o600))
	cfg := newConfig(t, "127.0.0.1:1", File{Pattern: "/nowhere", Program: "app"})
	cfg.StateDir = dir
	_, err := Open(cfg)
	require.ErrorIs(t, err, ErrState)
	require.ErrorContains(t, err, "newer dalogfwd")
	left, err := os.ReadFile(filepath.Join(dir, registryName))
	require.NoError(t, err)
	require.Equal(t, b, left, "it is left as it is")
}

// With a damaged registry everything is sent again, even with FromEnd, and the
// damaged file is kept.
func TestStartWithDamagedRegistry(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "app.log")
	s := startSink(t)
	cfg := newConfig(t, s.addr, File{Pattern: path, Program: "app", Severity: 6})
	cfg.FromEnd = true
	appendTo(t, path, "old\n")
	r := start(t, cfg)
	s.until(func() bool { return r.Stats().Open == 1 }, "the first look")
	appendTo(t, path, "a\n")
	s.waitFor("a")
	r.stop()
	registry := filepath.Join(cfg.StateDir, registryName)
	require.NoError(t, os.Truncate(registry, 100))
	appendTo(t, path, "b\n")
	r = start(t, cfg)
	s.waitFor("b")
	r.stop()
	assert.Equal(t, []string{"a", "old", "a", "b"}, s.texts())
	assert.Contains(t, r.log.String(), "positions are lost")
	kept, err := filepath.Glob(filepath.Join(cfg.StateDir, damagedName+"*"))
	require.NoError(t, err)
	require.Len(t, kept, 1)
}

// Killed or without power at any moment of a writing: the registry is what it
// was before or what it should become, and a change that was said to be durable
// is there.
func TestRegistrySurvivesCrashes(t *testing.T) {
	t.Parallel()
	for seed := range uint64(100) {
		for crash := 1; ; crash++ {
			d := vfstest.New(vfstest.Options{Seed: seed, Writeback: 0.5})
			r := openedRegistry(t, d.FS())
			require.NoError(t, r.Apply(tail.Change{Add: []tail.Known{known(1, 0), known(2, 0)}}))
			d.CrashAt(crash)
			confirmed := int64(0)
			var applied error
			for i := range int64(3) {
				r.confirm(known(1, 0).ID, delivery.Position{Offset: i + 1})
				if r.save() == nil {
					confirmed = i + 1
				}
				if i == 1 {
					applied = r.Apply(tail.Change{Add: []tail.Known{known(3, 0)}, Drop: []delivery.SourceID{known(2, 0).ID}})
				}
			}
			crashed := d.Crashed()
			if seed%2 == 0 {
				d.Kill()
			} else {
				d.PowerLoss()
			}
			got := contents(openedRegistry(t, d.FS()))
			require.GreaterOrEqual(t, got[1], confirmed, "seed %d, crash %d", seed, crash)
			require.LessOrEqual(t, got[1], int64(3))
			_, two := got[2]
			_, three := got[3]
			require.NotEqual(t, two, three, "the change is there as a whole or not at all")
			if applied == nil {
				require.True(t, three, "seed %d, crash %d", seed, crash)
			}
			if !crashed {
				break
			}
		}
	}
}

// What cannot be written is said, counts for nothing, and is written later.
func TestRegistryDiskErrors(t *testing.T) {
	t.Parallel()
	for _, op := range []vfstest.Op{vfstest.Create, vfstest.Write, vfstest.Truncate, vfstest.Datasync, vfstest.Rename, vfstest.SyncDir} {
		d := vfstest.New(vfstest.Options{})
		r := openedRegistry(t, d.FS())
		require.NoError(t, r.Apply(tail.Change{Add: []tail.Known{known(1, 0)}}))
		d.Inject(vfstest.Fault{Op: op, Name: "*", Times: 2, Err: syscall.ENOSPC})
		require.ErrorIs(t, r.Apply(tail.Change{Add: []tail.Known{known(2, 0)}}), syscall.ENOSPC, "%v", op)
		r.confirm(known(1, 0).ID, delivery.Position{Offset: 9})
		require.ErrorIs(t, r.save(), syscall.ENOSPC, "%v", op)
		assert.Equal(t, map[byte]int64{1: 9}, contents(r), "%v", op)
		require.NoError(t, r.save(), "%v", op)
		d.PowerLoss()
		assert.Equal(t, map[byte]int64{1: 9}, contents(openedRegistry(t, d.FS())), "%v", op)
	}
}

func BenchmarkRegistrySave(b *testing.B) {
	fsys, err := vfs.Open(b.TempDir())
	require.NoError(b, err)
	r := openedRegistry(b, fsys)
	var change tail.Change
	for i := range 1000 {
		k := known(1, 0)
		k.ID = delivery.NewSourceID()
		k.Path = fmt.Sprintf("/var/log/some/application/%d.log", i)
		change.Add = append(change.Add, k)
	}
	require.NoError(b, r.Apply(change))
	for b.Loop() {
		r.confirm(change.Add[0].ID, delivery.Position{Offset: 1})
		require.NoError(b, r.save())
	}
}
