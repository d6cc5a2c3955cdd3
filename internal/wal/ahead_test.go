package wal_test

import (
	"io/fs"
	"os"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dalog-project/dalog/internal/vfs"
	"github.com/dalog-project/dalog/internal/vfs/vfstest"
	"github.com/dalog-project/dalog/internal/wal"
)

// The next segments are made, once something is in the present one, and Append then
// makes none.
func TestAhead(t *testing.T) {
	t.Parallel()
	disk := vfstest.New(vfstest.Options{})
	made := 0
	log := create(t, counting{disk.FS(), &made}, small, 1)
	require.Equal(t, 1, made)
	require.NoError(t, log.Ahead())
	require.Equal(t, 1, made, "the first one is empty")
	writeLog(t, log, []int{2500})
	for range 4 {
		require.NoError(t, log.Ahead())
	}
	require.Equal(t, 3, made)
	writeLog(t, log, []int{2500}, 2)
	require.NoError(t, log.Ahead())
	require.Equal(t, 4, made, "in place of the one that was taken")
	writeLog(t, log, []int{2500, 2500}, 4)
	require.Equal(t, 4, made)

	disk.PowerLoss()
	got, last, err := read(disk.FS(), small, 0)
	require.NoError(t, err)
	require.EqualValues(t, 4, last)
	require.Len(t, got, 4)
	got, _, err = read(disk.FS(), small, 1)
	require.NoError(t, err)
	require.Len(t, got, 3)
}

// A segment that was made ahead and not used ends no log and proves nothing.
func TestAheadUnused(t *testing.T) {
	t.Parallel()
	for _, power := range []bool{false, true} {
		disk := vfstest.New(vfstest.Options{})
		log := create(t, disk.FS(), small, 1)
		writeLog(t, log, []int{1000, 1500}, 1)
		require.NoError(t, log.Ahead())
		require.NoError(t, log.Ahead())
		if power {
			disk.PowerLoss()
		} else {
			disk.Kill()
		}
		_, last, err := read(disk.FS(), small, 0)
		require.NoError(t, err)
		require.GreaterOrEqual(t, last, uint64(1))
		again := create(t, disk.FS(), small, last+1)
		writeLog(t, again, []int{10}, last+1)
		_, last, err = read(disk.FS(), small, last)
		require.NoError(t, err)
		require.Equal(t, peek(again)-1, last)
	}
}

// Damage in a segment that was made ahead is told from a torn tail as in any other.
func TestAheadDamaged(t *testing.T) {
	t.Parallel()
	disk := vfstest.New(vfstest.Options{})
	log := create(t, disk.FS(), small, 1)
	writeLog(t, log, []int{2500})
	require.NoError(t, log.Ahead())
	writeLog(t, log, []int{2500, 100, 100}, 2, 3, 4) // 2 to 4 are in the second one
	require.NoError(t, log.Close())
	img := save(t, disk.FS())
	names := img.names(".wal")
	require.Len(t, names, 2)
	slices.Sort(names)
	second := slices.Clone(img[names[1]])
	second[100] ^= 1
	damaged := img.with(names[1], second)

	_, _, err := read(damaged.load(t), small, 0)
	var damage *wal.CorruptionError
	require.ErrorAs(t, err, &damage)
	require.EqualValues(t, 2, damage.LSN)

	got, last, err := read(damaged.load(t), small, 2)
	require.NoError(t, err, "the checkpoint has the damaged record")
	require.EqualValues(t, 4, last)
	require.Len(t, got, 2)

	fsys := damaged.load(t)
	done, err := wal.Salvage(fsys, small, 0)
	require.NoError(t, err)
	require.EqualValues(t, 2, done.First)
	_, last, err = read(fsys, small, 0)
	require.NoError(t, err)
	require.EqualValues(t, 1, last)

	noHeader := slices.Clone(img[names[1]])
	noHeader[20] ^= 1
	_, _, err = read(img.with(names[1], noHeader).load(t), small, 0)
	require.ErrorAs(t, err, &damage)
}

// counting counts the segments that are made.
type counting struct {
	vfs.FS
	made *int
}

func (c counting) OpenFile(name string, flag int, perm fs.FileMode) (vfs.File, error) {
	if flag&os.O_CREATE != 0 {
		*c.made++
	}
	return c.FS.OpenFile(name, flag, perm)
}

// A gate holds up who comes to it, once it is set.
type gate struct{ atomic.Pointer[held] }

type held struct{ come, leave chan struct{} }

func (g *gate) set() *held {
	h := &held{make(chan struct{}), make(chan struct{})}
	g.Store(h)
	return h
}

func (g *gate) pass() {
	if h := g.Swap(nil); h != nil {
		close(h.come)
		<-h.leave
	}
}

// slow has gates before segments are opened and records are written.
type slow struct {
	vfs.FS
	opening, writing *gate
}

type slowFile struct {
	vfs.File
	writing *gate
}

func (s slow) OpenFile(name string, flag int, perm fs.FileMode) (vfs.File, error) {
	s.opening.pass()
	f, err := s.FS.OpenFile(name, flag, perm)
	return slowFile{f, s.writing}, err
}

func (f slowFile) WritevAt(parts [][]byte, off int64) (int, error) {
	f.writing.pass()
	return f.File.WritevAt(parts, off)
}

// Append goes on in a segment that was made ahead while the next one is made, and one
// is made while a record is written.
func TestAheadBesideAppend(t *testing.T) {
	t.Parallel()
	var opening, writing gate
	log := create(t, slow{vfstest.New(vfstest.Options{}).FS(), &opening, &writing}, small, 1)
	writeLog(t, log, []int{2500})
	require.NoError(t, log.Ahead())
	appending := func() error {
		_, err := log.Append(1, [][]byte{make([]byte, 2500)})
		return err
	}
	for _, tt := range []struct {
		gate          *gate
		first, second func() error
	}{
		{&opening, log.Ahead, appending},
		{&writing, appending, log.Ahead},
	} {
		held, first, second := tt.gate.set(), make(chan error, 1), make(chan error, 1)
		go func() { first <- tt.first() }()
		await(t, held.come, "it does nothing")
		go func() { second <- tt.second() }()
		require.NoError(t, await(t, second, "one waits for the other"))
		close(held.leave)
		require.NoError(t, await(t, first, "it does not end"))
	}
	require.NoError(t, log.Close())
}

func await[T any](t *testing.T, c <-chan T, otherwise string) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(20 * time.Second):
		t.Fatal(otherwise)
	}
	return v
}
